"""`chunkport generate-images`: pictures of a generator, each as a file, classified if asked for."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from verify.classified_pictures import Classified
    from verify.picture_folder import PictureFolder

_TABLE = "classification.json"
_SCHEMA_VERSION = 1


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


_CLASSES = (
    Column("class", "class"),
    Column("count", "pictures", right=True),
    Column("share", "share", _percent, right=True),
    Column("mean_confidence", "mean confidence", _percent, right=True),
)


@chunkport_command("generate-images")
@click.option(
    "--model",
    "source",
    metavar="PATH",
    type=CHECKPOINT,
    help="A checkpoint, an inference folder or a .tflite; else models/best_model.pth, "
    "final_gan.pth or latest_model.pth, whichever is there first.",
)
@click.option("--num", type=click.IntRange(min=1), default=50, help="How many pictures.")
@click.option(
    "-o", "--output-dir", type=FOLDER, default="generated_images", help="Where they go."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of what is drawn.")
@click.option(
    "--grid", type=click.IntRange(min=0), default=64, help="Pictures in grid_64.png; 0 for none."
)
@click.option("--classify", is_flag=True, help=f"Tell which fruit each looks like; in {_TABLE} too.")
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
    output_dir: Path,
    seed: int,
    grid: int,
    classify: bool,
    classifier: Path | None,
    num_threads: int,
    force: bool,
) -> None:
    """Draw new pictures with a trained generator.

    They go into sample_000.png and on, the first of them into one grid too, which has as many as
    it takes. The same seed gives the same pictures, so that of a larger --num the first are those
    of a smaller one. A picture that is there already and the same is left alone; another one is
    replaced only with --force.
    """
    from verify.classified_pictures import classify_pictures, open_classifier
    from verify.generated_pictures import generate_pictures
    from verify.picture_folder import write_picture_folder

    if classifier is not None and not classify:
        raise UsageError("--classifier tells what to classify with; give --classify too")
    model = _chosen(output, source)
    network, classes = open_classifier(classifier) if classify else (None, ())
    count = max(num, grid)
    with output.progress("drawing", total=count) as advance:
        pictures = generate_pictures(model, count, seed, advance, threads=num_threads)
    found = classify_pictures(pictures[:num], network, classes) if network else None
    written = write_picture_folder(pictures, output_dir, count=num, in_grid=grid, force=force)
    _say_written(output, model, written)
    rows: list[dict[str, Any]] = [{"path": str(path)} for path in written.samples]
    if found is not None:
        rows = [row | answer for row, answer in zip(rows, found.of_each(), strict=True)]
        _say_classes(output, found)
    output.fact("pictures", rows)
    ...
