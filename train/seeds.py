"""Seeds derived from a run's one seed."""

import hashlib


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed of its own for each use and epoch, so that a resumed run draws the same numbers.

    Hashed, because torch's generator for the CPU heeds the lowest 32 bits alone.
    """
    digest = hashlib.sha256(f"{seed} {purpose} {epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
