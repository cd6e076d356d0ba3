"""How `score-images` shows the pictures that are most like a training picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkport.errors import UsageError
from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from networks.quality.judgement import SetQuality
    from scripts._picture_sources import PictureSource, SourcePictures
    from scripts._real_pictures import RealSide

_COLUMNS = (
    Column("source", "of"),
    Column("picture", "picture"),
    Column("training_picture", "most like"),
    Column("distance", "RMS of 255", number, right=True),
    Column("closeness", "of the sixth", number, right=True),
)
_SHOWN = 3
_TITLE = "Likeliest copies: distance as a part of that to the sixth training picture, 0 is a copy"


def choose_sheets(
    sources: "Sequence[PictureSource]", folder: Path | None, *, force: bool
) -> list[Path]:
    """The PNG of each source in the folder; none where no folder was asked for.

    Raises:
        UsageError: one is there already, and `force` is not set.
    """
    if folder is None:
        return []
    sheets: list[Path] = []
    for source in sources:
        stem, number_of_it = source.path.stem, 1
        while folder / f"{stem}_copies.png" in sheets:
            number_of_it += 1
            stem = f"{source.path.stem}_{number_of_it}"
        sheets.append(folder / f"{stem}_copies.png")
    for sheet in sheets:
        if sheet.exists() and not force:
            raise UsageError(f"{sheet}: already there; add --force to replace")
    return sheets


def show_pairs(
    output: Output, judged: "Sequence[tuple[SourcePictures, SetQuality]]", real: "RealSide"
) -> None:
    """The nearest pairs of each source as a table, all that were kept in the JSON."""
    rows: list[dict[str, Any]] = [
        {
            "source": drawn.source.name,
            "picture": drawn.names[pair.generated],
            "training_picture": real.names[pair.real],
            "closeness": pair.closeness,
            "distance": pair.distance,
            "rank": rank,
        }
        for drawn, found in judged
        for rank, pair in enumerate(found.pairs, start=1)
    ]
    output.fact("nearest_pairs", rows)
    first = [row for row in rows if row["rank"] <= _SHOWN]
    output.table(
        None,
        _TITLE,
        _COLUMNS,
        first,
    )


def write_sheet(
    drawn: "SourcePictures", found: "SetQuality", real: "RealSide", sheet: Path
) -> None:
    """Each picture above the training picture that it is most like, the likest first.

    Raises:
        UsageError: the folder is not writable.
    """
    from verify.picture_pairs import ShownPair, write_pairs

    pairs = [
        ShownPair(
            drawn.pictures[pair.generated, 0],
            real.training.pictures[pair.real, 0],
            (f"{drawn.names[pair.generated]}, {pair.closeness:.2f}", real.names[pair.real]),
        )
        for pair in found.pairs
    ]
    write_pairs(pairs, sheet)
