"""The detectors' promises, each measured: python benchmarks/detectors.py MODEL CHECKPOINT.

Converts the checkpoint with and without rewrites, runs everything interleaved in one process,
and holds each figure to its target. Exits 1 when one is missed.
"""

import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convert.pipeline import convert_checkpoint
from convert.tflite import op_counts, read_flatbuffer
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark import contender_of, interleave, machine
from verify.judge import judge
from verify.reference import compute_reference
from verify.runtimes.litert import LiteRtSession, wholly_on_xnnpack
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
    at_most("int8: clear bits flipped", 0),
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
_TIMES = (
    Column("name", "what"),
    Column("size_mib", "MiB", number, right=True),
    Column("latency_p50_ms", "p50 ms", number, right=True),
    Column("latency_min_ms", "least ms", number, right=True),
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
        times = _time(
            *(model, checkpoint, forms, reference.inputs[0]),
            threads=num_threads,
            rounds=rounds,
            with_onnx=onnx,
        )
        rows = [
            {
                "name": name,
                "size_mib": size / _MIB if size else None,
                "latency_p50_ms": statistics.median(seconds) * 1e3,
                "latency_min_ms": min(seconds) * 1e3,
            }
            for name, (size, seconds) in times.items()
        ]
        size = forms.paths["rewritten", "int8-dynamic"].stat().st_size
    values["int8: MiB"] = size / _MIB
    values |= dict(_speeds({name: statistics.median(s) for name, (_, s) in times.items()}))
    limits = {limit.metric: limit for limit in _TARGETS[model]}
    figures = [_figure(name, values.get(name), limit) for name, limit in limits.items()]
    others = [
        {"figure": name, "value": value} for name, value in values.items() if name not in limits
    ]
    output.fact("machine", machine())
    output.table("times", f"{model}, {num_threads} threads, {rounds} rounds", _TIMES, rows)
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
        yield f"{prefix}: clear bits flipped", found["clear_bits_flipped"]


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


def _time(
    model: str,
    checkpoint: Path,
    forms: Forms,
    sample: Any,
    *,
    threads: int,
    rounds: int,
    with_onnx: bool,
) -> dict[str, tuple[int | None, list[float]]]:
    """Seconds of each run, and the file's size, by what it is."""
    import torch

    from wrappers.registry import find_spec

    torch.set_num_threads(threads)
    spec = find_spec(model)
    network = spec.open_network(checkpoint)
    runs: dict[str, Callable[[], object]] = {"PyTorch": lambda: spec.reference(network, sample)}
    onnx = _onnx_runner(network, sample["image"], threads) if with_onnx else None
    if onnx is not None:
        runs["ONNX Runtime"] = onnx
    sizes: dict[str, int] = {}
    for path in forms.paths.values():
        item = contender_of(path)
        name = f"{item.variant} {item.precision}"
        runs[name] = LiteRtSession(path, threads).prepared(sample)
        sizes[name] = path.stat().st_size
    times = interleave(runs, rounds, lambda: None)
    return {name: (sizes.get(name), seconds) for name, seconds in times.items()}


def _onnx_runner(network: Any, image: Any, threads: int) -> Callable[[], object] | None:
    """The network in ONNX Runtime on one (1, 3, S, S) image; None where it is not installed."""
    import torch

    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - the export needs it
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        torch.onnx.export(network, (torch.from_numpy(image),), path, dynamo=True, verbose=False)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feeds = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feeds)


def _speeds(p50: dict[str, float]) -> Iterator[tuple[str, float]]:
    for precision in _PRECISIONS:
        ours, short = p50[f"rewritten {precision}"], precision.removesuffix("-dynamic")
        yield f"{short}: speed vs PyTorch", p50["PyTorch"] / ours
        if f"plain {precision}" in p50:
            yield f"{short}: speed vs plain", p50[f"plain {precision}"] / ours
        if "ONNX Runtime" in p50:
            yield f"{short}: speed vs ONNX Runtime", p50["ONNX Runtime"] / ours


def _figure(name: str, value: float | None, limit: Limit) -> dict[str, Any]:
    target = f"{'<=' if limit.sense == 'at_most' else '>='} {limit.bound:g}"
    met = None if value is None else limit.admits(value)
    return {"figure": name, "value": value, "target": target, "met": met}


def _why_not_taken(figure: str) -> str:
    if "ONNX" in figure:
        return "as ONNX Runtime is not here: pip install onnx onnxscript onnxruntime"
    return "as there is no plain conversion: leave out --no-plain"


if __name__ == "__main__":
    run(command)
