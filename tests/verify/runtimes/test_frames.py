"""Frames carry headers and tensors whole; node.mjs reads the same, which test_node.py shows."""

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from verify.runtimes.frames import decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("text", ["", "a", "ab", "é", "a\n\"'"])
def test_what_goes_in_comes_out(text: str) -> None:
    tensors: dict[str, NDArray[Any]] = {
        "image": np.arange(12, dtype=np.float32).reshape(1, 3, 4),
        "turned": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "scalar": np.array(7, dtype=np.float32),
        "bytes": np.array([1, 2, 3], dtype=np.uint8),
        "none": np.zeros((0, 5), np.float32),
    }
    frame = encode({"ask": "run", "text": text}, tensors)
    header, back = decode(frame)
    assert header == {"ask": "run", "text": text}
    assert list(back) == list(tensors)
    for name, values in tensors.items():
        assert (back[name].dtype, back[name].shape) == (values.dtype, values.shape)
        assert np.array_equal(back[name], values)
    (length,) = struct.unpack_from("<I", frame)
    assert length % 4 == 0  # where floats may begin


def test_a_frame_without_tensors_has_none() -> None:
    assert decode(encode({"runs": 3})) == ({"runs": 3}, {})
