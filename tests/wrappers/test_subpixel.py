"""Each form of a transposed convolution in float64 against the module that it replaces."""

import functools
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chunkport.errors import ConversionError
from wrappers.subpixel import (
    CroppedConvTranspose2d,
    SubpixelConvTranspose2d,
    SubpixelPhases,
    SubpixelTail,
    enlarging_as_transposed,
)

assert_equal = functools.partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def geometries() -> list[tuple[int, int, int, int]]:
    """Every (kernel, stride, padding, output_padding) up to 6, 3 that torch accepts."""
    return [
        (kernel, stride, padding, extra)
        for kernel, stride in itertools.product(range(1, 7), range(1, 4))
        for padding, extra in itertools.product(range(kernel), range(stride))
    ]


@pytest.mark.parametrize("kernel", [1, 3, (3, 5), 7])
@pytest.mark.parametrize("size", [(1, 1), (5, 3)])
def test_a_convolution_of_what_was_enlarged_is_a_transposed_one(
    kernel: int | tuple[int, int], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 2, kernel, padding="same").double()
    conv.padding = tuple(side // 2 for side in conv.kernel_size)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert_equal(enlarging_as_transposed(conv)(x), expected)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(2, 2, 4, padding=1),
        nn.Conv2d(2, 2, 3),
        nn.Conv2d(2, 2, 3, padding=1, groups=2),
        nn.Conv2d(2, 2, 3, padding=1, stride=2),
        nn.Conv2d(2, 2, 3, padding=1, dilation=2),
    ],
)
def test_others_are_not_merged_with_an_enlargement(conv: nn.Conv2d) -> None:
    with pytest.raises(ConversionError, match="only one that keeps sizes"):
        enlarging_as_transposed(conv)


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (8, 9)])
def test_transposed_convolutions_are_rewritten_exactly_in_every_geometry(
    size: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    for kernel, stride, padding, extra in geometries():
        conv = nn.ConvTranspose2d(3, 2, kernel, stride, padding, extra).double()
        try:
            expected = conv(x)
        except RuntimeError:  # the output would be empty
            continue
        subpixel = SubpixelConvTranspose2d(conv)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        assert_equal(subpixel, expected)
        if extra <= padding:
            assert_equal(CroppedConvTranspose2d(conv)(x), expected)


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    data=st.data(),
)
def test_rows_and_columns_may_differ(
    kernel: tuple[int, int], stride: tuple[int, int], data: st.DataObject
) -> None:
    padding = data.draw(st.tuples(*(st.integers(0, k // 2) for k in kernel)))
    extra = data.draw(st.tuples(*(st.integers(0, s - 1) for s in stride)))
    height, width = data.draw(st.integers(3, 8)), data.draw(st.integers(3, 8))
    bias = data.draw(st.booleans())
    conv = nn.ConvTranspose2d(2, 3, kernel, stride, padding, extra, bias=bias).double()
    x = torch.randn(1, 2, height, width, dtype=torch.float64)
    actual = SubpixelConvTranspose2d(conv)(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert_equal(actual, conv(x))


def test_no_weight_is_stored_twice_and_none_is_added() -> None:
    conv = nn.ConvTranspose2d(8, 4, 5, stride=2, padding=2, output_padding=1)
    rewritten = SubpixelConvTranspose2d(conv)
    taps = sum(p.numel() for name, p in rewritten.named_parameters() if name.endswith("weight"))
    assert taps == conv.weight.numel()


@pytest.mark.parametrize(("groups", "dilation"), [(2, 1), (1, 2)])
def test_what_cannot_be_rewritten_is_refused(groups: int, dilation: int) -> None:
    conv = nn.ConvTranspose2d(4, 4, 3, groups=groups, dilation=dilation)
    with pytest.raises(ConversionError, match="groups=1 and dilation=1"):
        SubpixelConvTranspose2d(conv)


@pytest.mark.parametrize("size", [(4, 4), (5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_tail_reads_the_phases_of_the_layer_before_it(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    tried = 0
    for kernel, stride, padding, extra in geometries():
        if kernel + extra != stride + 2 * padding:
            continue
        before = nn.ConvTranspose2d(3, 4, 2 + stride, stride, 1).double()
        last = nn.ConvTranspose2d(4, 2, kernel, stride, padding, extra, bias=bias).double()
        phases = SubpixelPhases(before)(x.permute(0, 2, 3, 1))
        actual = SubpixelTail(last)(phases).permute(0, 3, 1, 2)
        assert_equal(actual, last(before(x)))
        tried += 1
    assert tried >= 6


@pytest.mark.parametrize(
    "layer",
    [
        nn.ConvTranspose2d(4, 1, 5, stride=2, padding=2),
        nn.ConvTranspose2d(4, 1, 4, stride=(2, 1), padding=1),
        nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1, groups=2),
    ],
)
def test_a_tail_refuses_what_it_cannot_compute(layer: nn.ConvTranspose2d) -> None:
    with pytest.raises(ConversionError, match="multiplies sizes by its one stride"):
        SubpixelTail(layer)
