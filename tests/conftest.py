"""What all tests share."""

import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from checkpoints import save_model_chunked
from networks.cards import load_card
from networks.detector import Detector, build_detector
from networks.embedder import Embedder
from networks.embedder_card import embedder_card
from networks.gan import Discriminator, Generator

if TYPE_CHECKING:
    from convert.pipeline import Conversion

# Small tensors: more threads would only wait for each other.
torch.set_num_threads(1)

_ROOT = Path(__file__).resolve().parents[1]
_WIDTH = 8
_CHUNK_MB = 1  # the checkpoint takes 2.2 MB


@pytest.fixture(scope="session")
def make_generator() -> Callable[..., Generator]:
    """`(seed, width=8, noise_dim=100, **form)` to a generator, none of its numbers initial."""

    def make(seed: int, width: int = _WIDTH, noise_dim: int = 100, **form: str) -> Generator:
        torch.manual_seed(seed)
        generator = Generator(noise_dim, width, **form)
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
def other_checkpoint(
    tmp_path_factory: pytest.TempPathFactory,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
) -> Path:
    """Likewise, of a generator with other weights."""
    folder = tmp_path_factory.mktemp("other")
    return save_generator(make_generator(seed=1), folder / "other.pth")


@pytest.fixture(scope="session")
def generator_conversion(
    tmp_path_factory: pytest.TempPathFactory, generator_checkpoint: Path
) -> "Conversion":
    """`generator_checkpoint`, converted to every precision; takes seconds, so once for all."""
    from convert.pipeline import convert_checkpoint

    names, folder = ["fp32", "fp16", "int8-dynamic"], tmp_path_factory.mktemp("converted")
    return convert_checkpoint(generator_checkpoint, "gan-generator", names, folder, isolated=False)


@pytest.fixture(scope="session")
def generator_tflites(generator_conversion: "Conversion") -> dict[str, Path]:
    """The files of `generator_conversion` by precision; copy one before changing it."""
    return {file.precision: file.path for file in generator_conversion.files}


@pytest.fixture(scope="session")
def generator_integers(generator_checkpoint: Path, tmp_path_factory: Any) -> dict[str, Path]:
    """It by precision of few bits or with ranges, integers going in and out of the latter."""
    from convert.pipeline import convert_checkpoint

    names, folder = "int4-dynamic int4-block32 int8-static int16x8", tmp_path_factory.mktemp("few")
    made = convert_checkpoint(
        *(generator_checkpoint, "gan-generator", names.split(), folder),
        integer_io=True,
        isolated=False,
    )
    return {file.precision: file.path for file in made.files}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: what is broken should show before the long ones begin."""
    items.sort(key=lambda item: item.get_closest_marker("integration") is not None)


_CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "networks" / "data" / "detector_cases.json").read_text(
        encoding="utf-8"
    )
)
_SMALL = {"bias", "gamma", "beta", "pos_embed", "rel_pos_h", "rel_pos_w"}


@dataclass(frozen=True)
class DetectorCase:
    """A small detector, its weights, an image and the logits that the public PyTorch code gives."""

    name: str
    card: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    image: torch.Tensor  # (1, 3, S, S) in [0, 1]
    logits: torch.Tensor  # (1, 1 + nbits), float64

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {key: _weight(key, shape) for key, shape in self.shapes.items()}

    def network(self) -> Detector:
        network = build_detector(load_card(self.card)).eval()
        network.load_state_dict(self.state_dict())
        return network.requires_grad_(requires_grad=False)

    def save(self, folder: Path) -> tuple[Path, Path]:
        """A checkpoint in chunks, as training keeps it, and its card."""
        state = {f"detector.{key}": tensor for key, tensor in self.state_dict().items()}
        saved = save_model_chunked(
            {"model": state, "epoch": 3},
            folder / "detector.pth",
            max_chunk_mb=0.25,
            announce=lambda _message: None,
        )
        assert len(saved.chunk_files) >= 2
        card = folder / "card.yaml"
        card.write_text(json.dumps(self.card), encoding="utf-8")
        return saved.path, card


def _weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers that depend on the key alone and keep activations near unit variance."""
    noise = np.random.default_rng(zlib.crc32(f"fixture:{key}".encode())).standard_normal(
        shape, dtype=np.float32
    )
    if key.rpartition(".")[2] in _SMALL:
        noise = 0.1 * noise
    elif len(shape) == 1:  # the weight of a norm
        noise = 1 + 0.1 * noise
    else:
        noise = noise / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(noise, dtype=np.float32))


