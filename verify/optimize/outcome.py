"""What came of a search: which candidate is shipped, which was nearest, and the front of all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chunkport.errors import UsageError
from convert.quantization.recipe import Recipe
from verify.optimize.search import Tried

Goal = Literal["size", "latency"]

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>[a-zA-Z]*)")
_BYTES = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_OF_FLOAT = "x"


@dataclass(frozen=True)
class Budgets:
    """What a file must keep to besides its verdict; None where nothing was asked."""

    size_bytes: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class Point:
    """A candidate with all that was found of it.

    Attributes:
        tried: the candidate and its verdict.
        latency_p50_ms: None where it was not measured.
        confirmed: whether it also passes on samples that the search never saw; None if not asked.
        best: whether no other is smaller or as small, and nearer to the network.
    """

    tried: Tried
    latency_p50_ms: float | None = None
    confirmed: bool | None = None
    best: bool = False

    def misses(self, budgets: Budgets) -> list[str]:
        """Why it cannot be shipped, each reason in words; none where it can."""
        result = self.tried.result
        if result.fault is not None:
            return [result.fault]
        found = [_told(row) for row in result.failed_rows]
        if budgets.size_bytes is not None and result.size_bytes > budgets.size_bytes:
            found.append(f"{result.size_bytes} bytes, and --max-size allows {budgets.size_bytes}")
        latency = self.latency_p50_ms
        if budgets.latency_ms is not None and latency is not None and latency > budgets.latency_ms:
            found.append(
                f"a run takes {latency:.4g} ms, and --max-latency allows {budgets.latency_ms:g}"
            )
        if self.confirmed is False:
            found.append("fails on samples that the search never saw")
        return found

    def to_json(self) -> dict[str, Any]:
        """The point as plain JSON values."""
        result = self.tried.result
        return {
            "name": self.tried.name,
            "size_bytes": result.size_bytes,
            "error": result.to_json()["error"],
            "expected_error": self.tried.expected_error,
            "latency_p50_ms": self.latency_p50_ms,
            "passed": result.passed,
            "failed": [row["name"] for row in result.failed_rows],
            "fault": result.fault,
            "confirmed": self.confirmed,
            "best": self.best,
            "recipe": self.tried.recipe.to_json(),
        }


def parse_size(text: str, float_bytes: int) -> int:
    """Bytes from "900000", "0.9MB", "440KiB" or "0.18x", which is of the float32 file.

    Raises:
        UsageError: it is none of these.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = found["unit"].lower() if found else None
    if found is None or unit not in (*_BYTES, _OF_FLOAT):
        raise UsageError(
            f"--max-size {text}: write bytes, 0.9MB, 880KiB, or 0.18x as a part of the float32 file"
        )
    worth = float_bytes if unit == _OF_FLOAT else _BYTES[unit or ""]
    return int(float(found["number"]) * worth)


def points_of(
    tried: Iterable[Tried],
    latencies: Mapping[Recipe, float],
    confirmed: Mapping[Recipe, bool],
) -> tuple[Point, ...]:
    """The candidates by size, each with what was measured of it; those that run first."""
    ordered = sorted(tried, key=lambda one: (one.result.fault is not None, one.result.size_bytes))
    return tuple(
        Point(
            one,
            latencies.get(one.recipe),
            confirmed.get(one.recipe),
            best=_is_best(one, ordered),
        )
        for one in ordered
    )


def winner(points: Sequence[Point], budgets: Budgets, goal: Goal) -> Point | None:
    """The smallest or fastest confirmed point within the budgets; None where there is none."""
    able = [point for point in points if point.confirmed and not point.misses(budgets)]
    if goal == "latency":
        timed = [point for point in able if point.latency_p50_ms is not None]
        return min(timed, key=lambda point: point.latency_p50_ms or 0, default=None)
    return min(able, key=lambda point: point.tried.result.size_bytes, default=None)


def nearest_miss(points: Sequence[Point], budgets: Budgets) -> Point | None:
    """The point with the fewest reasons against it, then the least error; None without points."""
    return min(
        points,
        key=lambda point: (len(point.misses(budgets)), point.tried.result.error),
        default=None,
    )


def _is_best(one: Tried, others: Iterable[Tried]) -> bool:
    """Whether it is on the front of size and error; what does not run is not."""
    size, error = one.result.size_bytes, one.result.error
    return one.result.fault is None and not any(
        other.result.fault is None
        and other.result.size_bytes <= size
        and other.result.error <= error
        and (other.result.size_bytes, other.result.error) != (size, error)
        for other in others
    )


def _told(row: Mapping[str, Any]) -> str:
    if row["value"] is None:
        return f"{row['name']}: {row['reason'] or row['explanation']}"
    sense = "at most" if row["sense"] == "at_most" else "at least"
    return f"{row['name']} is {row['value']:.4g}, {sense} {row['limit']:.4g} passes"
