"""One column of the precision matrix: a model in every precision, judged, and timed in turn."""

import multiprocessing
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matrix_models import MatrixModel
from chunkport.errors import ChunkportError
from convert.pipeline import ConvertedFile, convert_checkpoint
from convert.precision import PRECISIONS
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
_MIXED = "mixed"


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        samples: inputs on which files are compared with PyTorch.
        rounds: turns that each gets on the clock.
        threads: of every runtime.
        trials: whether files are judged in the terms of the task too, as `chunkport verify` does.
        isolated: whether conversions have processes of their own, for large models.
        patience_s: a file whose one run takes longer is not judged; None waits for all.
    """

    samples: int
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
    verdicts: dict[str, Verdict] = {}
    for name, made in files.items():
        fault = _too_slow(made.path, effort)
        if fault is None:
            verdicts[name] = judge(identify(made.path), reference, effort.threads)
            fault = None if verdicts[name].ran else "it does not run"
        if fault:
            reasons[name] = fault
    able = {name: files[name].path for name in verdicts if name not in reasons}
    times = _times(column, able, reference, effort)
    return [
        _cell(column, row.name, files, verdicts.get(row.name), times, reasons.get(row.name))
        for row in PRECISIONS
    ]


def _make(
    column: MatrixModel, folder: Path, effort: Effort
) -> tuple[dict[str, ConvertedFile], dict[str, str]]:
    """The files by precision, and why those that are not there could not be made."""

    def convert(*names: str) -> dict[str, ConvertedFile]:
        conversion = convert_checkpoint(
            column.checkpoint,
            column.model,
            names,
            folder,
            recipe=column.recipe if _MIXED in names else None,
            options=column.options,
            force=True,
            isolated=effort.isolated,
        )
        return {file.precision: file for file in conversion.files}

    rows = [row.name for row in PRECISIONS]
    reasons: dict[str, str] = {}
    try:
        return convert(*(name for name in rows if name != _MIXED or column.recipe)), reasons
    except ChunkportError:
        files: dict[str, ConvertedFile] = {}  # one of them is at fault: each by itself tells which
    for name in rows:
        try:
            files |= convert(name)
        except ChunkportError as error:
            reasons[name] = " ".join(str(error).split())
    return files, reasons


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
    column: MatrixModel,
    name: str,
    files: Mapping[str, ConvertedFile],
    verdict: Verdict | None,
    times: Mapping[str, float],
    reason: str | None,
) -> Cell:
    if name not in files:
        return Cell(column.model, name, column.weights, reason=reason)
    size, float_size = files[name].size_bytes, files["fp32"].size_bytes if "fp32" in files else None
    time_ms, float_ms = times.get(name), times.get("fp32")
    figures = {check.name: check.value for check in verdict.checks} if verdict else {}
    leading = next((figure for figure in _LEADING if figures.get(figure) is not None), None)
    return Cell(
        model=column.model,
        precision=name,
        weights=column.weights,
        size_bytes=size,
        size_vs_fp32=size / float_size if float_size else None,
        latency_p50_ms=time_ms,
        speed_vs_fp32=float_ms / time_ms if float_ms and time_ms else None,
        speed_vs_pytorch=times[EAGER.name] / time_ms if time_ms else None,
        passed=verdict.passed if verdict else None,
        failed=tuple(check.name for check in verdict.checks if check.passed is False)
        if verdict
        else (),
        figure=leading,
        value=figures[leading] if leading else None,
        reason=reason,
    )
