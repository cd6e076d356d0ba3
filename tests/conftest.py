"""What all tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from checkpoints import save_model_chunked
from networks.gan import Discriminator, Generator

if TYPE_CHECKING:
    from convert.pipeline import Conversion

# Small tensors: more threads would only wait for each other.
torch.set_num_threads(1)

_WIDTH = 8
_CHUNK_MB = 1  # the checkpoint takes 2.2 MB


@pytest.fixture(scope="session")
def make_generator() -> Callable[..., Generator]:
    """`(seed, width=8, noise_dim=100)` to a generator whose every number is other than initial."""

    def make(seed: int, width: int = _WIDTH, noise_dim: int = 100) -> Generator:
        torch.manual_seed(seed)
        generator = Generator(noise_dim=noise_dim, width=width)
        for norm in generator.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.2, 3)
                nn.init.uniform_(norm.weight, 0.5, 2)
                nn.init.normal_(norm.bias)
        return generator.eval()

    return make


@pytest.fixture(scope="session")
def save_generator() -> Callable[[Generator, Path], Path]:
    """Save a generator as training does, with a discriminator, in several chunks."""

    def save(generator: Generator, path: Path) -> Path:
        saved = save_model_chunked(
            {
                "epoch": 3,
                "generator_state_dict": generator.state_dict(),
                "discriminator_state_dict": Discriminator(width=generator.width).state_dict(),
            },
            path,
            max_chunk_mb=_CHUNK_MB,
            announce=lambda _message: None,
        )
        assert len(saved.chunk_files) >= 2
        return saved.path

    return save


@pytest.fixture(scope="session")
def generator_checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
) -> Path:
    """A small generator's training checkpoint in several chunks; copy it before changing it."""
    folder = tmp_path_factory.mktemp("checkpoint")
    return save_generator(make_generator(seed=0), folder / "best_model.pth")


@pytest.fixture(scope="session")
def generator_conversion(
    tmp_path_factory: pytest.TempPathFactory, generator_checkpoint: Path
) -> "Conversion":
    """`generator_checkpoint`, converted to every precision; takes seconds, so once for all."""
    from convert.pipeline import convert_checkpoint

    return convert_checkpoint(
        generator_checkpoint,
        "gan-generator",
        ["fp32", "fp16", "int8-dynamic"],
        tmp_path_factory.mktemp("converted"),
    )


@pytest.fixture(scope="session")
def generator_tflites(generator_conversion: "Conversion") -> dict[str, Path]:
    """The files of `generator_conversion` by precision; copy one before changing it."""
    return {file.precision: file.path for file in generator_conversion.files}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: what is broken should show before the long ones begin."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)
