"""Marking pictures, and writing and reading messages as text."""

from pathlib import Path

import numpy as np
import pytest

from chunkport.errors import BadInputError, UsageError
from networks.embedder import Embedder
from verify.marked_pictures import (
    check_size,
    mark_pixels,
    marked_pictures,
    parse_message,
    random_message,
    visibility,
    write_message,
)
from wrappers.detector_intake import load_embedder_network


@pytest.fixture(scope="module")
def embedder(tinyseal_checkpoint: Path) -> Embedder:
    return load_embedder_network(tinyseal_checkpoint)


def gray(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(90, 160, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (128, 128), (47, 203)])
def test_pictures_of_any_size_are_marked_as_strongly_as_the_card_says(
    embedder: Embedder, height: int, width: int
) -> None:
    original = gray(height, width)
    marked = mark_pixels(embedder, original, random_message(32, 0))
    assert marked.dtype == np.uint8
    assert marked.shape == original.shape
    seen = visibility(original, marked)
    assert seen.psnr_db == pytest.approx(embedder.card.psnr_db, abs=0.3)  # rounding to 8 bits
    assert 0.8 < seen.ssim < 1


def test_each_picture_gets_a_message_of_its_own_by_the_seed(embedder: Embedder) -> None:
    pictures = [gray(20, 20), gray(20, 20)]
    first, again, other = (list(marked_pictures(embedder, pictures, seed)) for seed in (0, 0, 1))
    messages = {item.message for item in first + other}
    assert len(messages) == 4
    assert all(
        one.message == same.message and np.array_equal(one.pixels, same.pixels)
        for one, same in zip(first, again, strict=True)
    )
    assert not np.array_equal(first[0].pixels, first[1].pixels)
    assert first[0].original is pictures[0]


def test_a_picture_too_small_is_refused() -> None:
    check_size(gray(16, 16), "a.png")
    with pytest.raises(BadInputError, match=r"a\.png: is 40 x 15 pixels, too small for a mark"):
        check_size(gray(15, 40), "a.png")


@pytest.mark.parametrize(
    ("text", "nbits", "bits"),
    [
        ("a5", 8, (1, 0, 1, 0, 0, 1, 0, 1)),
        ("0xA5", 8, (1, 0, 1, 0, 0, 1, 0, 1)),
        ("10100101", 8, (1, 0, 1, 0, 0, 1, 0, 1)),
        ("11", 8, (0, 0, 0, 1, 0, 0, 0, 1)),
        ("c8", 6, (1, 1, 0, 0, 1, 0)),
        ("1", 1, (1,)),
    ],
)
def test_messages_are_written_in_either_way(text: str, nbits: int, bits: tuple[int, ...]) -> None:
    assert parse_message(text, nbits) == bits
    assert parse_message(write_message(bits), nbits) == bits


@pytest.mark.parametrize(
    "text", ["", "abc", "xyzw0123", "0x12345", "1" * 31, "+1234567", "²2345678"]
)
def test_what_is_no_message_of_the_length_names_the_bits_needed(text: str) -> None:
    with pytest.raises(UsageError, match="messages have 32 bits; write 8 hexadecimal digits or 32"):
        parse_message(text, 32)


def test_bits_beyond_the_message_must_be_0() -> None:
    with pytest.raises(UsageError, match=r"2 hexadecimal digits \(the last 2 of their bits 0\)"):
        parse_message("c9", 6)


def test_long_messages_go_through_text_whole() -> None:
    bits = random_message(1024, 5)
    assert 400 < sum(bits) < 624
    assert parse_message(write_message(bits), 1024) == bits
