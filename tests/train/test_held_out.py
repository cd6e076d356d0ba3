import pytest

from chunkport.errors import UsageError
from train.held_out import held_out_indices

NAMES = [f"Apple/Apple_{number:04d}.png" for number in range(400)]


def test_about_the_share_is_held_out_and_nothing_is_lost() -> None:
    training, held_out = held_out_indices(NAMES, 0.2)
    assert sorted(training + held_out) == list(range(400))
    assert 0.15 < len(held_out) / 400 < 0.25


def test_a_name_keeps_its_side_when_others_are_added() -> None:
    _, before = held_out_indices(NAMES[:200], 0.2)
    _, after = held_out_indices(NAMES, 0.2)
    assert before == [index for index in after if index < 200]


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_neither_side_is_empty(share: float) -> None:
    assert all(held_out_indices(NAMES[:2], share))


@pytest.mark.parametrize(
    ("names", "share", "message"),
    [
        (NAMES[:1], 0.2, "one picture cannot be both trained on and held out"),
        (NAMES, 1.0, r"a share of 1\.0 cannot be held out"),
    ],
)
def test_what_cannot_be_split_is_refused(names: list[str], share: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        held_out_indices(names, share)
