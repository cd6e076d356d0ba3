"""The events of a run, read back with TensorBoard's own reader."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import MissingDependencyError
from train import tensorboard_events
from train.loop import EpochReport
from train.tensorboard_events import TensorBoardEvents, require_tensorboard

CONFIG = {"epochs": 3, "learning_rate": 2e-4, "betas": [0.5, 0.999], "precision": "no"}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    for package in ("tensorboardX", "tensorboard"):
        pytest.importorskip(package, reason=f'{package} is not here: pip install ".[tensorboard]"')


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "epoch_001.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    return path


def report(epoch: int, loss: float, sample: Path | None = None) -> EpochReport:
    stats = {
        "kind": "epoch", "epoch": epoch, "step": 4 * epoch, "time": "now", "seconds": 2.5,
        "images": 40, "images_per_second": 16.0, "rss_bytes": None, "learning_rate": 2e-4,
        "loss": loss, "kid": math.nan, "signs": ["steady"],
    }  # fmt: skip
    return EpochReport(epoch, 3, {"loss": loss}, Path("latest"), sample, stats, {}, ())


def values_in(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Every value by its tag, with its step, as TensorBoard would show them."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[str, list[tuple[int, Any]]] = {}
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        reader = PyRecordReader_New(str(path))
        while True:
            try:
                reader.GetNext()
            except Exception as end:  # noqa: BLE001 - its own kind of the end of a file
                assert type(end).__name__ == "OutOfRangeError"  # noqa: PT017 - as above
                break
            event = Event.FromString(reader.record())
            if event.session_log.status == SessionLog.START:
                for tag, known in found.items():
                    found[tag] = [(step, value) for step, value in known if step < event.step]
            for item in event.summary.value:
                kind = item.WhichOneof("value")
                value = getattr(item, kind) if kind else item.metadata.plugin_data.plugin_name
                if kind == "tensor":
                    value = make_ndarray(value).item().decode()
                found.setdefault(item.tag, []).append((event.step, value))
    return found


def test_figures_costs_samples_and_the_config_are_there(sample: Path, tmp_path: Path) -> None:
    events = TensorBoardEvents(tmp_path / "events", CONFIG)
    events.on_epoch(report(1, 0.75, sample))
    events.on_epoch(report(2, 0.5))
    events.close()
    found = values_in(tmp_path / "events")
    assert found["figures/loss"] == [(4, 0.75), (8, 0.5)]
    assert found["figures/learning_rate"] == [(4, pytest.approx(2e-4)), (8, pytest.approx(2e-4))]
    assert found["process/images_per_second"] == [(4, 16), (8, 16)]
    assert {"process/rss_bytes", "figures/kid", "figures/signs"}.isdisjoint(found)
    ((step, picture),) = found["samples"]
    assert (step, picture.width, picture.height, picture.colorspace) == (4, 8, 8, 1)
    assert picture.encoded_image_string == sample.read_bytes()
    assert Image.open(io.BytesIO(picture.encoded_image_string)).size == (8, 8)
    ((_, config),) = found["config/text_summary"]
    assert "| betas | [0.5, 0.999] |" in config
    hyperparameters = [tag for tag in found if tag.startswith("_hparams_")]
    assert len(hyperparameters) == 3  # the experiment, the run's beginning and its end


def test_what_came_after_an_earlier_checkpoint_is_left_out(tmp_path: Path) -> None:
    for epochs in ((1, 2, 3), (2, 3)):
        events = TensorBoardEvents(tmp_path, CONFIG)
        for epoch in epochs:
            events.on_epoch(report(epoch, 0.5 + len(epochs)))
        events.close()
    assert values_in(tmp_path)["figures/loss"] == [(4, 3.5), (8, 2.5), (12, 2.5)]


def test_nothing_is_made_before_the_first_epoch_and_a_loss_need_be_no_number(
    tmp_path: Path,
) -> None:
    events = TensorBoardEvents(tmp_path / "events", CONFIG)
    assert not (tmp_path / "events").exists()
    events.on_epoch(report(1, math.inf))
    events.close()
    assert values_in(tmp_path / "events")["figures/loss"] == [(4, math.inf)]


def test_without_its_package_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_tensorboard()
    monkeypatch.setattr(tensorboard_events, "_WRITER", "a_package_that_nobody_has")
    with pytest.raises(MissingDependencyError, match=r'pip install "chunkport\[tensorboard\]"'):
        require_tensorboard()
