from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import mse_loss

from checkpoints import load_model_chunked
from checkpoints.inference_folder import InferenceModel
from train.curves import Panel
from train.fruits import render_fruit
from train.progress import Progress
from train.run import Criterion, Run

PIXELS = 64


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Ten pears, (10, 1, 128, 128) uint8."""
    return torch.from_numpy(np.stack([render_fruit("Pear", seed) for seed in range(10)]))[:, None]


@pytest.fixture(scope="session")
def noise() -> torch.Tensor:
    """Ten images of 8x8, (10, 1, 8, 8) uint8."""
    source = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (10, 1, 8, 8), generator=source, dtype=torch.uint8)


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    """Equality of checkpoints, tensors bit by bit."""

    def check(a: Any, b: Any, where: str = "") -> None:
        assert type(a) is type(b), where
        if isinstance(a, dict):
            assert a.keys() == b.keys(), where
            for key in a:
                check(a[key], b[key], f"{where}/{key}")
        elif isinstance(a, list):
            assert len(a) == len(b), where
            for index, (x, y) in enumerate(zip(a, b, strict=True)):
                check(x, y, f"{where}/{index}")
        elif isinstance(a, torch.Tensor):
            assert torch.equal(a, b), where
        else:
            assert a == b, where

    return check


@dataclass(frozen=True)
class BrightnessConfig:
    """Of a task of a few lines: a line through 8x8 images that learns their brightness."""

    epochs: int = 4
    batch_size: int = 4
    seed: int = 0
    sample_every: int = 3
    rate: float = 0.02

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BrightnessConfig":
        return cls(**values)


def _brightness_run(**changes: Any) -> Run[nn.Linear]:
    """A new run; each of its steps, of its evaluations and of its copies for use draws numbers."""
    fields = BrightnessConfig.__dataclass_fields__
    config = BrightnessConfig(**{key: changes.pop(key) for key in [*changes] if key in fields})
    network = nn.Linear(PIXELS, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.bias.zero_()
    optimizer = torch.optim.SGD(network.parameters(), lr=config.rate, momentum=0.9)

    def error(shown: torch.Tensor, answers: nn.Linear) -> torch.Tensor:
        noisy = shown + 0.1 * torch.rand_like(shown)
        return mse_loss(answers(noisy)[:, 0], shown.mean(1))

    def step(pixels: torch.Tensor) -> dict[str, float]:
        optimizer.zero_grad()
        loss = error(pixels.flatten(1) / 255, network)
        torch.autograd.backward(loss)
        optimizer.step()
        decibels = -10 * loss.log10()
        return {"loss": loss.item(), "psnr": decibels.item()}

    def ship() -> nn.Linear:
        shipped = nn.Linear(PIXELS, 1)  # draws starting weights
        shipped.load_state_dict(network.state_dict())
        return shipped

    def evaluate(shipped: nn.Linear) -> dict[str, float]:
        with torch.no_grad():
            return {"held_out_error": error(torch.rand(32, PIXELS), shipped).item()}

    def write_sample(shipped: nn.Linear, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        shades = shipped.weight.detach().reshape(8, 8).clamp(0, 1).mul(255).to(torch.uint8)
        Image.fromarray(shades.numpy()).save(path)

    def restore(values: Mapping[str, Any]) -> None:
        network.load_state_dict(values["line"])
        optimizer.load_state_dict(values["optimizer"])

    def for_use(checkpoint: Path) -> InferenceModel:
        values = load_model_chunked(checkpoint)
        weights = {"line": values["line"]}
        return InferenceModel("A line", "line", weights, {}, values["epoch"], "pass", "true")

    run = Run(
        name="brightness",
        config=config,
        may_change=frozenset({"epochs", "sample_every"}),
        progress=Progress.before_the_first_step(("loss", "psnr", "held_out_error")),
        networks=(network,),
        step=step,
        step_keys=("loss", "psnr"),
        losses=("loss",),
        ship=ship,
        values=lambda shipped: {
            "line": dict(shipped.state_dict()),
            "optimizer": optimizer.state_dict(),
        },
        restore=restore,
        criteria={
            "error": Criterion("held_out_error", "min", distance=True),
            "psnr": Criterion("psnr", "max"),
        },
        evaluate=evaluate,
        evaluation_keys=("held_out_error",),
        write_sample=write_sample,
        panels=(
            Panel("Loss", "squared error", {"loss": "trained", "held_out_error": "held out"}),
            Panel("Fidelity", "PSNR (dB)", {"psnr": "trained"}),
        ),
        details={"pixels": PIXELS},
        inference_model=for_use,
    )
    return replace(run, **changes)


@pytest.fixture(scope="session")
def brightness_run() -> Callable[..., Run[Any]]:
    """`(**changes)` of the config or the run to a new run of a second task, besides the GAN."""
    return _brightness_run
