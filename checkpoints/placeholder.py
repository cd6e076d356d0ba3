"""The small .pth that stands where a chunked checkpoint's single file would be."""

import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.archive import FAULTS

_MAX_SIZE = 64 * 1024
_VALUES = frozenset(["NEWTRUE", "BINUNICODE", "SHORT_BINUNICODE"])
_STRUCTURE = frozenset(
    ["PROTO", "FRAME", "EMPTY_DICT", "MARK", "BINPUT", "MEMOIZE", "SETITEM", "SETITEMS", "STOP"]
)


@dataclass(frozen=True)
class Placeholder:
    """Points to the manifest and names the save that both belong to."""

    manifest: str
    save_id: str


def placeholder_contents(placeholder: Placeholder) -> dict[str, Any]:
    """What torch.save writes into it; torch.load of it explains itself."""
    return {"is_chunked": True, "manifest": placeholder.manifest, "save_id": placeholder.save_id}


def read_placeholder(path: Path) -> Placeholder | None:
    """The placeholder in `path`, or None when the file is something else.

    Walks through the pickle without obeying it, so that a foreign one can do no harm.
    """
    if path.stat().st_size > _MAX_SIZE:
        return None
    values: list[Any] = []
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(pickled).file_size > _MAX_SIZE:  # compressed
                return None
            for opcode, argument, _ in pickletools.genops(archive.read(pickled)):
                if opcode.name in _VALUES:
                    values.append(True if opcode.name == "NEWTRUE" else argument)
                elif opcode.name not in _STRUCTURE:
                    return None
    except (*FAULTS, StopIteration):
        return None
    match values:
        case ["is_chunked", True, "manifest", str(manifest), "save_id", str(save_id)]:
            return Placeholder(manifest, save_id)
    return None
