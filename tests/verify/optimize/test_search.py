"""The search on a model whose files are weighed and judged by a known rule, in no time."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from convert.quantization.recipe import Rule
from verify.optimize.evaluation import Candidate, Result, Setting
from verify.optimize.layers import FLOAT, Layer
from verify.optimize.search import FROM_SEARCH, Bounds, Found, Tried, search
from verify.optimize.store import SavedResults
from wrappers.spec import BuildOptions

UNBOUND = Bounds()
BITS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4}
ROUNDING = {"float32": 0.0, "float16": 1e-6, "int8": 1e-2, "int4": 1.0}
FORMATS = (FLOAT, Rule("float16", "float32"), Rule("int8"), Rule("int4"))


@dataclass
class Model:
    """Layers of so many weights, each of which costs so much when it is rounded.

    Attributes:
        weights: by layer.
        costs: likewise.
        most_error: that still passes.
        asked: every candidate that had to be evaluated.
    """

    weights: tuple[int, ...]
    costs: tuple[float, ...]
    most_error: float
    asked: list[Candidate] = field(default_factory=list)

    @property
    def layers(self) -> tuple[Layer, ...]:
        names = [f"Net/Linear_{place}" for place in range(len(self.weights))]
        return tuple(Layer(name, "FULLY_CONNECTED", f"^{name}$", FORMATS) for name in names)

    def evaluate(self, candidates: Sequence[Candidate]) -> Iterator[Result]:
        for candidate in candidates:
            self.asked.append(candidate)
            formats = [self._format(candidate, layer) for layer in self.layers]
            bits = sum(BITS[one] * count for one, count in zip(formats, self.weights, strict=True))
            error = sum(ROUNDING[one] * cost for one, cost in zip(formats, self.costs, strict=True))
            if candidate.recipe.rounded_by_samples:
                error /= 2
            row = {"name": "error", "passed": error <= self.most_error}
            yield Result(bits // 8, bits // 8, error, (row,) if candidate.judged else ())

    def _format(self, candidate: Candidate, layer: Layer) -> str:
        matching = [
            rule.weights
            for rule in candidate.recipe.rules
            if rule.op in ("*", layer.op) and re.search(rule.layer, layer.name)
        ]
        return matching[-1]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Found]:
    float_model = tmp_path / "float32.tflite"
    float_model.write_bytes(b"")

    def go(model: Model, bounds: Bounds = UNBOUND, *, gptq: bool = False) -> Found:
        setting = Setting(
            *(float_model, "none", tmp_path / "none.pth", BuildOptions(), ()),
            samples=1,
            probes=1,
            seed=0,
            threads=1,
        )
        saved = SavedResults(tmp_path / "results", setting, model.evaluate)
        return search(model.layers, saved, bounds, gptq=gptq)

    return go


@pytest.fixture(autouse=True)
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of results without a real float32 file, whose card they read."""
    monkeypatch.setattr(
        "verify.optimize.store.key_of",
        lambda _setting, candidate: str(abs(hash((candidate.recipe, candidate.judged)))),
    )


def smallest(found: Found) -> Tried:
    passing = [one for one in found.tried if one.result.passed]
    return min(passing, key=lambda one: one.result.size_bytes)


def test_it_finds_the_smallest_mixture_that_passes(run: Callable[..., Found]) -> None:
    # Of all 256 mixtures only one is this small and passes: int4 but for the last but one.
    model = Model((1000, 4000, 1000, 2000), (1.0, 1.0, 5.0, 1.0), most_error=3.3)
    best = smallest(run(model))
    assert best.name == FROM_SEARCH
    assert [rule.weights for rule in best.assignment or ()] == ["int4", "int4", "int8", "int4"]
    assert best.result.size_bytes == 4500


def test_it_goes_further_where_samples_choose_the_integers(run: Callable[..., Found]) -> None:
    model = Model((1000, 4000, 1000, 2000), (1.0, 1.0, 5.0, 1.0), most_error=4.1)
    found = run(model, gptq=True)
    best = smallest(found)
    assert best.recipe.bias_correction
    assert {(rule.weights, rule.algorithm) for rule in best.assignment or ()} == {("int4", "gptq")}
    assert best.expected_error is None
    by_samples = [one for one in model.asked if one.recipe.rounded_by_samples]
    assert 0 < len(by_samples) < 4
    assert all(one.judged for one in by_samples)
    assert not any(one.recipe.rounded_by_samples for one in run(model).tried)


def test_it_sees_that_nothing_smaller_is_near(run: Callable[..., Found]) -> None:
    found = run(Model((1000, 1000), (1.0, 1.0), most_error=100))
    assert smallest(found).result.size_bytes == 1000
    assert "nothing that is smaller" in found.stopped


def test_it_says_where_nothing_passes(run: Callable[..., Found]) -> None:
    found = run(Model((1000, 1000), (1.0, 1.0), most_error=-1))
    assert not any(one.result.passed for one in found.tried)
    assert "nothing passes" in found.stopped


def test_it_gives_up_when_nothing_is_gained(run: Callable[..., Found]) -> None:
    sizes = tuple(range(1000, 1400, 20))
    found = run(Model(sizes, (1.0,) * 20, most_error=10.105), Bounds(patience=3))
    assert "3 tries in a row gained nothing" in found.stopped


def test_it_keeps_to_a_number_of_candidates(run: Callable[..., Found]) -> None:
    found = run(Model((1000,) * 4, (1.0,) * 4, most_error=2), Bounds(candidates=10))
    assert found.candidates == 10
    assert found.stopped == "--max-candidates 10 is reached"


def test_it_keeps_to_a_time(run: Callable[..., Found]) -> None:
    found = run(Model((1000,) * 4, (1.0,) * 4, most_error=2), Bounds(seconds=0))
    assert found.stopped == "--max-seconds 0 are over"
    assert found.sensitivity == ()


def test_several_at_once_find_the_same(run: Callable[..., Found]) -> None:
    one = Model((1000, 4000, 1000, 2000), (1.0, 1.0, 5.0, 1.0), most_error=3.3)
    other = Model((1000, 4000, 1000, 2000), (1.0, 1.0, 5.0, 1.0), most_error=3.3)
    assert smallest(run(one)).recipe == smallest(run(other, Bounds(at_once=3))).recipe


def test_a_second_search_goes_on_where_the_first_was_stopped(run: Callable[..., Found]) -> None:
    first = Model((1000,) * 4, (1.0,) * 4, most_error=2)
    assert run(first, Bounds(candidates=8)).reused == 0
    second = Model((1000,) * 4, (1.0,) * 4, most_error=2)
    found = run(second)
    assert found.reused == 8
    assert not {*first.asked} & {*second.asked}
    whole = Model((1000,) * 4, (1.0,) * 4, most_error=2)
    assert smallest(found).recipe == smallest(run(whole)).recipe
    assert whole.asked == []


def test_a_result_that_cannot_be_read_is_found_again(
    run: Callable[..., Found], tmp_path: Path
) -> None:
    model = Model((1000,), (1.0,), most_error=2)
    found = run(model)
    torn = min((tmp_path / "results").iterdir())
    torn.write_text(torn.read_text()[:20])
    again = Model((1000,), (1.0,), most_error=2)
    assert run(again).tried == found.tried
    assert len(again.asked) == 1
