"""Which pictures are held out to judge a run by: their names decide."""

import hashlib
from collections.abc import Sequence

from chunkport.errors import UsageError


def _lot(name: str) -> float:
    """A number from 0 to 1 that a picture's name alone decides, as if drawn by chance."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def held_out_indices(names: Sequence[str], share: float) -> tuple[list[int], list[int]]:
    """The indices of those to train on and of those held out, about `share`; at least one of each.

    A picture's name alone decides its side, so it stays there when others are added. Only where a
    side would be empty, as among a handful, the picture nearest to it crosses over.

    Raises:
        UsageError: fewer than two pictures, or a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} cannot be held out; choose one between 0 and 1")
    if len(names) < 2:  # noqa: PLR2004 - one for each side
        raise UsageError("one picture cannot be both trained on and held out; add more pictures")
    lots = [_lot(name) for name in names]
    by_lot = sorted(range(len(lots)), key=lots.__getitem__)
    count = min(max(sum(lot < share for lot in lots), 1), len(lots) - 1)
    return sorted(by_lot[count:]), sorted(by_lot[:count])
