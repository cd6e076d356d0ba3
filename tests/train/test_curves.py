"""The picture of a run's history: what of it is drawn, and that it is there whole or not at all."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chunkport.errors import UsageError
from train.curves import Panel, write_curves

LOSSES = Panel("Losses", "nats", {"D_loss": "discriminator", "G_loss": "generator"})
ANSWERS = Panel("Answers", "probability", {"D_real": "D(real)"}, limits=(0, 1))
HISTORY = {
    "D_loss": [1.4, 1.2, 1.1, 1.3],
    "G_loss": [0.7, 0.8, 1.0, 0.9],
    "D_real": [0.5, 0.6, 0.7, 0.7],
}
BLUE = (0x00, 0x72, 0xB2)


def drawn(folder: Path, history: dict[str, list[float]], *panels: Panel) -> NDArray[np.uint8]:
    path = folder / "pictures" / "history.png"
    write_curves(history, panels, path)
    assert [item.name for item in path.parent.iterdir()] == ["history.png"]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def where(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.int64]:
    """Rows and columns of the pixels of exactly that colour, (N, 2)."""
    return np.argwhere((picture == np.array(colour)).all(axis=2))


def test_panels_stand_two_to_a_row(tmp_path: Path) -> None:
    heights, widths = zip(
        *(drawn(tmp_path, HISTORY, *[LOSSES] * count).shape[:2] for count in (1, 2, 3, 4)),
        strict=True,
    )
    assert heights == (heights[0], heights[0], 2 * heights[0], 2 * heights[0])
    assert widths == (widths[0], 2 * widths[0], 2 * widths[0], 2 * widths[0])


def test_a_curve_rises_where_its_values_do(tmp_path: Path) -> None:
    for values in ([0.1, 0.5, 0.9], [0.9, 0.5, 0.1]):
        found = where(drawn(tmp_path, {"D_real": values}, ANSWERS), BLUE)
        left, right = found[found[:, 1].argmin()], found[found[:, 1].argmax()]
        assert (right[0] < left[0]) == (values[0] < values[-1])


def test_every_curve_has_a_colour_of_its_own(tmp_path: Path) -> None:
    one = drawn(tmp_path, HISTORY, Panel("Losses", "nats", {"D_loss": "discriminator"}))
    two = drawn(tmp_path, HISTORY, LOSSES)
    vermilion = (0xD5, 0x5E, 0x00)
    assert where(one, BLUE).size
    assert not where(one, vermilion).size
    assert where(two, BLUE).size
    assert where(two, vermilion).size


@pytest.mark.parametrize("epochs", [1, 2, 400])
def test_runs_of_any_length_show(tmp_path: Path, epochs: int) -> None:
    history = {"D_real": [0.3 + 0.4 * epoch / epochs for epoch in range(epochs)]}
    assert where(drawn(tmp_path, history, ANSWERS), BLUE).size


def test_values_of_any_size_are_told_apart_where_they_span_orders(tmp_path: Path) -> None:
    """0.5 and 2 after 80,000: as they are they fall together, by their logarithm they do not."""
    history = {"kid": [80_000.0, 2.0, 0.5, -0.001]}
    apart = []
    for logarithmic in (False, True):
        panel = Panel("Distance", "KID", {"kid": "KID"}, logarithmic=logarithmic)
        found = where(drawn(tmp_path, history, panel), BLUE)
        right = found[found[:, 1] > (found[:, 1].min() + found[:, 1].max()) / 2]
        apart.append(np.ptp(right[:, 0]))
    assert apart[1] > 3 * apart[0]


def test_what_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    history = {"D_real": [0.2, math.inf, math.nan, 0.8]}
    columns = set(where(drawn(tmp_path, history, ANSWERS), BLUE)[:, 1])
    assert max(np.diff(sorted(columns))) > 100


def test_a_picture_before_stays_where_the_next_cannot_be_drawn(tmp_path: Path) -> None:
    before = drawn(tmp_path, HISTORY, LOSSES)
    with pytest.raises(KeyError):
        drawn(tmp_path, {}, LOSSES)
    with Image.open(tmp_path / "pictures" / "history.png") as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), before)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("here first")
    with pytest.raises(UsageError, match="pictures: cannot be created"):
        drawn(tmp_path, HISTORY, LOSSES)
