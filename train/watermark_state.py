"""The two networks of a watermark training run, what trains them, and one step of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from networks.cards import load_card
from networks.detector import Detector, build_detector
from networks.embedder import Embedder
from networks.embedder_card import embedder_card, rms_of
from train.distortions import distorted
from train.progress import Progress
from train.seeds import derived_seed
from train.watermark_config import WatermarkConfig

_INITIAL_STD = 0.02
_BETAS = (0.9, 0.98)
_WEIGHT_DECAY = 1e-4
_LARGEST_GRADIENT = 1.0
_EVEN = 0.5  # a coin's probability
_PRESENCE_WEIGHT = 0.2  # of being found, beside being read
STEP_KEYS = ("loss", "training_bit_accuracy", "presence_accuracy")
"""What a step measures: the loss, the bits read right of marked pictures that were distorted, and
how often a picture was rightly taken for marked or clean."""


@dataclass(frozen=True)
class WatermarkState:
    """The embedder, the detector and the optimiser of both, as `config` wants them."""

    config: WatermarkConfig
    embedder: Embedder
    detector: Detector
    optimizer: torch.optim.AdamW

    def parameters(self) -> Iterator[nn.Parameter]:
        """Of both networks."""
        yield from self.embedder.parameters()
        yield from self.detector.parameters()


def new_state(config: WatermarkConfig, device: str = "cpu") -> WatermarkState:
    """Networks at their starting weights, decided by the config's seed."""
    card = config.card("config")
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "weights"))
        embedder = Embedder(embedder_card(card, "config"))
        detector = build_detector(load_card(card))
        detector.apply(_init_layer)
    embedder.to(device)
    detector.to(device)
    optimizer = torch.optim.AdamW(
        [*embedder.parameters(), *detector.parameters()],
        lr=config.learning_rate,
        betas=_BETAS,
        weight_decay=_WEIGHT_DECAY,
    )
    return WatermarkState(config, embedder, detector, optimizer)


def _init_layer(module: nn.Module) -> None:
    """ConvNeXt's starting weights (Liu et al. 2022, appendix A)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=_INITIAL_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def mark_rms(config: WatermarkConfig, step: int) -> float:
    """How strong marks are at a step, counted from 0: fading evenly in decibels."""
    faded = min(1.0, step / config.fading_steps) if config.fading_steps else 1.0
    decibels = config.first_psnr_db + faded * (config.psnr_db - config.first_psnr_db)
    return rms_of(decibels)


def learning_rate(config: WatermarkConfig, step: int, epoch: int) -> float:
    """At a step and in an epoch, both counted from 0: rising, level, falling."""
    rising = min(1.0, (step + 1) / config.warm_up_steps) if config.warm_up_steps else 1.0
    last = config.epochs * config.decay_share
    falling = min(1.0, (config.epochs - epoch) / (last + 1))
    return config.learning_rate * rising * falling


def train_step(state: WatermarkState, progress: Progress, pixels: torch.Tensor) -> dict[str, float]:
    """Mark a batch (B, 3, H, W) uint8 with random messages, distort it, learn to read it.

    Returns:
        What was measured, under each of `STEP_KEYS`.
    """
    config = state.config
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(config, progress.step, progress.epoch)
    pictures = _random_view(pixels, config.image_size).to(torch.float32) / 255
    messages = (torch.rand(len(pictures), config.nbits) < _EVEN).to(pictures)
    present = (torch.rand(len(pictures)) >= config.clean_share).to(pictures)
    marked = state.embedder(pictures, messages, mark_rms(config, progress.step))
    shown = torch.where(present.view(-1, 1, 1, 1) > 0, marked, pictures)
    hardest = min(1.0, progress.step / config.hardening_steps) if config.hardening_steps else 1.0
    logits = state.detector(distorted(shown, config.groups, hardest))
    read = binary_cross_entropy_with_logits(logits[:, 1:], messages, reduction="none").mean(dim=1)
    loss = (read * present).sum() / present.sum().clamp(min=1)
    loss = loss + _PRESENCE_WEIGHT * _presence_loss(logits[:, 0], present, config.clean_share)
    state.optimizer.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(state.parameters(), _LARGEST_GRADIENT)
    state.optimizer.step()
    right = ((logits[:, 1:] > 0) == (messages > 0)).to(pictures).mean(dim=1)
    found = ((logits[:, 0] > 0) == (present > 0)).to(pictures)
    figures = (loss, (right * present).sum() / present.sum().clamp(min=1), found.mean())
    return dict(zip(STEP_KEYS, (figure.item() for figure in figures), strict=True))


def _presence_loss(logits: torch.Tensor, present: torch.Tensor, clean_share: float) -> torch.Tensor:
    """Cross-entropy in which marked and clean pictures count alike, however few are clean.

    So a logit of 0 says that neither is likelier, where pictures of both kinds are as many.
    """
    of_marked, of_clean = 0.5 / (1 - clean_share), 0.5 / clean_share if clean_share else 0.0
    weights = torch.where(present > 0, of_marked, of_clean)
    return binary_cross_entropy_with_logits(logits, present, weight=weights)


def _random_view(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 3, H, W) -> (B, 3, size, size): one place for the batch, mirrored half of the times."""
    top, left = (int(torch.randint(side - size + 1, ())) for side in pixels.shape[2:])
    view = pixels[:, :, top : top + size, left : left + size]
    return view.flip(3) if float(torch.rand(())) < _EVEN else view


def state_values(state: WatermarkState, _shipped: object = None) -> dict[str, Any]:
    """What `extract`, `convert` and `embed` read, and all that a resume needs."""
    card = state.config.card("")
    tensors = {
        **{f"embedder.{name}": value for name, value in state.embedder.state_dict().items()},
        **{f"detector.{name}": value for name, value in state.detector.state_dict().items()},
    }
    return {
        "model": tensors,
        **{section: card[section] for section in ("args", "embedder", "extractor")},
        "optimizer": state.optimizer.state_dict(),
    }


def restore_state(state: WatermarkState, values: Mapping[str, Any]) -> None:
    """Put networks and optimiser back to what `state_values` gave.

    Raises:
        KeyError: something is missing.
        RuntimeError: something does not fit.
    """
    for prefix, network in (("embedder.", state.embedder), ("detector.", state.detector)):
        network.load_state_dict(
            {
                name.removeprefix(prefix): tensor
                for name, tensor in values["model"].items()
                if name.startswith(prefix)
            }
        )
    state.optimizer.load_state_dict(values["optimizer"])
