"""Weights in 8 or 16 bits that any loader reads, and what that costs each of them.

In 16 bits a tensor keeps its name and is float16 or bfloat16. In 8 bits `NAME`, of two dimensions
or more, becomes two tensors beside each other:

    NAME.int8   int8, of the same shape, from -127 to 127
    NAME.scale  float32, one for each index of dim 0; weight = int8 * scale

Biases, norms and all that is no float stay as they are.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from checkpoints.archive_writing import TensorSource
from checkpoints.disk_tensor import DiskTensor
from checkpoints.lazy import Checkpoint
from checkpoints.mapping import map_tensor
from checkpoints.memory import DTYPE_NAMES, bytes_of
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError, UsageError

Kind = Literal["int8", "float16", "bfloat16"]
VALUES, SCALE = ".int8", ".scale"
_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
_LARGEST = 127
_BLOCK = 1 << 22  # elements measured at a time


@dataclass(frozen=True)
class Loss:
    """What one tensor lost.

    Attributes:
        name: its keys joined by `/`.
        size_bytes: before.
        size_bytes_after: with its scales.
        max_abs_error: the largest difference of a weight.
        relative_l2: the norm of all differences over that of the weights.
        snr_db: the same as signal to noise, in dB; infinite where nothing was lost.
    """

    name: str
    size_bytes: int
    size_bytes_after: int
    max_abs_error: float
    relative_l2: float
    snr_db: float


def quantize(
    checkpoint: Checkpoint, kind: Kind, on_tensor: Callable[[str], None] = lambda _name: None
) -> tuple[dict[str, Any], tuple[Loss, ...]]:
    """The checkpoint's contents in fewer bits, ready for `save_streamed`, and their losses.

    Takes the memory of the largest tensor a few times over, now and when it is written.

    Raises:
        BadInputError: damaged, or with weights that are NaN or infinite.
        UsageError: a weight is beyond float16, or a name is taken.
    """
    quantizer = _Quantizer(checkpoint.path, kind, on_tensor)
    return quantizer.mapping(checkpoint.contents, ()), tuple(quantizer.losses)


def dequantize(contents: Mapping[str, Any]) -> dict[str, Any]:
    """What `quantize` to 8 bits was given, under the original names: loaded weights as float32.

    Raises:
        BadInputError: a weight has no scale, or one that does not fit.
    """
    found: dict[str, Any] = {}
    for key, value in contents.items():
        if isinstance(value, Mapping):
            found[key] = dequantize(value)
        elif _holds_values(key, value):
            name = key.removesuffix(VALUES)
            scale = contents.get(f"{name}{SCALE}")
            if not isinstance(scale, torch.Tensor) or scale.shape != value.shape[:1]:
                raise BadInputError(
                    f"{key}: has no scale for each of {value.shape[0]} rows; quantize anew"
                )
            found[name] = _restored(value, scale)
        elif not _holds_values(f"{str(key).removesuffix(SCALE)}{VALUES}", contents):
            found[key] = value
    return found


def _holds_values(key: Any, value: Any) -> bool:
    found = value.get(key) if isinstance(value, Mapping) else value
    is_values = isinstance(found, torch.Tensor) and found.dtype == torch.int8
    return is_values and isinstance(key, str) and key.endswith(VALUES)


class _Quantizer:
    def __init__(self, origin: Path, kind: Kind, on_tensor: Callable[[str], None]) -> None:
        self._origin = origin
        self.losses: list[Loss] = []
        self._kind = kind
        self._on_tensor = on_tensor
        self._stream = TensorStream()
        self._made: dict[DiskTensor, dict[str, TensorSource]] = {}

    def mapping(self, contents: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in contents.items():
            place = (*path, str(key))
            for suffix, item in self._parts(value, place).items():
                name = f"{key}{suffix}" if suffix else key
                if suffix and name in contents:
                    raise UsageError(
                        f"{self._origin}: {'/'.join(place)!r} needs the name {name!r}, which is "
                        "taken; rename that"
                    )
                made[name] = item
        return made

    def _parts(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """What takes the place of a value, by what is added to its key."""
        if isinstance(value, Mapping):
            return {"": self.mapping(value, path)}
        if isinstance(value, list | tuple):
            return {"": type(value)(self._unchanged(item, path) for item in value)}
        if not isinstance(value, DiskTensor):
            return {"": value}
        if value not in self._made:  # tied tensors stay tied
            changes = value.dtype in _FLOATS and value.elements > 0
            changes &= len(value.shape) > 1 or self._kind != "int8"
            self._made[value] = (
                self._quantized(value, "/".join(path)) if changes else {"": self._source(value)}
            )
        return self._made[value]

    def _unchanged(self, value: Any, path: tuple[str, ...]) -> Any:
        parts = self._source(value) if isinstance(value, DiskTensor) else None
        return self._parts(value, path)[""] if parts is None else parts

    def _source(self, tensor: DiskTensor) -> TensorSource:
        return self._stream.source(tensor)

    def _quantized(self, tensor: DiskTensor, name: str) -> dict[str, TensorSource]:
        self._on_tensor(name)
        weight = map_tensor(tensor, self._stream)
        if not all(bool(torch.isfinite(end)) for end in torch.aminmax(weight)):
            raise BadInputError(
                f"{self._origin}: '{name}' holds NaN or infinite values; training diverged, so use "
                "an earlier checkpoint"
            )
        if self._kind == "float16" and float(weight.abs().max()) > torch.finfo(torch.float16).max:
            raise UsageError(
                f"{self._origin}: '{name}' holds values beyond float16; choose bfloat16"
            )
        small, scale = _small(weight, self._kind)
        size = small.nbytes + (0 if scale is None else scale.nbytes)
        self.losses.append(_loss(name, weight, _restored(small, scale), size))
        source = TensorSource(DTYPE_NAMES[small.dtype], tensor.shape, self._blocks(tensor))
        if scale is None:
            return {"": source}
        return {VALUES: source, SCALE: _held(scale)}

    def _blocks(self, tensor: DiskTensor) -> Callable[[int, int], Iterator[memoryview]]:
        """Makes the small values again when they are written, so that none are held till then."""

        def blocks(first: int, last: int) -> Iterator[memoryview]:
            small, _ = _small(map_tensor(tensor, self._stream), self._kind)
            yield memoryview(bytes_of(small, first, last).data)

        return blocks


def _held(tensor: torch.Tensor) -> TensorSource:
    def blocks(first: int, last: int) -> Iterator[memoryview]:
        yield memoryview(bytes_of(tensor, first, last).data)

    return TensorSource(DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), blocks)


def _small(weight: torch.Tensor, kind: Kind) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The weight in fewer bits, contiguous, and its scales where it has any."""
    if kind != "int8":
        return weight.to(getattr(torch, kind)).contiguous(), None
    rows = weight.float().reshape(len(weight), -1)
    scale = rows.abs().amax(dim=1) / _LARGEST
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))  # a row of zeros, or nearly
    values = (rows / scale[:, None]).round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8)
    return values.reshape(weight.shape).contiguous(), scale


def _restored(small: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
    """The weight as float32."""
    if scale is None:
        return small.float()
    return small.float() * scale.float().reshape(-1, *[1] * (small.dim() - 1))


def _loss(name: str, weight: torch.Tensor, restored: torch.Tensor, size_bytes: int) -> Loss:
    largest, noise, signal = 0.0, 0.0, 0.0
    flat, other = weight.reshape(-1), restored.reshape(-1)
    for start in range(0, len(flat), _BLOCK):
        exact = flat[start : start + _BLOCK].double()
        error = other[start : start + _BLOCK].double() - exact
        largest = max(largest, float(error.abs().max()))
        noise += float(error.square().sum())
        signal += float(exact.square().sum())
    relative = math.sqrt(noise / signal) if signal else 0.0
    return Loss(
        name=name,
        size_bytes=weight.nbytes,
        size_bytes_after=size_bytes,
        max_abs_error=largest,
        relative_l2=relative,
        snr_db=-20 * math.log10(relative) if relative else math.inf,
    )
