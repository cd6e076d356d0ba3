import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.retention import KeepBest, KeepEvery, KeepNewest, Policy, Ranking, expired, kept
from chunkport.errors import UsageError

F1 = Ranking("f1")


@dataclass(frozen=True)
class Record:
    step: int
    metrics: dict[str, float] = field(default_factory=dict)
    kind: str = "step"

    @property
    def file(self) -> str:
        return f"{self.kind}_{self.step}"

    @property
    def epoch(self) -> int:
        return self.step


def scored(*scores: float | None, metric: str = "f1") -> list[Record]:
    return [
        Record(step, {} if score is None else {metric: score}) for step, score in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("scores", "mode", "staying"),
    [
        ((0.1, 0.3, 0.2), "max", {1, 2}),
        ((0.1, 0.3, 0.2), "min", {0, 2}),
        ((0.5, 0.5, 0.5), "max", {1, 2}),  # of equals the newer
        ((0.5, 0.5, 0.5), "min", {1, 2}),
        ((math.nan, 0.1, math.nan), "max", {1, 2}),  # no number ranks below any
        ((None, 0.1, None), "min", {1, 2}),
        ((None, None, None), "max", {1, 2}),  # without any score the newest, not the first
        ((-math.inf, math.nan, 0.0), "max", {0, 2}),
    ],
)
def test_the_best_stay(scores: tuple[float | None, ...], mode: str, staying: set[int]) -> None:
    ranking = Ranking("f1", mode)  # type: ignore[arg-type]  # mypy does not see the literal
    names = kept(scored(*scores), KeepBest(2, ranking))
    assert names == {f"step_{step}" for step in staying}


def test_the_newest_and_every_other_stay() -> None:
    records = [Record(step) for step in (10, 5, 20, 15)]
    assert kept(records, KeepNewest(2)) == {"step_20", "step_15"}
    assert kept(records, KeepEvery(10)) == {"step_10", "step_20"}


def test_what_any_policy_of_its_kind_keeps_stays_and_other_kinds_always_do() -> None:
    records = [*scored(0.9, 0.1, 0.2, 0.3), Record(0, kind="latest"), Record(7, kind="epoch")]
    assert expired(records, {"step": [KeepBest(1, F1)]}) == ("step_1", "step_2", "step_3")
    both: list[Policy] = [KeepBest(1, F1), KeepNewest(1)]
    assert expired(records, {"step": both}) == ("step_1", "step_2")
    assert expired(records, {}) == ()


@pytest.mark.parametrize(
    ("now", "best", "better"),
    [
        (0.5, None, True),
        (0.5, 0.4, True),
        (0.5, 0.5, False),
        (0.4, 0.5, False),
        (math.nan, None, False),
        (0.1, math.nan, True),
        (None, 0.5, False),
    ],
)
def test_only_a_better_number_improves(now: float | None, best: float | None, better: bool) -> None:
    metrics = {} if now is None else {"f1": now}
    assert F1.improves(metrics, None if best is None else {"f1": best}) == better
    less = Ranking("f1", "min")
    negated = {key: -value for key, value in metrics.items()}
    assert less.improves(negated, None if best is None else {"f1": -best}) == better


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=12), st.integers(1, 5))
def test_saving_and_pruning_one_by_one_keeps_what_ranking_all_would(
    scores: list[float | None], count: int
) -> None:
    """A checkpoint that was removed never belonged to the best of all."""
    policies = {"step": [KeepBest(count, F1)]}
    folder: list[Record] = []
    for record in scored(*scores):
        folder.append(record)
        gone = expired(folder, policies)
        folder = [item for item in folder if item.file not in gone]
        assert len(folder) <= count
    assert {item.file for item in folder} == kept(scored(*scores), KeepBest(count, F1))


def test_senseless_policies_are_refused() -> None:
    with pytest.raises(UsageError, match="keep: is 0; give at least 1"):
        KeepNewest(0)
    with pytest.raises(UsageError, match="mode: is 'best'; choose 'max' or 'min'"):
        Ranking("f1", "best")  # type: ignore[arg-type]  # the mistake
