"""The names of the files that make up one checkpoint."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chunkport.errors import UsageError

Container = Literal["pth", "safetensors"]
"""The kind of file that tensors are in: torch.save's archive, or safetensors."""

SUFFIXES: Mapping[Container, str] = {"pth": ".pth", "safetensors": ".safetensors"}
"""How the names of such files end."""

INDEX_SUFFIX = ".safetensors.index.json"
"""How Hugging Face calls the file that says which tensor is in which .safetensors."""

_MANIFEST_SUFFIX = ".manifest.json"
_CHUNK_END = re.compile(r"\.chunk_\d{3,}$")


@dataclass(frozen=True)
class Layout:
    """Where each file of the checkpoint called `stem` lies.

    Attributes:
        folder: the folder that holds all of them.
        stem: the name they share, `best_model` for `best_model.pth`.
        main_name: the file that a user names: the whole checkpoint, or its placeholder. In place
            of a .safetensors no placeholder is put, because loaders of others would take it for
            the model.
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
    def index_name(self) -> str:
        """`best_model.safetensors.index.json`."""
        return self.stem + INDEX_SUFFIX

    @property
    def index(self) -> Path:
        """Which tensor is in which .safetensors, for loaders of others."""
        return self.folder / self.index_name

    @property
    def journal(self) -> Path:
        """Present only while a finished save is being moved into place."""
        return self.folder / f".{self.stem}.journal"

    @property
    def removal(self) -> Path:
        """Present only while the checkpoint is being removed."""
        return self.folder / f".{self.stem}.removal"

    def chunk_name(self, chunk_id: int, container: Container = "pth") -> str:
        """`best_model.chunk_000.pth` for chunk 0."""
        return f"{self.stem}.chunk_{chunk_id:03d}{SUFFIXES[container]}"

    def staged(self, name: str, save_id: str) -> Path:
        """Where the save `save_id` writes the file that is to become `name`."""
        return self.folder / f".{name}.{save_id}.staged"

    def staged_files(self) -> list[Path]:
        """Files of unfinished saves of this checkpoint, whichever save they are from."""
        return self._matching(self._staged_pattern())

    def _staged_pattern(self) -> str:
        stem, ends = re.escape(self.stem), _one_of(_MANIFEST_SUFFIX, INDEX_SUFFIX)
        file = rf"({ends}|(\.chunk_\d{{3,}})?{_CONTAINER_END})"
        staged = rf"\.{stem}{file}\.[0-9a-f]{{16}}\.staged"
        marks = rf"\.\.{stem}\.(journal|removal)\.[0-9a-f]{{8}}\.tmp"
        return f"{staged}|{marks}"

    def chunk_files(self) -> list[Path]:
        """Every chunk of this checkpoint that is on disk, of whichever save, by number."""
        return self._matching(rf"{re.escape(self.stem)}\.chunk_\d{{3,}}{_CONTAINER_END}")

    def may_own(self, name: str) -> bool:
        """Whether a file of this name can be of a checkpoint of this stem, whole or in parts."""
        whole = (self.stem, *(self.stem + suffix for suffix in SUFFIXES.values()))
        hidden = name == self.journal.name or re.fullmatch(self._staged_pattern(), name)
        return bool(hidden) or name in whole or stem_of_part(name) == self.stem

    def _matching(self, pattern: str) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(p for p in self.folder.iterdir() if re.fullmatch(pattern, p.name))


def name_in_place(name: str) -> str:
    """What a staged file is to be called; any other, what it is called."""
    staged = _STAGED.fullmatch(name)
    return staged["name"] if staged else name


def stem_of_part(name: str) -> str | None:
    """The stem of the checkpoint that a chunk, a manifest, an index or a staged file is a part of.

    None for all else, a file that may hold a whole checkpoint among it.
    """
    placed = name_in_place(name)
    if match := _PART.fullmatch(placed):
        return match["stem"]
    return None if placed == name else layout_of(placed).stem


def may_be_model(name: str) -> bool:
    """Whether a user may mean a file of this name by a checkpoint of ours, whole or not."""
    whole = not name.startswith(".") and stem_of_part(name) is None
    return whole and name.endswith(tuple(SUFFIXES.values()))


def stem_of_unfinished(name: str) -> str | None:
    """The stem of the checkpoint of which an interrupted save or removal left the hidden file."""
    mark = _MARK.fullmatch(name)
    if mark:
        return mark["stem"]
    return stem_of_part(name) if _STAGED.fullmatch(name) else None


def layout_of(path: Path | str) -> Layout:
    """The checkpoint that a user means by a .pth or .safetensors, a manifest, or an index.

    Any other file is taken for a whole checkpoint.
    """
    path = Path(path)
    name = path.name
    if name.endswith(_MANIFEST_SUFFIX):
        stem = name.removesuffix(_MANIFEST_SUFFIX)
        return Layout(path.parent, stem, stem + SUFFIXES["pth"])
    if name.endswith(INDEX_SUFFIX):
        return Layout(
            path.parent, name.removesuffix(INDEX_SUFFIX), name.removesuffix(".index.json")
        )
    stem = name.removesuffix(path.suffix) if path.suffix in SUFFIXES.values() else name
    return Layout(path.parent, stem, name)


def known_container(name: str) -> Container:
    """The container of this name.

    Raises:
        UsageError: there is none.
    """
    for container in SUFFIXES:
        if container == name:
            return container
    raise UsageError(f"container {name!r}: choose one of {', '.join(SUFFIXES)}")


def layout_to_write(
    path: Path | str, container: Container | None = None
) -> tuple[Layout, Container]:
    """As `layout_of`, for a checkpoint that is to be written, and its container.

    Without a `container` it is that of the name's ending.

    Raises:
        UsageError: the name cannot be a checkpoint's, or there is no such container.
    """
    path = Path(path)
    of_name = {suffix: name for name, suffix in SUFFIXES.items()}.get(path.suffix)
    if of_name is None:
        raise UsageError(
            f"{path}: a checkpoint's name must end in {' or '.join(SUFFIXES.values())}; rename it"
        )
    container = known_container(container or of_name)
    if of_name == "safetensors" != container:
        raise UsageError(f"{path}: would hold no safetensors; give it a name that ends in .pth")
    if _CHUNK_END.search(path.stem):
        raise UsageError(f"{path}: this is the name of a chunk; choose a name without .chunk_NNN")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it")
    return layout_of(path), container


def _one_of(*texts: str) -> str:
    """A pattern that matches any of the texts."""
    return f"({'|'.join(map(re.escape, texts))})"


_CONTAINER_END = _one_of(*SUFFIXES.values())
_PART = re.compile(
    rf"(?P<stem>.+)({_one_of(_MANIFEST_SUFFIX, INDEX_SUFFIX)}|\.chunk_\d{{3,}}{_CONTAINER_END})"
)
_STAGED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{16}\.staged")
_MARK = re.compile(r"\.(?P<stem>.+)\.(?:journal|removal)")
