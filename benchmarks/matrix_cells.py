"""One column of the precision matrix: a model in every precision, judged, and timed in turn."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matrix_models import MatrixModel
from chunkport.errors import ChunkportError
from convert.calibration.samples import CalibrationChoice
from convert.pipeline import ConvertedFile, convert_checkpoint
from convert.quantization.precision import PRECISIONS
from convert.quantization.recipe import Recipe
from convert.quantization.requantize import quantize_file
from verify.benchmark.contenders import EAGER, Original, opened
from verify.benchmark.timing import interleave
from verify.judge import judge
from verify.reference import Reference, compute_reference
from verify.runtimes.litert import LiteRtSession
from verify.subject import identify
from verify.trials import TrialChoices
from verify.verdict import Verdict

# What a verdict is told by, the first of these that it has: in the terms of the task if it can.
_LEADING = ("psnr_db", "bit_accuracy_none", "relative_l2")
_FLOAT, _MIXED = "fp32", "mixed"


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        samples: inputs on which files are compared with PyTorch.
        calibration: samples that ranges of activations are measured on.
        rounds: turns that each gets on the clock.
        threads: of every runtime.
        trials: whether files are judged in the terms of the task too, as `chunkport verify` does.
        isolated: whether conversions have processes of their own, for large models.
        patience_s: a file whose one run takes longer is not judged; None waits for all.
    """

    samples: int
    calibration: int
    rounds: int
    threads: int
    trials: bool
    isolated: bool = True
    patience_s: float | None = None


@dataclass(frozen=True)
class Cell:
    """A model in a precision; None where a figure could not be taken, and then the reason.

    Attributes:
        weights: of the model, "trained" or "made".
        size_vs_fp32: its bytes over those of the fp32 file.
        speed_vs_fp32: the fp32 file's median latency over its own.
        speed_vs_pytorch: likewise PyTorch's.
        passed: the verdict.
        failed: the rows of the verdict that failed.
        figure: the row that the verdict is told by.
        value: of that row.
        computing: ops that compute something.
        in_integers: how many of these do so in integers.
        reason: why it could not be made or run.
    """

    model: str
    precision: str
    weights: str
    size_bytes: int | None = None
    size_vs_fp32: float | None = None
    latency_p50_ms: float | None = None
    speed_vs_fp32: float | None = None
    speed_vs_pytorch: float | None = None
    passed: bool | None = None
    failed: tuple[str, ...] = ()
    figure: str | None = None
    value: float | None = None
    computing: int | None = None
    in_integers: int | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The cell as plain JSON values."""
        return asdict(self)


def measure_model(column: MatrixModel, folder: Path, effort: Effort) -> list[Cell]:
    """A cell for each row of the precision table, in its order; none is left out."""
    files, reasons = _make(column, folder, effort)
    reference = compute_reference(
        column.model,
        column.checkpoint,
        effort.samples,
        seed=0,
        options=column.options,
        trials=TrialChoices() if effort.trials else None,
    )
    cells = {row.name: _cell(column, row.name, files, reasons.get(row.name)) for row in PRECISIONS}
    able: dict[str, Path] = {}
    for name, made in files.items():
        fault = _too_slow(made.path, effort)
        if fault is None:
            verdict = judge(identify(made.path), reference, effort.threads)
            cells[name] = _judged(cells[name], verdict)
            if verdict.ran:
                able[name] = made.path
                continue
            fault = "it does not run"
        cells[name] = replace(cells[name], reason=fault)
    times_ms = _times(column, able, reference, effort)
    return [_timed(cell, times_ms) for cell in cells.values()]


def _make(
    column: MatrixModel, folder: Path, effort: Effort
) -> tuple[dict[str, ConvertedFile], dict[str, str]]:
    """The files by precision, and why those that are not there could not be made."""
    converted = convert_checkpoint(
        column.checkpoint,
        column.model,
        [_FLOAT],
        folder,
        options=column.options,
        force=True,
        isolated=effort.isolated,
    )
    files = {file.precision: file for file in converted.files}
    reasons: dict[str, str] = {}
    ranges = folder / "ranges.json"
    ranges.unlink(missing_ok=True)
    for row in PRECISIONS:
        if row.name in files:
            continue
        recipe = column.recipe if row.name == _MIXED else None
        try:
            made, _ = quantize_file(
                files[_FLOAT].path,
                [row.name],
                folder,
                recipe=recipe,
                model=column.model,
                calibration=_calibration(recipe or row.recipe, ranges, effort),
                force=True,
                isolated=effort.isolated,
            )
            files |= {file.precision: file for file in made}
        except ChunkportError as error:
            reasons[row.name] = " ".join(str(error).split())
    return files, reasons


def _calibration(recipe: Recipe | None, kept: Path, effort: Effort) -> CalibrationChoice | None:
    """What a recipe's ranges come from: measured once, then read again."""
    if recipe is None or not recipe.calibrated:
        return None
    if kept.exists():
        return CalibrationChoice(ranges=kept)
    return CalibrationChoice(samples=effort.calibration, save=kept)


