"""Before conversion: what the converter gets wrong is mended, or refused where it cannot be.

The converter reports success in each of these cases and writes a wrong model, or fails with a
page of compiler output.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from chunkport.errors import ConversionError
from wrappers.subpixel import SubpixelConvTranspose2d

_OUTPUT_PADDING_AT = 5  # its place among the arguments of aten.conv_transpose2d


class _ChannelsFirst(nn.Module):
    """An NHWC piece in a place that speaks NCHW."""

    def __init__(self, piece: nn.Module) -> None:
        super().__init__()
        self.piece = piece

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.piece(x.permute(0, 2, 3, 1))
        return y.permute(0, 3, 1, 2)


def lint(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> list[str]:
    """Make the module safe to convert, in place; tell each mend in one line.

    Raises:
        ConversionError: something that conversion would get wrong has no exact mend.
    """
    module.eval().requires_grad_(requires_grad=False)
    _refuse_batch_norms(module)
    mended = [*mend_modules(module), *mend_tensors(module)]
    _refuse_ops(module, inputs)
    return mended


def _refuse_batch_norms(module: nn.Module) -> None:
    """The converter folds them by itself, in float32, into weights that no audit can find."""
    for name, child in module.named_modules():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ConversionError(
                f"{name}: a BatchNorm that is left in the wrapper; fold it into the layer before "
                "it with wrappers.rewrite.fold_batch_norm"
            )


def mend_modules(module: nn.Module) -> list[str]:
    """Put what converts in place of modules that do not; tell each mend in one line.

    The converter cannot express the `output_padding` of transposed convolutions.
    """
    mended = []
    for parent_name, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ConvTranspose2d) and any(child.output_padding):
                setattr(parent, name, _ChannelsFirst(SubpixelConvTranspose2d(child)))
                place = f"{parent_name}.{name}".lstrip(".")
                mended.append(f"{place}: rewrote a ConvTranspose2d with output_padding")
    return mended


def mend_tensors(module: nn.Module) -> list[str]:
    """Bring weights into the one form that converts rightly; tell each mend in one line.

    Raises:
        ConversionError: one holds NaN.
    """
    mended = []
    named: list[tuple[str, torch.Tensor]] = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in named:
        if not tensor.is_floating_point():
            continue
        extremes = torch.stack(torch.aminmax(tensor)) if tensor.numel() else torch.zeros(2)
        if torch.isnan(extremes).any():  # one NaN makes both of them NaN
            raise ConversionError(f"weight '{name}' holds NaN; it cannot be converted")
        if tensor.dtype != torch.float32:
            mended.append(f"{name}: cast from {str(tensor.dtype).removeprefix('torch.')}")
            tensor.data = tensor.data.float()
        if tensor.device.type != "cpu":
            mended.append(f"{name}: moved from {tensor.device} to the CPU")
            tensor.data = tensor.data.cpu()
        if not tensor.is_contiguous():
            # The converter mistakes such a weight for another of the same shape.
            mended.append(f"{name}: made contiguous")
            tensor.data = tensor.data.contiguous()
        if torch.isinf(extremes).any():
            # The converter would do this by itself, behind the caller's back.
            mended.append(f"{name}: infinities clamped to the largest float")
            largest = torch.finfo(torch.float32).max
            tensor.data = tensor.data.clamp(-largest, largest)
    return mended


def _refuse_ops(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> None:
    exported = torch.export.export(module, (), dict(inputs), strict=False)
    for node in exported.graph.nodes:
        if node.op == "call_function" and (objection := _objection(node)):
            raise ConversionError(f"{_place(node)}: {objection}")


def _objection(node: Any) -> str | None:
    name = str(node.target)
    for prefix, judge in _JUDGES.items():
        if name.startswith(prefix):
            return judge(node)
    return None


def _nearest(node: Any) -> str | None:
    before = node.args[0].meta["val"].shape[2:]
    after = node.meta["val"].shape[2:]
    if all(new % old == 0 for old, new in zip(before, after, strict=True)):
        return None
    return (
        f"nearest-neighbour resize from {tuple(before)} to {tuple(after)} converts to wrong "
        "values unless it is a whole multiple; use mode='nearest-exact' or 'bilinear'"
    )


def _antialias(_node: Any) -> str:
    return (
        "an antialiased resize has no TFLite form; resize before the model, or write it as two "
        "matrix products"
    )


def _transposed(node: Any) -> str | None:
    output_padding = dict(enumerate(node.args)).get(_OUTPUT_PADDING_AT, ())
    if not any(output_padding):
        return None
    return (
        "a functional transposed convolution with output_padding does not convert; use an "
        "nn.ConvTranspose2d module, which is rewritten by itself"
    )


_JUDGES: dict[str, Callable[[Any], str | None]] = {
    "aten.upsample_nearest2d": _nearest,
    "aten._upsample_bilinear2d_aa": _antialias,
    "aten._upsample_bicubic2d_aa": _antialias,
    "aten.conv_transpose2d": _transposed,
}


def _place(node: Any) -> str:
    """Where in the module tree an op stands, for a message."""
    stack = node.meta.get("nn_module_stack") or {}
    names = [entry[0] for entry in stack.values() if entry[0]]
    return names[-1] if names else str(node.name)
