"""Integers chosen by what goes into a layer do less harm to what comes out than the nearest."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.quantization.hessian_rounding import (
    LayerInputs,
    RoundedRows,
    corrected_bias,
    gather_inputs,
    round_rows,
)

_ROWS, _COLUMNS, _SEEN = 24, 96, 4096
Values = NDArray[np.float32]


def _correlated(seed: int, count: int = _SEEN) -> Values:
    """Inputs as layers get them: a few causes behind many columns, and a mean other than 0."""
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((12, _COLUMNS))
    rng = np.random.default_rng(seed)
    causes = rng.standard_normal((count, 12)) + 0.5
    return (causes @ mixing + 0.3 * rng.standard_normal((count, _COLUMNS))).astype(np.float32)


def _weights() -> Values:
    return np.random.default_rng(3).standard_normal((_ROWS, _COLUMNS)).astype(np.float32)


def _nearest(weights: Values, bits: int) -> NDArray[np.float64]:
    largest = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(1, keepdims=True).astype(np.float64) / largest
    return np.asarray(np.round(weights / scale) * scale)


def _power_lost(weights: Values, values: NDArray[np.floating], rows: Values) -> float:
    """Of what comes out, in float64, the share that is wrong."""
    exact = rows.astype(np.float64) @ weights.T.astype(np.float64)
    given = rows.astype(np.float64) @ values.T.astype(np.float64)
    return float(np.square(given - exact).mean() / np.square(exact).mean())


def _gathered(rows: Values, wanted: Values) -> LayerInputs:
    return gather_inputs([(rows, wanted)], _COLUMNS)


@pytest.mark.parametrize("bits", [4, 8])
def test_on_inputs_that_go_together_a_tenth_of_the_error_is_left(bits: int) -> None:
    weights, seen, unseen = _weights(), _correlated(1), _correlated(2)
    rounded = round_rows(weights, _gathered(seen, seen), bits)
    lost = _power_lost(weights, rounded.values(), unseen)
    assert lost < 0.1 * _power_lost(weights, _nearest(weights, bits), unseen)


def test_no_row_does_worse_on_the_inputs_it_was_chosen_by() -> None:
    weights = _weights()
    for count in (3, 40, 4096):
        rows = _correlated(5, count)
        values = round_rows(weights, _gathered(rows, rows), 4).values()
        for row, chosen, nearest in zip(weights, values, _nearest(weights, 4), strict=True):
            ours, theirs = (_power_lost(row[None], v[None], rows) for v in (chosen, nearest))
            assert ours <= theirs * (1 + 1e-5)


def test_what_earlier_layers_lost_is_made_up_for() -> None:
    weights, wanted = _weights(), _correlated(1)
    lost = 1 + 0.1 * np.random.default_rng(9).standard_normal(_COLUMNS)
    given = (wanted * lost).astype(np.float32)  # as a rounded layer before gives it
    exact = wanted.astype(np.float64) @ weights.T
    aware = round_rows(weights, _gathered(given, wanted), 8).values()
    unaware = round_rows(weights, _gathered(given, given), 8).values()
    wrong = [np.square(given @ values.T - exact).mean() for values in (aware, unaware)]
    assert wrong[0] < 0.2 * wrong[1]


def test_integers_keep_out_of_what_kernels_get_wrong() -> None:
    rows = _correlated(1)
    rounded = round_rows(_weights(), _gathered(rows, rows), 4)
    assert rounded.integers.min() >= -7
    assert rounded.integers.max() <= 7
    assert rounded.integers.dtype == np.int8


def test_a_corrected_bias_leaves_the_mean_where_it_was() -> None:
    weights, rows = _weights(), _correlated(1)
    bias = np.linspace(-1, 1, _ROWS, dtype=np.float32)
    inputs = _gathered(rows, rows)
    values = _nearest(weights, 4)
    scale = np.abs(weights).max(1) / 7
    rounded = RoundedRows(
        np.round(values / scale[:, None]).astype(np.int8), scale.astype(np.float32)
    )
    wanted = (rows @ weights.T + bias).mean(0, dtype=np.float64)
    before = (rows @ rounded.values().T + bias).mean(0, dtype=np.float64)
    corrected = corrected_bias(weights, rounded, bias, inputs)
    after = (rows @ rounded.values().T + corrected).mean(0, dtype=np.float64)
    assert np.abs(before - wanted).max() > 0.05
    assert np.abs(after - wanted).max() < 1e-3


def test_dead_inputs_and_dead_rows_are_no_fault() -> None:
    weights, rows = _weights(), _correlated(1)
    rows[:, 5] = 0
    weights[2] = 0
    rounded = round_rows(weights, _gathered(rows, rows), 4)
    assert np.isfinite(rounded.scale).all()
    assert (rounded.integers[2] == 0).all()
