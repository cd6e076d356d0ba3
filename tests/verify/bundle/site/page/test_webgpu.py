"""The page on WebGPU, which Chromium can compute without a graphics card."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.integration

_WAIT_MS = 120_000


@pytest.fixture
def with_webgpu(browser: "Browser", chromium_path: Path) -> "Iterator[Browser]":
    """Another Chromium, with WebGPU on the processor."""
    software = ["--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]
    flags = ["--no-sandbox", "--enable-unsafe-webgpu", *software]
    opened = browser.browser_type.launch(executable_path=chromium_path, args=flags)
    yield opened
    opened.close()


def test_the_goldens_pass_there_too_and_are_timed(
    with_webgpu: "Browser", serve_folder: Callable[[Path], str], generator_bundle: Path
) -> None:
    page = with_webgpu.new_page()
    page.goto(f"{serve_folder(generator_bundle)}/")
    page.wait_for_selector("body[data-done]", timeout=_WAIT_MS)
    said = page.inner_text("#speed-webgpu")
    if "no graphics card" in said or "offers no WebGPU" in said:
        pytest.skip(f"this Chromium computes no WebGPU: {said}")
    assert "pass" in said
    assert said.count(" ms") == 2
    assert page.inner_text("#verdict") == "PASS"
