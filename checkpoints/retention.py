"""Which checkpoints of a run stay and which go, as values and functions that touch no disk."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from chunkport.errors import UsageError

Mode: TypeAlias = Literal["max", "min"]


class Kept(Protocol):
    """What these decisions are made from: one checkpoint's name and what it had reached."""

    @property
    def file(self) -> str:
        """Its name."""

    @property
    def kind(self) -> str:
        """`latest`, `best`, `final`, `epoch` or `step`."""

    @property
    def epoch(self) -> int:
        """Epochs done."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """What was measured of it."""


@dataclass(frozen=True)
class Ranking:
    """By which metric checkpoints are compared, and whether more or less of it is better."""

    metric: str
    mode: Mode = "max"

    def __post_init__(self) -> None:
        if self.mode not in ("max", "min"):
            raise UsageError(f"mode: is {self.mode!r}; choose 'max' or 'min'")

    def score(self, metrics: Mapping[str, float]) -> float | None:
        """The metric's value, more being better; None where it is not measured or not a number."""
        value = metrics.get(self.metric)
        if value is None or math.isnan(value):
            return None
        return value if self.mode == "max" else -value

    def sort_key(self, metrics: Mapping[str, float]) -> tuple[bool, float]:
        """Orders from the best to the worst, those without a score last."""
        score = self.score(metrics)
        return (True, 0.0) if score is None else (False, -score)

    def improves(self, metrics: Mapping[str, float], best: Mapping[str, float] | None) -> bool:
        """Whether `metrics` are better than the best so far; as good is not better."""
        now = self.score(metrics)
        before = None if best is None else self.score(best)
        return now is not None and (before is None or now > before)


@dataclass(frozen=True)
class KeepBest:
    """The `count` best; of equals, and of those without a score, the newer.

    Without a score a checkpoint ranks below all that have one.
    """

    count: int
    ranking: Ranking

    def __post_init__(self) -> None:
        _refuse_none(self.count)


@dataclass(frozen=True)
class KeepNewest:
    """The `count` with the most steps behind them."""

    count: int

    def __post_init__(self) -> None:
        _refuse_none(self.count)


@dataclass(frozen=True)
class KeepEvery:
    """Those after a multiple of so many epochs."""

    epochs: int

    def __post_init__(self) -> None:
        _refuse_none(self.epochs)


Policy: TypeAlias = KeepBest | KeepNewest | KeepEvery
Policies: TypeAlias = Mapping[str, Sequence[Policy]]
"""By kind of checkpoint: what any of them keeps stays. A kind without policies is not pruned."""


def kept(records: Iterable[Kept], policy: Policy) -> frozenset[str]:
    """The names of those that the policy keeps."""
    found = list(records)
    if isinstance(policy, KeepEvery):
        return frozenset(item.file for item in found if item.epoch % policy.epochs == 0)
    found.sort(key=lambda item: (item.step, item.epoch), reverse=True)
    if isinstance(policy, KeepBest):
        found.sort(key=lambda item: policy.ranking.sort_key(item.metrics))  # stable
    return frozenset(item.file for item in found[: policy.count])


def expired(records: Sequence[Kept], policies: Policies) -> tuple[str, ...]:
    """The names of those that no policy of their kind keeps, in order."""
    gone: set[str] = set()
    for kind, of_kind in policies.items():
        same = [record for record in records if record.kind == kind]
        staying = frozenset[str]().union(*(kept(same, policy) for policy in of_kind))
        gone |= {record.file for record in same} - staying
    return tuple(sorted(gone))


def _refuse_none(count: int) -> None:
    if count < 1:
        raise UsageError(f"keep: is {count}; give at least 1")
