"""Quantized files beside the float32 file that they were made from: how far their outputs are.

It tells nothing of the task. It is what can be told of a file of unknown origin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chunkport.errors import ConversionError
from convert.isolation import run_isolated
from verify.judge import first_line, run_on_samples
from verify.metrics import max_abs_difference, relative_l2, stacked
from verify.runtimes.litert import LiteRtSession

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_REFUSALS = (ValueError, RuntimeError, LookupError)


@dataclass(frozen=True)
class OutputDistance:
    """One output of one file, beside the float32 file's.

    Attributes:
        path: of the file.
        output: its name; None where the file gave none.
        relative_l2: the Euclidean distance over all samples, as a part of the float32 file's norm.
        snr_db: the same in decibels; infinite where nothing differs.
        largest_difference: of any value.
        reason: why there are no figures.
    """

    path: Path
    output: str | None = None
    relative_l2: float | None = None
    snr_db: float | None = None
    largest_difference: float | None = None
    reason: str | None = None


def compare_with_float(
    float_model: Path, candidates: Sequence[Path], samples: "Sequence[Arrays]", threads: int
) -> list[OutputDistance]:
    """Each output of each file on the samples; where a file does not run, a row with the reason.

    In a process of its own: the runtime does not survive every file, and nobody vouches for these.
    """
    try:
        return run_isolated(_distances, float_model, tuple(candidates), samples, threads)
    except ConversionError as error:
        return [OutputDistance(path, reason=f"the runtime dies: {error}") for path in candidates]


def _distances(
    float_model: Path, candidates: Sequence[Path], samples: "Sequence[Arrays]", threads: int
) -> list[OutputDistance]:
    try:
        exact = run_on_samples(LiteRtSession(float_model, threads), samples, lambda: None)
    except _REFUSALS as error:
        reason = f"{float_model} does not run: {first_line(error)}"
        return [OutputDistance(path, reason=reason) for path in candidates]
    rows = []
    for path in candidates:
        try:
            found = run_on_samples(LiteRtSession(path, threads), samples, lambda: None)
        except _REFUSALS as error:
            rows.append(OutputDistance(path, reason=f"does not run: {first_line(error)}"))
        else:
            rows += [_distance(path, name, exact, found) for name in exact[0]]
    return rows


def _distance(
    path: Path, name: str, exact: "Sequence[Arrays]", found: "Sequence[Arrays]"
) -> OutputDistance:
    if name not in found[0]:
        return OutputDistance(path, name, reason="the file has no such output")
    pair = stacked(exact, name), stacked(found, name)
    if not np.any(pair[0]):
        share = 0.0 if np.array_equal(*pair) else math.inf
    else:
        share = relative_l2(*pair, 0)
    snr_db = math.inf if share == 0 else -20 * math.log10(share)
    return OutputDistance(path, name, share, snr_db, max_abs_difference(*pair, 0))
