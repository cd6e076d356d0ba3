"""What is written can be read: WCAG's contrast, of the colours that the style sheet names."""

import itertools
import re
from importlib.resources import files

import pytest

_READABLE = 4.5  # WCAG 2.2, 1.4.3, of small text
_VISIBLE = 3.0  # 1.4.11, of what is no text
TEMPLATES = files("verify.report") / "templates"
STYLE = (TEMPLATES / "report.css").read_text(encoding="utf-8")
OF_TRAINING = (TEMPLATES / "training.css").read_text(encoding="utf-8")
PAPERS = ("paper", "panel")


def schemes() -> dict[str, dict[str, str]]:
    """The colours by name, of each scheme."""
    light, dark, printed = (
        dict(re.findall(r"--([a-z\d-]+): (#[\da-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)
    )
    return {"light": light, "dark": {**light, **dark}, "print": {**light, **printed}}


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_the_standard_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_stands_out_from_what_it_is_on(scheme: str) -> None:
    colours = schemes()[scheme]
    texts = ("ink", "soft", "accent", "pass", "fail", "skipped")
    pairs = [*itertools.product(texts, PAPERS), ("fail", "fail-wash"), ("ink", "fail-wash")]
    pairs += [("soft", "fail-wash")]
    pairs += [("ink", kind) for kind in ("float32", "float16", "int8", "int4", "other", "none")]
    measured = {(text, on): contrast(colours[text], colours[on]) for text, on in pairs}
    assert {pair: value for pair, value in measured.items() if value < _READABLE} == {}


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_bars_rings_and_outlines_stand_out(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = [("accent", "track"), ("soft", "track"), ("fail", "paper"), ("fail", "track")]
    pairs += [("ink", "track"), ("accent", "paper")]
    pairs += [(f"curve-{number}", "paper") for number in range(1, 7)]
    measured = {(mark, on): contrast(colours[mark], colours[on]) for mark, on in pairs}
    assert {pair: value for pair, value in measured.items() if value < _VISIBLE} == {}


def test_every_colour_that_is_used_has_a_value_in_every_scheme() -> None:
    used = set(re.findall(r"var\(--([a-z\d-]+)\)", STYLE + OF_TRAINING)) - {"text", "code", "tile"}
    for scheme, colours in schemes().items():
        assert used <= set(colours), scheme
