"""What a run leaves beside its checkpoints: its statistics and its curves."""

import math
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from train.curves import write_curves
from train.mishaps import tolerated
from train.progress import mean_of
from train.run import Run
from train.stats import EPOCH, STATS_NAME, STEPS, append_stats, cut_stats

LIVE_CURVES, FINAL_CURVES = "training_history_live.png", "training_history.png"


class RunRecord:
    """Times a run and writes down what it measured; what cannot be written is announced.

    Of several processes the first alone writes.
    """

    def __init__(
        self, folder: Path, run: Run[Any], every_steps: int | None, announce: Callable[[str], None]
    ) -> None:
        """Begin with the run's progress; `every_steps` steps have a line too, where it is given."""
        self._folder = folder
        self._run = run
        self._every_steps = every_steps
        self._announce = announce
        self._stats = folder / STATS_NAME
        self._epoch = _Stopwatch()
        self._some_steps = _Stopwatch()
        self._steps = 0  # since the last line
        self._writes = run.processes.first

    def begin(self) -> None:
        """Cut off what an attempt that was given up wrote after the run's progress."""
        if not self._writes:
            return
        progress = self._run.progress
        with tolerated(f"{self._stats}: the statistics are not those of this run", self._announce):
            lost = cut_stats(self._stats, progress.epoch, progress.step)
            if lost:
                lines = f"{lost} line{'s' * (lost > 1)}"
                after = f"after step {progress.step}" if progress.step else "of another run"
                self._announce(f"{self._stats}: {lines} {after} cut off.")
        self._epoch, self._some_steps = _Stopwatch(), _Stopwatch()

    def end_step(self, images: int) -> None:
        """After a step on so many images."""
        if not self._writes:
            return
        self._epoch.lap(images)
        self._some_steps.lap(images)
        self._steps += 1
        if self._every_steps is None or self._run.progress.step % self._every_steps:
            return
        done = self._run.progress.epoch_steps[-self._steps :]
        self._write(STEPS, self._run.progress.epoch + 1, self._some_steps, mean_of(done))
        self._some_steps, self._steps = _Stopwatch(), 0

    def end_epoch(self) -> Mapping[str, Any]:
        """After an epoch, evaluated and saved: write its line, draw the curves; return the line."""
        progress = self._run.progress
        figures = {**progress.last, **self._run.signs_by_name()}
        line = self._write(EPOCH, progress.epoch, self._epoch, figures)
        self._draw(LIVE_CURVES)
        self._epoch, self._some_steps, self._steps = _Stopwatch(), _Stopwatch(), 0
        return line

    def end(self) -> Path | None:
        """After the last epoch: the curves of all, None where there are none."""
        return self._draw(FINAL_CURVES)

    def _write(
        self, kind: str, epoch: int, watch: "_Stopwatch", figures: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        line = {
            "kind": kind,
            "epoch": epoch,
            "step": self._run.progress.step,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **watch.figures(),
            "rss_bytes": resident_bytes(),
            **self._run.rates(),
            **figures,
        }
        with tolerated(f"{self._stats}: lacks lines of this run", self._announce):
            append_stats(self._stats, line)
        return line

    def _draw(self, name: str) -> Path | None:
        path = self._folder / name
        if not self._run.panels or not self._writes:
            return None
        with tolerated(f"{path}: the curves are not drawn", self._announce):
            write_curves(self._run.progress.history, self._run.panels, path)
            return path
        return None


class _Stopwatch:
    """The time since it was made, and until the last of the steps since then."""

    def __init__(self) -> None:
        self._began = self._lap = perf_counter()
        self._images = 0

    def lap(self, images: int) -> None:
        self._lap = perf_counter()
        self._images += images

    def figures(self) -> dict[str, float]:
        training = self._lap - self._began
        return {
            "seconds": perf_counter() - self._began,
            "images": self._images,
            "images_per_second": self._images / training if training else math.nan,
        }


def resident_bytes() -> int | None:
    """Memory that the process occupies now, as Linux counts; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
