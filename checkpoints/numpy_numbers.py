"""NumPy's numbers in a pickle, as training loops leave them where they keep mean losses.

Only what NumPy itself writes for a number of a plain type is taken, to the letter: the same pickle
may be handed to `torch.load` afterwards, which has NumPy read it.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_CODES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
_FORMATS = {code: f"<{form}" for code, form in zip(_CODES, "?bhiqBHIQefd", strict=True)}
_SCALAR = ("numpy._core.multiarray.scalar", "numpy.core.multiarray.scalar")  # of NumPy 2 and 1
_VERSION = 3
_BYTE_ORDERS = ("<", "|")  # little-endian, and none of a single byte


@dataclass(frozen=True)
class NumberType:
    """What stands for a `numpy.dtype` while a pickle is read."""

    code: str

    def check_state(self, state: Any) -> None:
        """Refuse whatever a dtype of a plain number would not be told.

        Raises:
            ValueError: it says more, or another byte order.
        """
        order = state[1] if type(state) is tuple and len(state) > 1 else None
        if order not in _BYTE_ORDERS or state != (_VERSION, order, None, None, None, -1, -1, 0):
            raise ValueError("a NumPy type that is more than a little-endian number's")


def _number_type(code: Any, align: Any, copy: Any) -> NumberType:
    if type(code) is not str or code not in _FORMATS or (align, copy) != (False, True):
        raise ValueError("a NumPy type that is no plain number's")
    return NumberType(code)


def _number(kind: Any, content: Any) -> float | int | bool:
    if not isinstance(kind, NumberType) or type(content) is not bytes:
        raise ValueError("a NumPy number without its type or its bytes")
    form = _FORMATS[kind.code]
    if len(content) != struct.calcsize(form):
        raise ValueError(f"a NumPy number of {len(content)} bytes that says it is {kind.code}")
    value: float | int | bool = struct.unpack(form, content)[0]
    return value


VOCABULARY: dict[str, Callable[..., Any] | None] = {
    "numpy.dtype": _number_type,
    **dict.fromkeys(_SCALAR, _number),
}
"""What a pickle says of such numbers, and what is done; see `checkpoints.inert_pickle`."""


@contextmanager
def numbers_for_torch() -> Iterator[None]:
    """Let `torch.load(weights_only=True)` have NumPy read them, within the block.

    Only for a pickle that was walked through with `VOCABULARY` before. Before version 2.6 torch
    takes no function under a name of another version of NumPy, and refuses such numbers.
    """
    import numpy as np
    import torch
    from packaging.version import Version

    if Version(torch.__version__) < Version("2.6"):
        yield
        return
    scalar = np.float64(0).__reduce__()[0]
    allowed: list[Any] = [np.dtype, *(type(np.dtype(code)) for code in _FORMATS)]
    allowed += [(scalar, name) for name in _SCALAR]
    with torch.serialization.safe_globals(allowed):
        yield
