import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints.restoring import restore
from checkpoints.tree import flatten
from chunkport.errors import UsageError


def test_the_versions_in_a_state_dict_survive() -> None:
    state = torch.nn.BatchNorm2d(3).state_dict()
    tree, leaves = flatten({"net": state})
    back = restore(tree, [leaf.tensor for leaf in leaves])["net"]
    assert back._metadata == state._metadata  # type: ignore[attr-defined]  # torch puts it there


def test_tied_tensors_are_one_leaf_and_tied_again() -> None:
    shared = torch.randn(4, 4)
    tree, leaves = flatten({"a": shared, "b": {"c": shared.view(4, 4)}, "d": shared.t()})
    assert len(leaves) == 2
    back = restore(tree, [leaf.tensor for leaf in leaves])
    assert back["a"] is back["b"]["c"]
    assert back["a"] is not back["d"]


def test_parameters_and_gradients_stay_what_they_are() -> None:
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    value = {
        "p": torch.nn.Parameter(torch.ones(3)),
        "f": frozen,
        "t": torch.ones(1).requires_grad_(),
    }
    tree, leaves = flatten(value)
    back = restore(tree, [leaf.tensor for leaf in leaves])
    assert [type(back[key]) for key in value] == [type(item) for item in value.values()]
    assert [back[key].requires_grad for key in value] == [True, False, True]


def test_leaves_are_named_after_their_place() -> None:
    state = {"optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}, "noise": torch.ones(3)}
    _, leaves = flatten(state)
    assert [(leaf.name, leaf.group) for leaf in leaves] == [
        ("optimizer/state/0/exp_avg", "optimizer"),
        ("noise", ""),
    ]


def test_places_that_read_alike_get_names_of_their_own() -> None:
    _, leaves = flatten({"a": {"b": torch.ones(1), "c/d": torch.ones(1)}, "a/b": torch.ones(1)})
    assert [leaf.name for leaf in leaves] == ["a/b", "a/c/d", "a/b#2"]


class _Own:
    pass


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        _Own(),
        torch.nn.Linear(1, 1),
        types.SimpleNamespace(),
        Path("x"),
        np.array(["text"]),
        np.array([1.0], dtype=">f4"),
        np.array([object()]),
        torch.ones(2, 2).to_sparse(),
        torch.ones(2, device="meta"),
        {_Own: 1},
        {(1, frozenset()): 1},
        1 << 20_000,
        len,
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_refused_with_their_place(value: object) -> None:
    with pytest.raises(UsageError, match=r"^checkpoint: extra/1 holds ") as caught:
        flatten({"extra": [0, value]})
    assert "\n" not in str(caught.value)


def test_a_container_in_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(UsageError, match="extra/0/again holds a container that holds itself"):
        flatten({"extra": loop})


def test_endless_nesting_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(UsageError, match="nested deeper than 100"):
        flatten({"deep": deep})


def test_top_level_keys_are_strings() -> None:
    with pytest.raises(UsageError, match="top-level key 3 is not a string"):
        flatten({3: 1})  # type: ignore[dict-item]  # the mistake under test


@pytest.mark.parametrize("value", [[torch.ones(2)], torch.ones(2), torch.nn.Linear(2, 2), None])
def test_what_is_no_dictionary_is_told_what_to_give(value: Any) -> None:
    message = f"checkpoint: is a {type(value).__name__}; give a dictionary, such as a state_dict"
    with pytest.raises(UsageError, match=message):
        flatten(value)
