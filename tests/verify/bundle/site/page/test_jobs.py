"""What the page does with the model, in Chromium: it draws pictures, or reads messages."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from train.scenes import render_scene
from verify.marked_pictures import mark_pixels, parse_message
from verify.message_readers import tflite_reader
from verify.runtimes.litert import LiteRtSession
from wrappers.detector_intake import load_embedder_network

pytestmark = pytest.mark.integration

OpenBundle = Callable[..., Any]
SAMPLE = Path(__file__).parents[5] / "samples" / "tinyseal" / "full_model.pth"
MESSAGE = "c0ffee42"


def _drawn(page: Any) -> np.ndarray[Any, Any]:
    values = page.evaluate(
        "() => { const c = document.getElementById('drawn');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]; }"
    )
    return np.asarray(values, np.uint8).reshape(128, 128, 4)


def _settled(page: Any, before: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The picture once it is another one and no longer changes."""
    last = before
    for _ in range(50):
        page.wait_for_timeout(100)
        now = _drawn(page)
        if np.array_equal(now, last) and not np.array_equal(now, before):
            return now
        last = now
    pytest.fail("the picture stayed as it was, or did not come to rest")


@pytest.fixture(scope="module")
def marked() -> np.ndarray[Any, Any]:
    """A picture (300, 400, 3) that says `c0ffee42`."""
    scene = render_scene(20_000, 400)[:300]
    return mark_pixels(load_embedder_network(SAMPLE), scene, parse_message(MESSAGE, 32))


def _file(pixels: np.ndarray[Any, Any], kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_it_draws_what_the_model_draws_of_that_noise(
    open_bundle: OpenBundle, generator_bundle: Path
) -> None:
    page = open_bundle(generator_bundle).page
    latent = page.evaluate(
        "async () => [...(await import('./page/generator.js')).latentOf(1, 100)]"
    )
    (model,) = generator_bundle.glob("*.tflite")
    values = LiteRtSession(model, 1).run({"latent": np.asarray([latent], np.float32)})["image"]
    expected = (values[0] + 1) * 127.5
    drawn = _drawn(page)
    assert (drawn[..., 3] == 255).all()
    assert np.abs(drawn[..., :3] - expected).max() < 0.51


def test_the_keyboard_moves_the_walk_and_the_picture_follows(
    open_bundle: OpenBundle, generator_bundle: Path
) -> None:
    opened = open_bundle(generator_bundle)
    page = opened.page
    first = _drawn(page)
    page.focus("#control-walk")
    page.keyboard.press("End")
    last = _settled(page, first)
    page.fill("#control-from", "2")  # the other end of the walk
    page.keyboard.press("Tab")
    page.focus("#control-walk")
    page.keyboard.press("Home")
    page.wait_for_timeout(1000)
    assert np.abs(_drawn(page).astype(int) - last).max() <= 1
    page.focus("#control-strength")
    page.keyboard.press("Home")
    _settled(page, last)
    assert opened.errors == []


def test_the_walk_plays_until_it_is_stopped(
    open_bundle: OpenBundle, generator_bundle: Path
) -> None:
    page = open_bundle(generator_bundle).page
    before = _drawn(page)
    page.get_by_role("button", name="Play the walk").click()
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Stop").click()
    still = _settled(page, before)
    page.wait_for_timeout(300)
    assert np.array_equal(_drawn(page), still)


def test_the_picture_can_be_saved(open_bundle: OpenBundle, generator_bundle: Path) -> None:
    page = open_bundle(generator_bundle).page
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as PNG").click()
    with Image.open(download.value.path()) as saved:
        assert np.array_equal(np.asarray(saved.convert("RGBA")), _drawn(page))


def test_a_chosen_picture_says_its_message(
    open_bundle: OpenBundle, detector_bundle: Path, marked: np.ndarray[Any, Any]
) -> None:
    opened = open_bundle(detector_bundle)
    page = opened.page
    page.fill("#expected", MESSAGE)
    picture = {"name": "holiday.png", "mimeType": "image/png", "buffer": _file(marked, "PNG")}
    page.set_input_files("#file", [picture])
    page.wait_for_selector("#hex")
    assert page.inner_text("#hex") == MESSAGE
    assert page.inner_text("#matches").startswith("Found: 32 of 32 bits agree")
    assert page.locator("#bits .bit.one").count() == parse_message(MESSAGE, 32).count(1)
    assert "400 \N{MULTIPLICATION SIGN} 300 pixels" in page.inner_text("#read")
    page.fill("#expected", "deadbeef")
    assert page.inner_text("#matches").startswith("Not found: ")
    assert page.locator("#bits .bit.wrong").count() > 0
    assert opened.errors == []


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted_as_jpeg_turned_by_a_camera(
    open_bundle: OpenBundle, detector_bundle: Path, marked: np.ndarray[Any, Any], event: str
) -> None:
    """Its pixels are read as stored, as the command and PyTorch read them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = _file(marked, "JPEG", quality=95, exif=exif)
    (model,) = detector_bundle.glob("*.tflite")
    with Image.open(io.BytesIO(content)) as stored:
        expected = tflite_reader(model).read(np.asarray(stored.convert("RGB")))
    page = open_bundle(detector_bundle).page
    page.evaluate(
        """([bytes, event]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(bytes)], "p.jpg", { type: "image/jpeg" }));
            const given = { bubbles: true, dataTransfer: transfer, clipboardData: transfer };
            const made = event === "drop" ? DragEvent : ClipboardEvent;
            document.body.dispatchEvent(new made(event, given));
        }""",
        [list(content), event],
    )
    page.wait_for_selector("#hex")
    assert "400 \N{MULTIPLICATION SIGN} 300 pixels" in page.inner_text("#read")
    assert page.inner_text("#hex") == expected.hex == MESSAGE


def test_what_is_no_picture_is_refused_and_the_next_one_read(
    open_bundle: OpenBundle, detector_bundle: Path, marked: np.ndarray[Any, Any]
) -> None:
    page = open_bundle(detector_bundle).page
    broken = {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#file", [broken])
    page.wait_for_selector("#read .fault")
    assert "broken.png: cannot be read" in page.inner_text("#read")
    whole = {"name": "whole.png", "mimeType": "image/png", "buffer": _file(marked, "PNG")}
    page.set_input_files("#file", [whole])
    page.wait_for_selector("#hex")
    assert page.inner_text("#hex") == MESSAGE


def test_its_golden_pictures_can_be_read_too(
    open_bundle: OpenBundle, detector_bundle: Path
) -> None:
    page = open_bundle(detector_bundle).page
    page.get_by_role("button", name="larger, and not square").click()
    page.wait_for_selector("#hex")
    assert page.input_value("#expected") == "deadbeef"
    assert page.inner_text("#matches").startswith("Found: ")
