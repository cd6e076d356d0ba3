"""Integers of four bits survive being packed, in the order that the runtime reads them in."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from convert.stored.int4 import int4_at, pack_int4, unpack_int4

_INTEGERS = arrays(np.int8, st.integers(0, 33), elements=st.integers(-8, 7))


@given(_INTEGERS, st.data())
def test_any_part_comes_out_as_it_went_in(values: np.ndarray, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, values.size))
    count = data.draw(st.integers(0, values.size - first))
    part = unpack_int4(pack_int4(values), first, count)
    assert part.dtype == np.int8
    np.testing.assert_array_equal(part, values[first : first + count])
    places = np.arange(first, first + count)[::-1]
    np.testing.assert_array_equal(int4_at(pack_int4(values), places), part[::-1])


def test_the_first_lies_in_the_lower_half_of_a_byte() -> None:
    assert pack_int4(np.array([1, -1, -8])).tolist() == [0xF1, 0x08]


def test_what_does_not_fit_and_what_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match="from -8 to 7"):
        pack_int4(np.array([8]))
    with pytest.raises(ValueError, match="fewer than 5 values"):
        unpack_int4(np.zeros(2, np.uint8), 3, 2)
