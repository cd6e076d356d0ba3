"""Opening a checkpoint of any form and size without reading its tensors. Needs no torch."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.catalog import opened, refuse_missing_chunks, refuse_wrong_chunks
from checkpoints.disk_tensor import DiskTensor, Extent
from checkpoints.first_format import join
from checkpoints.forms import OpenCheckpoint
from checkpoints.manifest import ITEM_SIZES, Manifest, StoredTensor
from checkpoints.nodes import Json, decode, sizes
from checkpoints.safetensors_file import SUFFIX, read_safetensors
from checkpoints.sharded import read_sharded
from checkpoints.streaming import TensorStream
from checkpoints.torch_file import read_torch_file
from chunkport.errors import BadInputError

if TYPE_CHECKING:
    import torch

_MAX_DEPTH = 100
_MAX_VALUES = 4_000_000


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, its tensors left on disk.

    Attributes:
        path: as given.
        contents: nested dictionaries as they were saved, a `DiskTensor` for each tensor, plain
            values as they are.
    """

    path: Path
    contents: Mapping[str, Any]

    def tensors(self) -> dict[str, DiskTensor]:
        """Every tensor in nested dictionaries and lists, by the keys on the way joined by `/`.

        Raises:
            BadInputError: containers nested without end.
        """
        return dict(self._walk(self.contents, (), count()))

    def read(self, name: str) -> "torch.Tensor":
        """The tensor of that name in `tensors`, on the CPU, its checksums found to hold.

        A large one is the file's own memory where that can be (see `checkpoints.mapping`), so the
        checkpoint must not be changed in place while it is used.

        Raises:
            BadInputError: there is no such tensor, or it is damaged.
            UsageError: no room for the temporary file that a tensor in several pieces takes.
        """
        tensors = self.tensors()
        if name not in tensors:
            raise self._unknown(name, tensors)
        return self._read({name: tensors[name]})[name]

    def read_prefix(self, prefix: str) -> "dict[str, torch.Tensor]":
        """The tensors whose names in `tensors` begin so, by these names; read as by `read`.

        One that has several names is read once.

        Raises:
            BadInputError: no name begins so, or a tensor is damaged.
            UsageError: as `read`.
        """
        tensors = self.tensors()
        chosen = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if not chosen:
            raise self._unknown(prefix, {name[: len(prefix)] for name in tensors})
        return self._read(chosen)

    def _read(self, chosen: Mapping[str, DiskTensor]) -> "dict[str, torch.Tensor]":
        from checkpoints.mapping import map_tensor  # which needs torch

        stream = TensorStream()
        read = {tensor: map_tensor(tensor, stream) for tensor in dict.fromkeys(chosen.values())}
        return {name: read[tensor] for name, tensor in chosen.items()}

    def _unknown(self, wanted: str, known: Collection[str]) -> BadInputError:
        near = get_close_matches(wanted, known, n=3, cutoff=0.4) or sorted(known)[:3]
        advice = f"nearest: {', '.join(map(repr, near))}" if near else "it holds no tensors"
        return BadInputError(f"{self.path}: no tensor {wanted!r:.200}; {advice}")

    def _walk(
        self, value: Any, path: tuple[str, ...], visits: Iterator[int]
    ) -> Iterator[tuple[str, DiskTensor]]:
        if next(visits) > _MAX_VALUES:  # a few containers, each in the next one twice, suffice
            raise BadInputError(f"{self.path}: containers hold more than {_MAX_VALUES} values")
        if isinstance(value, DiskTensor):
            yield "/".join(path), value
        elif len(path) > _MAX_DEPTH:
            raise BadInputError(f"{self.path}: containers nested deeper than {_MAX_DEPTH}")
        elif isinstance(value, Mapping):
            for key, item in value.items():
                yield from self._walk(item, (*path, str(key)), visits)
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from self._walk(item, (*path, str(index)), visits)


def open_checkpoint(path: Path | str) -> Checkpoint:
    """Open a .pth of torch.save, a checkpoint in chunks, or .safetensors, one or several.

    Several are named by their index (`model.safetensors.index.json`) or its folder. Takes memory
    for the names, not for the tensors. Runs no code of the file. The bytes of the tensors are
    checked when they are read, not here.

    Raises:
        BadInputError: there is no such checkpoint, it is damaged, its pickle asks for more than
            tensors and plain values, or it is no dictionary.
    """
    path = Path(path)
    with opened(path) as checkpoint:
        return contents_of(checkpoint, path)


def contents_of(checkpoint: OpenCheckpoint, path: Path) -> Checkpoint:
    """As `open_checkpoint`, of a checkpoint that was found at `path`."""
    contents = _contents(checkpoint)
    if not isinstance(contents, Mapping):
        raise BadInputError(
            f"{path}: holds a {type(contents).__name__}, not a dictionary; save a state dict"
        )
    return Checkpoint(path, contents)


def _contents(checkpoint: OpenCheckpoint) -> Any:
    layout = checkpoint.layout
    refuse_missing_chunks(checkpoint)
    refuse_wrong_chunks(checkpoint)
    if checkpoint.manifest is not None:
        return _chunked(checkpoint, checkpoint.manifest)
    if checkpoint.first is not None:
        return join(checkpoint, checkpoint.first, read_torch_file)
    if checkpoint.weight_map is not None:
        return read_sharded(layout.index, checkpoint.weight_map, checkpoint.chunks)
    file = checkpoint.file(layout.main_name)
    if file.suffix != SUFFIX:
        return read_torch_file(file)
    whole = read_safetensors(file)
    if whole.tree is None:
        return whole.contents
    return _decoded(whole.tree, list(whole.tensors.values()), file)


def _chunked(checkpoint: OpenCheckpoint, manifest: Manifest) -> Any:
    files = list(checkpoint.chunks.values())
    tensors = [_stored(tensor, files) for tensor in manifest.tensors]
    return _decoded(manifest.tree, tensors, checkpoint.layout.manifest)


def _decoded(tree: Json, tensors: Sequence[DiskTensor], file: Path) -> Any:
    def numbered(node: Mapping[str, Any]) -> DiskTensor:
        index = node["index"]
        if type(index) is not int or not 0 <= index < len(tensors):
            raise ValueError(f"no tensor number {index!r:.40}")
        return tensors[index]

    special = {
        "tensor": numbered,
        "array": numbered,
        "size": lambda node: sizes(node["items"]),
        "scalar": _scalar,
    }
    try:
        return decode(tree, special)
    except BadInputError as error:
        raise BadInputError(f"{file}: {error}; save it again") from error


def _scalar(node: Mapping[str, Any]) -> Any:
    """A NumPy number as Python's own."""
    import numpy as np

    if node["dtype"] not in ITEM_SIZES:
        raise ValueError(f"no number of type {node['dtype']!r:.40}")
    return np.frombuffer(bytes.fromhex(node["hex"]), node["dtype"])[0].item()


def _stored(tensor: StoredTensor, files: list[Path]) -> DiskTensor:
    extents = tuple(
        Extent(
            files[piece.chunk_id],
            piece.offset,
            (piece.stop - piece.start) * tensor.item_size,
            piece.crc32,
        )
        for piece in tensor.pieces
    )
    return DiskTensor(tensor.dtype, tensor.shape, extents)
