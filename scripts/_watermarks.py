"""What the watermark commands share: their arguments, pictures as they read them, their tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._options import NumberRange
from scripts._output import Column, number

if TYPE_CHECKING:
    from verify.attacks import Pixels
    from verify.message_readers import Reader
    from verify.message_statistics import Threshold

PICTURE = click.Path(dir_okay=False, path_type=Path)
RATE = 1e-6
_FIRST_UNSEEN = 1 << 24  # train-watermark draws the scenes from 0 on, of the same seeds

rate_option = click.option(
    "--false-positive-rate",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    default=RATE,
    help="How often chance may match so many bits that a message counts as found.",
)


def drawn_scenes(count: int, seed: int, first: int = 0) -> "Iterator[Pixels]":
    """Drawn pictures that no training has seen, from the one with that number on."""
    return (unseen_scene(seed, number) for number in range(first, first + count))


def share(value: float | None) -> str:
    """A share for a person: 99.84%."""
    return "-" if value is None else f"{value:.2%}"


def between(interval: Mapping[str, float]) -> str:
    """An interval of shares for a person."""
    return f"{interval['low']:.2%} to {interval['high']:.2%}"


def yes_no(value: bool | None) -> str:
    """A truth value for a person."""
    return "-" if value is None else ("yes" if value else "NO")


READ = (
    Column("picture", "picture"),
    Column("confidence", "confidence", number, right=True),
    Column("ones", "1 bits", right=True),
    Column("hex", "message"),
)
COMPARED = (
    Column("agree", "bits agree", right=True),
    Column("found", "found", yes_no),
    Column("chance", "by chance", number, right=True),
)


def read_row(picture: Path, reader: "Reader", pixels: "Pixels") -> dict[str, Any]:
    """What the reader finds in a picture, as a row of a table."""
    message = reader.read(pixels)
    return {
        "picture": str(picture),
        "read_by": reader.name,
        "confidence": message.confidence,
        "present": message.confidence > 0,
        "ones": f"{message.ones}/{len(message.bits)}",
        "bits": "".join(map(str, message.bits)),
        "hex": message.hex,
    }


def compared(row: Mapping[str, Any], expected: tuple[int, ...], threshold: "Threshold") -> Any:
    """The row with how many bits agree with a message, and what chance does as well."""
    from verify.message_statistics import chance_of_matches

    nbits = len(expected)
    agree = sum(int(bit) == wanted for bit, wanted in zip(row["bits"], expected, strict=True))
    return {
        **row,
        "matching_bits": agree,
        "agree": f"{agree}/{nbits}",
        "found": agree >= threshold.matches,
        "chance": float(chance_of_matches(nbits, agree)),
    }


def unseen_scene(seed: int, number: int, size: int | None = None) -> "Pixels":
    """A drawn picture that no training has seen, of `size` pixels a side or the usual."""
    from train.picture_files import seed_of
    from train.scenes import SIZE, render_scene

    return render_scene(seed_of(seed, _FIRST_UNSEEN + number), size or SIZE)


def check_targets(pictures: Sequence[Path], targets: Sequence[Path], *, force: bool) -> None:
    """Refuse to write two pictures into one file, over one that is there or is yet to be read.

    Raises:
        UsageError: two targets are one file, however written; one is a folder, or another's
            picture; or one exists and `force` is not set.
    """
    sources, files = [[path.resolve() for path in paths] for paths in (pictures, targets)]
    for target, source, file in zip(targets, sources, files, strict=True):
        if files.count(file) > 1:
            raise UsageError(f"{target}: would hold two pictures; mark them into different folders")
        if file in sources and file != source:
            raise UsageError(
                f"{target}: is to be written, and is one of the PICTUREs too; leave it out or "
                "mark into another folder"
            )
        if target.is_dir():
            raise UsageError(f"{target}: is a folder; remove it or mark into another folder")
        if target.exists() and not force:
            raise UsageError(f"{target}: already there; add --force to replace")


def chosen_card(model: str | None, card: Path | None) -> str | Path | None:
    """What names a checkpoint's network: a model's built-in card, a card file, or itself.

    Raises:
        UsageError: both were given, or there is no such model.
    """
    from wrappers.registry import find_spec

    if model and card:
        raise UsageError("name one network, not both --model and --card")
    return find_spec(model).name if model else card
