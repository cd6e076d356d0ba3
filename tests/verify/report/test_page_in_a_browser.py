"""The page as people see it: in Chromium, wide and narrow, light and dark, and on paper."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from verify.report.page import render, write_report
from verify.report.training import TrainingPage
from verify.report.training_page import write_training_page

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made

pytestmark = pytest.mark.integration

OpenPage = Callable[..., Any]
_NOTHING_ASIDE = """() => [...document.querySelectorAll('body *')]
    .filter(it => it.getBoundingClientRect().right > innerWidth + 1 && it.checkVisibility())
    .filter(it => !it.closest('.scrolls') && !it.closest('.map') && !it.closest('.hidden'))
    .map(it => it.tagName + ' ' + it.textContent.slice(0, 40))"""
_UNREACHABLE = """() => [...document.querySelectorAll('*')]
    .filter(it => ['auto', 'scroll'].includes(getComputedStyle(it).overflowX))
    .filter(it => it.scrollWidth > it.clientWidth && it.tabIndex !== 0)
    .map(it => it.outerHTML.slice(0, 80))"""
_FAINT = """() => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const under = element => {
        for (let it = element; it; it = it.parentElement) {
            const colour = numbers(getComputedStyle(it).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return numbers(getComputedStyle(document.documentElement).backgroundColor);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = [];
    let seen = 0;
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const drawn = element.closest('svg') || element.closest('.hidden');
        if (!texts.currentNode.data.trim() || drawn || !element.checkVisibility()) continue;
        const levels = [light(numbers(getComputedStyle(element).color)), light(under(element))];
        const contrast = (Math.max(...levels) + 0.05) / (Math.min(...levels) + 0.05);
        seen += 1;
        if (contrast < 4.5) faint.push(element.outerHTML.slice(0, 80) + ' ' + contrast);
    }
    return {seen, faint};
}"""


@pytest.fixture(scope="module")
def page(made: "Made", tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report(made.full(), path)
    return path


@pytest.fixture(scope="module")
def both(page: Path, training: TrainingPage) -> tuple[Path, Path]:
    """The report, and the page of a training run."""
    path = page.with_name("training.html")
    write_training_page(training, path)
    return page, path


def test_it_opens_without_a_network_a_server_or_an_error(page: Path, open_page: OpenPage) -> None:
    opened = open_page(page, offline=True, java_script_enabled=False)
    assert opened.page.locator("h1").inner_text() == "FAIL"
    assert opened.console == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [page.as_uri()]
    assert opened.page.locator("#pictures img").first.is_visible()


def test_the_browser_finds_nothing_to_mend(made: "Made", page: Path, open_page: OpenPage) -> None:
    """Where tags are nested as HTML forbids, a browser builds another tree than was written."""
    written = [
        str(it.tag)
        for it in ET.fromstring(render(made.full())).iter()  # noqa: S314 - our own page
    ]
    opened = open_page(page)
    built = opened.page.evaluate("[...document.querySelectorAll('*')].map(it => it.localName)")
    assert built == written


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_lost_at_the_side(
    both: tuple[Path, Path], open_page: OpenPage, width: int
) -> None:
    for page in both:
        opened = open_page(page, viewport={"width": width, "height": 800})
        assert opened.page.evaluate(_NOTHING_ASIDE) == []
        for details in opened.page.locator("summary").all():
            details.click()
        assert opened.page.evaluate(_NOTHING_ASIDE) == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_in_either_scheme(
    both: tuple[Path, Path], open_page: OpenPage, scheme: str
) -> None:
    for page, texts in zip(both, (200, 60), strict=True):
        opened = open_page(page, color_scheme=scheme)
        found = opened.page.evaluate(_FAINT)
        assert found["seen"] > texts
        assert found["faint"] == []
        paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        red = int(re.findall(r"\d+", paper)[0])
        assert (red > 200) == (scheme == "light")


def test_a_page_of_training_loads_itself_anew_until_the_run_ends(
    training: TrainingPage, tmp_path: Path, open_page: OpenPage
) -> None:
    path = tmp_path / "training.html"
    soon = replace(training, refresh_seconds=1)
    write_training_page(soon, path)
    opened = open_page(path)
    assert opened.page.locator("h1").inner_text() == "35%"
    write_training_page(replace(soon, state="done", done=4.0), path)
    opened.page.locator("h1", has_text="Done").wait_for()
    assert opened.page.locator("#curves svg[role=img]").first.is_visible()
    assert opened.page.locator("meta[http-equiv=refresh]").count() == 0
    assert opened.console == []


def test_all_that_scrolls_can_be_reached_by_keyboard(page: Path, open_page: OpenPage) -> None:
    opened = open_page(page, viewport={"width": 390, "height": 800})
    assert opened.page.evaluate(_UNREACHABLE) == []
    reached = set()
    for _ in range(60):
        opened.page.keyboard.press("Tab")
        reached.add(opened.page.evaluate("document.activeElement.className"))
    assert "scrolls" in reached


def test_nothing_moves_for_who_asked_for_that(page: Path, open_page: OpenPage) -> None:
    behaviour = "getComputedStyle(document.documentElement).scrollBehavior"
    assert open_page(page, reduced_motion="reduce").page.evaluate(behaviour) == "auto"
    assert open_page(page, reduced_motion="no-preference").page.evaluate(behaviour) == "smooth"


def test_on_paper_it_is_light_and_all_of_it_is_there(page: Path, open_page: OpenPage) -> None:
    opened = open_page(page, color_scheme="dark")
    inside = opened.page.locator("#inside details .ops li").last
    assert not inside.is_visible()
    opened.page.emulate_media(media="print", color_scheme="dark")
    assert inside.is_visible()
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    printed = opened.page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) > 3
    # Nothing is wider than the paper, or it would be shrunk to fit.
    opened.page.set_viewport_size({"width": 680, "height": 1000})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 680
