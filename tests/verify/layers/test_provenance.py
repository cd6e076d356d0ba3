"""Names of the network's tensors follow their values into the wrapper's weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from networks.gan import Generator
from verify.layers import provenance as module
from verify.layers.provenance import named_tensors, provenance
from wrappers.convnext_detector import ConvNextForTflite
from wrappers.gan_generator import GeneratorForTflite
from wrappers.registry import find_spec
from wrappers.vit_detector import VitForTflite


def traced(build: Callable[[Any], nn.Module], network: nn.Module) -> dict[str, tuple[str, ...]]:
    found = provenance(build, network)
    assert found is not None
    assert list(found) == [name for name, _ in named_tensors(build(network))]
    return dict(found)


def all_used(found: dict[str, tuple[str, ...]], network: nn.Module) -> bool:
    used = {name for names in found.values() for name in names}
    return used == {name for name, _ in named_tensors(network)}


def test_every_tensor_of_the_generator_is_in_some_weight_of_its_wrapper(
    make_generator: Callable[..., Generator],
) -> None:
    network = make_generator(seed=0, width=2)
    found = traced(GeneratorForTflite, network)
    assert all_used(found, network)
    assert found["up2.phases.3.weight"] == ("bn2.running_var", "bn2.weight", "deconv2.weight")
    assert found["up4.parts.0.weight"] == ("deconv4.weight",)


@pytest.mark.parametrize("name", ["convnext_stride2", "convnext_stride4", "vit"])
def test_every_tensor_of_a_detector_is_in_some_weight_of_its_wrapper(
    named_detector_case: Callable[[str], Any], name: str
) -> None:
    network = named_detector_case(name).network()
    build: Any = VitForTflite if name == "vit" else ConvNextForTflite
    found = traced(build, network)
    assert all_used(found, network)
    if name == "vit":
        attention = "image_encoder.blocks.0.attn"
        assert found["blocks.0.attention.positions.tables.weight"] == (
            f"{attention}.rel_pos_h",
            f"{attention}.rel_pos_w",
        )
        assert found["blocks.0.attention.positions.places.own"] == ()
    else:
        assert found["encoder.1.pwconv2.bias"] == (
            "convnext.stages.0.0.grn.beta",
            "convnext.stages.0.0.pwconv2.bias",
            "convnext.stages.0.0.pwconv2.weight",
        )


def test_the_network_and_its_values_are_left_as_they_are(
    make_generator: Callable[..., Generator],
) -> None:
    network = make_generator(seed=0, width=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    provenance(GeneratorForTflite, network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


class Sparse(nn.Module):
    """Looks at values as it is built, and writes into parts of a new weight."""

    def __init__(self, network: nn.Sequential) -> None:
        super().__init__()
        first, second = network
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        keep = [row for row in range(3) if bool(first.weight[row].any())]
        both = torch.zeros(6, 3)
        both[: len(keep)] = first.weight[keep]
        both[3:].copy_(second.weight)
        self.both = nn.Parameter(both)
        self.bias = nn.Parameter(torch.zeros_like(first.bias))


def two_linears() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))


def test_a_wrapper_that_looks_at_values_is_traced_on_a_copy() -> None:
    found = traced(Sparse, two_linears())
    assert found == {"both": ("0.weight", "1.weight"), "bias": ()}


def test_of_a_large_network_it_is_then_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_COPY", 10)
    assert provenance(Sparse, two_linears()) is None


def test_a_weight_that_the_wrapper_takes_over_keeps_its_name(own: Any) -> None:
    spec = find_spec(own.spec)
    found = traced(spec.build_wrapper, spec.open_network(own.checkpoint))
    assert found["net.norm.weight"] == ("norm.weight",)
    assert found["net.gain"] == ("gain",)
