"""Chunked checkpoints of format 1.0, written before chunkport kept checksums.

Beside the manifest lie files of torch.save, each with one state dict or a part of one, and a
placeholder: a dictionary in which `is_chunked` is true. Nothing else is known of them, so nothing
but these state dicts is read.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.manifest import FirstManifest
from checkpoints.torch_file import read_torch_file
from chunkport.errors import BadInputError

if TYPE_CHECKING:
    from checkpoints.forms import OpenCheckpoint

_MAX_PLACEHOLDER_BYTES = 64 << 10


def is_older_placeholder(file: Path) -> bool:
    """Whether `file` says that it stands for chunks, though not in chunkport's own way."""
    if not file.is_file() or file.stat().st_size > _MAX_PLACEHOLDER_BYTES:
        return False
    try:
        contents = read_torch_file(file)
    except BadInputError:
        return False
    return isinstance(contents, Mapping) and contents.get("is_chunked") is True


def join(
    checkpoint: "OpenCheckpoint", manifest: FirstManifest, read: Callable[[Path], Any]
) -> dict[str, Any]:
    """The state dicts by their names, each put together from its chunks by `read`.

    Warns:
        UserWarning: that the manifest cannot tell chunks of one save from those of another.

    Raises:
        BadInputError: a chunk that is no state dict, or two that hold the same key.
    """
    joined: dict[str, Any] = {}
    for chunk in manifest.chunks:
        file = checkpoint.file(chunk.filename)
        part = read(file)
        if not isinstance(part, Mapping):
            raise BadInputError(
                f"{file}: holds a {type(part).__name__}, not a state dict; restore it from a copy"
            )
        whole = joined.setdefault(chunk.state_dict, {})
        if both := whole.keys() & part.keys():
            raise BadInputError(
                f"{file}: holds {min(map(str, both))!r:.200} of {chunk.state_dict!r:.80}, which "
                "another chunk holds too; restore all files of one save"
            )
        whole.update(part)
    warnings.warn(
        f"{checkpoint.layout.manifest}: is of format 1.0, which cannot tell chunks of one save "
        "from those of another; save the checkpoint again",
        stacklevel=3,
    )
    return joined
