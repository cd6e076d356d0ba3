"""Writing a checkpoint as .safetensors, a block at a time. Needs no torch.

Any loader of the format finds the tensors, by the keys on the way to them joined by `/`. What the
format cannot hold is among its texts: in one whole file all other values, as JSON, and checksums;
in a chunk, whose manifest has those, the save's id and the row at which each piece begins.
"""

import json
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from checkpoints import safetensors_file as form
from checkpoints.archive import damaged
from checkpoints.archive_writing import TensorSource
from checkpoints.checked_file import CheckedFile, new_file
from checkpoints.contents import Span, WrittenChunk
from checkpoints.layout import Container
from checkpoints.manifest import ITEM_SIZES, MIB
from checkpoints.nodes import Json, Leaf, unique_name
from checkpoints.plan import PlannedChunk
from checkpoints.shard_index import PLACE, name_in_file
from chunkport.errors import UsageError

_ALIGNMENT = 64  # of the first tensor; the others follow by falling size of their elements
_COMPLEX = "complex128"  # which the format cannot name: float64 with one dimension more


@dataclass(frozen=True)
class SafetensorsContents:
    """A checkpoint taken apart; made by `safetensors_contents`."""

    tree: Json
    leaves: Sequence[Leaf[TensorSource]]
    tools: Mapping[str, str]
    container: Container = "safetensors"

    def name_bytes(self, name: str) -> int:
        """A name is in the header twice: as itself, and within the text that places the pieces."""
        once = json.dumps(name)
        return len(once) + len(json.dumps(once))

    def write_whole(self, target: Path) -> int:
        """Write everything into one new file; its size in bytes.

        The checksums stand before what they are of, so they are put in at the end.

        Raises:
            UsageError: the values are too many for a header.
        """
        entries = [_Entry(leaf.name, leaf.tensor) for leaf in self.leaves]
        texts = {form.TREE: json.dumps(self.tree), form.HEADER_SUM: form.NO_SUM}
        blank = _header(
            entries, {**texts, form.TENSOR_SUMS: " ".join([form.NO_SUM] * len(entries))}
        )
        if len(blank) > form.MAX_HEADER_BYTES:
            raise UsageError(
                f"checkpoint: its values and names take {len(blank) / MIB:.1f}MB, and a header of "
                f"safetensors has {form.MAX_HEADER_BYTES / MIB:g}MB; turn long lists into tensors"
            )
        with new_file(target, sums=False) as file:
            spans = _write(entries, blank, file)
        sums = " ".join(f"{span.crc32:08x}" for span in spans)
        header = _header(entries, {**texts, form.TENSOR_SUMS: sums})
        own = form.header_sum(f"{zlib.crc32(header):08x}")
        with target.open("rb+") as patched:
            patched.seek(form.LENGTH_BYTES)
            patched.write(header.replace(form.header_sum(form.NO_SUM), own))
            patched.flush()
            os.fsync(patched.fileno())
        return file.size_bytes

    def write_chunk(self, planned: PlannedChunk, target: Path, save_id: str) -> WrittenChunk:
        """Write the chunk as a new file."""
        entries, starts = [], {}
        for part in planned.slices:
            leaf = self.leaves[part.index]
            shape = part.shape_of(leaf.shape)
            name = name_in_file(leaf.name, part, leaf.shape)
            entry = _Entry(name, leaf.tensor.part(part.start, shape))
            rest = [0] * (len(entry.shape) - 1)
            first = [part.first_row(leaf.shape) or 0] if entry.shape else []
            starts[entry.name] = {"saved_offsets": first + rest}
            entries.append(entry)
        texts = {form.SAVE_ID: save_id, form.SHARDING: json.dumps(starts)}
        with new_file(target) as file:
            spans = _write(entries, _header(entries, texts), file)
        return WrittenChunk(file.size_bytes, file.crc32, tuple(spans))


def safetensors_contents(
    tree: Json, leaves: Sequence[Leaf[TensorSource]], tools: Mapping[str, str]
) -> SafetensorsContents:
    """A checkpoint taken apart, ready to be written as .safetensors.

    Args:
        tree: all but the tensors.
        leaves: the tensors; names that the format does not take, or that say the place of a
            piece, are changed.
        tools: versions of what makes the tensors.
    """
    taken = {form.METADATA}
    named = []
    for leaf in leaves:
        name = leaf.name.encode("utf-8", "replace").decode().replace(PLACE, PLACE[:-1])
        named.append(replace(leaf, name=unique_name(name, taken)))
    return SafetensorsContents(tree, named, tools)


@dataclass(frozen=True)
class _Entry:
    """A tensor, or a piece of one, under the name that it has in the file."""

    name: str
    source: TensorSource

    @property
    def code(self) -> str:
        return "F64" if self.source.dtype == _COMPLEX else form.CODES[self.source.dtype]

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.source.shape, 2) if self.source.dtype == _COMPLEX else self.source.shape

    @property
    def size_bytes(self) -> int:
        return math.prod(self.source.shape) * ITEM_SIZES[self.source.dtype]


def _in_order(entries: Sequence[_Entry]) -> list[int]:
    """Their numbers in the order of the file, in which each is aligned to its elements."""
    sizes = [ITEM_SIZES[entry.source.dtype] for entry in entries]
    return sorted(range(len(entries)), key=lambda number: -sizes[number])


def _header(entries: Sequence[_Entry], texts: Mapping[str, str]) -> bytes:
    pairs = [entry.name for entry in entries if entry.source.dtype == _COMPLEX]
    known = {form.FORMAT: "pt", **texts} | ({form.PAIRS: json.dumps(pairs)} if pairs else {})
    places: dict[int, list[int]] = {}
    end = 0
    for number in _in_order(entries):
        start, end = end, end + entries[number].size_bytes
        places[number] = [start, end]
    document = {form.METADATA: known} | {
        entry.name: {"dtype": entry.code, "shape": entry.shape, "data_offsets": places[number]}
        for number, entry in enumerate(entries)
    }
    assert len(document) == len(entries) + 1, "two pieces of one name in one file"
    header = json.dumps(document, separators=(",", ":")).encode("ascii")
    return header + b" " * (-(form.LENGTH_BYTES + len(header)) % _ALIGNMENT)


def _write(entries: Sequence[_Entry], header: bytes, file: CheckedFile) -> list[Span]:
    """Write the whole file; where each entry is, in their own order."""
    file.write(len(header).to_bytes(form.LENGTH_BYTES, "little"))
    file.write(header)
    spans: dict[int, Span] = {}
    for number in _in_order(entries):
        source = entries[number].source
        offset, crc32 = file.size_bytes, 0
        for block in source.blocks(0, math.prod(source.shape)):
            file.write(block)
            crc32 = zlib.crc32(block, crc32)
        written, expected = file.size_bytes - offset, entries[number].size_bytes
        assert written == expected, f"{entries[number].name}: {written} bytes, not {expected}"
        if source.crc32 not in (None, crc32):
            raise damaged(source.origin or Path(), f"the tensor of shape {source.shape}")
        spans[number] = Span(offset, crc32)
    return [spans[number] for number in range(len(entries))]
