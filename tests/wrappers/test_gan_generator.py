"""The generator's wrappers compute what the network does, and nothing but."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from checkpoints import save_model_chunked
from chunkport.errors import BadInputError
from networks.gan import UPSAMPLINGS, Discriminator, Generator
from verify.limits import figures_of
from verify.trials import TrialChoices
from wrappers.gan_generator import SPEC, GeneratorForTflite, PlainGenerator, load_network

MakeGenerator = Callable[..., Generator]


@pytest.mark.parametrize("wrapper", [GeneratorForTflite, PlainGenerator])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize(("width", "noise_dim"), [(1, 3), (3, 10), (8, 100)])
def test_wrappers_equal_the_network_in_float64(
    make_generator: MakeGenerator,
    wrapper: type[nn.Module],
    upsampling: str,
    width: int,
    noise_dim: int,
) -> None:
    network = make_generator(1, width, noise_dim, upsampling=upsampling).double()
    latent = torch.randn(2, noise_dim, dtype=torch.float64)
    expected = network(latent).permute(0, 2, 3, 1)
    torch.testing.assert_close(
        wrapper(network)(latent=latent)["image"], expected, rtol=1e-11, atol=1e-11
    )


@pytest.mark.parametrize(
    ("name", "cap_mb"), [("m.safetensors", 90), ("m.safetensors", 0.0625), ("m.pth", 0.0625)]
)
def test_the_generator_is_read_from_safetensors(
    make_generator: MakeGenerator, tmp_path: Path, name: str, cap_mb: float
) -> None:
    network = make_generator(seed=1, width=2)
    save_model_chunked(
        network.state_dict(),
        tmp_path / name,
        cap_mb,
        container="safetensors",
        announce=lambda _message: None,
    )
    opened = SPEC.open_network(tmp_path / name)
    for key, tensor in network.state_dict().items():
        assert torch.equal(opened.state_dict()[key], tensor)


@pytest.mark.parametrize("wrapper", [GeneratorForTflite, PlainGenerator])
def test_wrapping_leaves_the_network_as_it_was(
    make_generator: MakeGenerator, wrapper: type[nn.Module]
) -> None:
    network = make_generator(seed=1, width=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    wrapper(network)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("holder", [lambda state: state, lambda s: {"generator_state_dict": s}])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_the_form_is_read_off_the_checkpoint(
    make_generator: MakeGenerator,
    holder: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    upsampling: str,
) -> None:
    saved = make_generator(1, 3, 7, upsampling=upsampling)
    network = load_network(holder(saved.state_dict()), "a.pth")
    latent = torch.randn(2, 7)
    assert (network.width, network.noise_dim) == (3, 7)
    assert torch.equal(network(latent), saved(latent))


def test_a_checkpoint_of_another_model_is_refused() -> None:
    discriminator = Discriminator(width=2).state_dict()
    with pytest.raises(BadInputError, match=r"a\.pth: .* is it a checkpoint of another model\?"):
        load_network(discriminator, "a.pth")
    with pytest.raises(BadInputError, match="it holds discriminator_state_dict"):
        load_network({"discriminator_state_dict": discriminator}, "a.pth")


def test_a_kernel_of_no_known_upsampling_is_refused(make_generator: MakeGenerator) -> None:
    state = make_generator(seed=1, width=2).state_dict()
    state["deconv4.weight"] = torch.zeros(2, 1, 7, 7)
    with pytest.raises(BadInputError, match=r"a\.pth: deconv4.* \(2, 1, 7, 7\).* of transposed, "):
        load_network(state, "a.pth")


def test_samples_are_the_same_for_the_same_seed_and_differ_otherwise(
    make_generator: MakeGenerator,
) -> None:
    contract = SPEC.contract(make_generator(seed=1, width=1, noise_dim=5))
    first, again, other = (
        [item["latent"] for item in SPEC.make_samples(contract, 3, seed)] for seed in (0, 0, 1)
    )
    assert np.shape(first) == (3, 1, 5)
    assert first[0].dtype == np.float32
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_the_reference_is_the_networks_own_image_as_the_contract_lays_it_out(
    make_generator: MakeGenerator,
) -> None:
    network = make_generator(seed=1, width=2, noise_dim=5)
    contract = SPEC.contract(network)
    latent = SPEC.make_samples(contract, 1, 0)[0]
    image = SPEC.reference(network, latent)["image"]
    expected = network(torch.from_numpy(latent["latent"])).detach().numpy()
    assert image.shape == contract.outputs[0].shape
    assert np.array_equal(image[..., 0], expected[:, 0])


def test_a_damaged_checkpoint_of_8_bits_is_named(
    make_generator: MakeGenerator, tmp_path: Path
) -> None:
    state = make_generator(seed=0, width=2, noise_dim=8).state_dict()
    state["fc.weight.int8"] = state.pop("fc.weight").to(torch.int8)
    torch.save({"generator_state_dict": state}, tmp_path / "small.pth")
    with pytest.raises(BadInputError, match=r"small.pth: fc.weight.int8: has no scale"):
        SPEC.open_network(tmp_path / "small.pth")


def test_every_row_that_a_verdict_judges_has_a_limit_in_every_precision() -> None:
    figures = figures_of(SPEC, TrialChoices())
    judged = {name: figure.sense for name, figure in figures.items() if figure.informs is None}
    for limits in SPEC.limits.values():
        assert [limit.metric for limit in limits] == list(judged)
        assert {limit.metric: limit.sense for limit in limits} == judged
