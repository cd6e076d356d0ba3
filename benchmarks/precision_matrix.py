"""Every model in every precision: python -m benchmarks.precision_matrix [--readme README.md].

Converts each model to each row of the precision table, judges each file against PyTorch, and times
all files of a model and PyTorch in turn. What could not be made or run stands there with its
reason. At test size the models are small and everything takes minutes.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.matrix_cells import Cell, Effort, measure_model
from benchmarks.matrix_models import MatrixModel, full_models, small_models
from benchmarks.matrix_table import as_markdown, replace_table
from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing
from convert.isolation import run_isolated
from scripts._cli import run
from scripts._options import FOLDER, chunkport_command
from scripts._output import Column, Output, megabytes, number, ratio
from verify.benchmark.machine import machine
from wrappers.registry import model_names

_FILE = click.Path(dir_okay=False, path_type=Path)
_PATIENCE_S = 60
_VERDICTS = {True: "passed", False: "FAILED", None: "-"}
_COLUMNS = (
    Column("model", "model"),
    Column("precision", "precision"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("size_vs_fp32", "of fp32", number, right=True),
    Column("speed_vs_fp32", "vs fp32", ratio, right=True),
    Column("speed_vs_pytorch", "vs torch", ratio, right=True),
    Column("passed", "verdict", lambda passed: _VERDICTS[passed]),
    Column("figure", "told by", lambda figure: figure or "-"),
    Column("value", "", number, right=True),
    Column("in_integers", "in integers", lambda count: "-" if count is None else str(count)),
    Column("computing", "of ops", lambda count: "-" if count is None else str(count)),
)


@chunkport_command("precision-matrix")
@click.option("--model", "models", multiple=True, type=click.Choice(model_names()), help="Not all.")
@click.option("--size", type=click.Choice(["test", "full"]), default="full", help="Of the models.")
@click.option(
    "--checkpoint", "given", multiple=True, metavar="MODEL=FILE", help="Trained weights of one."
)
@click.option("--recipe", "recipes", multiple=True, metavar="MODEL=FILE", help="Of its mixed file.")
@click.option("--samples", type=click.IntRange(min=1), default=8, help="Inputs compared.")
@click.option(
    "--calibration-samples", type=click.IntRange(min=1), default=64, help="Ranges are measured on."
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, help="Turns for each.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of every runtime.")
@click.option("--folder", type=FOLDER, help="Where the files are made; one that goes by default.")
@click.option("--other-models", type=_FILE, help="A matrix of -o, for models not measured now.")
@click.option("-o", "--output", "target", type=_FILE, help="The matrix as JSON.")
@click.option("--readme", type=_FILE, help="Where the table is to stand in place of the old one.")
@click.option("--force", is_flag=True, help="Replace the file of -o.")
def command(
    *,
    output: Output,
    models: Sequence[str],
    size: str,
    given: Sequence[str],
    recipes: Sequence[str],
    samples: int,
    calibration_samples: int,
    rounds: int,
    num_threads: int,
    folder: Path | None,
    other_models: Path | None,
    target: Path | None,
    readme: Path | None,
    force: bool,
) -> None:
    """Measure every model of the registry in every precision of the table."""
    if target is not None and target.exists() and not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    names = models or model_names()
    others = read_cells(other_models) if other_models else []
    cells = [cell for cell in others if cell.model not in names]
    full = size == "full"
    effort = Effort(
        *(samples, calibration_samples, rounds, num_threads),
        trials=full,
        isolated=full,
        patience_s=_PATIENCE_S if full else None,
    )
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        make_folder(place)
        if full:
            columns = full_models(names, place, _named(given), _named(recipes), output.note)
        else:
            columns = small_models(names, place)
        # A process of its own for each large one; for small ones that would take the longest.
        batches = [[column] for column in columns] if full else [columns]
        with output.progress("measuring", total=len(batches)) as advance:
            for batch in batches:
                output.note(f"measuring {', '.join(column.model for column in batch)}")
                cells += run_isolated(_measure_batch, batch, place, effort)
                advance()
    cells.sort(key=lambda cell: cell.model)
    output.fact("machine", machine())
    output.table("cells", f"Models at {size} size", _COLUMNS, [cell.to_json() for cell in cells])
    for cell in cells:
        if cell.reason:
            output.note(f"{cell.model} {cell.precision}: {cell.reason}")
    if target is not None:
        with replacing(target) as beside:
            beside.write_text(json.dumps(output.document(), indent=1), encoding="utf-8")
    if readme is not None:
        replace_table(readme, as_markdown(cells))


def _measure_batch(columns: Sequence[MatrixModel], folder: Path, effort: Effort) -> list[Cell]:
    return [
        cell for column in columns for cell in measure_model(column, folder / column.model, effort)
    ]


def read_cells(path: Path) -> list[Cell]:
    """The cells of a matrix that was written with -o.

    Raises:
        BadInputError: it is none.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [Cell(**{**row, "failed": tuple(row["failed"])}) for row in rows]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInputError(f"{path}: holds no precision matrix ({error})") from error


def _named(texts: Sequence[str]) -> Mapping[str, Path]:
    """Files by model, each as MODEL=FILE.

    Raises:
        UsageError: it is not written so, of no such model, or of none that is there.
    """
    found: dict[str, Any] = {}
    for text in texts:
        model, _, path = text.partition("=")
        if model not in model_names() or not Path(path).is_file():
            raise UsageError(
                f"'{text}': write MODEL=FILE with a file that is there and one of the models "
                f"{', '.join(model_names())}"
            )
        found[model] = Path(path)
    return found


if __name__ == "__main__":
    run(command)
