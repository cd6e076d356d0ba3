"""The page in Chromium: what a visitor sees, on whole bundles and on damaged ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.integration

OpenBundle = Callable[..., Any]


@pytest.fixture
def copied(generator_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(generator_bundle, tmp_path / "bundle")


@pytest.mark.parametrize("kind", ["generator", "detector"])
def test_a_whole_bundle_passes_without_a_word_and_asks_for_nothing_else(
    open_bundle: OpenBundle, request: pytest.FixtureRequest, kind: str
) -> None:
    folder: Path = request.getfixturevalue(f"{kind}_bundle")
    opened = open_bundle(folder)
    page = opened.page
    assert page.inner_text("#verdict") == "PASS"
    assert page.title().startswith("PASS: ")
    assert page.inner_text("#integrity") == "the one that was bundled, by its SHA-256"
    goldens = json.loads((folder / "goldens" / "index.json").read_text())["goldens"]
    assert page.locator("#goldens-rows .mark.pass").count() == len(goldens) + 1
    assert page.locator("#goldens-rows tr").count() == len(goldens) + 1  # all together
    assert page.inner_text("#speed-wasm").count(" ms") == 2
    assert "not run: " in page.inner_text("#speed-webgpu")
    assert page.is_hidden("#not-served")
    assert opened.errors == []
    place = page.url
    outside = [one for one in opened.requests if not one.startswith((place, "data:", "blob:"))]
    assert outside == []


def test_one_wrong_byte_of_the_model_fails(open_bundle: OpenBundle, copied: Path) -> None:
    (model,) = copied.glob("*.tflite")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    page = open_bundle(copied).page
    assert page.inner_text("#verdict") == "FAIL"
    assert "its SHA-256 differs" in page.inner_text("#integrity")
    assert "not the one that was bundled" in page.inner_text("#lead")


def test_another_model_fails_by_what_it_computes(
    open_bundle: OpenBundle, copied: Path, generator_tflites: dict[str, Path]
) -> None:
    (model,) = copied.glob("*.tflite")
    shutil.copyfile(generator_tflites["int8-dynamic"], model)
    page = open_bundle(copied).page
    assert page.inner_text("#verdict") == "FAIL"
    assert page.locator("#goldens-rows .mark").all_inner_texts() == ["FAIL"] * 3


def test_a_changed_golden_fails_and_the_others_pass(open_bundle: OpenBundle, copied: Path) -> None:
    path = copied / "goldens" / "sample_2.image.f32"
    values = np.fromfile(path, dtype="<f4")
    values[5] += 0.01
    values.tofile(path)
    page = open_bundle(copied).page
    assert page.inner_text("#verdict") == "FAIL"
    marks = page.locator("#goldens-rows .mark").all_inner_texts()
    assert marks[:2] == ["pass", "FAIL"]
    assert "1 of 2 golden inputs" in page.inner_text("#lead")


@pytest.mark.parametrize(
    "missing", ["goldens/index.json", "goldens/sample_1.latent.f32", "*.tflite"]
)
def test_what_is_missing_is_named(open_bundle: OpenBundle, copied: Path, missing: str) -> None:
    (path,) = copied.glob(missing)
    path.unlink()
    page = open_bundle(copied).page
    assert page.inner_text("#verdict") == "FAIL"
    assert f"{path.name} is missing from this folder" in page.inner_text("#lead")


def test_a_model_that_does_not_open_is_told_of(open_bundle: OpenBundle, copied: Path) -> None:
    (model,) = copied.glob("*.tflite")
    model.write_bytes(model.read_bytes()[:1000])
    page = open_bundle(copied).page
    assert page.inner_text("#verdict") == "FAIL"
    assert "could not be run here" in page.inner_text("#lead")


@pytest.mark.parametrize("javascript", [True, False])
def test_opened_as_a_file_it_says_what_to_do(
    open_page: Callable[..., Any], generator_bundle: Path, *, javascript: bool
) -> None:
    opened = open_page(generator_bundle / "index.html", java_script_enabled=javascript)
    opened.page.locator("#not-served").wait_for(state="visible", timeout=10_000)
    assert "python -m http.server" in opened.page.inner_text("#not-served")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(
    open_bundle: OpenBundle, detector_bundle: Path, scheme: str
) -> None:
    page = open_bundle(
        detector_bundle, viewport={"width": 360, "height": 780}, color_scheme=scheme
    ).page
    page.click(".gallery button >> nth=0")
    page.wait_for_selector("#hex")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
