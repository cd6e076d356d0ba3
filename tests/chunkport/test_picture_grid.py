"""Pictures side by side in one."""

import numpy as np

from chunkport.picture_grid import picture_grid


def test_pictures_stand_in_rows_and_the_rest_is_white() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 2, 4), np.uint8)
    grid = picture_grid(pictures, columns=3)
    assert grid.shape == (4, 12)
    assert grid[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert grid[2].tolist() == [3] * 4 + [4] * 4 + [255] * 4


def test_channels_stay() -> None:
    pictures = np.zeros((2, 3, 3, 1), np.uint8)
    assert picture_grid(pictures, columns=2).shape == (3, 6, 1)
