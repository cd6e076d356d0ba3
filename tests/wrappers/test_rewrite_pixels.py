"""Each rewrite of neighbouring pixels in float64 against the operation that it replaces."""

from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from chunkport.errors import ConversionError
from wrappers.rewrite_norms import as_matrix, linear
from wrappers.rewrite_pixels import (
    AntialiasedResize,
    RowSplitDepthwise,
    neighbourhoods,
    reflect,
    resize_matrix,
    space_to_depth,
)

assert_exact = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
SIDES = st.integers(2, 12)


def nhwc(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1)


@settings(max_examples=40, deadline=None)
@given(height=SIDES, width=SIDES, block=st.integers(1, 4))
def test_space_to_depth_and_a_linear_are_a_convolution_of_that_stride(
    height: int, width: int, block: int
) -> None:
    height, width = max(height, block), max(width, block)
    conv = nn.Conv2d(3, 5, block, stride=block).double()
    x = torch.randn(1, 3, height, width, dtype=torch.float64)
    rewritten = linear(as_matrix(conv.weight), conv.bias)(space_to_depth(nhwc(x), block))
    assert_exact(rewritten, nhwc(conv(x)))


@settings(max_examples=40, deadline=None)
@given(height=SIDES, width=SIDES)
def test_neighbourhoods_of_reflected_pixels_are_the_reflected_convolution(
    height: int, width: int
) -> None:
    conv = nn.Conv2d(3, 5, 3, bias=False).double()
    x = torch.randn(1, 3, height, width, dtype=torch.float64)
    expected = nhwc(conv(nn.ReflectionPad2d(1)(x)))
    assert torch.equal(reflect(nhwc(x)), nhwc(nn.ReflectionPad2d(1)(x)))
    rewritten = linear(as_matrix(conv.weight), None)(neighbourhoods(reflect(nhwc(x))))
    assert_exact(rewritten, expected)


@settings(max_examples=40, deadline=None)
@given(height=SIDES, width=SIDES, bias=st.booleans())
def test_a_depthwise_convolution_is_the_sum_of_its_rows(
    height: int, width: int, bias: bool
) -> None:
    conv = nn.Conv2d(3, 3, 7, padding=3, groups=3, bias=bias).double()
    x = torch.randn(1, 3, height, width, dtype=torch.float64)
    assert_exact(RowSplitDepthwise(conv)(nhwc(x)), nhwc(conv(x)))


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 5, padding=2, groups=4),
        nn.Conv2d(4, 4, 7, padding=2, groups=4),
        nn.Conv2d(4, 4, 7, padding=3, groups=2),
        nn.Conv2d(4, 4, 7, padding=3, stride=2, groups=4),
        nn.Conv2d(4, 4, 7, padding=3, dilation=2, groups=4),
    ],
)
def test_another_kind_of_convolution_is_refused(conv: nn.Conv2d) -> None:
    with pytest.raises(ConversionError, match="only 7x7 depthwise with padding 3 splits by rows"):
        RowSplitDepthwise(conv)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(720, 1280, 256), (33, 47, 64), (64, 64, 64), (257, 100, 31), (1, 5, 3), (64, 130, 1)],
)
def test_the_resize_is_pytorchs_antialiased_one(
    height: int, width: int, size: int, channels_last: bool
) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 3, height, width, dtype=torch.float64)
    expected = functional.interpolate(
        image, (size, size), mode="bilinear", align_corners=False, antialias=True
    )
    resize = AntialiasedResize(height, width, size, channels_last=channels_last)
    actual = resize(nhwc(image) if channels_last else image)
    torch.testing.assert_close(actual, nhwc(expected), rtol=0, atol=1e-12)


def test_a_resize_keeps_the_brightness_and_one_to_the_same_size_everything() -> None:
    assert torch.allclose(resize_matrix(300, 256).sum(1), torch.ones(256).double(), rtol=1e-14)
    assert torch.equal(resize_matrix(40, 40), torch.eye(40, dtype=torch.float64))


def test_the_matrix_of_a_large_picture_takes_memory_for_little_more_than_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []

    def interpolate(values: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        taken.append(values.numel())
        return resize(values, *arguments, **options)

    resize = functional.interpolate
    monkeypatch.setattr(functional, "interpolate", interpolate)
    matrix = resize_matrix(5000, 256)
    assert matrix.shape == (256, 5000)
    assert torch.allclose(matrix.sum(1), torch.ones(256).double(), rtol=1e-14)
    assert max(taken) <= matrix.numel()
