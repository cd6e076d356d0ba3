"""Which piece of which tensor goes into which chunk: arithmetic only.

The cap is on the size of the file, so every piece is charged for its bytes and for what the
archive adds to it: a header, padding to 64 bytes, an entry in the directory and in the pickle.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK_OVERHEAD = 4096
"""More than torch.save writes for an empty dictionary, in bytes."""

_SMALLEST_GAP = 64  # of a chunk is worth a piece of its own
_PIECE_OVERHEAD = 448
_DIM_OVERHEAD = 24


@dataclass(frozen=True)
class Item:
    """A tensor to be placed.

    Attributes:
        group: the top-level state dict it belongs to.
        name_bytes: length of its name in UTF-8.
        shape: as the tensor's.
        item_size: bytes per element.
    """

    group: str
    name_bytes: int
    shape: tuple[int, ...]
    item_size: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def row_elements(self) -> int:
        """Elements per step along dim 0; 1 for a tensor without dimensions."""
        return math.prod(self.shape[1:])

    @property
    def overhead(self) -> int:
        """Bytes that one piece of it takes beyond its elements."""
        return _PIECE_OVERHEAD + self.name_bytes + _DIM_OVERHEAD * len(self.shape)


@dataclass(frozen=True, order=True)
class Slice:
    """Elements [start, stop) of tensor number `index`, counted in row-major order."""

    index: int
    start: int
    stop: int

    def first_row(self, whole: tuple[int, ...]) -> int | None:
        """Where along dim 0 of a tensor of shape `whole` it begins; None if it is no whole rows."""
        row = math.prod(whole[1:])
        return None if self.start % row or self.stop % row else self.start // row

    def shape_of(self, whole: tuple[int, ...]) -> tuple[int, ...]:
        """Its shape, cut from a tensor of shape `whole`: rows if it is whole rows, else flat."""
        if not whole:
            return ()
        if self.first_row(whole) is None:
            return (self.stop - self.start,)
        return ((self.stop - self.start) // math.prod(whole[1:]), *whole[1:])


@dataclass(frozen=True)
class PlannedChunk:
    """One file: the state dict it serves and the slices in it, in order."""

    group: str
    slices: tuple[Slice, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return sum(part.stop - part.start for part in self.slices)


def plan_chunks(
    items: Sequence[Item], cap_bytes: int, *, fill_gaps: bool = True
) -> tuple[PlannedChunk, ...]:
    """Place every tensor so that no chunk file exceeds `cap_bytes`.

    A group that fits into one chunk gets one of its own. A larger group is packed best fit
    decreasing; tensors above the cap are first cut into full chunks, between rows where a row
    fits and between elements otherwise. With `fill_gaps`, as soon as there are as many chunks as
    the bytes need, tensors that fit nowhere are cut too. Tensors without elements need no place.
    """
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        if item.elements:
            groups.setdefault(item.group, []).append(index)
    room = cap_bytes - CHUNK_OVERHEAD
    chunks: list[PlannedChunk] = []
    for group, members in groups.items():
        whole = [Slice(index, 0, items[index].elements) for index in members]
        if sum(_cost(items, piece) for piece in whole) <= room:
            chunks.append(PlannedChunk(group, tuple(whole)))
        else:
            chunks += (
                PlannedChunk(group, pieces)
                for pieces in _pack(items, whole, room, fill_gaps=fill_gaps)
            )
    return tuple(chunks)


def _cost(items: Sequence[Item], piece: Slice) -> int:
    item = items[piece.index]
    return (piece.stop - piece.start) * item.item_size + item.overhead


def _pack(
    items: Sequence[Item], whole: list[Slice], room: int, *, fill_gaps: bool
) -> list[tuple[Slice, ...]]:
    pieces = [part for piece in whole for part in _cut(items, piece, room)]
    pieces.sort(key=lambda piece: (-_cost(items, piece), piece))
    fewest = -(-sum(_cost(items, piece) for piece in pieces) // room)
    bins: list[list[Slice]] = []
    free: list[tuple[int, int]] = []  # (bytes free, bin), ascending

    def place(piece: Slice, gap: int) -> None:
        left, number = free.pop(gap)
        bins[number].append(piece)
        insort(free, (left - _cost(items, piece), number))

    for piece in pieces:
        best = bisect_left(free, (_cost(items, piece), -1))
        if best < len(free):
            place(piece, best)
            continue
        full = fill_gaps and len(bins) >= fewest
        parts = _over_gaps(items, piece, free, room) if full else ()
        for part in parts:
            place(part, len(free) - 1)
        if not parts:
            bins.append([])
            insort(free, (room, len(bins) - 1))
            place(piece, len(free) - 1)
    return sorted(tuple(sorted(pieces)) for pieces in bins)


def _over_gaps(
    items: Sequence[Item], piece: Slice, free: Sequence[tuple[int, int]], room: int
) -> tuple[Slice, ...]:
    """The piece cut between rows to fill the largest gaps, in their order; empty if it cannot."""
    item = items[piece.index]
    parts: list[Slice] = []
    start = piece.start
    for left, _ in reversed(free):
        step = (left - item.overhead) // item.item_size
        step -= step % item.row_elements
        if step <= 0 or left < room // _SMALLEST_GAP:
            break
        parts.append(Slice(piece.index, start, min(start + step, piece.stop)))
        start = parts[-1].stop
        if start == piece.stop:
            return tuple(parts)
    return ()


def _cut(items: Sequence[Item], piece: Slice, room: int) -> list[Slice]:
    item = items[piece.index]
    if _cost(items, piece) <= room:
        return [piece]
    step = (room - item.overhead) // item.item_size
    if step >= item.row_elements:
        step -= step % item.row_elements
    starts = range(piece.start, piece.stop, step)
    return [Slice(piece.index, start, min(start + step, piece.stop)) for start in starts]
