"""NumPy's numbers in what torch.save wrote: taken to the letter, or refused."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints import load_model_chunked, open_checkpoint
from chunkport.errors import BadInputError

CODES = ("f2", "f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
STATE = (3, "<", None, None, None, -1, -1, 0)


def test_numbers_of_every_plain_type_are_read(tmp_path: Path) -> None:
    numbers = {code: np.ones(1, code)[0] * np.ones(1, code)[0] for code in CODES}
    history = {"D_loss": [np.mean([0.1, 0.2]), np.float32(0.1)]}
    torch.save({"weight": torch.ones(2), **numbers, "history": history}, tmp_path / "m.pth")
    loaded = load_model_chunked(tmp_path / "m.pth")
    assert {code: loaded[code].dtype for code in CODES} == {code: np.dtype(code) for code in CODES}
    contents = open_checkpoint(tmp_path / "m.pth").contents
    for values in (loaded, contents):
        assert all(values[code] == 1 for code in CODES)
        assert values["history"] == history
    assert type(contents["f8"]) is float
    assert type(contents["b1"]) is bool
    assert type(contents["u8"]) is int


def test_the_name_that_an_older_numpy_gave_is_known(tmp_path: Path) -> None:
    path = pickled(
        tmp_path, b"cnumpy.core.multiarray\nscalar\n", "f8", STATE, np.float64(0.5).tobytes()
    )
    assert load_model_chunked(path) == {"n": 0.5}
    assert open_checkpoint(path).contents["n"] == 0.5


@pytest.mark.parametrize(
    ("code", "state", "content", "reason"),
    [
        ("O8", STATE, bytes(8), "a NumPy type that is no plain number's"),
        ("V8", STATE, bytes(8), "a NumPy type that is no plain number's"),
        ("f8", (3, ">", *STATE[2:]), bytes(8), "more than a little-endian number's"),
        ("f8", (3, "<", None, ("x",), {"x": 1}, 8, 1, 16), bytes(8), "more than a little-endian"),
        ("f8", {}, bytes(8), "more than a little-endian number's"),
        ("f8", STATE, bytes(4), "a NumPy number of 4 bytes that says it is f8"),
        ("f8", STATE, "text", "without its type or its bytes"),
    ],
)
def test_whatever_is_no_plain_number_is_refused(
    tmp_path: Path, code: str, state: Any, content: Any, reason: str
) -> None:
    path = pickled(tmp_path, b"cnumpy._core.multiarray\nscalar\n", code, state, content)
    for read in (load_model_chunked, open_checkpoint):
        with pytest.raises(BadInputError, match=reason):
            read(path)


def pickled(folder: Path, scalar: bytes, code: str, state: Any, content: Any) -> Path:
    """A .pth of {"n": scalar(dtype(code) that is told state, content)}."""

    def plain(value: Any) -> bytes:
        return pickle.dumps(value, protocol=2)[2:-1]  # without the frame around it

    program = (
        b"\x80\x02}" + plain("n") + scalar + b"(cnumpy\ndtype\n("
        + plain(code) + b"\x89\x88tR" + plain(state) + b"b"
        + plain(content) + b"tRs."
    )  # fmt: skip
    path = folder / "m.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", program)
        archive.writestr("m/byteorder", "little")
        archive.writestr("m/version", "3")
    return path
