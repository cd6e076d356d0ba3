"""Generated pictures as the files of one folder: each by itself, and the first ones in a grid."""

import io
import math
import re
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
class PictureFolder:
    """What lies there now.

    Attributes:
        samples: the pictures, in order.
        grid: the first ones side by side; None where none was asked for.
        written: how many of these files are new or replaced.
        others: pictures of an earlier run that go by later numbers, in order.
    """

    samples: tuple[Path, ...]
    grid: Path | None
    written: int
    others: tuple[Path, ...]


def write_picture_folder(
    pictures: NDArray[np.uint8], folder: Path, *, count: int, in_grid: int, force: bool = False
) -> PictureFolder:
    """Write `count` of the pictures (N, C, H, W) as `sample_000.png` and on, and `grid_64.png`.

    The grid has the first `in_grid`, in a square or nearly; 0 leaves it out. A file that is there
    already with the same bytes is left alone. Nothing is written where any is refused.

    Raises:
        UsageError: a file is there with other bytes while `force` is not set, or the folder is not
            writable.
    """
    shown = np.moveaxis(pictures, 1, -1)  # (N, H, W, C)
    files = {
        folder / f"sample_{number:0{_DIGITS}d}.png": _png(picture)
        for number, picture in enumerate(shown[:count])
    }
    samples, grid = tuple(files), None
    if in_grid:
        grid = folder / f"grid_{in_grid}.png"
        files[grid] = _png(picture_grid(shown[:in_grid], math.ceil(math.sqrt(in_grid))))
    changed = {
        path: content
        for path, content in files.items()
        if not path.is_file() or path.read_bytes() != content
    }
    taken = [path for path in changed if path.exists()]
    if taken and not force:
        more = f", and {len(taken) - 1} more of its folder" if len(taken) > 1 else ""
        raise UsageError(
            f"{taken[0]}: another picture is there already{more}; use --force to replace, or "
            "choose another --output-dir"
        )
    make_folder(folder)
    for path, content in changed.items():
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    return PictureFolder(samples, grid, len(changed), _others(folder, count))


def _png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 1 or 3); the same pixels give the same bytes."""
    buffer = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(buffer, "PNG")
    return buffer.getvalue()


def _others(folder: Path, count: int) -> tuple[Path, ...]:
    numbered = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    later = [(int(name["number"]), path) for name, path in numbered if name]
    return tuple(path for number, path in sorted(later) if number >= count)
