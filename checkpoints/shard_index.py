"""The index by which Hugging Face's loaders find a tensor among several .safetensors files."""

import json
from pathlib import Path, PureWindowsPath
from typing import Any

from checkpoints.archive import refuse_lfs_pointer
from checkpoints.manifest import Manifest
from checkpoints.plan import Slice
from checkpoints.safetensors_file import SUFFIX, unique_keys
from chunkport.errors import BadInputError

PLACE = "#elements_"
"""In the name of a piece that is no whole rows of its tensor: what follows is its place."""

_MAX_BYTES = 10 << 20  # of another tool's, as huggingface_hub reads at most
_MAX_OWN_BYTES = 256 << 20  # as the manifest, which says the same and more
_OWN = "chunkport_save_id"
_FAULTS = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def index_of(manifest: Manifest) -> dict[str, Any]:
    """The index of a save in chunks.

    Its weight_map gives the file of each tensor, and of one that is split the file of its first
    rows: who joins rows (torch.distributed) goes by the files themselves. Pieces that are no whole
    rows, which nobody else can join, are listed under metadata.
    """
    weight_map: dict[str, str] = {}
    below_rows: list[str] = []
    for tensor in manifest.tensors:
        for piece in tensor.pieces:
            name = name_in_file(tensor.path, Slice(0, piece.start, piece.stop), tensor.shape)
            weight_map.setdefault(name, manifest.chunks[piece.chunk_id].filename)
            if name != tensor.path:
                below_rows.append(name)
    total = sum(
        (piece.stop - piece.start) * tensor.item_size
        for tensor in manifest.tensors
        for piece in tensor.pieces
    )
    metadata: dict[str, Any] = {_OWN: manifest.save_id, "total_size": total}
    if below_rows:
        metadata["pieces_below_rows"] = below_rows
    return {"metadata": metadata, "weight_map": weight_map}


def index_text(manifest: Manifest) -> str:
    """The index of a save in chunks, as a file."""
    return json.dumps(index_of(manifest), indent=1) + "\n"


def name_in_file(name: str, part: Slice, shape: tuple[int, ...]) -> str:
    """What a piece is called in its file: as its tensor if it is rows of it, else by its place."""
    if part.first_row(shape) is None:
        return f"{name}{PLACE}{part.start}_{part.stop}"
    return name


def is_of_a_save(file: Path) -> bool:
    """Whether the index was written by a save of ours, and not by another tool."""
    try:
        return _OWN in _document(file, _MAX_OWN_BYTES)["metadata"]
    except (BadInputError, OSError, TypeError, LookupError):
        return False


def refuse_other_index(file: Path, manifest: Manifest) -> None:
    """Check an index that lies beside the manifest; we read by the manifest, others by the index.

    Raises:
        BadInputError: it is damaged, or of another save.
    """
    if file.is_file() and _document(file, _MAX_OWN_BYTES) != index_of(manifest):
        raise BadInputError(
            f"{file}: is damaged, or not of the save of the manifest beside it; restore all files "
            "of one save"
        )


def read_index(file: Path) -> dict[str, str]:
    """The name of the file beside the index that each tensor is in.

    Raises:
        BadInputError: no index, too large, or one that names what is no .safetensors beside it.
    """
    try:
        weight_map: dict[str, str] = dict(_document(file, _MAX_BYTES)["weight_map"])
        names = set(weight_map.values())
    except _FAULTS as error:
        raise _refusal(file, f"no weight_map: {' '.join(str(error).split())[:200]}") from error
    if not names:
        raise _refusal(file, "its weight_map is empty")
    for name in names:
        if not _is_beside(name):
            raise _refusal(file, f"{name!r:.80} is not the name of a {SUFFIX} file beside it")
    return weight_map


def _document(file: Path, max_bytes: int) -> Any:
    refuse_lfs_pointer(file)
    size = file.stat().st_size
    if size > max_bytes:
        raise _refusal(file, f"it has {size} bytes, and an index at most {max_bytes}")
    try:
        return json.loads(file.read_bytes(), object_pairs_hook=unique_keys)
    except _FAULTS as error:
        raise _refusal(file, " ".join(str(error).split())[:200]) from error


def _is_beside(name: Any) -> bool:
    """Whether it is a bare file name, on any system."""
    if type(name) is not str or not name.endswith(SUFFIX) or "\0" in name:
        return False
    path = PureWindowsPath(name)  # which takes both slashes for separators, and knows drives
    return name == path.name and not path.drive and ":" not in name


def _refusal(file: Path, reason: str) -> BadInputError:
    return BadInputError(f"{file}: not an index of .safetensors files ({reason}); copy it again")
