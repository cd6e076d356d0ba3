"""A corrected bias is near the one that it was; another's is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.stored_constants import StoredConstant
from convert.weight_fit import is_corrected_bias

BIAS = np.random.default_rng(1).standard_normal(64).astype(np.float32)


def _stored(values: NDArray[np.float32]) -> StoredConstant:
    return StoredConstant(values, values.size, 8 * values.itemsize)


def test_a_bias_may_be_moved_a_little() -> None:
    shift = 0.1 * np.random.default_rng(2).standard_normal(64)
    assert is_corrected_bias(BIAS, _stored((BIAS + shift).astype(np.float32)))


@pytest.mark.parametrize(
    "other",
    [BIAS[::-1].copy(), 2 * BIAS, -BIAS, BIAS[:32].copy(), np.full(64, np.nan, np.float32)],
    ids=["another order", "twice", "negative", "half of it", "not finite"],
)
def test_nothing_else_passes_for_it(other: NDArray[np.float32]) -> None:
    assert not is_corrected_bias(BIAS, _stored(other))


def test_a_kernel_is_no_bias() -> None:
    kernel = BIAS.reshape(8, 8)
    assert not is_corrected_bias(kernel, _stored(BIAS))
