"""Every byte of a .tflite is accounted for, once, under the module and the op that it serves."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chunkport.errors import BadInputError
from convert.tflite import attach_metadata, constants, read_flatbuffer, write_flatbuffer
from verify.weight_map import (
    UNUSED,
    WeightMap,
    module_tree,
    weights_by_module,
)

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade

_ROOT = "a.Net"
_FIRST = "a.Net/torch.nn.Sequential_body/torch.nn.modules.linear.Linear_0"
_SECOND = "a.Net/torch.nn.Sequential_body/torch.nn.modules.linear.Linear_1"


@pytest.fixture
def mixed(tmp_path: Path, hand_made: "type[HandMade]") -> WeightMap:
    """Two dense layers, the first int8, the second's float16 weight widened, and a loose end."""
    shared_bias = np.zeros(6, np.float32)
    path = hand_made(
        {
            "x": (1, 4),
            f"{_FIRST};1": np.ones((6, 4), np.int8),
            "arith.constant": shared_bias,
            f"{_FIRST};;{_ROOT};": (1, 6),
            f"{_SECOND};1": np.ones((6, 6), np.float16),
            "widened": (6, 6),
            "arith.constant1": shared_bias,
            f"{_SECOND};": (1, 6),
            "arith.constant2": np.ones((6,), np.float32),
            "y": (1, 6),
            "never read": np.ones(5, np.int32),
        },
        [
            ("FULLY_CONNECTED", ["x", f"{_FIRST};1", "arith.constant"], f"{_FIRST};;{_ROOT};"),
            ("DEQUANTIZE", [f"{_SECOND};1"], "widened"),
            (
                "FULLY_CONNECTED",
                [f"{_FIRST};;{_ROOT};", "widened", "arith.constant1"],
                f"{_SECOND};",
            ),
            ("ADD", [f"{_SECOND};", "arith.constant2"], "y"),
        ],
        scales={f"{_FIRST};1": [0.1] * 6},
    ).write(tmp_path / "mixed.tflite")
    model = read_flatbuffer(path)
    attach_metadata(model, "note", bytes(123))
    write_flatbuffer(model, path)
    found = weights_by_module(path)
    assert found.size_bytes == path.stat().st_size
    return found


def test_each_constant_stands_under_its_module_op_and_dtype(mixed: WeightMap) -> None:
    found = {part.name: part for part in mixed.parts}
    first = found[f"{_FIRST};1"]
    assert (first.module, first.op_kind, first.dtype) == (("body", "0"), "FULLY_CONNECTED", "INT8")
    assert (first.values_bytes, first.scale_bytes, first.size_bytes) == (24, 6 * 12, 96)
    second = found[f"{_SECOND};1"]
    assert (second.module, second.op_kind) == (("body", "1"), "FULLY_CONNECTED")
    assert (second.dtype, second.values_bytes) == ("FLOAT16", 72)
    assert (found["never read"].op_kind, found["never read"].module) == (UNUSED, ())
    assert found["arith.constant2"].op_kind == "ADD"
    assert found["arith.constant2"].module == ()


def test_values_that_tensors_share_count_once_where_they_are_read_first(mixed: WeightMap) -> None:
    found = {part.name: part for part in mixed.parts}
    assert "arith.constant1" not in found
    assert found["arith.constant"].tensors == 2
    assert found["arith.constant"].values_bytes == 24
    assert found["arith.constant"].module == ("body", "0")  # by the name of what its op gives


def test_the_sums_are_the_file(mixed: WeightMap) -> None:
    parts = sum(part.size_bytes for part in mixed.parts)
    assert parts == 24 + 72 + 24 + 72 + 24 + 20
    assert sum(mixed.by_op_kind().values()) == sum(mixed.by_dtype().values()) == parts
    assert mixed.by_op_kind() == {"FULLY_CONNECTED": 192, "ADD": 24, UNUSED: 20}
    assert mixed.rest["metadata"] == 123
    assert parts + sum(mixed.rest.values()) == mixed.size_bytes
    assert 0 < mixed.rest["structure"] < 4096


def test_the_tree_holds_each_part_once_and_adds_up(mixed: WeightMap) -> None:
    root = module_tree(mixed.parts)
    assert root.size_bytes == sum(part.size_bytes for part in mixed.parts)
    assert [part.name for part in root.parts] == ["arith.constant2", "never read"]
    (body,) = root.children
    assert (body.name, body.parts, body.size_bytes) == ("body", (), 24 + 72 + 24 + 72)
    assert [(child.name, child.size_bytes) for child in body.children] == [("0", 120), ("1", 72)]


def test_what_is_no_tflite_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.tflite"
    path.write_text("not one", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"not a \.tflite"):
        weights_by_module(path)


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_a_converted_generators_bytes_are_found_in_its_modules(
    generator_tflites: dict[str, Path], precision: str
) -> None:
    path = generator_tflites[precision]
    found = weights_by_module(path)
    values = sum(part.values_bytes for part in found.parts)
    assert values == sum(constant.values.nbytes for constant in constants(read_flatbuffer(path)))
    assert (
        values + sum(part.scale_bytes for part in found.parts) + sum(found.rest.values())
        == path.stat().st_size
    )
    assert min(found.rest.values()) > 0
    names = [child.name for child in module_tree(found.parts).children]
    assert names == ["fc", "up1", "up2", "up3", "up4"]
    weight = {"fp32": "FLOAT32", "fp16": "FLOAT16", "int8-dynamic": "INT8"}[precision]
    assert next(iter(found.by_dtype())) == weight
