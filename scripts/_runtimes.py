"""How `verify` shows a file in several runtimes."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from verify.reference import Reference
    from verify.runtime_agreement import Agreement
    from verify.runtimes import Runtime
    from verify.subject import Subject
    from wrappers.spec import Arrays

_MARKS = {True: "same", False: "DIFFERS", None: "skipped"}


def _choose(
    _context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]
) -> "tuple[Runtime, ...]":
    from verify.runtime_agreement import choose_runtimes

    return choose_runtimes(names)


runtime_option = click.option(
    "--runtime",
    "runtimes",
    metavar="NAME",
    multiple=True,
    callback=_choose,
    help="Run the files there too, beside LiteRT: litert-builtin, tensorflow, node, chromium, or "
    "all that are here; may be repeated.",
)


def _in_plain_words(row: Mapping[str, Any]) -> str:
    if row["reason"]:
        return str(row["reason"])
    if row["tolerance"] is None:
        return f"{row['summary']}: what the others are compared with"
    if row["bits_flipped"] is not None:
        return f"{row['summary']}: {row['bits_flipped']} bits read otherwise"
    if row["psnr_db"] is not None:
        near = f"{row['psnr_db']:.1f} dB" if math.isfinite(row["psnr_db"]) else "equal"
        return f"{row['summary']}: {near} beside LiteRT's pictures"
    return str(row["summary"])


_COLUMNS = (
    Column("name", "file"),
    Column("runtime", "runtime"),
    Column("agrees", "", lambda agrees: _MARKS[agrees]),
    Column("largest_difference", "difference", number, right=True),
    Column("tolerance", "tolerance", number, right=True),
    Column("latency_p50_ms", "p50 ms", number, right=True),
    Column("init_ms", "init ms", number, right=True),
    Column("meaning", "in plain words"),
)


def run_in_runtimes(
    output: Output,
    chosen: "Sequence[Runtime]",
    subjects: "Sequence[Subject]",
    references: "Mapping[Any, Reference]",
    answers: "Mapping[Any, Mapping[str, Sequence[Arrays]]]",
    threads: int,
) -> "list[Agreement]":
    """Run all files in all runtimes, as one table, and in the JSON under `runtimes`.

    Args:
        output: where to.
        chosen: the runtimes; where there are none, nothing is shown.
        subjects: the files.
        references: by (model, options), the inputs.
        answers: likewise, by file, what LiteRT answered to these.
        threads: of the runtimes that take a number of them.
    """
    from verify.runtime_agreement import compare_runtimes

    if not chosen:
        return []
    rows: list[Agreement] = []
    kinds = [(subject.model, subject.options) for subject in subjects]
    turns = len(chosen) * sum(len(references[kind].inputs) for kind in kinds)
    with output.progress("running elsewhere", total=turns) as advance:
        for kind, subject in zip(kinds, subjects, strict=True):
            outputs = answers[kind].get(str(subject.path))
            rows += compare_runtimes(
                *(subject, references[kind], outputs, chosen), threads=threads, on_sample=advance
            )
    documents = [row.to_json() for row in rows]
    for row, document in zip(rows, documents, strict=True):
        document |= {"name": row.path.name, "meaning": _in_plain_words(document)}
    title = "in each runtime: the difference is a part of LiteRT's largest output"
    output.table("runtimes", title, _COLUMNS, documents)
    return rows
