"""What goes wrong beside a run is said, and that is all."""

from pathlib import Path

import pytest

from train.mishaps import tolerated


def test_a_failure_is_announced_with_its_reason_and_what_follows_goes_on() -> None:
    said: list[str] = []
    with tolerated("page.html: is not written", said.append):
        raise ValueError("no\n  room")
    with tolerated("page.html: is not written", said.append):
        raise ValueError
    with tolerated("page.html: is not written", said.append):
        Path("page.html", "page.3f2a.tmp").touch()
    assert said == [
        "Warning: page.html: is not written (no room); training goes on.",
        "Warning: page.html: is not written (ValueError); training goes on.",
        "Warning: page.html: is not written (No such file or directory); training goes on.",
    ]


def test_nothing_is_said_of_what_goes_well_and_ctrl_c_is_not_held_back() -> None:
    said: list[str] = []
    with tolerated("never", said.append):
        pass
    with pytest.raises(KeyboardInterrupt), tolerated("never", said.append):
        raise KeyboardInterrupt
    assert said == []
