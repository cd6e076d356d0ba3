"""A constant is told from the weight it should be, and in which way it differs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convert.stored.constants import StoredConstant
from convert.stored.scales import Scales
from verify.layers.file_ops import StoredWeight
from verify.layers.pairing import WeightPair
from verify.layers.stored_weights import WeightFinding, examine
from verify.layers.wrapper_run import CallWeight

_RNG = np.random.default_rng(0)
WANTED = _RNG.standard_normal((8, 3, 3, 5)).astype(np.float32)  # as the file lays it out
OTHER = _RNG.standard_normal((8, 3, 3, 5)).astype(np.float32)
AXES = (0, 2, 3, 1)


def pair(name: str, values: NDArray[Any], stored: StoredWeight) -> WeightPair:
    """The wrapper's weight is laid out as PyTorch does it."""
    turned = torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
    return WeightPair(CallWeight(name, turned), stored, AXES)


def floats(values: NDArray[Any]) -> StoredWeight:
    flat = values.reshape(-1)
    constant = StoredConstant(flat, flat.size, 8 * flat.itemsize)
    return StoredWeight("constant", values.shape, constant)


def integers(values: NDArray[Any], factor: float = 1.0) -> StoredWeight:
    scale = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 127
    raw = np.round(values / scale).astype(np.int8).reshape(-1)
    scales = Scales(
        (scale * factor).astype(np.float32).reshape(-1),
        np.zeros(len(scale), np.float32),
        raw.size // len(scale),
    )
    return StoredWeight("constant", values.shape, StoredConstant(raw, raw.size, 8, scales))


def found(stored: StoredWeight) -> WeightFinding:
    this = pair("up.weight", WANTED, stored)
    return examine(this, [this, pair("down.weight", OTHER, floats(OTHER))])


@pytest.mark.parametrize(
    "stored", [floats(WANTED), floats(WANTED.astype(np.float16)), integers(WANTED)]
)
def test_what_its_type_can_hold_is_right(stored: StoredWeight) -> None:
    assert (found(stored).wrong, found(stored).explanation) == (0, "")


def with_one(change: Callable[[NDArray[Any]], Any]) -> NDArray[Any]:
    values = WANTED.copy()
    change(values)
    return values


def flip_lowest_bit(values: NDArray[Any]) -> None:
    values.view(np.uint32).reshape(-1)[7] ^= 1


def put_nan(values: NDArray[Any]) -> None:
    values.reshape(-1)[3] = np.nan


PER_CHANNEL = WANTED * np.linspace(0.5, 2, 8, dtype=np.float32)[:, None, None, None]


@pytest.mark.parametrize(
    ("stored", "explanation"),
    [
        (floats(with_one(flip_lowest_bit)), "differ in 1 of 360 places"),
        (floats(with_one(put_nan)), "are NaN or infinite in 1 of 360 places"),
        (integers(WANTED, factor=2), "are 2 times the right ones"),
        (floats(np.zeros_like(WANTED)), "are all zeros"),
        (floats(OTHER), "are those of down.weight"),
        (integers(OTHER), "are those of down.weight"),
        (floats(WANTED[::-1]), "are the right ones in another order"),
        (
            floats(PER_CHANNEL),
            "channel, 0.5 to 2, as where a norm is left out or is another one",
        ),
        (floats(WANTED + 0.5 * np.abs(OTHER)), "% away from the right ones"),
    ],
)
def test_how_it_differs_is_said(stored: StoredWeight, explanation: str) -> None:
    finding = found(stored)
    assert finding.wrong > 0
    assert finding.explanation.endswith(explanation)


def test_integers_one_step_off_are_wrong() -> None:
    stored = integers(WANTED)
    stored.constant.data[11] += 1
    assert found(stored).explanation == "differ in 1 of 360 places"
    assert found(stored).scattered
