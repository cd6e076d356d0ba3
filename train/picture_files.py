"""Writing drawn pictures as PNG files, each from its own seed and none over another's."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chunkport.errors import UsageError
from chunkport.files import make_folder, replacing

Drawing = Callable[[int], NDArray[np.uint8]]


def seed_of(seed: int, index: int) -> int:
    """The seed of the picture at `index` among those drawn from `seed`."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def write_pictures(
    drawings: Mapping[Path, tuple[Drawing, int]],
    progress: Callable[[int, int], None] | None = None,
    *,
    force: bool = False,
) -> int:
    """Call each drawing with its seed and write the picture as PNG; returns how many there are.

    `progress` is called with the pictures written so far and in all.

    Raises:
        UsageError: a picture in the way while `force` is not set, or a folder that is not
            writable.
    """
    taken = [path for path in drawings if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]}: exists already; use --force to replace the pictures")
    for folder in dict.fromkeys(path.parent for path in drawings):
        make_folder(folder)
    for done, (path, (draw, seed)) in enumerate(drawings.items(), start=1):
        with replacing(path) as temporary:
            Image.fromarray(draw(seed)).save(temporary, format="PNG")
        if progress is not None:
            progress(done, len(drawings))
    return len(drawings)
