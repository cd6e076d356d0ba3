"""Each rewrite in float64 against the module that it replaces."""

import functools
from typing import Any

import pytest
import torch
from torch import nn

from chunkport.errors import ConversionError
from wrappers.rewrite import (
    conv_nhwc,
    fold_batch_norm,
    linear_to_nhwc,
)

assert_equal = functools.partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def randomised_norm(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """A norm in eval mode whose every number differs from its initial one."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm.double().eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_batch_norm_folds_into_every_kind_of_layer(affine: bool, bias: bool) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    layers: tuple[tuple[Any, nn.BatchNorm1d | nn.BatchNorm2d, torch.Tensor], ...] = (
        (nn.Linear(5, 4, bias=bias), nn.BatchNorm1d(4, affine=affine), torch.randn(2, 5).double()),
        (nn.Conv2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4, affine=affine), image),
        (nn.ConvTranspose2d(3, 4, 3, bias=bias), nn.BatchNorm2d(4, affine=affine), image),
    )
    for layer, norm, x in layers:
        layer.double()
        randomised_norm(norm)
        folded = fold_batch_norm(layer, norm)
        assert_equal(folded(x), norm(layer(x)))


def test_folding_leaves_the_trained_layer_as_it_was() -> None:
    layer, norm = nn.Linear(5, 4), randomised_norm(nn.BatchNorm1d(4))
    before = layer.weight.clone()
    fold_batch_norm(layer, norm)
    assert torch.equal(layer.weight, before)


def test_a_batch_norm_without_statistics_is_refused() -> None:
    with pytest.raises(ConversionError, match="running statistics"):
        fold_batch_norm(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False))


def test_linear_outputs_are_reordered_to_nhwc() -> None:
    layer = nn.Linear(5, 3 * 4 * 2).double()
    x = torch.randn(2, 5, dtype=torch.float64)
    expected = layer(x).view(2, 3, 4, 2).permute(0, 2, 3, 1)
    actual = linear_to_nhwc(layer, channels=3, height=4, width=2)(x).view(2, 4, 2, 3)
    assert_equal(actual, expected)


def test_conv_nhwc_is_the_convolution_in_another_layout() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    actual = conv_nhwc(conv, x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert_equal(actual, conv(x))
