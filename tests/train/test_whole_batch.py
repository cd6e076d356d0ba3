"""Layers that do as if they saw the whole batch, where this process's share is all of it."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from networks.gan import Discriminator, Generator
from train.processes import ALONE, Processes
from train.whole_batch import WholeBatchDropout, WholeBatchNorm, see_the_whole_batch


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.BatchNorm1d(3), (5, 3)), (nn.BatchNorm2d(3), (4, 3, 2, 6))],
    ids=["vectors", "images"],
)
def test_normalisation_is_that_of_pytorch(layer: nn.BatchNorm1d, shape: tuple[int, ...]) -> None:
    """Outputs, gradients, statistics, and what they give in use."""
    torch.manual_seed(0)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    ours = WholeBatchNorm(deepcopy(layer), ALONE)
    assert list(ours.state_dict()) == list(layer.state_dict())
    inputs = [(10 + 3 * torch.randn(shape)).requires_grad_() for _ in range(2)]
    for x in inputs:
        wanted = torch.randn(shape)
        given, expected = ours(x), layer(x)
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)
        slopes = [
            torch.autograd.grad((out * wanted).sum(), [x, one.weight, one.bias])
            for out, one in ((given, ours), (expected, layer))
        ]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.state_dict(), layer.state_dict())
    torch.testing.assert_close(ours.eval()(inputs[0]), layer.eval()(inputs[0]))


def test_in_16_bits_it_sums_in_32() -> None:
    layer = WholeBatchNorm(nn.BatchNorm2d(1), ALONE)
    x = 300 + torch.randn(64, 1, 16, 16).half()  # whose sum float16 does not hold
    normalised = layer(x)
    assert normalised.dtype == torch.float16
    assert abs(normalised.float().mean()) < 0.01
    assert abs(normalised.float().std() - 1) < 0.05


def test_each_process_drops_its_share_of_what_one_would() -> None:
    layer, x = nn.Dropout(0.3), torch.rand(6, 5)
    torch.manual_seed(1)
    whole = layer(x)
    shares = []
    for index in range(3):
        torch.manual_seed(1)
        shared = WholeBatchDropout(layer, Processes(index=index, count=3))
        shares.append(shared(x[2 * index : 2 * index + 2]))
    assert torch.equal(torch.cat(shares), whole)
    assert torch.equal(shared.eval()(x), x)


def test_networks_keep_the_names_of_their_weights() -> None:
    for network in (Generator(noise_dim=8, width=2), Discriminator(width=2)):
        before = list(network.state_dict())
        see_the_whole_batch(network, ALONE)
        assert list(network.state_dict()) == before
        left = [it for it in network.modules() if type(it) in {nn.BatchNorm1d, nn.BatchNorm2d}]
        assert left == []
