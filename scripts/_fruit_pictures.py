"""What commands that train on fruit share: flags about the user's pictures, and reading them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import BadInputError
from scripts._options import FOLDER
from scripts._output import Output

if TYPE_CHECKING:
    from train.image_folders import Classes
    from train.images import ImageSet


def picture_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags about where pictures are and how they are read."""
    data_dir = click.option(
        "--data-dir",
        type=FOLDER,
        help="Pictures of any size and colour, as KIND/*.jpg or as Fruits-360 has them; "
        "without it, fruit is drawn into OUTPUT_DIR/preprocessed_images.",
    )
    return data_dir(reading_options(function))


def reading_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags about how pictures are read alone."""
    options = (
        click.option(
            "--group-by-fruit/--no-group-by-fruit",
            default=None,
            help="Whether 'Apple Red 1' and 'Apple Golden' are both Apple, and what is none of "
            "the five fruits is left out; by itself where all five are there in varieties.",
            show_default=False,
        ),
        click.option(
            "--skip-bad-files", is_flag=True, help="Leave out pictures that cannot be read."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_to_train_on(
    output: Output,
    folder: Path,
    only: str | None,
    *,
    group_by_fruit: bool | None,
    skip_bad_files: bool,
) -> "ImageSet":
    """The folder's pictures, or those of the class `only`, by the flags of `picture_options`."""
    from train.image_folders import find_images
    from train.images import read_images

    found = find_images(folder, only, group_by_fruit=group_by_fruit)
    with _reading(output, found.remarks, [found.training], skip=skip_bad_files) as how:
        return read_images(found.root, found.training, **how)


def read_to_train_and_judge(
    output: Output,
    folder: Path,
    share: float,
    *,
    group_by_fruit: bool | None,
    skip_bad_files: bool,
) -> "tuple[ImageSet, ImageSet]":
    """Likewise, those to train on and those held out: the data set's own, or about `share`."""
    from train.image_folders import find_images
    from train.images import read_both_halves

    found = find_images(folder, group_by_fruit=group_by_fruit)
    halves = [found.training, found.held_out]
    with _reading(output, found.remarks, halves, skip=skip_bad_files) as how:
        return read_both_halves(found, share, **how)


@contextmanager
def _reading(
    output: Output, remarks: tuple[str, ...], parts: "list[Classes]", *, skip: bool
) -> Iterator[Mapping[str, Any]]:
    """Say what was found, show how far reading is, and list what could not be read."""
    for remark in remarks:
        output.note(remark)
    total = sum(len(names) for part in parts for names in part.values())
    bad: list[BadInputError] = []
    with output.progress("reading", total=total) as advance:
        yield {"advance": advance, "on_bad_file": bad.append if skip else _refuse}
    for error in bad:
        output.warn(f"left out {error}")


def _refuse(error: BadInputError) -> None:
    raise BadInputError(f"{error}, or leave out all such files by --skip-bad-files") from error
