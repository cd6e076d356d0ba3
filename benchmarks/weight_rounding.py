"""What each way of choosing integers loses: python benchmarks/weight_rounding.py MODEL FP32.tflite.

All convolutions and fully connected layers in int4, a file for each algorithm and for "gptq"
with and without corrected biases, beside int8; compared with the float32 file on other samples than
those that the integers were chosen by. Exits 1 where "gptq" loses more than "min-max".
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from convert.calibration.measuring import samples_for
from convert.calibration.samples import CalibrationChoice
from convert.quantization.derivation import derive
from convert.quantization.precision import recipe_of
from convert.quantization.recipe import Recipe
from convert.quantization.weight_rounding import samples_to_round_by
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output, number
from verify.float_agreement import compare_with_float

_COLUMNS = (
    Column("weights", "weights"),
    Column("algorithm", "algorithm"),
    Column("size_bytes", "bytes", right=True),
    Column("output", "output"),
    Column("relative_l2", "relative L2", number, right=True),
    Column("snr_db", "SNR dB", number, right=True),
    Column("seconds", "seconds", number, right=True),
)
_PLAIN = ("min-max", "octav", "mse")
_CORRECTED = "gptq, biases corrected"


@chunkport_command("weight-rounding")
@click.argument("model", metavar="MODEL")
@click.argument("float_model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--samples", type=click.IntRange(min=1), default=32, help="Compared on.")
@click.option("--chosen-by", type=click.IntRange(min=1), default=256, help="Integers chosen by.")
def command(output: Output, model: str, float_model: Path, samples: int, chosen_by: int) -> int:
    """Measure what FLOAT_MODEL, a float32 file of MODEL, loses by each algorithm."""
    drawn = samples_to_round_by(float_model, CalibrationChoice(samples=chosen_by), model)
    compared = samples_for(float_model, CalibrationChoice(samples=samples, seed=0), model)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for weights, algorithm, recipe in _recipes():
            path = Path(folder) / f"{len(rows)}.tflite"
            started = time.perf_counter()
            derive(float_model, weights, recipe, path, None, samples=drawn)
            seconds = time.perf_counter() - started
            rows += [
                {
                    "weights": weights,
                    "algorithm": algorithm,
                    "size_bytes": path.stat().st_size,
                    "output": distance.output or distance.reason,
                    "relative_l2": distance.relative_l2,
                    "snr_db": distance.snr_db,
                    "seconds": seconds,
                }
                for distance in compare_with_float(float_model, [path], list(compared.read()), 1)
            ]
    output.table("files", f"{float_model.name}, {samples} samples", _COLUMNS, rows)
    lost = {row["algorithm"]: float(str(row["relative_l2"])) for row in rows if row["relative_l2"]}
    return 0 if lost[_CORRECTED] <= lost["min-max"] else 1


def _recipes() -> Iterator[tuple[str, str, Recipe]]:
    """Width, name and recipe of each file."""
    yield "int8", "min-max, int8", recipe_of("int8-dynamic")
    whole = recipe_of("int4-dynamic")
    for algorithm in _PLAIN:
        yield "int4", algorithm, _with_algorithm(whole, algorithm)
    chosen = _with_algorithm(whole, "gptq")
    yield "int4", "gptq", chosen
    yield "int4", _CORRECTED, replace(chosen, bias_correction=True)


def _with_algorithm(recipe: Recipe, algorithm: str) -> Recipe:
    rules = (
        replace(rule, algorithm=algorithm) if rule.weights == "int4" else rule
        for rule in recipe.rules
    )
    return replace(recipe, rules=tuple(rules))


if __name__ == "__main__":
    run(command)
