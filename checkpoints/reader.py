"""Loading a checkpoint, chunked or not, with every byte checked and no code run."""

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from checkpoints.archive import damaged, damaged_member
from checkpoints.catalog import opened, refuse_missing_chunks, refuse_wrong_chunks, wrong_chunk
from checkpoints.first_format import join
from checkpoints.forms import OpenCheckpoint
from checkpoints.inert_pickle import unreadable, unsafe
from checkpoints.manifest import Manifest, Piece
from checkpoints.memory import TORCH_DTYPES, bytes_of
from checkpoints.numpy_numbers import numbers_for_torch
from checkpoints.restoring import restore, revive
from checkpoints.safetensors_file import SUFFIX, read_safetensors
from checkpoints.safetensors_loading import load_safetensors, load_values
from checkpoints.sharded import read_sharded
from checkpoints.side_by_side import side_by_side
from checkpoints.streaming import BLOCK, pass_over, read_into
from checkpoints.torch_file import refuse_traps
from chunkport.errors import BadInputError, UsageError


def load_model_chunked(path: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Load what `save_model_chunked` or torch.save wrote to `path`, with tensors on `device`.

    `path` may be a .pth or .safetensors, chunked or not, the manifest, or an index of .safetensors
    (`model.safetensors.index.json`) or its folder. Sizes and CRC-32 of all that is read are
    checked; .safetensors of other tools have none. Takes the memory of the model and, for devices
    other than the CPU, of its largest piece.

    Raises:
        BadInputError: missing, damaged, mixed from several saves, or holding more than tensors
            and plain values; such a file is never read in a less safe way.
        UsageError: torch knows no such device.
    """
    target = _device(device)
    with opened(path) as checkpoint:
        refuse_missing_chunks(checkpoint)
        refuse_wrong_chunks(checkpoint)
        if checkpoint.manifest is not None:
            return _load_chunks(checkpoint, checkpoint.manifest, target)
        if checkpoint.first is not None:
            return join(checkpoint, checkpoint.first, lambda file: _load_whole(file, target))
        if checkpoint.weight_map is not None:
            index = checkpoint.layout.index
            return load_values(
                read_sharded(index, checkpoint.weight_map, checkpoint.chunks), target
            )
        file = checkpoint.file(checkpoint.layout.main_name)
        if file.suffix == SUFFIX:
            return _as_dictionary(load_safetensors(read_safetensors(file), target), file)
        return _load_whole(file, target)


def _device(device: torch.device | str) -> torch.device:
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device {str(device)!r}: not available here; use 'cpu'") from error
    return target


def _load_chunks(
    checkpoint: OpenCheckpoint, manifest: Manifest, device: torch.device
) -> dict[str, Any]:
    files = list(checkpoint.chunks.values())
    tensors = [
        torch.empty(stored.shape, dtype=TORCH_DTYPES[stored.dtype], device=device)
        for stored in manifest.tensors
    ]
    contents: list[list[_Placed]] = [[] for _ in files]
    for stored, tensor in zip(manifest.tensors, tensors, strict=True):
        for piece in stored.pieces:
            contents[piece.chunk_id].append(_Placed(piece, tensor))

    def fill(chunk_id: int) -> int:
        placed = sorted(contents[chunk_id], key=lambda entry: entry.piece.offset)
        return _fill(placed, files[chunk_id], manifest.chunks[chunk_id].size_bytes)

    chunks = range(len(files))
    sums = side_by_side(fill, chunks, lambda chunk_id: manifest.chunks[chunk_id].size_bytes)
    for chunk, crc32 in zip(manifest.chunks, sums, strict=True):
        if crc32 != chunk.crc32:
            raise wrong_chunk(checkpoint, chunk, "a CRC-32 that is not the manifest's")
    try:
        loaded = restore(manifest.tree, tensors)
    except BadInputError as error:
        raise BadInputError(f"{checkpoint.layout.manifest}: {error}; save it again") from error
    return _as_dictionary(loaded, checkpoint.layout.manifest)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A piece and the whole tensor that it is a part of."""

    piece: Piece
    tensor: torch.Tensor


def _fill(placed: Sequence[_Placed], file: Path, size_bytes: int) -> int:
    """Read a chunk from end to end, its pieces into their tensors; the CRC-32 of all of it."""
    scratch = memoryview(bytearray(BLOCK))
    crc32, position = 0, 0
    with file.open("rb", buffering=0) as stream:
        for entry in placed:
            piece, tensor = entry.piece, entry.tensor
            crc32 = pass_over(stream, piece.offset - position, scratch, crc32)
            part = tensor.view(-1)[piece.start : piece.stop]
            landing = part if part.is_cpu else torch.empty_like(part, device="cpu")
            target = bytes_of(landing, 0, len(landing))
            crc32 = read_into(stream, memoryview(target.data), crc32)
            position = piece.offset + len(target)
            if landing is not part:
                part.copy_(landing)
        return pass_over(stream, size_bytes - position, scratch, crc32)


def _load_whole(file: Path, device: torch.device) -> dict[str, Any]:
    refuse_traps(file)
    member = damaged_member(file)
    if member is not None:
        raise damaged(file, member)
    try:
        with numbers_for_torch():
            loaded = torch.load(file, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(file, str(error)) from error
    except (
        RuntimeError,
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        OverflowError,
    ) as error:
        reason = str(error).partition("\n")[0][:200]
        raise unreadable(file, reason) from error
    try:
        return _as_dictionary(revive(loaded), file)
    except RecursionError as error:
        raise BadInputError(f"{file}: holds containers nested too deeply") from error


def _refused(file: Path, message: str) -> BadInputError:
    """What torch found in the pickle, without its advice to load the file in an unsafe way."""
    asked = re.search(r"GLOBAL (\S+)", message) or re.search(r"global[: ]+(\S+)", message)
    if asked:
        return unsafe(file, asked.group(1))
    found = message.partition("WeightsUnpickler error:")[2] or message
    reason = " ".join(found.partition("Check the documentation")[0].split())
    return unreadable(file, reason[:200])


def _as_dictionary(loaded: Any, file: Path) -> dict[str, Any]:
    if isinstance(loaded, Mapping) and loaded.get("is_chunked") is True:
        raise BadInputError(
            f"{file}: is the placeholder of chunks in another format; join them with the tool "
            "that wrote them and save the result again"
        )
    if not isinstance(loaded, Mapping):
        raise BadInputError(
            f"{file}: holds a {type(loaded).__name__}, not a dictionary; save a state dict"
        )
    return loaded if isinstance(loaded, dict) else dict(loaded)
