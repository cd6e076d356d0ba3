"""Survival of an exact mark that is read by an exact rule, so that every figure is known."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chunkport.errors import UsageError
from verify.attack_survival import Survival, measure_survival
from verify.attacks import ATTACKS, find_attack
from verify.message_readers import Reader
from verify.message_statistics import bit_interval, matches_needed, share_interval
from wrappers.spec import Message

if TYPE_CHECKING:
    from tests.verify.conftest import Cells
    from verify.attacks import Pixels

THRESHOLD = matches_needed(32, 1e-6)


def flipping(reader: Reader, bits: int) -> Reader:
    """The reader with its first bits read otherwise, and no mark seen."""

    def read(pixels: "Pixels") -> Message:
        found = reader.read(pixels).bits
        return Message(-1.0, tuple(1 - bit for bit in found[:bits]) + found[bits:])

    return Reader(f"{bits} flipped", reader.nbits, read)


def by_attack(rows: tuple[Survival, ...]) -> dict[str, Survival]:
    return {row.attack: row for row in rows}


def test_a_mark_that_holds_is_read_whole_and_one_that_does_not_is_not(cells: "Cells") -> None:
    rows, mark = measure_survival(cells.pictures(6), [cells.reader], THRESHOLD, seed=0)
    found = by_attack(rows)
    assert list(found) == [attack.name for attack in ATTACKS]
    assert mark is None
    for name in ("none", "jpeg-50", "resize-0.5", "resize-2", "noise-0.05", "blur-1"):
        row = found[name]
        assert (row.bit_accuracy, row.recovered, row.detected, row.present) == (1, 1, 1, 1)
        assert row.bit_accuracy_interval == share_interval(6, 6)
    assert found["crop-0.75"].bit_accuracy < 0.9
    assert found["crop-0.75"].detected == 0
    assert all(row.bits_unlike_reference == 0 for row in rows)


def test_errors_are_counted_as_they_are(cells: "Cells") -> None:
    readers = [cells.reader, flipping(cells.reader, 2), flipping(cells.reader, 3)]
    none = [find_attack("none")]
    rows, _ = measure_survival(cells.pictures(10), readers, THRESHOLD, 0, attacks=none)
    exact, two, three = rows
    assert [row.reader for row in rows] == ["cells", "2 flipped", "3 flipped"]
    assert (exact.bit_accuracy, two.bit_accuracy, three.bit_accuracy) == (1, 30 / 32, 29 / 32)
    assert (exact.recovered, two.recovered, three.recovered) == (1, 0, 0)
    assert (exact.detected, two.detected, three.detected) == (1, 1, 0)  # 30 are needed
    assert (exact.present, two.present) == (1, 0)
    assert [row.bits_unlike_reference for row in rows] == [0, 20, 30]
    assert two.bit_accuracy_interval == bit_interval(10, 32, 300, 10 * 30**2, 0)
    assert two.recovered_interval == share_interval(0, 10)


def test_the_seed_decides_what_the_attacks_do(cells: "Cells") -> None:
    crops = [find_attack("crop-0.75"), find_attack("rotate-10")]
    first, again, other = (
        measure_survival(cells.pictures(8), [cells.reader], THRESHOLD, seed, attacks=crops)[0]
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_visibility_is_of_the_marks_and_not_of_the_attacks(cells: "Cells") -> None:
    pictures = [
        replace(item, original=(item.pixels + np.uint8(step)).astype(np.uint8))
        for step, item in zip((1, 2), cells.pictures(2), strict=True)
    ]
    _, mark = measure_survival(pictures, [cells.reader], THRESHOLD, seed=0)
    assert mark is not None
    assert mark.pictures == 2
    of_one, of_two = 20 * np.log10(255), 20 * np.log10(255 / 2)
    assert mark.psnr_min_db == pytest.approx(of_two)
    assert mark.psnr_mean_db == pytest.approx((of_one + of_two) / 2)
    assert 0.9 < mark.ssim_min <= mark.ssim_mean < 1


def test_pictures_are_taken_one_after_the_other(cells: "Cells") -> None:
    """Each is read before the next is made, so that any number of them may come."""
    events: list[str] = []

    def coming() -> object:
        for item in cells.pictures(3):
            events.append("made")
            yield item

    none = [find_attack("none")]
    measure_survival(
        coming(),  # type: ignore[arg-type]  # the test's own generator
        [cells.reader],
        THRESHOLD,
        0,
        lambda: events.append("read"),
        attacks=none,
    )
    assert events == ["made", "read"] * 3


def test_readers_of_other_messages_and_no_pictures_are_refused(cells: "Cells") -> None:
    other = Reader("other.tflite", 96, cells.reader.read)
    with pytest.raises(UsageError, match=r"other\.tflite: reads messages of 96 bits, and .* 32"):
        measure_survival(cells.pictures(1), [cells.reader, other], THRESHOLD, 0)
    with pytest.raises(UsageError, match="there is no picture to attack"):
        measure_survival([], [cells.reader], THRESHOLD, 0)
