"""The detectors' wrappers compute what the public networks do, in float64 to rounding."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import wrappers.rewrite_norms
from networks.channel_norm import ChannelNorm
from networks.detector import ConvNextDetector
from networks.pixel_decoder import PixelDecoder
from wrappers.convnext_detector import ConvNextForTflite, Head
from wrappers.spec import Target
from wrappers.vit_detector import VitForTflite

assert_exact = partial(torch.testing.assert_close, rtol=0, atol=1e-13)


def wrapped(network: Any, *, target: Target | None = None) -> nn.Module:
    wrapper = ConvNextForTflite if isinstance(network, ConvNextDetector) else VitForTflite
    return wrapper(network, target=target)


@pytest.mark.parametrize("target", [None, "gpu", "npu"])
@pytest.mark.parametrize("largest_folded", [0, 2**40], ids=["scales kept", "scales folded"])
def test_wrappers_give_the_public_detectors_logits(
    detector_case: Any, largest_folded: int, target: Target | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrappers.rewrite_norms, "LARGEST_FOLDED_BYTES", largest_folded)
    network = detector_case.network().double()
    image = detector_case.image.double()
    logits = wrapped(network, target=target)(image.permute(0, 2, 3, 1))
    assert_exact(logits, network(image))
    torch.testing.assert_close(logits, detector_case.logits, rtol=0, atol=1e-12)


def test_wrapping_leaves_the_network_as_it_was_and_shares_no_parameter(
    detector_case: Any,
) -> None:
    network = detector_case.network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    wrapper = wrapped(network)
    own = {id(parameter) for parameter in network.parameters()}
    assert not any(id(parameter) in own for parameter in wrapper.parameters())
    wrapper.double()  # what conversion does to a wrapper must not reach the network
    for parameter in wrapper.parameters():
        parameter.data = parameter.data + 1
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_no_large_weight_has_more_than_two_axes(detector_case: Any) -> None:
    largest = max(p.numel() for p in wrapped(detector_case.network()).parameters())
    for name, parameter in wrapped(detector_case.network()).named_parameters():
        assert parameter.dim() <= 2 or parameter.numel() < largest / 4, name


@pytest.mark.parametrize("size", [48, 50, 67, 101])
def test_a_convnext_takes_other_sizes_than_its_own(
    named_detector_case: Callable[[str], Any], size: int
) -> None:
    for name in ("convnext_stride2", "convnext_stride4"):
        network = named_detector_case(name).network().double()
        image = torch.rand(1, 3, max(size, 64), max(size, 64), dtype=torch.float64)
        logits = wrapped(network)(image.permute(0, 2, 3, 1))
        assert_exact(logits, network(image))


def test_a_norm_of_the_features_folds_into_the_head() -> None:
    torch.manual_seed(0)
    decoder, norm = PixelDecoder(6, 4).double(), ChannelNorm(6).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    features = torch.randn(1, 6, 3, 3, dtype=torch.float64)
    bare = ChannelNorm(6).double()(features)
    logits = Head(decoder, norm)(bare.permute(0, 2, 3, 1))
    torch.testing.assert_close(logits, decoder(norm(features)), rtol=0, atol=1e-12)
