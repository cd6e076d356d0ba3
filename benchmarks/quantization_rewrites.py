"""What `--target npu` gains: python benchmarks/quantization_rewrites.py MODEL CHECKPOINT.

Converts a detector with and without it, and judges all files on the same samples: those with
activations in 8 bits, norms in them ("mixed" where a recipe is needed for that) or in float, and
those with float activations, which it is not for. Exits 1 where norms in 8 bits do not lose less
with it, or where another precision gets worse.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from convert.calibration.samples import CalibrationChoice
from convert.pipeline import convert_checkpoint
from convert.quantization.precision import recipe_of, with_integer_norms
from scripts._cli import run
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output, number
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify
from wrappers.spec import BuildOptions, Target

_FLOAT_ACTIVATIONS = ("fp32", "int8-dynamic", "int4-dynamic")
_COLUMNS = (
    Column("target", "target"),
    Column("precision", "precision"),
    Column("integer_ops", "integer ops"),
    Column("relative_l2", "relative L2", number, right=True),
    Column("max_difference_of_largest", "of the largest logit", number, right=True),
)
_WORSE, _FLOAT_NOISE = 1.1, 1e-6


@chunkport_command("quantization-rewrites")
@click.argument("model", metavar="MODEL")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option("--samples", type=click.IntRange(min=1), default=32, help="Pictures compared.")
@click.option("--calibration-dir", type=FOLDER, help="Pictures; without it they are drawn.")
def command(
    output: Output, model: str, checkpoint: Path, samples: int, calibration_dir: Path | None
) -> int:
    """Measure what MODEL's rewrites for integer activations gain on CHECKPOINT."""
    calibration = CalibrationChoice(folder=calibration_dir) if calibration_dir else None
    rows = [
        row
        for target in (None, "npu")
        for row in _measured(model, checkpoint, samples, calibration, target)
    ]
    output.table("files", f"{model}, {samples} samples", _COLUMNS, rows)
    lost = {(row["target"], row["precision"]): float(str(row["relative_l2"])) for row in rows}
    gained = lost["npu", "int8-static"] < lost["cpu", "mixed"]
    worse = [
        name
        for name in _FLOAT_ACTIVATIONS
        if lost["npu", name] > _WORSE * lost["cpu", name] + _FLOAT_NOISE
    ]
    return 0 if gained and not worse else 1


def _measured(
    model: str,
    checkpoint: Path,
    samples: int,
    calibration: CalibrationChoice | None,
    target: Target | None,
) -> Iterator[dict[str, object]]:
    """A row for each file of one form of the model."""
    options = BuildOptions(target=target)
    reference = compute_reference(model, checkpoint, samples, seed=0, options=options)
    everywhere = with_integer_norms(recipe_of("int8-static"))
    with tempfile.TemporaryDirectory() as folder:
        conversion = convert_checkpoint(
            checkpoint,
            model,
            [*_FLOAT_ACTIVATIONS, "int8-static"],
            Path(folder),
            recipe=None if target else everywhere,
            calibration=calibration,
            options=options,
        )
        for file in conversion.files:
            done = file.coverage
            checks = {
                check.name: check.value
                for check in judge(identify(file.path), reference, threads=1).checks
            }
            yield {
                "target": target or "cpu",
                "precision": file.precision,
                "integer_ops": f"{done.in_integers} of {done.computing}" if done else "",
                "relative_l2": checks["relative_l2"],
                "max_difference_of_largest": checks["max_difference_of_largest"],
            }


if __name__ == "__main__":
    run(command)
