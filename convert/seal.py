"""The seal of a file: the SHA-256 of all its other bytes, inside its card.

Whoever holds the file alone can tell whether one bit of it has changed. It is looked for among
the bytes, as a damaged flatbuffer may lead whoever follows it anywhere.
"""

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
        with _mapped(file.fileno()) as content:
            place = _place(content)
            found = _digest(content, place)
        file.seek(place)
        file.write(found.encode())


def read_seal(path: Path) -> Seal | None:
    """The seal of a file, or None where it has none; reads every byte, a few MiB at a time."""
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, _mapped(file.fileno()) as content:
        place = _place(content)
        if place < 0:
            return None
        end = place + len(OPEN_SEAL)
        furthest = max(place - _LONGEST_CARD, 0)
        begin = max(content.rfind(_FIRST, furthest, place), furthest)
        card = content[begin : end + len(_AFTER)]
        return Seal(content[place:end], _digest(content, place), card)


@contextmanager
def _mapped(handle: int) -> Iterator[mmap.mmap]:
    with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as content:
        yield content


def _place(content: mmap.mmap) -> int:
    """Where the digest stands; below 0 if it does not."""
    before = content.rfind(_BEFORE)
    return -1 if before < 0 else before + len(_BEFORE)


def _digest(content: mmap.mmap, place: int) -> str:
    """The SHA-256 of the content with `OPEN_SEAL` at the place."""
    digest = hashlib.sha256()
    _update(digest, content, 0, place)
    digest.update(OPEN_SEAL.encode())
    _update(digest, content, place + len(OPEN_SEAL), len(content))
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", content: mmap.mmap, first: int, end: int) -> None:
    for start in range(first, end, _BLOCK):
        digest.update(content[start : min(start + _BLOCK, end)])
