"""The names of the files that make up one checkpoint."""

import re
from dataclasses import dataclass
from pathlib import Path

from chunkport.errors import UsageError

_SUFFIX = ".pth"
_MANIFEST_SUFFIX = ".manifest.json"
_CHUNK_END = re.compile(r"\.chunk_\d{3,}$")


@dataclass(frozen=True)
class Layout:
    """Where each file of the checkpoint called `stem` lies.

    Attributes:
        folder: the folder that holds all of them.
        stem: the name they share, `best_model` for `best_model.pth`.
        main_name: the file that a user names: the whole checkpoint, or its placeholder.
    """

    folder: Path
    stem: str
    main_name: str

    @property
    def main(self) -> Path:
        """The whole checkpoint or, when chunked, the placeholder in its stead."""
        return self.folder / self.main_name

    @property
    def manifest_name(self) -> str:
        """`best_model.manifest.json`."""
        return self.stem + _MANIFEST_SUFFIX

    @property
    def manifest(self) -> Path:
        """What the chunks hold and how to put them together."""
        return self.folder / self.manifest_name

    @property
    def journal(self) -> Path:
        """Present only while a finished save is being moved into place."""
        return self.folder / f".{self.stem}.journal"

    @property
    def removal(self) -> Path:
        """Present only while the checkpoint is being removed."""
        return self.folder / f".{self.stem}.removal"

    def chunk_name(self, chunk_id: int) -> str:
        """`best_model.chunk_000.pth` for chunk 0."""
        return f"{self.stem}.chunk_{chunk_id:03d}{_SUFFIX}"

    def staged(self, name: str, save_id: str) -> Path:
        """Where the save `save_id` writes the file that is to become `name`."""
        return self.folder / f".{name}.{save_id}.staged"

    def staged_files(self) -> list[Path]:
        """Files of unfinished saves of this checkpoint, whichever save they are from."""
        stem = re.escape(self.stem)
        staged = rf"\.{stem}(\.pth|\.manifest\.json|\.chunk_\d{{3,}}\.pth)\.[0-9a-f]{{16}}\.staged"
        journal = rf"\.\.{stem}\.journal\.[0-9a-f]{{8}}\.tmp"
        return self._matching(f"{staged}|{journal}")

    def chunk_files(self) -> list[Path]:
        """Every chunk of this checkpoint that is on disk, of whichever save, by number."""
        return self._matching(rf"{re.escape(self.stem)}\.chunk_\d{{3,}}\.pth")

    def _matching(self, pattern: str) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if re.fullmatch(pattern, p.name))


def layout_of(path: Path | str) -> Layout:
    """The checkpoint that a user means by a .pth file, a manifest, or any other single file."""
    path = Path(path)
    name = path.name
    if name.endswith(_MANIFEST_SUFFIX):
        stem = name.removesuffix(_MANIFEST_SUFFIX)
        return Layout(path.parent, stem, stem + _SUFFIX)
    return Layout(path.parent, name.removesuffix(_SUFFIX), name)


def layout_to_write(path: Path | str) -> Layout:
    """As `layout_of`, for a checkpoint that is to be written.

    Raises:
        UsageError: the name cannot be a checkpoint's.
    """
    path = Path(path)
    stem = path.name.removesuffix(_SUFFIX)
    if path.suffix != _SUFFIX:
        raise UsageError(f"{path}: a checkpoint's name must end in {_SUFFIX}; rename it")
    if _CHUNK_END.search(stem):
        raise UsageError(f"{path}: this is the name of a chunk; choose a name without .chunk_NNN")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it")
    return Layout(path.parent, stem, path.name)
