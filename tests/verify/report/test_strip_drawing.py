import re

import numpy as np

from verify.report.strip_drawing import StripDrawing, draw_strip


def strip(*logits: float, reference: list[bool] | None = None) -> StripDrawing:
    values = np.array(logits)
    return draw_strip(values, 1.0, (values > 0).tolist() if reference is None else reference)


def outlines(drawing: StripDrawing, classes: str) -> list[tuple[int, ...]]:
    """(x, y, height) of each cell of one look."""
    (path,) = [look.path for look in drawing.looks if look.classes == classes]
    return [tuple(map(int, found)) for found in re.findall(r"M(\d+) (\d+)h10v(\d+)h-10z", path)]


def test_a_one_is_tall_and_a_zero_low() -> None:
    drawing = strip(2, -2)
    assert outlines(drawing, "sure-3") == [(0, 0, 10), (12, 7, 3)]
    assert outlines(drawing, "empty") == [(12, 0, 10)]


def test_a_bit_is_the_paler_the_nearer_its_logit_is_to_0() -> None:
    looks = {look.classes for look in strip(2, 0.5, 0.2, 0.05).looks}
    assert looks == {"sure-3", "sure-2", "sure-1", "sure-0"}


def test_a_flipped_bit_is_marked_and_told() -> None:
    drawing = strip(2, 0.05, -0.5, reference=[True, False, True])
    assert outlines(drawing, "flipped") == [(12, 0, 10), (24, 7, 3)]
    assert [(it.x, it.text) for it in drawing.flipped] == [
        (12, "bit 1: 0 in PyTorch, 1 here (logit 0.05)"),
        (24, "bit 2: 1 in PyTorch, 0 here (logit -0.5)"),
    ]
    assert drawing.uncertain == ()


def test_an_uncertain_bit_is_told() -> None:
    assert [it.text for it in strip(2, -0.05).uncertain] == ["bit 1: 0, uncertain (logit -0.05)"]


def test_long_messages_are_wrapped_and_every_bit_is_drawn_once() -> None:
    drawing = strip(*np.random.default_rng(0).standard_normal(1024).tolist())
    drawn = [
        cell[:2] if cell[2] == 10 else (cell[0], cell[1] - 7)
        for look in drawing.looks
        if look.classes != "empty"
        for cell in outlines(drawing, look.classes)
    ]
    assert len(set(drawn)) == 1024
    assert len({y for _, y in drawn}) == 16
    assert max(x for x, _ in drawn) + 10 == drawing.width
    assert max(y for _, y in drawn) + 10 == drawing.height
    assert sum(len(look.path) for look in drawing.looks) < 50_000


def test_the_bits_of_a_hexadecimal_digit_stand_together() -> None:
    xs = [x for x, _, _ in outlines(strip(*[2.0] * 9), "sure-3")]
    assert np.diff(xs).tolist() == [12, 12, 12, 16, 12, 12, 12, 16]


def test_logits_of_nothing_are_uncertain() -> None:
    drawing = draw_strip(np.zeros(4), np.finfo(float).tiny, [False] * 4)
    assert len(drawing.uncertain) == 4
