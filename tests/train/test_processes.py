"""Processes that train together: real ones, and what each is told."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from chunkport.errors import MissingDependencyError, UsageError
from train.gan import gan_run, train_gan
from train.gan_config import GanConfig
from train.loop import train
from train.processes import ALONE, Processes, joined_processes
from train.saving import Saving

CONFIG = GanConfig(epochs=2, batch_size=4, width=2, noise_dim=8, average_decay=0.9)
RICH = replace(
    CONFIG,
    batch_size=8,  # normalised over two images alone, a value is 1 or -1 whatever the weights
    accumulate=2,
    diffaugment=("brightness", "contrast", "translation", "cutout"),
    input_noise=0.1,
    r1_gamma=1.0,
    r1_every=2,
    clip_gradients=1.0,
    spectral_norm=True,
)
OFTEN = Saving(every_steps=1, keep_top_k=99)
Same = Callable[[Any, Any], None]
Start = Callable[..., list[subprocess.Popen[str]]]
# A bias that batch normalisation takes out again has no slope but what rounding makes of it, which
# Adam takes for one. So it goes astray, and with it the mean that is followed, and neither shows.
UNSEEN = {
    *(f"{layer}.bias" for layer in ("fc", "deconv1", "deconv2", "deconv3")),
    *(f"bn{index}.running_mean" for index in range(4)),
}


def test_shares_and_draws_of_all_are_the_whole() -> None:
    batch = torch.arange(12).view(6, 2)
    three = [Processes(index=index, count=3) for index in range(3)]
    assert torch.equal(torch.cat([process.share(batch) for process in three]), batch)
    torch.manual_seed(5)
    whole = ALONE.drawn(6, lambda rows: torch.rand(rows, 2))
    drawn = []
    for process in three:
        torch.manual_seed(5)
        drawn.append(process.drawn(2, lambda rows: torch.rand(rows, 2)))
    assert torch.equal(torch.cat(drawn), whole)
    assert [process.first for process in three] == [True, False, False]


def test_every_gpu_goes_on_as_the_first_did() -> None:
    saved: dict[str, Any] = {"cpu": torch.zeros(2), "cuda": [torch.ones(3), torch.zeros(3)]}
    assert ALONE.random_state(saved) == saved
    here = Processes(index=1, count=2).random_state(saved)["cuda"]
    assert len(here) == torch.cuda.device_count()
    assert all(torch.equal(state, saved["cuda"][0]) for state in here)


def test_several_processes_need_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'chunkport\[distributed\]'"):  # noqa: SIM117 - one block fails
        with joined_processes("cpu"):
            pytest.fail("it began")


@pytest.mark.parametrize("count", ["2", "several", "0", "-1"])
def test_what_no_launcher_would_tell_is_refused(
    monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    """Such as a WORLD_SIZE that a container or a cluster left, without a place to meet."""
    accelerate = pytest.importorskip("accelerate")
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", count)
    try:
        with (
            pytest.raises(UsageError, match=r"WORLD_SIZE: is .* in the environment.* unset it"),
            joined_processes("cpu"),
        ):
            pass
    finally:
        accelerate.PartialState._reset_state()  # half of it stays otherwise


def test_one_process_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with joined_processes("cpu") as processes:
        assert processes == ALONE


def test_a_launch_that_starts_one_process_of_several_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As `accelerate launch --cpu --num_processes 2` does where there is no MPI."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(UsageError, match=r"one process alone.*--multi_gpu in place of --cpu"):  # noqa: SIM117 - one block fails
        with joined_processes("cpu"):
            pytest.fail("it began")


def test_a_run_of_one_among_several_is_refused(
    images: torch.Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match=r"4 processes were started together.* is done by 1"):
        train_gan(images, CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("count", "change", "message"),
    [
        (3, {}, "4 images do not fall into equal parts by accumulate 1 and 3 processes"),
        (2, {"accumulate": 4, "batch_size": 12}, "10 images .* by accumulate 4 and 2 .* of 8"),
        (1, {"accumulate": 4, "batch_size": 16}, "10 images .* by accumulate 4; give a .* of 8"),
    ],
)
def test_batches_that_do_not_fall_into_equal_parts_are_refused(
    images: torch.Tensor, tmp_path: Path, count: int, change: dict[str, Any], message: str
) -> None:
    """Also those that are smaller than asked for, because there are too few images."""
    with pytest.raises(UsageError, match=f"batch_size: {message}"):
        train_gan(images, replace(CONFIG, **change), tmp_path, processes=Processes(count=count))


TRAIN = """
import json, sys
from pathlib import Path
import torch
from dataclasses import replace
from chunkport.errors import UsageError
from train.gan import gan_run
from train.gan_config import GanConfig
from train.loop import train
from train.processes import joined_processes
from train.saving import Saving

