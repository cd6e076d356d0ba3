"""The detectors' promises, each measured: python benchmarks/detectors.py MODEL CHECKPOINT.

Converts the checkpoint with and without rewrites, runs everything interleaved in one process,
and holds each figure to its target. Exits 1 when one is missed.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convert.pipeline import convert_checkpoint
from convert.tflite import op_counts, read_flatbuffer
from scripts._benchmark_tables import show_speeds
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.alternatives import network_in_onnx_runtime
from verify.benchmark.as_json import timing_rows
from verify.benchmark.contenders import ONNX_RUNTIME, PYTORCH, Original, contender_of
from verify.benchmark.machine import machine
from verify.benchmark.measure import measure
from verify.judge import judge
from verify.reference import compute_reference
from verify.runtimes import LITERT
from verify.runtimes.litert import wholly_on_xnnpack
from verify.subject import identify
from wrappers.spec import Limit, at_least, at_most

if TYPE_CHECKING:
    from convert.float_model import Variant

_PRECISIONS = ("fp32", "int8-dynamic")
_MIB = 2**20
_MOVES = ("RESHAPE", "TRANSPOSE")
_EVERY = (
    at_most("fp32: max difference of the largest logit", 1e-4),
    at_most("int8: relative L2", 0.03),
    at_most("int8: surest bit flipped", 0.1),
    at_least("fp32: every op on XNNPACK", 1),
    at_least("int8: every op on XNNPACK", 1),
    at_most("fp32: highest rank", 4),
)
_CONVNEXT = (
    at_least("fp32: speed vs plain", 1.8),
    at_least("int8: speed vs plain", 1.5),
    at_least("fp32: speed vs ONNX Runtime", 1),
    at_least("int8: speed vs PyTorch", 3),
)
_TARGETS = {
    "chunkyseal": (
        *_EVERY,
        at_most("int8: MiB", 752),
        at_least("int8: speed vs PyTorch", 3),
    ),
    "pixelseal": (*_EVERY, *_CONVNEXT),
    "videoseal-1.0": (*_EVERY, *_CONVNEXT),
    "videoseal-0.0": (*_EVERY, at_most("fp32: reshapes and transposes vs plain", 0.5)),
}
_MARKS = {True: "met", False: "MISSED", None: "not taken"}
_TARGETS_SHOWN = (
    Column("figure", "target"),
    Column("value", "measured", number, right=True),
    Column("target", "to be"),
    Column("met", "", lambda met: _MARKS[met]),
)
_OTHERS_SHOWN = (
    Column("figure", "figure without a target"),
    Column("value", "measured", number, right=True),
)


@dataclass(frozen=True)
class Forms:
    """The files of one detector by variant and precision, as in ("plain", "fp32")."""

    paths: dict[tuple[str, str], Path]

    def graph(self, variant: str) -> tuple[Counter[str], int]:
        """Its float32 file's ops by kind, and the highest rank of any tensor."""
        model = read_flatbuffer(self.paths[variant, "fp32"])
        ranks = [len(t.shape) for t in model.subgraphs[0].tensors if t.shape is not None]
        return op_counts(model), max(ranks)


