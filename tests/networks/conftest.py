import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

_CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "data" / "detector_cases.json").read_text(encoding="utf-8")
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


@pytest.fixture(params=sorted(_CASES))
def detector_case(request: pytest.FixtureRequest) -> DetectorCase:
    case = _CASES[request.param]
    return DetectorCase(
        name=request.param,
        card=case["card"],
        shapes={key: tuple(shape) for key, shape in case["shapes"].items()},
        image=_waves(case["image_size"]),
        logits=torch.tensor([case["logits"]], dtype=torch.float64),
    )
