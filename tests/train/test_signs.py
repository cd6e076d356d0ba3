"""Signs in general: when one stands, and what is said when that changes."""

import math

from train.signs import Rule, Sign, changes, standing, summary

LOUD = Sign("loud", good=False, sentence="it is above 10", remedy="a lower --volume")
CALM = Sign("calm", good=True, sentence="it is below 1")
RULES = (
    Rule(LOUD, ("noise",), lambda rows: rows[-1]["noise"] > 10),
    Rule(CALM, ("noise",), lambda rows: rows[-1]["noise"] < 1),
)


def names(*noise: float, warm_up: float = 0.0) -> list[str]:
    return [sign.name for sign in standing(RULES, {"noise": noise}, warm_up)]


def test_a_sign_stands_after_two_epochs_and_goes_after_one() -> None:
    assert names() == names(20) == names(5, 20) == []
    assert names(20, 20) == names(0, 20, 30) == ["loud"]
    assert names(20, 20, 5) == []
    assert names(0, 0) == ["calm"]


def test_the_warm_up_does_not_count() -> None:
    assert names(20, 20, 20, warm_up=1.9) == ["loud"]
    assert names(20, 20, 20, warm_up=2) == []


def test_epochs_that_were_not_measured_are_passed_over() -> None:
    assert names(20, math.nan, math.nan, 20) == ["loud"]
    assert names(math.nan, math.nan) == []


def test_changes_are_said_once_with_what_to_try() -> None:
    assert changes((), (LOUD,), 3) == [
        "Warning: epoch 3: a sign of failure, loud: it is above 10. Try a lower --volume."
    ]
    assert changes((LOUD,), (LOUD,), 4) == []
    assert changes((LOUD,), (CALM,), 5) == [
        "Epoch 5: a sign of success, calm: it is below 1.",
        "Epoch 5: loud is gone, which was a sign of failure.",
    ]
    assert changes((CALM,), (), 6) == ["Epoch 6: calm is gone, which was a sign of success."]


def test_the_summary_names_all_that_stand() -> None:
    assert summary((LOUD, CALM)) == "Signs of success: calm. Signs of failure: loud."
    assert summary(()) == "Signs of success: none. Signs of failure: none."
