"""A file that ran, with what it answered."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wrappers.spec import Arrays


@dataclass(frozen=True)
class Candidate:
    """A file's outputs, one per sample, and how the page names it."""

    label: str
    precision: str
    outputs: "Sequence[Arrays]"
    path: Path
