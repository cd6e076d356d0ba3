import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints.restoring import restore, revive
from checkpoints.tree import flatten
from chunkport.errors import BadInputError


def test_numpy_values_pass_through_a_file_that_torch_reads_safely(tmp_path: Path) -> None:
    value: dict[str, Any] = {
        "array": np.arange(4, dtype=np.int16),
        "list": [np.float64(0.1), {"deep": (np.bool_(0), 3)}],
    }
    tree, leaves = flatten(value)
    torch.save(restore(tree, [leaf.tensor for leaf in leaves], portable=True), tmp_path / "m.pth")
    loaded = torch.load(tmp_path / "m.pth", weights_only=True)
    back = revive(loaded)
    assert back["array"].dtype == np.int16
    assert back["array"].tolist() == [0, 1, 2, 3]
    assert type(back["list"][0]) is np.float64
    assert back["list"][0] == 0.1
    assert type(back["list"][1]["deep"][0]) is np.bool_


@pytest.mark.parametrize(
    "node",
    [
        {"$": "unknown"},
        {"$": ["list"]},
        {"$": "tensor"},
        {"$": "tensor", "index": 1},
        {"$": "tensor", "index": -1},
        {"$": "tensor", "index": True},
        {"$": "tensor", "index": "0"},
        {"$": "array"},
        {"$": "tuple", "items": 3},
        {"$": "size", "items": ["x"]},
        {"$": "dict", "items": [[[], 1]]},
        {"$": "dict", "items": [[1]]},
        {"$": "ordered", "items": None},
        {"$": "float", "value": "much"},
        {"$": "float", "value": None},
        {"$": "scalar", "dtype": "object", "hex": "00"},
        {"$": "scalar", "dtype": "O8,i4", "hex": "00"},
        {"$": "scalar", "dtype": "int64", "hex": "0"},
        {"$": "scalar", "dtype": "int64", "hex": ""},
        {"$": "scalar", "dtype": 3, "hex": "00"},
    ],
    ids=json.dumps,
)
def test_json_that_is_no_tree_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="cannot be rebuilt") as caught:
        restore({"key": [node]}, [torch.ones(1)])
    assert "\n" not in str(caught.value)


def test_nesting_without_end_is_refused() -> None:
    node: Any = 1
    for _ in range(100_000):
        node = [node]
    with pytest.raises(BadInputError, match="cannot be rebuilt"):
        restore(node, [])
    with pytest.raises(BadInputError, match="cannot be rebuilt"):
        revive(node)


@pytest.mark.parametrize(
    "value",
    [
        {"__chunkport__": "array"},
        {"__chunkport__": "array", "tensor": 3},
        {"__chunkport__": "scalar", "dtype": "object", "hex": "00"},
        {"__chunkport__": "scalar", "dtype": "float32", "hex": 1},
    ],
)
def test_a_malformed_numpy_value_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="NumPy values cannot be rebuilt"):
        revive({"a": [value]})
