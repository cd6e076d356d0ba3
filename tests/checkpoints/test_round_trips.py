"""Any checkpoint, through JSON or any container, whole or in chunks, comes back as it was."""

import json
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from checkpoints import load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.layout import Container
from checkpoints.memory import TORCH_DTYPES
from checkpoints.restoring import restore
from checkpoints.tree import NUMPY_DTYPES, flatten

CAP_MB = 0.0625
CAP = 65_536
FORMS: list[tuple[str, Container]] = [
    ("m.pth", "pth"),
    ("m.pth", "safetensors"),
    ("m.safetensors", "safetensors"),
]
LARGE = 40_000  # elements: enough for chunks, whatever their type

texts = st.text(st.characters(), max_size=8)  # lone surrogates included
plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**63, 2**200), st.floats(), texts
)
shapes = st.one_of(
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from([[LARGE], [1, LARGE], [200, 200], [4, LARGE // 4], [2, LARGE // 2]]),
)
tensors = st.builds(
    lambda dtype, shape: (torch.arange(math.prod(shape)) % 250).reshape(shape).to(dtype),
    st.sampled_from(sorted(TORCH_DTYPES.values(), key=str)),
    shapes,
)
arrays = hypothesis_numpy.arrays(
    st.sampled_from(sorted(NUMPY_DTYPES, key=str)),
    hypothesis_numpy.array_shapes(min_dims=0, max_side=3),
)
scalars = st.sampled_from(sorted(NUMPY_DTYPES, key=str)).flatmap(hypothesis_numpy.from_dtype)
keys = texts | st.integers() | st.booleans() | st.none() | st.tuples(st.integers(), texts)


def _ordered(mapping: dict[Any, Any]) -> OrderedDict[Any, Any]:
    return OrderedDict(mapping)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=3)
    mappings: st.SearchStrategy[dict[Any, Any]] = st.dictionaries(keys, inner, max_size=3)
    return lists | lists.map(tuple) | mappings | mappings.map(_ordered)


trees = st.recursive(tensors | plain | arrays | scalars, _containers, max_leaves=10)
models = st.dictionaries(texts.filter(lambda key: key != "__chunkport__"), trees, max_size=4)


def same(left: Any, right: Any) -> bool:
    """Equal in type and in every bit at every depth."""
    if type(left) is not type(right):
        return False
    if isinstance(left, torch.Tensor):
        bits = [tensor.reshape(-1).view(torch.uint8) for tensor in (left, right)]
        return (left.dtype, left.shape) == (right.dtype, right.shape) and torch.equal(*bits)
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and bool(np.array_equal(left, right, equal_nan=True))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return repr(left) == repr(right)  # which tells -0.0 from 0.0 and knows NaN


@settings(max_examples=300, deadline=None)
@given(models)
def test_any_tree_survives_json(value: dict[str, Any]) -> None:
    tree, leaves = flatten(value)
    text = json.dumps(tree, allow_nan=False)
    assert same(restore(json.loads(text), [leaf.tensor for leaf in leaves]), value)


@pytest.mark.parametrize(("name", "container"), FORMS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(models)
@example({"\ud800": {"__metadata__": torch.ones(2)}, "__metadata__": torch.ones(LARGE)})
@example({"w#elements_0_9": torch.ones(1, LARGE), "#": {(1, "\x00"): torch.ones(1, LARGE)}})
def test_any_tree_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, container: Container, model: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("trip") / name
    for cap_mb in (CAP_MB, 90):
        save_model_chunked(model, path, cap_mb, container=container, announce=lambda _text: None)
        assert same(load_model_chunked(path), model)
        found = open_checkpoint(path).tensors()
        assert all(tensor.dtype in TORCH_DTYPES for tensor in found.values())
        if cap_mb == CAP_MB:
            assert max(file.stat().st_size for file in path.parent.iterdir()) <= CAP
