"""A run's figures, samples and config as events that TensorBoard shows."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

from chunkport.errors import MissingDependencyError
from train.loop import EpochReport
from train.stats import PLACE_KEYS, PROCESS_KEYS

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

# Not torch.utils.tensorboard: that imports TensorFlow where it is installed, which takes seconds
# and half a gigabyte.
_WRITER = "tensorboardX"


def require_tensorboard() -> None:
    """Find the package that writes events.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if find_spec(_WRITER) is None:
        raise MissingDependencyError(
            f'TensorBoard events need {_WRITER}; pip install "chunkport[tensorboard]"'
        )


class TensorBoardEvents:
    """Writes what each epoch reports, by the training steps behind it, into one folder.

    After going back to an earlier checkpoint TensorBoard leaves out what came after that.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Begin nothing yet: the folder is made after the first epoch.

        Raises:
            MissingDependencyError: the package that writes events is not installed.
        """
        require_tensorboard()
        self._folder = folder
        self._config = config
        self._writer: SummaryWriter | None = None

    def on_epoch(self, report: EpochReport) -> None:
        """Write the epoch's figures, what `stats.jsonl` says beside them, and its sample."""
        step = report.stats["step"]
        writer = self._writer or self._open(step, report)
        for key, value in report.stats.items():
            measured = isinstance(value, int | float) and not math.isnan(value)
            if key not in PLACE_KEYS and measured:
                group = "process" if key in PROCESS_KEYS else "figures"
                writer.add_scalar(f"{group}/{key}", value, step)
        if report.sample is not None:
            writer.file_writer.add_summary(_picture("samples", report.sample), step)
        writer.flush()

    def close(self) -> None:
        """End the run's events, if there are any."""
        if self._writer is not None:
            from tensorboardX.summary import hparams

            *_, ended = hparams(self._hyperparameters(), {})
            self._writer.file_writer.add_summary(ended)
            self._writer.close()

    def _open(self, step: int, report: EpochReport) -> "SummaryWriter":
        from tensorboardX import SummaryWriter
        from tensorboardX.summary import hparams

        # Its names tell apart only those that were begun in other seconds.
        begun = f".{time_ns()}"
        self._writer = SummaryWriter(str(self._folder), purge_step=step, filename_suffix=begun)
        rows = "".join(f"| {key} | {value} |\n" for key, value in self._config.items())
        self._writer.add_text("config", f"| setting | value |\n|---|---|\n{rows}", step)
        metrics = {f"figures/{key}": 0.0 for key in report.figures}
        for summary in hparams(self._hyperparameters(), metrics)[:2]:
            self._writer.file_writer.add_summary(summary)
        return self._writer

    def _hyperparameters(self) -> dict[str, Any]:
        """The config in the types that TensorBoard's table of runs takes."""
        return {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in self._config.items()
        }


def _picture(tag: str, path: Path) -> Any:
    """A PNG as it is."""
    from PIL import Image
    from tensorboardX.proto.summary_pb2 import Summary

    with Image.open(path) as opened:
        width, height, channels = *opened.size, len(opened.getbands())
    image = Summary.Image(
        width=width,
        height=height,
        colorspace=channels,
        encoded_image_string=path.read_bytes(),
    )
    return Summary(value=[Summary.Value(tag=tag, image=image)])
