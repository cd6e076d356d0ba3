"""Constants and metadata of .tflite files; damage is told from a file of another kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert.tflite import (
    attach_metadata,
    constants,
    find_metadata,
    read_flatbuffer,
    write_flatbuffer,
)

WriteTflite = Callable[[Path, Mapping[str, NDArray[Any]]], Path]


def test_constants_are_read_as_they_were_written(tmp_path: Path, write_tflite: WriteTflite) -> None:
    rng = np.random.default_rng(0)
    written: dict[str, NDArray[Any]] = {
        "weight": rng.standard_normal((2, 3, 4), dtype=np.float32),
        "half": rng.standard_normal(5).astype(np.float16),
        "quantized": rng.integers(-128, 127, (3, 3), dtype=np.int8),
        "scalar": np.array(7, dtype=np.int32),
        "empty": np.zeros((0, 2), dtype=np.float32),
    }
    path = write_tflite(tmp_path / "a.tflite", written)
    read = {constant.name: constant.values for constant in constants(read_flatbuffer(path))}
    del written["empty"]  # a buffer without bytes is how the format marks "no constant"
    assert read.keys() == written.keys()
    for name, values in written.items():
        assert read[name].dtype == values.dtype
        assert np.array_equal(read[name], values)


def test_metadata_survives_the_file_and_the_newer_replaces_the_older(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    path = write_tflite(tmp_path / "a.tflite", {"weight": np.ones(3, dtype=np.float32)})
    for content in (b"first", "second, longer: \u00e9".encode()):
        model = read_flatbuffer(path)
        attach_metadata(model, "note", content)
        attach_metadata(model, "other", b"kept")
        write_flatbuffer(model, path)
        model = read_flatbuffer(path)
        assert find_metadata(model, "note") == content
        assert find_metadata(model, "other") == b"kept"
        assert len(model.metadata) == 2
    assert find_metadata(model, "absent") is None


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK\x03\x04 a zip file"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.tflite: is not a \.tflite file"):
        read_flatbuffer(path)


@pytest.mark.parametrize("name", ["absent.tflite", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="there is no such file"):
        read_flatbuffer(tmp_path / name)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, write_tflite: WriteTflite) -> None:
    path = write_tflite(tmp_path / "a.tflite", {"weight": np.ones(300, dtype=np.float32)})
    whole = path.read_bytes()
    for size in range(8, len(whole), 13):
        path.write_bytes(whole[:size])
        with pytest.raises(BadInputError, match=r"a\.tflite: is damaged or cut short"):
            read_flatbuffer(path)


def test_no_damaged_byte_ends_in_another_error(tmp_path: Path, write_tflite: WriteTflite) -> None:
    path = write_tflite(tmp_path / "a.tflite", {"weight": np.ones(9, dtype=np.float32)})
    whole = path.read_bytes()
    refused = 0
    for position in range(8, len(whole)):
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            try:
                read_flatbuffer(path)
            except BadInputError:
                refused += 1
    assert refused > len(whole) // 4
