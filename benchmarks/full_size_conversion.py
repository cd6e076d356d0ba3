"""ChunkySeal to .tflite at its full size: python -m benchmarks.full_size_conversion CHECKPOINT.

Converts in processes of their own, samples their memory, and holds each figure to its target. Then
tells how far the integer files are from PyTorch, and what a run of each takes.
`python benchmarks/made_weights.py chunkyseal -o CHECKPOINT --chunk` makes a checkpoint to convert.
Exits 1 when a target is missed.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import click

from benchmarks.process_cost import CommandCost, run_measured
from chunkport.errors import ConversionError
from convert.quantization.op_weights import weight_dtypes
from convert.tflite import read_flatbuffer
from scripts._cli import run
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.machine import machine
from verify.benchmark.timing import interleave
from verify.metrics import METRICS, stacked
from verify.reference import compute_reference
from verify.runtimes.litert import LiteRtSession

_MODEL = "chunkyseal"
_MIB, _GIB = 1 << 20, 1 << 30
_RECIPE = Path(__file__).parent / "recipes" / f"{_MODEL}.json"
_THREADS, _ROUNDS = 2, 2
_COLUMNS = (
    Column("figure", "figure"),
    Column("value", "measured", number, right=True),
    Column("target", "target"),
    Column("met", "", lambda met: "met" if met else "MISSED"),
)


@chunkport_command("full-size-conversion")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("-o", "--output-dir", type=FOLDER, help="Keep the .tflite files there.")
@click.option(
    "--recipe",
    type=click.Path(dir_okay=False, path_type=Path),
    default=_RECIPE,
    show_default=False,
    help="Of the mixed file; the one in benchmarks/recipes by default.",
)
@click.option("--samples", type=click.IntRange(min=1), default=4, help="Pictures compared.")
def command(
    output: Output, checkpoint: Path, output_dir: Path | None, recipe: Path, samples: int
) -> int:
    """Convert the full-size CHECKPOINT and measure what that takes."""
    with tempfile.TemporaryDirectory() as folder:
        kept = output_dir or Path(folder)
        to_float = ("--model", _MODEL, "-o", str(kept), "--precision=fp32")
        converting = ("convert", str(checkpoint), *to_float)
        alone, float_files = _make(*converting)
        both, files = _make(*converting, "--precision=int8")
        float_file = files["fp32"]["path"]
        mixing, mixed_files = _make(
            *("quantize", float_file, f"--recipe={recipe}", "-o", str(kept), "--samples=1")
        )
        int8, mixed = files["int8-dynamic"], mixed_files["mixed"]
        paths = {"int8": Path(int8["path"]), "mixed": Path(mixed["path"])}
        kinds = {name: _kinds(path) for name, path in paths.items()}
        behaving = _behaviour(checkpoint, paths, samples)
    # The command, its helper that tracks resources, the conversion if it is one, the precisions;
    # after those of `quantize`, what compares the file with the float32 one.
    quantizing, making_mixed = both.processes[-1], mixing.processes[2]
    figures = [
        _at_most("fp32: seconds, from checkpoint to file", alone.seconds, 60),
        _at_most("fp32: GiB anonymous, all processes", alone.anonymous_bytes / _GIB, 1.5),
        _at_most("fp32: bytes of the weights", float_files["fp32"]["ratio_to_weights"], 1.001),
        _at_most("int8: MiB", int8["size_bytes"] / _MIB, 752),
        _at_most("int8: seconds from the fp32 file", int8["seconds"], 20),
        _at_most("int8: GiB anonymous", quantizing.anonymous_bytes / _GIB, 1.7),
        _at_most("int8: Linear and Conv left in float", _left_in_float(kinds["int8"]), 0),
        _at_most("mixed: MiB", mixed["size_bytes"] / _MIB, 450),
        _at_most("mixed: seconds from the fp32 file", mixed["seconds"], 60),
        _at_most(
            "mixed: GiB resident, of the process that makes it",
            making_mixed.resident_bytes / _GIB,
            2,
        ),
        _at_most("mixed: GiB anonymous, of the same", making_mixed.anonymous_bytes / _GIB, 2),
        _at_most("mixed: Linear and Conv left in float", _left_in_float(kinds["mixed"]), 0),
    ]
    others = [
        {
            "figure": "mixed: seconds from the checkpoint, fp32 first",
            "value": alone.seconds + mixed["seconds"],
        },
        *behaving,
    ]
    output.fact("machine", machine())
    for name, ops in kinds.items():
        output.fact(f"{name}_ops", {f"{op} {dtype}": count for (op, dtype), count in ops.items()})
    output.table("figures", f"{_MODEL} at its full size", _COLUMNS, figures)
    output.table("others", "What else was measured", _COLUMNS[:2], others)
    return 0 if all(figure["met"] for figure in figures) else 1


def _kinds(path: Path) -> Counter[tuple[str, str]]:
    """How many ops there are of each kind and type of weights."""
    return Counter((entry.op, entry.dtype) for entry in weight_dtypes(read_flatbuffer(path)))


def _left_in_float(ops: Counter[tuple[str, str]]) -> int:
    """Of those with weights; XNNPACK has no depthwise convolution of integer weights."""
    return sum(
        count
        for (op, dtype), count in ops.items()
        if dtype not in ("INT8", "INT4") and "DEPTHWISE" not in op
    )


def _behaviour(checkpoint: Path, paths: dict[str, Path], samples: int) -> list[dict[str, object]]:
    """How far the logits of each file are from PyTorch's, and the median of its runs in turn."""
    reference = compute_reference(_MODEL, checkpoint, samples, seed=0)
    sessions = {name: LiteRtSession(path, _THREADS) for name, path in paths.items()}
    exact = stacked(reference.outputs, "preds")
    rows: list[dict[str, object]] = [
        {"figure": "bits in all pictures", "value": samples * (exact.shape[1] - 1)}
    ]
    for name, session in sessions.items():
        found = stacked([session.run(item) for item in reference.inputs], "preds")
        rows += [
            {
                "figure": f"{name}: {metric}",
                "value": METRICS[metric].measure(exact, found, 0.0),
            }
            for metric in ("relative_l2", "bits_flipped", "surest_bit_flipped")
        ]
    runs = {name: item.prepared(reference.inputs[0]) for name, item in sessions.items()}
    times = interleave(runs, _ROUNDS)
    return rows + [
        {"figure": f"{name}: latency p50 ms", "value": taken.p50_ms}
        for name, taken in times.items()
    ]


def _make(command: str, *arguments: str) -> tuple[CommandCost, dict[str, dict[str, Any]]]:
    """Run a command that makes files; its cost, and the files by precision."""
    cost = run_measured(
        [
            *(sys.executable, "-m", "scripts._cli", command, *arguments),
            *("--force", "--format", "json"),
        ]
    )
    if cost.returncode:
        raise ConversionError(f"{arguments[0]}: {command} ended with exit code {cost.returncode}")
    return cost, {file["precision"]: file for file in json.loads(cost.output)["files"]}


def _at_most(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f"<= {bound:g}", "met": value <= bound}


if __name__ == "__main__":
    run(command)
