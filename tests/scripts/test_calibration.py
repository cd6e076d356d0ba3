"""What a user asks of calibration reaches the file, and contradictions are told."""

from pathlib import Path

import pytest

from chunkport.errors import UsageError
from convert.calibration.ranges import Ranges
from convert.calibration.samples import SEED, CalibrationChoice
from scripts._calibration import chosen_calibration, show_calibration
from scripts._output import Output

_NONE = dict.fromkeys(
    ("calibration_dir", "calibration_samples", "calibration_seed", "ranges", "save_ranges")
)


def test_flags_become_one_value_and_others_pass_by() -> None:
    assert chosen_calibration({**_NONE, "layout": "nhwc"}) == (None, {"layout": "nhwc"})
    chosen, others = chosen_calibration({**_NONE, "calibration_samples": 8})
    assert (chosen, others) == (CalibrationChoice(samples=8, seed=SEED), {})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ranges": Path("r.json"), "calibration_samples": 8}, "--ranges measures nothing"),
        ({"calibration_dir": Path("a"), "calibration_seed": 1}, "not with --calibration-dir"),
    ],
)
def test_contradictions_are_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen_calibration({**_NONE, **given})


def test_source_count_and_doubts_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    ranges = Ranges("ab", "drawn pictures", None, 8, 1000, 0.2, {})
    show_calibration(Output("convert"), ranges)
    shown = capsys.readouterr()
    assert "Calibrated on 8 samples, drawn pictures by seed 1000; half of them" in shown.out
    assert "missed 20.0% of a range" in shown.out
    assert "which are few" in shown.err
    assert "unlike yours" in shown.err
