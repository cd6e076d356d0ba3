"""Each thing that the converter gets wrong is mended exactly, or refused."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from chunkport.errors import ConversionError
from convert.lint import lint

IMAGE = {"image": torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))}


class OnImage(nn.Module):
    """A layer, or a function, from the input `image` to the output `out`."""

    def __init__(self, layer: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.layer(image)}


class WithBuffer(nn.Module):
    def __init__(self, buffer: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", buffer)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": image + self.get_buffer("mask")}


def test_a_sound_module_needs_no_mending_and_is_left_in_eval_mode() -> None:
    module = OnImage(nn.Sequential(nn.Conv2d(4, 4, 3), nn.Dropout()))
    assert lint(module, IMAGE) == []
    assert not any(part.training for part in module.modules())


def test_a_strided_weight_is_made_contiguous_without_changing_a_value() -> None:
    module = OnImage(nn.Conv2d(4, 4, 3))
    weight = module.get_parameter("layer.weight")
    weight.data = weight.data.to(memory_format=torch.channels_last)
    before = weight.clone()
    assert not weight.is_contiguous()
    assert lint(module, IMAGE) == ["layer.weight: made contiguous"]
    assert module.get_parameter("layer.weight").is_contiguous()
    assert torch.equal(module.get_parameter("layer.weight"), before)


def test_half_weights_are_cast_to_float32() -> None:
    module = OnImage(nn.Conv2d(4, 4, 3)).half()
    expected = module.get_parameter("layer.weight").float()
    assert lint(module, IMAGE) == [
        "layer.weight: cast from float16",
        "layer.bias: cast from float16",
    ]
    assert torch.equal(module.get_parameter("layer.weight"), expected)


def test_an_infinite_mask_is_clamped_to_the_largest_float() -> None:
    module = WithBuffer(torch.tensor([0.0, float("-inf")]).repeat(8))
    assert lint(module, IMAGE) == ["mask: infinities clamped to the largest float"]
    assert module.get_buffer("mask").min() == torch.finfo(torch.float32).min
    assert module.get_buffer("mask")[0] == 0


def test_nan_is_refused_by_name() -> None:
    with pytest.raises(ConversionError, match="'mask' holds NaN"):
        lint(WithBuffer(torch.full((16,), float("nan"))), IMAGE)


def test_a_transposed_convolution_with_output_padding_is_rewritten_to_the_same_outputs() -> None:
    conv = nn.ConvTranspose2d(4, 3, 5, stride=2, padding=2, output_padding=1)
    module = OnImage(nn.Sequential(conv, nn.ReLU()))
    original = copy.deepcopy(module)
    assert lint(module, IMAGE) == ["layer.0: rewrote a ConvTranspose2d with output_padding"]
    torch.testing.assert_close(module(**IMAGE)["out"], original(**IMAGE)["out"])
    exported = torch.export.export(module, (), IMAGE, strict=False)
    assert not any("conv_transpose" in str(node.target) for node in exported.graph.nodes)


def test_one_without_output_padding_is_left_alone() -> None:
    conv = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)
    module = OnImage(conv)
    assert lint(module, IMAGE) == []
    assert module.layer is conv


def resize(**options: object) -> OnImage:
    return OnImage(lambda image: functional.interpolate(image, **options))  # type: ignore[arg-type]  # options of several types


@pytest.mark.parametrize(
    ("module", "objection"),
    [
        (
            OnImage(
                lambda image: functional.conv_transpose2d(
                    image, torch.ones(4, 3, 5, 5), stride=2, padding=2, output_padding=1
                )
            ),
            "use an nn.ConvTranspose2d module",
        ),
        (resize(size=(24, 24), mode="nearest"), r"from \(16, 16\) to \(24, 24\)"),
        (resize(scale_factor=0.5, mode="nearest"), r"from \(16, 16\) to \(8, 8\)"),
        (resize(size=(8, 8), mode="bilinear", antialias=True), "antialiased"),
        (resize(size=(8, 8), mode="bicubic", antialias=True), "antialiased"),
    ],
)
def test_ops_that_convert_wrongly_are_refused(module: OnImage, objection: str) -> None:
    with pytest.raises(ConversionError, match=objection):
        lint(module, IMAGE)


@pytest.mark.parametrize(
    "module",
    [
        resize(scale_factor=2, mode="nearest"),
        resize(size=(48, 16), mode="nearest"),
        resize(size=(24, 24), mode="nearest-exact"),
        resize(size=(8, 8), mode="bilinear"),
        OnImage(lambda image: functional.conv_transpose2d(image, torch.ones(4, 3, 4, 4), stride=2)),
    ],
)
def test_their_sound_relatives_are_not(module: OnImage) -> None:
    assert lint(module, IMAGE) == []


def test_a_refused_op_is_placed_in_the_module_tree() -> None:
    module = OnImage(nn.Sequential(nn.ReLU(), nn.Upsample(size=(24, 24), mode="nearest")))
    with pytest.raises(ConversionError, match=r"layer\.1: nearest-neighbour"):
        lint(module, IMAGE)
