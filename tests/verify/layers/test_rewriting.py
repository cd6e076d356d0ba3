"""Where a wrapper computes something else than its network."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from networks.gan import SEED_SIZE, SLOPE, Generator
from verify.layers.provenance import provenance
from verify.layers.rewriting import RewriteFinding, compare_with_network
from wrappers.gan_generator import SPEC, GeneratorForTflite
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, ModelSpec


class OtherSlope(GeneratorForTflite):
    """Its second activation has another slope."""

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        x = functional.leaky_relu(self.fc(latent), SLOPE)
        x = x.reshape(-1, SEED_SIZE, SEED_SIZE, self.channels)
        x = functional.leaky_relu(self.up1(x), 0.1)
        x = functional.leaky_relu(self.up2(x), SLOPE)
        phases = [functional.leaky_relu(phase, SLOPE) for phase in self.up3.phases_of(x)]
        return {"image": torch.tanh(self.up4(phases))}


def compared(spec: ModelSpec, network: nn.Module) -> RewriteFinding:
    (sample,) = spec.make_samples(spec.contract(network), 1, 0)
    origins = provenance(spec.build_wrapper, network)
    return compare_with_network(spec, network, spec.build_wrapper(network), origins, sample)


def test_the_generators_wrapper_agrees_all_the_way(
    make_generator: Callable[..., Generator],
) -> None:
    found = compared(SPEC, make_generator(seed=0, width=4))
    assert found.agrees
    assert found.first is None
    pairs = {(pair.wrapper, pair.network) for pair in found.pairs}
    assert {("fc", "bn0"), ("up1", "bn1"), ("up2", "bn2")} <= pairs
    assert max(pair.distance for pair in found.pairs) < 1e-5


@pytest.mark.parametrize("name", ["convnext_stride2", "vit"])
def test_what_a_detectors_wrapper_has_in_another_form_is_no_departure(
    named_detector_case: Callable[[str], Any], name: str
) -> None:
    case = named_detector_case(name)
    spec = find_spec("chunkyseal", BuildOptions(model_card=json.dumps(case.card, indent=1)))
    found = compared(spec, case.network())
    assert found.agrees
    assert found.first is None
    apart = {pair.wrapper.rpartition(".")[2] for pair in found.pairs if pair.distance > 1e-4}
    assert apart == ({"qkv"} if name == "vit" else set())


def test_a_wrong_rewrite_is_placed(make_generator: Callable[..., Generator]) -> None:
    spec = replace(SPEC, build_wrapper=OtherSlope)
    found = compared(spec, make_generator(seed=0, width=4))
    assert not found.agrees
    assert found.first is not None
    assert (found.first.wrapper, found.first.network) == ("up2", "bn2")
    assert found.last_right is not None
    assert found.last_right.wrapper == "up1"


def test_without_origins_the_outputs_still_tell(make_generator: Callable[..., Generator]) -> None:
    network = make_generator(seed=0, width=4)
    (sample,) = SPEC.make_samples(SPEC.contract(network), 1, 0)
    found = compare_with_network(SPEC, network, OtherSlope(network), None, sample)
    assert not found.agrees
    assert found.first is None