def _waves(size: int) -> torch.Tensor:
    """Twelve random plane waves for each colour, stretched to [0, 1] together."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    image = np.zeros((3, size, size))
    for colour in range(3):
        for _ in range(12):
            across, down, phase = rng.uniform(0, 20), rng.uniform(0, 20), rng.uniform(0, 6.3)
            wave = np.sin(6.283 * (across * columns + down * rows) + phase)
            image[colour] += rng.uniform(0.2, 1) * wave
    image = (image - image.min()) / (image.max() - image.min())
    return torch.from_numpy(image[None].astype(np.float32))


def _detector_case(name: str) -> DetectorCase:
    case = _CASES[name]
    return DetectorCase(
        name=name,
        card=case["card"],
        shapes={key: tuple(shape) for key, shape in case["shapes"].items()},
        image=_waves(case["image_size"]),
        logits=torch.tensor([case["logits"]], dtype=torch.float64),
    )


@pytest.fixture(scope="session", params=sorted(_CASES))
def detector_case(request: pytest.FixtureRequest) -> DetectorCase:
    return _detector_case(request.param)


@pytest.fixture(scope="session")
def named_detector_case() -> Callable[[str], DetectorCase]:
    """`convnext_stride2`, `convnext_stride4` and `vit` to their cases."""
    return _detector_case


@pytest.fixture(scope="session")
def save_tinyseal() -> Callable[..., Path]:
    """`(path, says=None)` to a checkpoint of TinySeal, of one layout with a trained one.

    Its weights are made, so that the message is not read; with `says`, bits, its detector reads
    these in every picture, and sees a mark in it.
    """
    card = yaml.safe_load((_ROOT / "networks" / "cards" / "tinyseal.yaml").read_text("utf-8"))

    def save(path: Path, says: tuple[int, ...] | None = None) -> Path:
        parts = {
            "embedder": Embedder(embedder_card(card, "card")),
            "detector": build_detector(load_card(card)),
        }
        state = {
            f"{part}.{key}": _weight(key, tuple(tensor.shape))
            for part, network in parts.items()
            for key, tensor in network.state_dict().items()
        }
        if says is not None:
            state["detector.pixel_decoder.linear.weight"].zero_()
            logits = torch.tensor([1, *says]) * 2.0 - 1
            state["detector.pixel_decoder.linear.bias"].copy_(logits)
        described = {key: card[key] for key in ("args", "embedder", "extractor")}
        return save_model_chunked(
            {"model": state, **described}, path, announce=lambda _message: None
        ).path

    return save


@pytest.fixture(scope="session")
def tinyseal_checkpoint(
    tmp_path_factory: pytest.TempPathFactory, save_tinyseal: Callable[..., Path]
) -> Path:
    """TinySeal with made weights; copy it before changing it."""
    return save_tinyseal(tmp_path_factory.mktemp("tinyseal") / "tinyseal.pth")


@pytest.fixture(scope="session")
def tinyseal_tflites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The trained TinySeal of samples/ by precision; takes many seconds, so once for all."""
    from convert.pipeline import convert_checkpoint

    folder, sample = tmp_path_factory.mktemp("seal"), _ROOT / "samples/tinyseal/full_model.pth"
    made = convert_checkpoint(sample, "tinyseal", ["fp32", "int8-dynamic"], folder, isolated=False)
    return {file.precision: file.path for file in made.files}


@pytest.fixture(scope="session")
def tinyseal_tflite(tinyseal_tflites: dict[str, Path]) -> Path:
    """Its int8 file."""
    return tinyseal_tflites["int8-dynamic"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """2 MiB of memory, mounted as a disk."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("no disk can be mounted here to be filled")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk could be mounted to be filled: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run([umount, str(tmp_path)], check=True)
