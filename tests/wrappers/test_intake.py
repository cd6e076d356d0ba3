"""Only a whole, finite state dict of the right network gets in."""

import pytest
import torch
from torch import nn

from chunkport.errors import BadInputError
from wrappers.intake import load_strictly, state_dict_in


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_a_state_dict_is_found_under_its_key_and_bare() -> None:
    state = network().state_dict()
    assert state_dict_in({"model": state, "epoch": 3}, "model", "a.pth") is state
    assert state_dict_in(state, "model", "a.pth") is state


@pytest.mark.parametrize(
    "checkpoint",
    [{}, {"epoch": 3, "other": {}}, {"model": {}}, {"model": {"weight": [1.0]}}, {"model": 3}],
)
def test_what_is_no_state_dict_is_refused(checkpoint: dict[str, object]) -> None:
    with pytest.raises(BadInputError, match=r"a\.pth: holds no 'model'"):
        state_dict_in(checkpoint, "model", "a.pth")


def test_the_refusal_lists_what_the_checkpoint_holds_in_order_and_not_endlessly() -> None:
    with pytest.raises(BadInputError, match="it holds discriminator, epoch"):
        state_dict_in({"epoch": 3, "discriminator": {}}, "model", "a.pth")
    with pytest.raises(BadInputError, match=r"it holds key0, .*, key7 and 2 more"):
        state_dict_in({f"key{number}": number for number in range(10)}, "model", "a.pth")


def test_every_tensor_is_loaded_into_an_eval_network_without_gradients() -> None:
    state = {name: torch.rand_like(t.float()) for name, t in network().state_dict().items()}
    state["1.num_batches_tracked"] = torch.tensor(7)
    loaded = load_strictly(network(), state, "a.pth")
    assert loaded.state_dict().keys() == state.keys()
    assert all(torch.equal(loaded.state_dict()[name], state[name]) for name in state)
    assert not any(module.training for module in loaded.modules())
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_missing_and_unexpected_keys_are_named_in_order() -> None:
    state = network().state_dict()
    for name in ("1.bias", "0.weight"):
        del state[name]
    state["z.weight"] = state["a.weight"] = torch.zeros(1)
    with pytest.raises(BadInputError) as refusal:
        load_strictly(network(), state, "a.pth")
    assert str(refusal.value) == (
        "a.pth: is no Sequential checkpoint; missing keys: 0.weight, 1.bias; "
        "unexpected keys: a.weight, z.weight; name the model that the checkpoint is of"
    )


def test_a_wrong_shape_is_named_with_the_right_one() -> None:
    state = network().state_dict() | {"0.weight": torch.zeros(3, 2)}
    with pytest.raises(BadInputError, match=r"'0\.weight' has shape \(3, 2\), expected \(2, 3\)"):
        load_strictly(network(), state, "a.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named_and_counted(value: float) -> None:
    state = network().state_dict()
    state["1.running_var"][1] = value
    with pytest.raises(BadInputError, match=r"'1\.running_var' holds 1 NaN or infinite of 2"):
        load_strictly(network(), state, "a.pth")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.bool, torch.complex64])
def test_weights_of_a_type_that_is_no_float_are_refused(dtype: torch.dtype) -> None:
    state = network().state_dict()
    state["0.weight"] = state["0.weight"].to(dtype)
    kind = str(dtype).removeprefix("torch.")
    with pytest.raises(BadInputError, match=rf"'0\.weight' is of type {kind}, expected one"):
        load_strictly(network(), state, "a.pth")
