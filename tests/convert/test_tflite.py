"""Constants and metadata of .tflite files; damage is told from a file of another kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert import tflite
from convert.quantization.precision import recipe_of
from convert.quantization.quantize import quantize
from convert.tflite import (
    Deferred,
    attach_metadata,
    constants,
    find_metadata,
    op_kind,
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


@pytest.fixture
def written_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write every file as large ones are written."""
    monkeypatch.setattr(tflite, "_SMALLEST_OUTSIDE", 0)
    monkeypatch.setattr(tflite, "_SMALLEST_BUFFER_OUTSIDE", 1)


@pytest.mark.usefixtures("written_outside")
def test_constants_behind_the_flatbuffer_are_read_as_they_were_written(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    rng = np.random.default_rng(0)
    written = {name: rng.standard_normal(size, dtype=np.float32) for name, size in _SIZES.items()}
    path = write_tflite(tmp_path / "a.tflite", written)
    for _ in range(2):  # written anew from its own map
        model = read_flatbuffer(path)
        attach_metadata(model, "note", b"kept")
        write_flatbuffer(model, path)
    model = read_flatbuffer(path)
    read = {constant.name: constant.values for constant in constants(model)}
    assert read.keys() == written.keys()
    assert all(np.array_equal(read[name], values) for name, values in written.items())
    assert find_metadata(model, "note") == b"kept"
    content = path.read_bytes()
    assert all(content.find(values.tobytes()) % 16 == 0 for values in written.values())


_SIZES = {"one": 1, "odd": 1001, "even": 4096}


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("block", [1, 5000, 1 << 20])
def test_deferred_values_are_computed_in_order(
    *,
    tmp_path: Path,
    write_tflite: WriteTflite,
    monkeypatch: pytest.MonkeyPatch,
    outside: bool,
    block: int,
) -> None:
    values = np.arange(50 * 3 * 20, dtype=np.float32).reshape(50, 3, 20)
    path = write_tflite(tmp_path / "a.tflite", {"weight": np.zeros_like(values)})
    monkeypatch.setattr(tflite, "_SMALLEST_OUTSIDE", 0 if outside else 1 << 30)
    monkeypatch.setattr(tflite, "_BLOCK", block)
    model = read_flatbuffer(path)
    deferred = Deferred(values.shape, values.dtype, lambda rows: values[rows])
    model.buffers[model.subgraphs[0].tensors[0].buffer].data = deferred
    write_flatbuffer(model, path)
    (constant,) = constants(read_flatbuffer(path))
    assert np.array_equal(constant.values, values)


@pytest.mark.integration
@pytest.mark.usefixtures("written_outside")
def test_a_file_written_so_runs_everywhere_and_is_quantized_with_its_metadata(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    usual, outside = generator_tflites["fp32"], tmp_path / "outside.tflite"
    write_flatbuffer(read_flatbuffer(usual), outside)
    latent = np.random.default_rng(0).standard_normal((1, 100), dtype=np.float32)
    expected = _interpreted(usual, latent)
    assert np.array_equal(_interpreted(outside, latent), expected)
    compiled = CompiledModel.from_file(str(outside))
    inputs, outputs = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
    inputs[0].write(latent)
    compiled.run_by_index(0, inputs, outputs)
    out = outputs[0].read(expected.size, np.float32).reshape(expected.shape)
    np.testing.assert_allclose(out, expected, atol=1e-6)

    quantize(outside, recipe_of("int8-dynamic"), tmp_path / "int8.tflite")
    assert find_metadata(read_flatbuffer(tmp_path / "int8.tflite"), "chunkport_card.json")
    assert np.abs(_interpreted(tmp_path / "int8.tflite", latent) - expected).mean() < 0.05


def _interpreted(path: Path, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    (image,) = Interpreter(str(path)).get_signature_runner()(latent=latent).values()
    values: NDArray[np.float32] = image
    return values


@pytest.mark.full_scale
def test_a_file_beyond_2_gib_is_written_in_little_memory_and_runs(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    """The generator's first layer blown up: a Linear of 24000 x 24000, each row its number."""
    size = 24000
    model = read_flatbuffer(generator_tflites["fp32"])
    (subgraph,) = model.subgraphs
    linear = next(op for op in subgraph.operators if op_kind(model, op) == "FULLY_CONNECTED")
    subgraph.operators = [linear]
    subgraph.outputs = linear.outputs
    model.signatureDefs[0].outputs[0].tensorIndex = linear.outputs[0]
    x, weight, bias = (subgraph.tensors[index] for index in linear.inputs)
    y = subgraph.tensors[linear.outputs[0]]
    x.shape, weight.shape, bias.shape, y.shape = [1, size], [size, size], [size], [1, size]
    linear.builtinOptions.fusedActivationFunction = 0
    numbers = np.arange(size, dtype=np.float32)
    model.buffers[weight.buffer].data = Deferred(
        (size, size),
        np.dtype(np.float32),
        lambda rows: np.repeat(numbers[rows, None], size, axis=1),
    )
    model.buffers[bias.buffer].data = np.zeros(size, np.float32).view(np.uint8)
    before = _anonymous_mib()
    write_flatbuffer(model, tmp_path / "large.tflite")
    assert _anonymous_mib() - before < 64
    assert (tmp_path / "large.tflite").stat().st_size > 2 << 30
    latent = np.zeros((1, size), dtype=np.float32)
    latent[0, -1] = 1
    assert np.array_equal(_interpreted(tmp_path / "large.tflite", latent)[0], numbers)


def _anonymous_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024