def _too_slow(path: Path, effort: Effort) -> str | None:
    """Why a file is not worth waiting for, tried in a process that can be ended."""
    if effort.patience_s is None:
        return None
    trial = multiprocessing.get_context("spawn").Process(
        target=_run_once, args=(path, effort.threads)
    )
    trial.start()
    trial.join(effort.patience_s)
    if not trial.is_alive():
        return None  # what it died of, if it did, is for the verdict to tell
    trial.kill()
    trial.join()
    return f"one run takes over {effort.patience_s:g} s"


def _run_once(path: Path, threads: int) -> None:
    session = LiteRtSession(path, threads)
    shapes = session.input_shapes().items()
    session.run({name: np.zeros(shape, np.float32) for name, shape in shapes})


def _times(
    column: MatrixModel, able: Mapping[str, Path], reference: Reference, effort: Effort
) -> dict[str, float]:
    """The median milliseconds of PyTorch and of each file, all in turn in this process."""
    inputs = reference.inputs[0]
    original = Original(column.model, column.checkpoint, inputs, column.options)
    network = original.spec().open_network(column.checkpoint)
    runs = {EAGER.name: opened(EAGER, original, effort.threads, network)}
    for name, path in able.items():
        runs[name] = LiteRtSession(path, effort.threads).prepared(inputs)
    return {name: times.p50_ms for name, times in interleave(runs, effort.rounds).items()}


def _cell(
    column: MatrixModel, name: str, files: Mapping[str, ConvertedFile], fault: str | None
) -> Cell:
    """What is known of it before it is run."""
    cell = Cell(column.model, name, column.weights, reason=fault)
    made = files.get(name)
    if made is None:
        return cell
    coverage = made.coverage
    return replace(
        cell,
        size_bytes=made.size_bytes,
        size_vs_fp32=made.size_bytes / files[_FLOAT].size_bytes,
        computing=coverage.computing if coverage else None,
        in_integers=coverage.in_integers if coverage else None,
    )


def _judged(cell: Cell, verdict: Verdict) -> Cell:
    """The cell with its verdict."""
    values = {check.name: check.value for check in verdict.checks if check.value is not None}
    figure = next((name for name in _LEADING if name in values), None)
    return replace(
        cell,
        passed=verdict.passed,
        failed=tuple(check.name for check in verdict.checks if check.passed is False),
        figure=figure,
        value=None if figure is None else values[figure],
    )


def _timed(cell: Cell, times_ms: Mapping[str, float]) -> Cell:
    """The cell with its speed."""
    taken = times_ms.get(cell.precision)
    if taken is None:
        return cell
    return replace(
        cell,
        latency_p50_ms=taken,
        speed_vs_fp32=times_ms[_FLOAT] / taken if _FLOAT in times_ms else None,
        speed_vs_pytorch=times_ms[EAGER.name] / taken,
    )
