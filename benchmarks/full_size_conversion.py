"""ChunkySeal to .tflite at its full size: python -m benchmarks.full_size_conversion CHECKPOINT.

Converts in processes of their own, samples their memory, and holds each figure to its target.
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
from convert.op_weights import weight_dtypes
from convert.tflite import read_flatbuffer
from scripts._cli import run
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.machine import machine

_MODEL = "chunkyseal"
_MIB, _GIB = 1 << 20, 1 << 30
_COLUMNS = (
    Column("figure", "figure"),
    Column("value", "measured", number, right=True),
    Column("target", "target"),
    Column("met", "", lambda met: "met" if met else "MISSED"),
)


@chunkport_command("full-size-conversion")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("-o", "--output-dir", type=FOLDER, help="Keep the .tflite files there.")
def command(output: Output, checkpoint: Path, output_dir: Path | None) -> int:
    """Convert the full-size CHECKPOINT and measure what that takes."""
    with tempfile.TemporaryDirectory() as folder:
        kept = output_dir or Path(folder)
        alone, float_files = _convert(checkpoint, kept, "fp32")
        both, files = _convert(checkpoint, kept, "fp32", "int8")
        int8 = files["int8-dynamic"]
        ops = Counter(
            (entry.op, entry.dtype) for entry in weight_dtypes(read_flatbuffer(Path(int8["path"])))
        )
    # The command, its helper that tracks resources, the conversion, the precisions.
    quantizing = both.processes[-1]
    floats = sum(
        count for (op, dtype), count in ops.items() if dtype != "INT8" and "DEPTHWISE" not in op
    )
    figures = [
        _at_most("fp32: seconds, from checkpoint to file", alone.seconds, 60),
        _at_most("fp32: GiB anonymous, all processes", alone.anonymous_bytes / _GIB, 1.5),
        _at_most("fp32: bytes of the weights", float_files["fp32"]["ratio_to_weights"], 1.001),
        _at_most("int8: MiB", int8["size_bytes"] / _MIB, 752),
        _at_most("int8: seconds from the fp32 file", int8["seconds"], 20),
        _at_most("int8: GiB anonymous", quantizing.anonymous_bytes / _GIB, 1.7),
        _at_most("int8: Linear and Conv left in float", floats, 0),
    ]
    output.fact("machine", machine())
    output.fact("int8_ops", {f"{op} {dtype}": count for (op, dtype), count in ops.items()})
    output.table("figures", f"{_MODEL} at its full size", _COLUMNS, figures)
    return 0 if all(figure["met"] for figure in figures) else 1


def _convert(
    checkpoint: Path, folder: Path, *precisions: str
) -> tuple[CommandCost, dict[str, dict[str, Any]]]:
    """Run the convert command; its cost, and the files that it made by precision."""
    cost = run_measured(
        [
            *(sys.executable, "-m", "scripts._cli", "convert", str(checkpoint)),
            *(f"--precision={name}" for name in precisions),
            *("--model", _MODEL, "-o", str(folder), "--force", "--format", "json"),
        ]
    )
    if cost.returncode:
        raise ConversionError(f"{checkpoint}: convert ended with exit code {cost.returncode}")
    return cost, {file["precision"]: file for file in json.loads(cost.output)["files"]}


def _at_most(figure: str, value: float, bound: float) -> dict[str, object]:
    return {"figure": figure, "value": value, "target": f"<= {bound:g}", "met": value <= bound}


if __name__ == "__main__":
    run(command)
