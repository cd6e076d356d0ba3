"""How `verify` shows a file in several runtimes."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from verify.runtime_agreement import Agreement

_MARKS = {True: "same", False: "DIFFERS", None: "skipped"}
runtime_option = click.option(
    "--runtime",
    "runtimes",
    metavar="NAME",
    multiple=True,
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


def show_runtimes(output: Output, rows: "Sequence[Agreement]") -> None:
    """All files in all runtimes as one table, and in the JSON under `runtimes`."""
    if not rows:
        return
    documents = [row.to_json() for row in rows]
    for row in documents:
        row["name"], row["meaning"] = row["path"].rpartition("/")[2], _in_plain_words(row)
    output.table(
        "runtimes",
        "in each runtime: the difference is a part of LiteRT's largest output",
        _COLUMNS,
        documents,
    )
