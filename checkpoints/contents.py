"""What is to be saved, as any container takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from checkpoints.archive import records
from checkpoints.archive_writing import TensorSource, write_archive
from checkpoints.layout import Container
from checkpoints.nodes import Json, Leaf
from checkpoints.plan import PlannedChunk


@dataclass(frozen=True)
class Span:
    """Where in its file a piece begins, and its CRC-32."""

    offset: int
    crc32: int


@dataclass(frozen=True)
class WrittenChunk:
    """A chunk file: its size in bytes and CRC-32, and its pieces in the order of the plan."""

    size_bytes: int
    crc32: int
    spans: tuple[Span, ...]


class Contents(Protocol):
    """What is to be saved, and how its files are written."""

    @property
    def container(self) -> Container:
        """The kind of its files."""

    @property
    def tree(self) -> Json:
        """All but the tensors."""

    @property
    def leaves(self) -> Sequence[Leaf[Any]]:
        """The tensors."""

    @property
    def tools(self) -> Mapping[str, str]:
        """Versions of what writes the files."""

    def name_bytes(self, name: str) -> int:
        """What a tensor's name takes in a file."""

    def write_whole(self, target: Path) -> int:
        """Write everything into one new file; its size in bytes."""

    def write_chunk(self, planned: PlannedChunk, target: Path, save_id: str, /) -> WrittenChunk:
        """Write the chunk as a new file."""


@dataclass(frozen=True)
class ArchiveContents:
    """A checkpoint taken apart, to be written as .pth.

    Attributes:
        tree: all but the tensors.
        leaves: the tensors.
        tools: versions of what writes the files.
        write_all: writes everything into one new file; its size in bytes.
    """

    tree: Json
    leaves: Sequence[Leaf[TensorSource]]
    tools: Mapping[str, str]
    write_all: Callable[[Path], int]
    container: Container = "pth"

    def name_bytes(self, name: str) -> int:
        """It is in the pickle, in UTF-8."""
        return len(name.encode("utf-8", "surrogatepass"))

    def write_whole(self, target: Path) -> int:
        """Write everything into one new file; its size in bytes."""
        return self.write_all(target)

    def write_chunk(self, planned: PlannedChunk, target: Path, _save_id: str) -> WrittenChunk:
        """Write the chunk: a dictionary of its tensors and pieces, in the order of the plan."""
        pieces: dict[str, TensorSource] = {}
        for part in planned.slices:
            leaf = self.leaves[part.index]
            assert leaf.name not in pieces, f"two pieces of {leaf.name} in one chunk"
            pieces[leaf.name] = leaf.tensor.part(part.start, part.shape_of(leaf.shape))
        size_bytes, crc32 = write_archive(pieces, target)
        members = records(target)
        found = (members[f"data/{number}"] for number in range(len(pieces)))  # as they were met
        spans = tuple(Span(record.offset, record.crc32) for record in found)
        return WrittenChunk(size_bytes, crc32, spans)
