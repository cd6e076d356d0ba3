from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verify.picture_pairs import ShownPair, write_pairs


def test_pairs_stand_side_by_side_with_their_lines(tmp_path: Path) -> None:
    grey = [np.full((128, 128), level, np.uint8) for level in (10, 60, 110, 160)]
    pairs = [
        ShownPair(grey[0], grey[1], ("latent 3", "Apple/Apple_0001.png")),
        ShownPair(grey[2], grey[3], ("", "")),
    ]
    target = tmp_path / "new" / "pairs.png"
    write_pairs(pairs, target)
    page = np.asarray(Image.open(target))
    width = page.shape[1]
    middle = [page[72, width // 4], page[208, width // 4]]
    assert middle == [10, 60]
    assert [page[72, 3 * width // 4], page[208, 3 * width // 4]] == [110, 160]
    below = page[275:]
    assert below[:, : width // 2].min() < 100  # words below the first pair
    assert below[:, width // 2 :].min() == 255  # and none below the second
    assert list(target.parent.iterdir()) == [target]


def test_no_pairs_are_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pairs to show"):
        write_pairs([], tmp_path / "pairs.png")
