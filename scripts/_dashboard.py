"""What shows a training run while it goes on: a page that loads itself anew, and TensorBoard."""

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from scripts._options import typed_again
from train.mishaps import tolerated

if TYPE_CHECKING:
    from train.loop import BatchReport, EpochReport
    from train.run import RunConfig
    from train.tensorboard_events import TensorBoardEvents
    from verify.report import CommandLine
    from verify.report.pictures import Picture
    from verify.report.plots import Plot
    from verify.report.training import Said, Sample, SavedModel, StandingSign, State

PAGE_NAME, EVENTS_NAME = "training.html", "tensorboard"
_REFRESH_SECONDS = 15
_MOST_EARLIER = 16  # pictures, so that the page stays small
_LARGE, _SMALL = 768, 192  # pixels of the newest picture and of the earlier ones
_WARNING, _ROUTINE = "Warning: ", "[CHUNKED] "


class Dashboard:
    """Shows one run in its output folder; what cannot be shown is announced, and no more.

    A context around the training, which tells by how it ends whether the run is done; where it
    ends before the first step, nothing is shown. The command that runs has `--output-dir` and
    `--resume`.
    """

    def __init__(
        self, config: "RunConfig", announce: Callable[[str], None], *, tensorboard: bool = False
    ) -> None:
        """Show nothing yet; with `tensorboard`, what writes its events must be installed."""
        given = click.get_current_context().params
        self._folder: Path = given["output_dir"]
        self._checkpoint: Path | None = given["resume"]
        self._resumed = self._checkpoint is not None
        self._announce = announce
        self._epochs = config.epochs
        self._done = 0.0  # epochs, with the part of the one under way
        self._began: tuple[float, float] | None = None  # when, and what was done then
        self._written = -float(_REFRESH_SECONDS)
        self._last: EpochReport | None = None
        self._said: list[Said] = []
        self._samples: dict[int, Path] = {}
        self._thumbnails: dict[tuple[Path, int], Picture] = {}
        self._events: TensorBoardEvents | None = None
        if tensorboard:
            from train import tensorboard_events

            self._events = tensorboard_events.TensorBoardEvents(
                self._folder / EVENTS_NAME, config.as_dict()
            )

    @property
    def page(self) -> Path:
        """Where the page is."""
        return self._folder / PAGE_NAME

    def hear(self, message: str) -> None:
        """Show what the run announced."""
        if not message.startswith(_ROUTINE):
            from verify.report.training import Said

            text = message.removeprefix(_WARNING)
            self._said.append(Said(text, int(self._done), warning=text != message))

    def on_batch(self, report: "BatchReport") -> None:
        """After a step: write the page anew, if it is time to."""
        self._done = report.epoch - 1 + report.batch / report.batches
        if self._began is None:
            self._began = (monotonic(), self._done)
        if monotonic() - self._written >= _REFRESH_SECONDS:
            self._write("running")

    def on_epoch(self, report: "EpochReport") -> None:
        """After an epoch: write the page anew, and the events."""
        if self._last is None and self._resumed:
            folder = report.checkpoint.parent.parent / "training_progress"
            self._samples = _samples_before(report.epoch, folder)
        self._last, self._checkpoint, self._done = report, report.checkpoint, float(report.epoch)
        if report.sample is not None:
            self._samples[report.epoch] = report.sample
        self._write("running")
        if self._events is not None:
            with tolerated(f"{EVENTS_NAME}: lacks events of this run", self._announce):
                self._events.on_epoch(report)

    def __enter__(self) -> "Dashboard":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, *_: Any
    ) -> None:
        if self._began is None and self._last is None:
            return  # refused: the page that is there may be of a run that is done
        if error is None:
            self._write("done")
        elif isinstance(error, Exception):
            self._write("failed", str(error) or type(error).__name__)
        else:
            self._write("interrupted")
        if self._events is not None:
            with tolerated(f"{EVENTS_NAME}: lacks its end", self._announce):
                self._events.close()

    def _write(self, state: "State", reason: str = "") -> None:
        from verify.report.training import TrainingPage
        from verify.report.training_page import write_training_page

        with tolerated(f"{self.page}: is not written", self._announce):
            index = self._index()
            page = TrainingPage(
                command=str(click.get_current_context().command.name),
                folder=str(Path.cwd()),
                state=state,
                reason=reason,
                epochs=self._epochs,
                done=self._done,
                left=self._left(),
                facts=_facts(self._last.stats) if self._last else {},
                signs=_signs(self._last) if self._last else (),
                said=tuple(self._said),
                plots=_plots(self._last) if self._last else (),
                samples=self._shown_samples(),
                metric=index["metric"],
                best=index["best"],
                models=_models(index),
                commands=self._commands(state),
                written=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
                refresh_seconds=_REFRESH_SECONDS,
            )
            write_training_page(page, self.page)
        self._written = monotonic()

    def _left(self) -> str:
        from verify.report.figures import duration

        began, done_then = self._began or (0.0, self._done)
        done_since = self._done - done_then
        if done_since <= 0:
            return "just begun"
        left = (monotonic() - began) * (self._epochs - self._done) / done_since
        return f"about {duration(left)} left"

    def _index(self) -> dict[str, Any]:
        """The folder's `models_index.json`; of a new run nothing, until it has saved."""
        from checkpoints.models_index import INDEX_NAME

        if self._last is not None or self._resumed:
            with suppress(FileNotFoundError):
                path = self._folder / "models" / INDEX_NAME
                found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return found
        return {"metric": None, "best": None, "models": []}

    def _shown_samples(self) -> "tuple[Sample, ...]":
        """The newest picture, and before it as many earlier ones as there is room for."""
        from verify.report.pictures import thumbnail_of
        from verify.report.training import Sample

        *earlier, newest = sorted(self._samples) or [0]
        if not newest:
            return ()
        step = -(-len(earlier) // _MOST_EARLIER) or 1
        shown = []
        for epoch in (*earlier[::step], newest):
            path, side = self._samples[epoch], _LARGE if epoch == newest else _SMALL
            if (path, side) not in self._thumbnails:
                self._thumbnails[path, side] = thumbnail_of(path, side)
            place = path.relative_to(self._folder).as_posix()
            shown.append(Sample(epoch, self._thumbnails[path, side], place))
        return tuple(shown)

    def _commands(self, state: "State") -> "tuple[CommandLine, ...]":
        from verify.report import CommandLine

        look = f"chunkport check-models {shlex.quote(str(self._folder / 'models'))}"
        commands = [CommandLine("To look after the checkpoints", look)]
        if self._events is not None:
            line = f"tensorboard --logdir {shlex.quote(str(self._folder / EVENTS_NAME))}"
            commands.insert(0, CommandLine("To see the events", line))
        if state != "done":
            again = typed_again(click.get_current_context(), resume=self._checkpoint)
            purpose = "To go on from the last checkpoint" if self._checkpoint else "To start again"
            if "WORLD_SIZE" in os.environ:  # as launchers of several processes tell them
                purpose += ", under the launcher that it had"
            if state == "running":
                purpose += ", should the training be interrupted"
            commands.insert(0, CommandLine(purpose, again))
        return tuple(commands)


def _samples_before(epoch: int, folder: Path) -> dict[int, Path]:
    found = (re.fullmatch(r"epoch_(\d+)\.png", path.name) for path in folder.glob("epoch_*.png"))
    samples = {int(match[1]): folder / match[0] for match in found if match}
    return {number: path for number, path in samples.items() if 0 < number < epoch}


def _facts(stats: Mapping[str, Any]) -> dict[str, str]:
    from verify.report.figures import duration, figure, some_bytes

    facts = {
        "images per second": figure(stats["images_per_second"]),
        "one epoch": duration(stats["seconds"]),
        "steps": f"{stats['step']:,}",
    }
    if stats["rss_bytes"] is not None:
        facts["memory"] = some_bytes(stats["rss_bytes"])
    return facts


def _signs(report: "EpochReport") -> "tuple[StandingSign, ...]":
    """Those of failure first."""
    from verify.report.training import StandingSign

    signs = [
        StandingSign(sign.name, sign.good, sign.sentence, sign.remedy) for sign in report.signs
    ]
    return tuple(sorted(signs, key=lambda sign: sign.good))


def _plots(report: "EpochReport") -> "tuple[Plot, ...]":
    from verify.report.plots import draw_plot

    return tuple(
        draw_plot(
            panel.title,
            panel.axis,
            {label: report.history[key] for key, label in panel.curves.items()},
            panel.limits,
            logarithmic=panel.logarithmic,
        )
        for panel in report.panels
    )


def _models(index: Mapping[str, Any]) -> "tuple[SavedModel, ...]":
    """The newest first."""
    from verify.report.training import SavedModel

    models = [
        SavedModel(
            file=entry["file"],
            kind=entry["kind"],
            epoch=entry["epoch"],
            step=entry["step"],
            value=entry["metrics"].get(index["metric"]),
            size_bytes=entry["size_bytes"],
        )
        for entry in index["models"]
    ]
    return tuple(sorted(models, key=lambda model: model.step, reverse=True))
