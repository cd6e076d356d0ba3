"""Generated pictures as the files of one folder: each by itself, and the first ones in a grid."""

import io
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chunkport.errors import UsageError
from chunkport.files import make_folder, replacing
from chunkport.picture_grid import picture_grid

_DIGITS = 3
_NAME = re.compile(r"sample_(?P<number>\d{3,})\.png")


@dataclass(frozen=True)
class PictureFiles:
    """Pictures as PNG, by name; the same pixels give the same bytes.

    Attributes:
        samples: `sample_000.png` and on.
        grid: `grid_64.png`, the first ones side by side; none if it was not asked for.
    """

    samples: Mapping[str, bytes]
    grid: Mapping[str, bytes]

    @property
    def contents(self) -> Mapping[str, bytes]:
        """All of them."""
        return {**self.samples, **self.grid}

    def replaced_in(self, folder: Path) -> list[Path]:
        """The files in the folder that have these names and hold something else."""
        places = ((folder / name, content) for name, content in self.contents.items())
        return [path for path, content in places if path.exists() and not _holds(path, content)]


@dataclass(frozen=True)
class PictureFolder:
    """What lies there now.

    Attributes:
        samples: the pictures, in order.
        grid: of the first ones; None where none was asked for.
        written: how many of these files are new or replaced.
        others: pictures of an earlier run that go by later numbers, in order.
    """

    samples: tuple[Path, ...]
    grid: Path | None
    written: int
    others: tuple[Path, ...]


def picture_files(pictures: NDArray[np.uint8], count: int, in_grid: int) -> PictureFiles:
    """The first `count` of the pictures (N, C, H, W), and the first `in_grid` in one.

    The grid is square or nearly; 0 leaves it out.
    """
    shown = np.moveaxis(pictures, 1, -1)  # (N, H, W, C)
    numbered = enumerate(shown[:count])
    samples = {f"sample_{number:0{_DIGITS}d}.png": _png(picture) for number, picture in numbered}
    if not in_grid:
        return PictureFiles(samples, {})
    grid = picture_grid(shown[:in_grid], math.ceil(math.sqrt(in_grid)))
    return PictureFiles(samples, {f"grid_{in_grid}.png": _png(grid)})


def free_folder(files: PictureFiles, folder: Path) -> Path:
    """The folder if none of the files would replace another there, else `folder_2` and so on."""
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in itertools.count(2))
    return next(it for it in itertools.chain([folder], numbered) if not files.replaced_in(it))


def write_picture_folder(
    files: PictureFiles, folder: Path, *, force: bool = False
) -> PictureFolder:
    """Write the files, but for those that are there already with the same bytes.

    Nothing is written where any is refused.

    Raises:
        UsageError: a file would replace another while `force` is not set, or the folder is not
            writable.
    """
    taken = files.replaced_in(folder)
    if taken and not force:
        more = f", and {len(taken) - 1} more of its folder" if len(taken) > 1 else ""
        raise UsageError(
            f"{taken[0]}: another picture is there already{more}; use --force to replace, or "
            "choose another --output-dir"
        )
    make_folder(folder)
    changed = [
        (folder / name, content)
        for name, content in files.contents.items()
        if not _holds(folder / name, content)
    ]
    for path, content in changed:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    samples = tuple(folder / name for name in files.samples)
    grid = next((folder / name for name in files.grid), None)
    return PictureFolder(samples, grid, len(changed), _others(folder, len(samples)))


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 1 or 3)."""
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return buffer.getvalue()


def _others(folder: Path, count: int) -> tuple[Path, ...]:
    numbered = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    later = [(int(name["number"]), path) for name, path in numbered if name]
    return tuple(path for number, path in sorted(later) if number >= count)
