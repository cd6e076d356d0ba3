"""Which files of a folder are pictures."""

from pathlib import Path

from chunkport.errors import UsageError

_PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def pictures_in(folder: Path) -> list[Path]:
    """The picture files in a folder, by name; hidden ones are left out, as shells do.

    Raises:
        UsageError: there is none, or no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; name one with pictures")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _PICTURES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise UsageError(f"{folder}: holds no picture ({', '.join(sorted(_PICTURES))})")
    return found
