"""The whole way: a checkpoint to the smallest or fastest .tflite that passes, and its recipe."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from chunkport.files import make_folder
from convert.card import identify_checkpoint, read_card, tool_versions
from convert.pipeline import convert_checkpoint
from convert.quantization.recipe import Recipe
from verify.latency import measure_latencies
from verify.optimize.confirmation import WayBack, confirm
from verify.optimize.evaluation import (
    Candidate,
    Result,
    Setting,
    evaluate,
    first_input,
    make_file,
)
from verify.optimize.layers import find_layers
from verify.optimize.outcome import Budgets, Goal, Point, points_of, winner
from verify.optimize.search import Bounds, Found, Tried, search
from verify.optimize.store import SavedResults
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions

# A function and what to call it with, to what it gives, in the same order; such as `map`.
Spread: TypeAlias = Callable[[Callable[[Candidate], Result], Iterable[Candidate]], Iterable[Result]]

WORK_FOLDER = ".optimize"
_FLOAT_MODEL = "float32.tflite"
_TIMED = 16  # files that are timed against each other, at the most


@dataclass(frozen=True)
class Optimization:
    """What was found, and which of it is shipped.

    Attributes:
        found: the search.
        points: its candidates with their verdicts, by size.
        chosen: the one to ship; None where none passes within the budgets.
    """

    found: Found
    points: tuple[Point, ...]
    chosen: Point | None


def float_model_in(
    work: Path, checkpoint: Path, model: str, options: BuildOptions, *, show_output: bool = False
) -> Path:
    """The float32 .tflite in the work folder: the one that is there, if it is of the same.

    Raises:
        UsageError: the model is unknown, or the folder not writable.
        BadInputError: the checkpoint is damaged or of another model.
        ConversionError: a tool refused.
    """
    make_folder(work)
    path, spec = work / _FLOAT_MODEL, find_spec(model, options)
    card = read_card(path) if path.is_file() else None
    if card is not None:
        built = BuildOptions.from_json(card.options)
        made_of = (card.model, card.checkpoint, built, card.tools)
        wanted = (spec.name, identify_checkpoint(checkpoint), options, tool_versions())
        if made_of == wanted:
            return path
    convert_checkpoint(
        *(checkpoint, model, ["fp32"], work),
        options=options,
        name_file=lambda _spec, _row: _FLOAT_MODEL,
        force=True,
        show_output=show_output,
    )
    return path


def optimize(
    setting: Setting,
    work: Path,
    bounds: Bounds,
    budgets: Budgets,
    goal: Goal,
    *,
    slow_kernels: bool = False,
    spread: Spread = map,
    on_candidate: Callable[[str], None] = lambda _note: None,
) -> Optimization:
    """Search, then choose: the best that passes once more, on samples that the search never saw.

    The results of candidates are kept in `work`, so that a search that was stopped goes on. With
    `slow_kernels` it may choose formats that take several times as long as int8.

    Raises:
        BadInputError: the checkpoint or the float32 file is damaged.
    """
    folder = work / "results"
    saved = SavedResults(folder, setting, lambda some: spread(partial(evaluate, setting), some))
    layers = find_layers(setting.float_model, slow_kernels=slow_kernels)
    found = search(layers, saved, bounds, on_candidate)
    able = [
        one
        for one in sorted(found.tried, key=lambda one: one.result.size_bytes)
        if one.result.passed and _small_enough(one, budgets)
    ]
    latencies: dict[Recipe, float] = {}
    if goal == "latency" or budgets.latency_ms is not None:
        able = able[:_TIMED]
        on_candidate("timing")
        latencies = _latencies(setting, able)
        if goal == "latency":
            able.sort(key=lambda one: latencies[one.recipe])
    fresh = replace(setting, seed=setting.seed + 1)
    asked = SavedResults(folder, fresh, lambda some: spread(partial(evaluate, fresh), some))
    confirmation = confirm(
        [one for one in able if _in_time(latencies.get(one.recipe), budgets)],
        *(asked, on_candidate),
        None if latencies else WayBack(found, saved, partial(_small_enough, budgets=budgets)),
    )
    tried = (*found.tried, *confirmation.tried)
    candidates = found.candidates + len(confirmation.tried)
    found = replace(found, tried=tried, candidates=candidates, reused=saved.reused)
    points = points_of(tried, latencies, confirmation.passed)
    return Optimization(found, points, winner(points, budgets, goal))


def _small_enough(one: Tried, budgets: Budgets) -> bool:
    return budgets.size_bytes is None or one.result.size_bytes <= budgets.size_bytes


def _in_time(latency_ms: float | None, budgets: Budgets) -> bool:
    return budgets.latency_ms is None or (latency_ms or 0) <= budgets.latency_ms


def _latencies(setting: Setting, tried: Sequence[Tried]) -> dict[Recipe, float]:
    """The median milliseconds of each candidate's file, all in turn."""
    with tempfile.TemporaryDirectory(prefix="chunkport-") as folder:
        paths = {}
        for number, one in enumerate(tried):
            path = Path(folder) / f"{number}.tflite"
            make_file(setting.float_model, one.recipe, path)
            paths[path] = one.recipe
        sample = first_input(setting)
        found = measure_latencies(dict.fromkeys(paths, sample), setting.threads, {})
    return {recipe: found[path] for path, recipe in paths.items()}
