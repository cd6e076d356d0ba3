"""Drawn fruit to judge by: pictures that stand for those trained on, and others like them."""

import numpy as np
import pytest

from networks.quality.judgement import RealPictures
from train.fruits import FRUITS, render_fruit
from train.picture_files import seed_of

_EACH = 24
_UNSEEN = 1 << 25


def _drawn(first: int) -> RealPictures:
    pictures = [
        render_fruit(kind, seed_of(0, first + number)) for number in range(_EACH) for kind in FRUITS
    ]
    return RealPictures(np.stack(pictures)[:, None], FRUITS * _EACH)


@pytest.fixture(scope="session")
def real_fruit() -> RealPictures:
    """120 pictures of five kinds in turn, which a generator was trained on."""
    return _drawn(_UNSEEN)


@pytest.fixture(scope="session")
def unseen_fruit() -> RealPictures:
    """As many others."""
    return _drawn(2 * _UNSEEN)