images, configs, folder, resume = sys.argv[1:]
images, folder = torch.load(images), Path(folder)
often = Saving(every_steps=1, keep_top_k=99)
steps = []
def told(report):
    steps.append(dict(report.figures))
    print(report.epoch, flush=True)
with joined_processes("cpu") as processes:
    for name, values in json.loads(configs).items():
        config = GanConfig.from_dict(values)
        run = replace(gan_run(config, images, processes), panels=())
        train(run, images, folder / name, saving=often, on_batch=told)
    if resume:
        starts = {"again": folder / "plain/models/checkpoint_step_3.pth", "on": Path(resume)}
        for name, start in starts.items():
            run = replace(gan_run(config, images, processes), panels=())
            train(run, images, folder / name, resume=start, saving=often)
    if processes.first:
        (folder / "steps.json").write_text(json.dumps(steps))
    try:
        processes.refuse_differences([torch.zeros(3), torch.full((2,), processes.index)], "unlike")
    except UsageError as error:
        print(error)
"""


def close(a: Path, b: Path) -> None:
    """The same weights and averages, as far as they can be seen."""
    one, other = load_model_chunked(a), load_model_chunked(b)
    for key in ("generator_state_dict", "generator_raw_state_dict", "discriminator_state_dict"):
        assert one[key].keys() == other[key].keys()
        for name in one[key].keys() - (UNSEEN if key.startswith("generator") else set()):
            torch.testing.assert_close(
                other[key][name], one[key][name], rtol=1e-4, atol=2e-5, msg=f"{key}/{name}"
            )


@pytest.mark.integration
def test_two_processes_train_as_one_with_the_whole_batch(
    images: torch.Tensor, tmp_path: Path, assert_same: Same, start_together: Start
) -> None:
    """With the published recipe and with all that is drawn at random besides; and resumed."""
    configs = {"rich": RICH, "plain": CONFIG}
    alone: list[dict[str, float]] = []
    for name, config in configs.items():
        train(
            replace(gan_run(config, images), panels=()),
            images,
            tmp_path / "one" / name,
            saving=OFTEN,
            on_batch=lambda report: alone.append(dict(report.figures)),
        )
    torch.save(images, tmp_path / "images.pt")
    values = json.dumps({name: config.as_dict() for name, config in configs.items()})
    of_one = tmp_path / "one/plain/models"
    step = of_one / "checkpoint_step_1.pth"
    two = start_together("-c", TRAIN, tmp_path / "images.pt", values, tmp_path / "two", step)
    said = [process.communicate(timeout=300) for process in two]
    assert [process.returncode for process in two] == [0, 0], said
    # The first alone is told of steps; then both are refused.
    assert [out.split() for out, _ in said] == [[*"121122", "unlike"], ["unlike"]]

    together = json.loads((tmp_path / "two/steps.json").read_text())
    assert len(together) == len(alone) == 6
    for ours, theirs in zip(together, alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for name in configs:
        places = [tmp_path / folder / name / "models/latest_model.pth" for folder in ("one", "two")]
        close(*places)
    models = tmp_path / "two/plain/models"
    again = load_model_chunked(tmp_path / "two/again/models/latest_model.pth")
    assert_same(load_model_chunked(models / "latest_model.pth"), again)
    close(of_one / "latest_model.pth", tmp_path / "two/on/models/latest_model.pth")
    assert sorted(path.name for path in models.glob("*.pth")) == sorted(
        path.name for path in of_one.glob("*.pth")
    )
    run = replace(gan_run(CONFIG, images), panels=())
    on = train(run, images, tmp_path / "on", resume=models / "checkpoint_step_3.pth")
    close(of_one / "latest_model.pth", on.checkpoint)


@pytest.mark.integration
def test_the_rest_end_where_one_is_killed(
    images: torch.Tensor, tmp_path: Path, start_together: Start
) -> None:
    torch.save(images, tmp_path / "images.pt")
    values = json.dumps({"long": replace(CONFIG, epochs=10_000).as_dict()})
    first, second = start_together("-c", TRAIN, tmp_path / "images.pt", values, tmp_path, "")
    assert first.stdout is not None
    while first.stdout.readline() != "2\n":
        assert first.poll() is None
    second.send_signal(signal.SIGKILL)
    _, said = first.communicate(timeout=60)
    second.communicate()
    assert "WorkerDiedError: another process of this run came to an end" in said
    assert load_model_chunked(tmp_path / "long/models/latest_model.pth")["epoch"] >= 1
