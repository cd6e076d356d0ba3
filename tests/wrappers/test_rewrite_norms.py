"""Each fold in float64 against the layers that it replaces."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

import wrappers.rewrite_norms
from wrappers.rewrite_norms import (
    Norm,
    NormedLinear,
    as_matrix,
    linear,
    mean_in_parts,
    root_energy,
    scale_inputs,
    shift_inputs,
    standardise,
    times_vector,
)
from wrappers.spec import Target

assert_exact = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
EPSILON = 1e-3


@pytest.fixture(params=[2**20, 16, 1], ids=["one block", "a few rows", "row by row"])
def block_elements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrappers.rewrite_norms, "_BLOCK_ELEMENTS", request.param)


def a_norm(channels: int) -> nn.LayerNorm:
    norm = nn.LayerNorm(channels, eps=EPSILON).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return norm


@pytest.mark.usefixtures("block_elements")
@pytest.mark.parametrize("layer", [nn.Linear(5, 7), nn.Conv2d(5, 7, (2, 3))])
def test_an_affine_of_the_inputs_folds_into_weight_and_bias(
    layer: nn.Linear | nn.Conv2d,
) -> None:
    torch.manual_seed(0)
    layer = layer.double()
    scale, shift = torch.randn(5).double(), torch.randn(5).double()
    weight = scale_inputs(layer.weight, scale)
    bias = shift_inputs(layer.weight, layer.bias, shift)
    if isinstance(layer, nn.Linear):
        x = torch.randn(3, 5, dtype=torch.float64)
        expected, actual = layer(scale * x + shift), functional.linear(x, weight, bias)
    else:
        x = torch.randn(2, 5, 4, 6, dtype=torch.float64)
        axes = (1, 5, 1, 1)
        expected = layer(scale.view(axes) * x + shift.view(axes))
        actual = functional.conv2d(x, weight, bias)
    assert_exact(actual, expected)


@pytest.mark.usefixtures("block_elements")
def test_products_with_a_vector_are_summed_in_float64() -> None:
    weight = torch.full((3, 4001), 0.1)
    exact = 4001 * weight[0, 0].double()
    assert torch.allclose(times_vector(weight, torch.ones(4001)), exact, rtol=1e-14)


def test_a_shift_without_a_bias_makes_one() -> None:
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(
        shift_inputs(weight, None, torch.tensor([1.0, 10.0])), weight @ torch.tensor([1.0, 10])
    )


def test_a_fold_is_rounded_once() -> None:
    weight, scale = torch.randn(40, 30), torch.randn(30)
    exact = (weight.double() * scale.double()).float()
    assert torch.equal(scale_inputs(weight, scale), exact)
    assert scale_inputs(weight, scale).dtype == torch.float32


@pytest.mark.parametrize("limit", [0, 2**40], ids=["scale kept", "scale folded"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_normed_linear_is_the_norm_and_the_linear(
    monkeypatch: pytest.MonkeyPatch, limit: int, bias: bool
) -> None:
    monkeypatch.setattr(wrappers.rewrite_norms, "LARGEST_FOLDED_BYTES", limit)
    norm, layer = a_norm(6), nn.Linear(6, 9, bias=bias).double()
    x = 3 * torch.randn(2, 4, 5, 6, dtype=torch.float64) + 1
    folded = NormedLinear(norm.weight, norm.bias, norm.eps, layer.weight, layer.bias)
    assert_exact(folded(x), layer(norm(x)))


def test_a_weight_too_large_to_fold_stays_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrappers.rewrite_norms, "LARGEST_FOLDED_BYTES", 9 * 6 * 8 - 1)
    norm, layer = a_norm(6), nn.Linear(6, 9).double()
    kept = NormedLinear(norm.weight, norm.bias, norm.eps, layer.weight, layer.bias)
    assert kept.linear.weight.data_ptr() == layer.weight.data_ptr()
    assert kept.linear.weight is not layer.weight
    monkeypatch.setattr(wrappers.rewrite_norms, "LARGEST_FOLDED_BYTES", 9 * 6 * 8)
    folded = NormedLinear(norm.weight, norm.bias, norm.eps, layer.weight, layer.bias)
    assert folded.linear.weight.data_ptr() != layer.weight.data_ptr()


def test_norm_and_standardise_are_layer_norm() -> None:
    norm, x = a_norm(6), torch.randn(2, 3, 6, dtype=torch.float64)
    bare = functional.layer_norm(x, (6,), eps=EPSILON)
    assert_exact(standardise(x, EPSILON), bare)
    assert_exact(Norm(norm.weight, norm.bias, EPSILON)(x), norm(x))


def test_a_kernel_as_a_matrix_reads_pixels_in_nhwc_order() -> None:
    conv = nn.Conv2d(3, 4, (2, 5), bias=False).double()
    patch = torch.randn(1, 2, 5, 3, dtype=torch.float64)
    actual = linear(as_matrix(conv.weight), None)(patch.flatten(1))
    expected = conv(patch.permute(0, 3, 1, 2)).flatten(1)
    assert_exact(actual, expected)


def test_folds_leave_their_arguments_alone() -> None:
    norm, layer = a_norm(6), nn.Linear(6, 9).double()
    before = [layer.weight.clone(), layer.bias.clone(), norm.weight.clone(), norm.bias.clone()]
    NormedLinear(norm.weight, norm.bias, norm.eps, layer.weight, layer.bias)
    after = [layer.weight, layer.bias, norm.weight, norm.bias]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("target", ["gpu", "npu"])
@pytest.mark.parametrize("size", [1e-9, 1e-4, 1.0, 1e4])
def test_the_norm_for_each_target_is_the_same_function(size: float, target: Target) -> None:
    torch.manual_seed(0)
    x = size * torch.randn(1, 5, 6, 48, dtype=torch.float64)
    x[0, 0, 0] = 0  # nothing to divide by
    assert_exact(standardise(x, EPSILON, target=target), standardise(x, EPSILON))


def test_the_norm_for_gpus_holds_where_float16_ends() -> None:
    """Squares of 300 are beyond 65504; what the CPU's form makes of them is all zeros."""
    x = 300 * torch.randn(1, 4, 4, 192, dtype=torch.float64)
    exact, halves = standardise(x, EPSILON), x.half()
    assert not standardise(halves, EPSILON).any()
    torch.testing.assert_close(
        standardise(halves, EPSILON, target="gpu").double(), exact, rtol=4e-3, atol=4e-3
    )


def test_squares_divided_by_a_power_of_two_are_the_same_bits() -> None:
    y = 100 * torch.randn(1, 16, 16, 8)
    assert torch.equal(y * (y * 2.0**-6) * 2.0**6, y * y)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (15, 15), (3, 7)])
def test_the_energy_in_parts_is_the_energy(height: int, width: int) -> None:
    y = 20 * torch.randn(1, height, width, 8, dtype=torch.float64)
    energy = torch.sqrt((y * y).sum(dim=(1, 2), keepdim=True))
    assert_exact(root_energy(y), energy)
    wide = (100 * y).half()  # its squares are beyond float16, and so is their sum
    torch.testing.assert_close(
        root_energy(wide / 10).double() * 10, 100 * energy, rtol=5e-3, atol=0
    )


@pytest.mark.parametrize("channels", [96, 3072, 7, 1])
def test_a_mean_in_parts_is_the_mean(channels: int) -> None:
    x = torch.randn(1, 1, 1, channels, dtype=torch.float64)
    assert_exact(mean_in_parts(x), x.mean(-1, keepdim=True))
