"""What is to be saved, as any container takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from checkpoints.archive import records
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


def bytes_in_archive(name: str) -> int:
    """What a tensor's name takes in the pickle of an archive."""
    return len(name.encode("utf-8", "surrogatepass"))


def chunk_of_archive(target: Path, written: tuple[int, int], pieces: int) -> WrittenChunk:
    """The chunk that was written to `target` as an archive, of `written` bytes and CRC-32."""
    members = records(target)
    of_pieces = (members[f"data/{number}"] for number in range(pieces))  # as they were met
    return WrittenChunk(*written, tuple(Span(record.offset, record.crc32) for record in of_pieces))