@chunkport_command("detectors")
@click.argument("model", type=click.Choice(sorted(_TARGETS)))
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("--rounds", type=click.IntRange(min=1), default=15, help="Turns for each.")
@click.option("--samples", type=click.IntRange(min=1), default=8, help="Pictures compared.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of every runtime.")
@click.option("--plain/--no-plain", default=True, help="Also litert-torch's plain conversion.")
@click.option("--onnx/--no-onnx", default=True, help="Also ONNX Runtime, where it is installed.")
def command(
    output: Output,
    *,
    model: str,
    checkpoint: Path,
    rounds: int,
    samples: int,
    num_threads: int,
    plain: bool,
    onnx: bool,
) -> int:
    """Measure the full-size detector in CHECKPOINT against every target."""
    reference = compute_reference(model, checkpoint, samples, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        forms = _convert(model, checkpoint, Path(folder), plain=plain)
        values = dict(_fidelity(forms, reference, num_threads))
        values |= dict(_graphs(forms))
        original = Original(model, checkpoint, reference.inputs[0])
        contenders = [
            contender_of(path, f"{variant} {precision}")
            for (variant, precision), path in forms.paths.items()
        ]
        if onnx:
            contenders.append(network_in_onnx_runtime(original, Path(folder)))
        benchmark = measure(
            original,
            contenders,
            reference,
            threads=[num_threads],
            rounds=rounds,
            with_memory=False,
        )
        size = forms.paths["rewritten", "int8-dynamic"].stat().st_size
    values["int8: MiB"] = size / _MIB
    values |= dict(_speeds(timing_rows(benchmark)))
    limits = {limit.metric: limit for limit in _TARGETS[model]}
    figures = [_figure(name, values.get(name), limit) for name, limit in limits.items()]
    others = [
        {"figure": name, "value": value} for name, value in values.items() if name not in limits
    ]
    output.fact("machine", machine())
    show_speeds(output, benchmark)
    output.table("others", f"{model}, what else was measured", _OTHERS_SHOWN, others)
    output.table("figures", f"{model}, its targets", _TARGETS_SHOWN, figures)
    absent = [figure["figure"] for figure in figures if figure["met"] is None]
    for name in absent:
        output.warn(f"not taken: {name}, {_why_not_taken(name)}")
    missed = [figure["figure"] for figure in figures if figure["met"] is False]
    told = f"MISSED: {', '.join(missed)}" if missed else "None missed"
    output.fact("missed", missed, f"{told}; {len(absent)} of {len(figures)} not taken.")
    return 1 if missed else 0


def _convert(model: str, checkpoint: Path, folder: Path, *, plain: bool) -> Forms:
    paths: dict[tuple[str, str], Path] = {}
    variants: tuple[Variant, ...] = ("rewritten", "plain") if plain else ("rewritten",)
    for variant in variants:
        made = convert_checkpoint(
            checkpoint,
            model,
            _PRECISIONS,
            folder,
            variant=variant,
        )
        paths |= {(variant, file.precision): file.path for file in made.files}
    return Forms(paths)


def _fidelity(forms: Forms, reference: Any, threads: int) -> Iterator[tuple[str, float]]:
    for (variant, precision), path in forms.paths.items():
        verdict = judge(identify(path), reference, threads)
        found = {check.name: check.value or 0.0 for check in verdict.checks}
        prefix = f"{'plain ' if variant == 'plain' else ''}{precision.removesuffix('-dynamic')}"
        yield f"{prefix}: max difference of the largest logit", found["max_difference_of_largest"]
        yield f"{prefix}: relative L2", found["relative_l2"]
        yield f"{prefix}: bits flipped", found["bits_flipped"]
        yield f"{prefix}: surest bit flipped", found["surest_bit_flipped"]


def _graphs(forms: Forms) -> Iterator[tuple[str, float]]:
    for precision in _PRECISIONS:
        whole = wholly_on_xnnpack(forms.paths["rewritten", precision])
        yield f"{precision.removesuffix('-dynamic')}: every op on XNNPACK", float(whole)
    ops, rank = forms.graph("rewritten")
    moves = sum(ops[name] for name in _MOVES)
    yield "fp32: highest rank", rank
    yield "fp32: ops", sum(ops.values())
    yield "fp32: reshapes and transposes", moves
    if ("plain", "fp32") in forms.paths:
        plain_ops, plain_rank = forms.graph("plain")
        yield "plain fp32: highest rank", plain_rank
        yield "plain fp32: reshapes and transposes", sum(plain_ops[name] for name in _MOVES)
        yield (
            "fp32: reshapes and transposes vs plain",
            moves / sum(plain_ops[name] for name in _MOVES),
        )


def _speeds(rows: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """How many times as fast each of our files is as another way to run the network."""
    p50 = {
        (row["runtime"], row["variant"], row["precision"]): row["latency_p50_ms"] for row in rows
    }
    others = {
        "PyTorch": p50[PYTORCH, "network", "fp32"],
        "ONNX Runtime": p50.get((ONNX_RUNTIME, "network", "fp32")),
    }
    for precision in _PRECISIONS:
        ours, short = p50[LITERT, "rewritten", precision], precision.removesuffix("-dynamic")
        plain = p50.get((LITERT, "plain", precision))
        for name, time_ms in (*others.items(), ("plain", plain)):
            if time_ms is not None:
                yield f"{short}: speed vs {name}", time_ms / ours


def _figure(name: str, value: float | None, limit: Limit) -> dict[str, Any]:
    target = f"{'<=' if limit.sense == 'at_most' else '>='} {limit.bound:g}"
    met = None if value is None else limit.admits(value)
    return {"figure": name, "value": value, "target": target, "met": met}


def _why_not_taken(figure: str) -> str:
    if "ONNX" in figure:
        return "as ONNX Runtime did not run: leave out --no-onnx; pip install 'chunkport[onnx]'"
    return "as there is no plain conversion: leave out --no-plain"


if __name__ == "__main__":
    run(command)
