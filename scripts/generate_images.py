"""`chunkport generate-images`: pictures of a generator, each as a file, classified if asked for."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._fruit_classes import show_classes
from scripts._generators import chosen_generator
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Output

if TYPE_CHECKING:
    from verify.classified_pictures import Classified
    from verify.picture_folder import PictureFolder

_TABLE = "classification.json"
_USUAL_FOLDER = "generated_images"


@chunkport_command("generate-images")
@click.option(
    "--model",
    "source",
    metavar="PATH",
    type=CHECKPOINT,
    help="A checkpoint, an inference folder or a .tflite; else models/best_model.pth, "
    "final_gan.pth or latest_model.pth, the first that is there.",
)
@click.option("--num", type=click.IntRange(min=1), default=50, help="How many pictures.")
@click.option(
    "-o",
    "--output-dir",
    type=FOLDER,
    help="Where they go.",
    show_default=f"{_USUAL_FOLDER}, or {_USUAL_FOLDER}_2 if that has others",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of what is drawn.")
@click.option(
    "--grid", type=click.IntRange(min=0), default=64, help="Pictures in grid_64.png; 0 for none."
)
@click.option(
    "--classify",
    is_flag=True,
    help=f"Tell which fruit each looks like; in {_TABLE} too, which is of the last such run.",
)
@click.option(
    "--classifier",
    metavar="PATH",
    type=CHECKPOINT,
    help="With --classify: a checkpoint of train-classifier in place of chunkport's own.",
)
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of a .tflite.")
@click.option("--force", is_flag=True, help="Replace other pictures of the same names.")
def command(
    output: Output,
    source: Path | None,
    num: int,
    output_dir: Path | None,
    seed: int,
    grid: int,
    classify: bool,
    classifier: Path | None,
    num_threads: int,
    force: bool,
) -> None:
    """Draw new pictures with a trained generator.

    They go into sample_000.png and on; the first ones, as many as --grid says, also into one
    picture. The same seed gives the same pictures: the first of a larger --num are those of a
    smaller one. No picture is replaced by another one without --force.
    """
    from verify.classified_pictures import classify_pictures, open_classifier
    from verify.generated_pictures import generate_pictures
    from verify.picture_folder import free_folder, picture_files, write_picture_folder

    if classifier is not None and not classify:
        raise UsageError("--classifier says what to classify with; give --classify too")
    model = chosen_generator(output, source)
    judge = open_classifier(classifier) if classify else None
    drawn = max(num, grid)
    with output.progress("drawing", total=drawn) as advance:
        pictures = generate_pictures(model, drawn, seed, advance, threads=num_threads)
    found = None if judge is None else classify_pictures(pictures[:num], *judge)
    files = picture_files(pictures, num, grid)
    if output_dir is None:
        usual = Path(_USUAL_FOLDER)
        output_dir = usual if force else free_folder(files, usual)
        if output_dir != usual:
            output.note(f"{usual} has other pictures; these go into {output_dir}.")
    folder = write_picture_folder(files, output_dir, force=force)
    output.fact("model", str(model), f"Drawn by {model} from seed {seed}")
    output.fact("seed", seed)
    if found is not None:
        by = "FruitCNN" if classifier is None else str(classifier)
        show_classes(output, found, by, f"{num} pictures")
    _show_pictures(output, folder, found)
    if found is not None:
        _write_table(output, output_dir / _TABLE)
    elif folder.written and (output_dir / _TABLE).exists():
        output.warn(f"{output_dir / _TABLE}: is of an earlier run; give --classify for a new one")
    output.next_step(_next_step(model))


def _show_pictures(output: Output, folder: "PictureFolder", found: "Classified | None") -> None:
    rows: list[dict[str, Any]] = [{"path": str(path)} for path in folder.samples]
    if found is not None:
        rows = [row | answer for row, answer in zip(rows, found.of_each(), strict=True)]
    first, last = folder.samples[0], folder.samples[-1].name
    output.fact(
        "pictures", rows, f"Pictures: {first} to {last}" if rows[1:] else f"Picture: {first}"
    )
    grid = None if folder.grid is None else str(folder.grid)
    output.fact("grid", grid, None if grid is None else f"Grid: {grid}")
    if folder.others:
        output.warn(
            f"{folder.others[0]} and on: {len(folder.others)} of an earlier run; remove them, or "
            "choose another --output-dir"
        )


def _write_table(output: Output, table: Path) -> None:
    """What JSON says of the pictures, for those who find the folder."""
    from chunkport.files import replacing

    with replacing(table) as temporary:
        temporary.write_text(json.dumps(output.document(), indent=2) + "\n", encoding="utf-8")
    output.fact("table", str(table), f"Class of each: {table}")


def _next_step(model: Path) -> str:
    from checkpoints.inference_folder import WEIGHTS

    if model.suffix == ".tflite":
        return f"chunkport benchmark {shlex.quote(str(model))}"
    weights = model / WEIGHTS if model.is_dir() else model
    return (
        f"chunkport convert {shlex.quote(str(weights))} --model gan-generator "
        "--precision fp32 --precision fp16 --precision int8"
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
