"""Pictures side by side in one."""

import numpy as np
from numpy.typing import NDArray


def picture_grid(pictures: NDArray[np.uint8], columns: int) -> NDArray[np.uint8]:
    """Pictures (N, H, W) or (N, H, W, C) in rows of `columns`; what is left of the last is white.

    They stand without a gap, (rows * H, columns * W) or with the channels as they were.
    """
    count, height, width, *channels = pictures.shape
    rows = -(-count // columns)
    grid = np.full((rows * height, columns * width, *channels), 255, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        grid[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture
    return grid
