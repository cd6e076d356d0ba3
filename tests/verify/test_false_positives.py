"""What readers find in clean pictures: counts that are known, and chance where it is to be seen."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from chunkport.errors import UsageError
from verify.false_positives import measure_false_positives
from verify.marked_pictures import random_message
from verify.message_statistics import matches_needed, most_by_chance, share_interval

if TYPE_CHECKING:
    from tests.verify.conftest import Cells

GRAY = np.full((32, 64, 3), 100, dtype=np.uint8)


def test_messages_are_found_as_often_as_chance_finds_them(cells: "Cells") -> None:
    threshold = matches_needed(32, 0.05)
    (found,) = measure_false_positives([GRAY] * 400, [cells.reader], threshold, seed=0)
    assert found.pictures == 400
    assert found.most_by_chance == most_by_chance(400, threshold.false_positive_rate, 0.999)
    assert 0 < found.false_positives <= found.most_by_chance
    assert found.bit_agreement == pytest.approx(0.5, abs=0.02)
    assert found.present == 0
    assert found.present_interval == share_interval(0, 400)


def test_a_detector_that_knows_the_message_is_found_out(cells: "Cells") -> None:
    """Were the messages not drawn anew, a picture could hold the one that is looked for."""
    pictures = [cells.write(random_message(32, 3, number)) for number in range(5)]
    threshold = matches_needed(32, 1e-6)
    (found,) = measure_false_positives(pictures, [cells.reader], threshold, seed=3)
    assert found.false_positives == 5 > found.most_by_chance == 0
    assert (found.bit_agreement, found.present) == (1, 5)
    (other,) = measure_false_positives(pictures, [cells.reader], threshold, seed=4)
    assert other.false_positives == 0


def test_no_picture_is_refused(cells: "Cells") -> None:
    with pytest.raises(UsageError, match="there is no clean picture to look at"):
        measure_false_positives([], [cells.reader], matches_needed(32, 0.1), 0)
