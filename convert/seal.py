"""The seal of a file: the SHA-256 of all its other bytes, inside its card.

Whoever holds the file alone can tell whether one bit of it has changed. It is looked for among
the bytes, as a damaged flatbuffer may lead whoever follows it anywhere.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SEAL_KEY = "content_sha256"
OPEN_SEAL = "0" * hashlib.sha256().digest_size * 2  # what stands in its place while it is computed
_BEFORE = f'"{SEAL_KEY}": "'.encode()
_FIRST = b'{\n "schema_version"'  # how a card begins
_AFTER = b'"\n}'
_LONGEST_CARD = 1 << 20
_BLOCK = 4 << 20


@dataclass(frozen=True)
class Seal:
    """What is written in a file, and what is true of it.

    Attributes:
        written: the SHA-256 in the card, in hexadecimal if it is whole.
        found: that of the file's bytes, those of the seal taken as zeros.
        card: the text of the card around it, as the bytes are.
    """

    written: bytes
    found: str
    card: bytes

    @property
    def whole(self) -> bool:
        """Whether the file is as it was written."""
        return self.written == self.found.encode()


def close_seal(path: Path) -> None:
    """Write the SHA-256 into a file whose card has `OPEN_SEAL` as its last value."""
    with path.open("r+b") as file:
        place = _place(file)
        found = _digest(file, place)
        file.seek(place)
        file.write(found.encode())


def read_seal(path: Path) -> Seal | None:
    """The seal of a file, or None where it has none; reads every byte, a few MiB at a time."""
    with path.open("rb") as file:
        place = _place(file)
        if place < 0:
            return None
        furthest = max(place - _LONGEST_CARD, 0)
        file.seek(furthest)
        card = file.read(place - furthest + len(OPEN_SEAL) + len(_AFTER))
        written = card[place - furthest :][: len(OPEN_SEAL)]
        begin = max(card.rfind(_FIRST), 0)
        return Seal(written, _digest(file, place), card[begin:])


def _place(file: BinaryIO) -> int:
    """Where the digest stands; below 0 if it does not. The last one counts, so from behind."""
    start = file.seek(0, os.SEEK_END)
    after = b""  # the beginning of the block behind, as what is sought may lie across
    while start > 0:
        size = min(_BLOCK, start)
        start = file.seek(start - size)
        block = file.read(size) + after
        found = block.rfind(_BEFORE)
        if found >= 0:
            return start + found + len(_BEFORE)
        after = block[: len(_BEFORE) - 1]
    return -1


def _digest(file: BinaryIO, place: int) -> str:
    """The SHA-256 of the content with `OPEN_SEAL` at the place."""
    digest = hashlib.sha256()
    file.seek(0)
    left = place
    while left and (block := file.read(min(_BLOCK, left))):
        digest.update(block)
        left -= len(block)
    digest.update(OPEN_SEAL.encode())
    file.seek(place + len(OPEN_SEAL))
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
