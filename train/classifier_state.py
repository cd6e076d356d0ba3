"""The classifier of a training run, what trains it, and one step of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from networks.fruit_classifier import STATE_DICT, FruitCNN, classifier_values
from train.classifier_config import ClassifierConfig
from train.distortions import distorted
from train.progress import Progress
from train.seeds import derived_seed

_WEIGHT_DECAY = 0.02
_EVEN = 0.5  # a coin's probability
STEP_KEYS = ("loss", "training_accuracy")
"""What a step measures, both on distorted images: the loss, and the part told apart rightly."""


@dataclass(frozen=True)
class ClassifierState:
    """The network and its optimiser, as `config` wants them."""

    config: ClassifierConfig
    network: FruitCNN
    optimizer: torch.optim.AdamW


def new_state(config: ClassifierConfig, device: str = "cpu") -> ClassifierState:
    """A network at its starting weights, decided by the config's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "weights"))
        network = FruitCNN(len(config.classes), config.width)
    network.to(device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=_WEIGHT_DECAY
    )
    return ClassifierState(config, network, optimizer)


def learning_rate(config: ClassifierConfig, epoch: int) -> float:
    """In an epoch, counted from 0."""
    return config.learning_rate * math.cos(epoch / config.epochs * math.pi / 2)


def train_step(
    state: ClassifierState, progress: Progress, batch: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, float]:
    """Learn the labels (B,) of distorted images (B, 1, 128, 128) uint8.

    Returns:
        What was measured, under each of `STEP_KEYS`.
    """
    pixels, labels = batch
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.config, progress.epoch)
    logits = state.network(_varied(pixels, state.config.groups))
    loss = cross_entropy(logits, labels)
    state.optimizer.zero_grad()
    torch.autograd.backward(loss)
    state.optimizer.step()
    accuracy = (logits.argmax(dim=1) == labels).to(torch.float32).mean()
    return dict(zip(STEP_KEYS, (loss.item(), accuracy.item()), strict=True))


def _varied(pixels: torch.Tensor, groups: int) -> torch.Tensor:
    """Images in [-1, 1], half of them mirrored, in groups that are blurred, turned, noisy, ..."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < _EVEN
    images = torch.where(mirrored, pixels.flip(3), pixels).to(torch.float32) / 255
    # Distortions are of colour pictures, and treat the three channels of a grey one alike.
    grey = distorted(images.expand(-1, 3, -1, -1), groups)[:, :1]
    return grey * 2 - 1


def state_values(state: ClassifierState, _shipped: object = None) -> dict[str, Any]:
    """What `read_classifier` reads, and all that a resume needs."""
    return {
        **classifier_values(state.network, state.config.classes),
        "optimizer": state.optimizer.state_dict(),
    }


def restore_state(state: ClassifierState, values: Mapping[str, Any]) -> None:
    """Put network and optimiser back to what `state_values` gave.

    Raises:
        KeyError: something is missing.
        RuntimeError: something does not fit.
    """
    state.network.load_state_dict(values[STATE_DICT])
    state.optimizer.load_state_dict(values["optimizer"])
