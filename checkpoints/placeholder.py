"""The small .pth that stands where a chunked checkpoint's single file would be."""

import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAX_SIZE = 64 * 1024


@dataclass(frozen=True)
class Placeholder:
    """Points to the manifest and names the save that both belong to."""

    manifest: str
    save_id: str


def placeholder_contents(placeholder: Placeholder) -> dict[str, Any]:
    """What torch.save writes into it; torch.load of it explains itself."""
    return {"is_chunked": True, "manifest": placeholder.manifest, "save_id": placeholder.save_id}


class _PlainValues(pickle.Unpickler):
    """Builds strings, numbers and containers, and refuses anything that names code."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"{module_name}.{global_name}")


def read_placeholder(path: Path) -> Placeholder | None:
    """The placeholder in `path`, or None when the file is something else. Needs no torch."""
    if path.stat().st_size > _MAX_SIZE:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            contents = _PlainValues(io.BytesIO(archive.read(members[0]))).load()
        if contents["is_chunked"] is not True:
            return None
        names = (contents["manifest"], contents["save_id"])
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        EOFError,
        ValueError,  # UnicodeDecodeError included
        TypeError,
        LookupError,
        AttributeError,
        NotImplementedError,
    ):
        return None
    return Placeholder(*names) if all(isinstance(name, str) for name in names) else None
