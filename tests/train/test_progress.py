"""How far a run has come, through a checkpoint and back."""

import math

import pytest

from train.progress import Progress


def test_an_epoch_ends_with_the_means_of_its_steps() -> None:
    progress = Progress.before_the_first_step(["loss", "accuracy"])
    progress.epoch_steps = [{"loss": 1.0}, {"loss": 4.0}]
    assert (progress.epoch, progress.mean_so_far()) == (0, {"loss": 2.5})
    progress.end_epoch()
    progress.enter({"accuracy": 0.75})
    assert (progress.epoch, progress.last) == (1, {"loss": 2.5, "accuracy": 0.75})
    assert progress.epoch_steps == []


@pytest.mark.parametrize("steps", [[], [{"loss": 1.0, "psnr": 30.0}, {"loss": 2.0, "psnr": 31.0}]])
def test_it_survives_a_checkpoint(steps: list[dict[str, float]]) -> None:
    before = Progress({"loss": [3.0], "psnr": [29.0]}, 7, [*steps], {"cpu": 1}, 24)
    after = Progress.before_the_first_step(["loss", "psnr"])
    after.restore({**before.as_values(), "global_step": before.step})
    assert after == before


def test_a_history_under_other_keys_is_missed() -> None:
    before = Progress({"loss": [3.0]}, 7)
    with pytest.raises(KeyError, match="psnr"):
        Progress.before_the_first_step(["psnr"]).restore({**before.as_values(), "global_step": 7})


def test_what_was_not_measured_before_is_unknown_there() -> None:
    before = {**Progress({"loss": [3.0, 2.0]}, 7).as_values(), "global_step": 7}
    after = Progress.before_the_first_step(["loss", "kid"])
    assert after.restore(before, optional=["kid"]) == ("kid",)
    assert after.history["loss"] == [3.0, 2.0]
    assert [math.isnan(value) for value in after.history["kid"]] == [True, True]
    with pytest.raises(KeyError, match="loss"):
        Progress.before_the_first_step(["loss"]).restore(
            {**before, "history": {}}, optional=["kid"]
        )
