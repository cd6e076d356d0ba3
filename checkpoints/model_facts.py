"""What a checkpoint says of itself: how far training had come, what was measured, which config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index
from platform import python_version
from typing import Any

from chunkport import __version__
from chunkport.errors import UsageError

KIND = "checkpoint_type"
"""Key under which a checkpoint says which of a run's checkpoints it is."""

KINDS = ("latest", "best", "final", "epoch", "step")
OTHER = "other"
"""The kind of a checkpoint that does not say, or that was copied to another name."""


@dataclass(frozen=True)
class ModelFacts:
    """All that is told of a checkpoint beside its tensors; it says nothing of when it was saved.

    Attributes:
        epoch: epochs done.
        step: optimiser steps done.
        metrics: what was measured, by name.
        config: plain values (`checkpoints.run_config.plain_config`).
        config_hash: of that part of the config which a run keeps.
        details: anything else that is to stand in the metadata, plain values by name.
        versions: of what the checkpoint was made with.
    """

    epoch: int = 0
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def as_values(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        return {
            "epoch": self.epoch,
            "global_step": self.step,
            "metrics": dict(self.metrics),
            "config": dict(self.config),
            "config_hash": self.config_hash,
            "details": dict(self.details),
            "versions": dict(self.versions),
        }


def facts_in(values: Mapping[str, Any]) -> ModelFacts:
    """The way back; of a foreign checkpoint what it happens to tell under the same names."""

    def mapping(key: str) -> Mapping[str, Any]:
        found = values.get(key)
        return found if isinstance(found, Mapping) else {}

    return ModelFacts(
        epoch=_whole(values.get("epoch")),
        step=_whole(values.get("global_step")),
        metrics={
            str(key): float(value)
            for key, value in mapping("metrics").items()
            if isinstance(value, int | float)
        },
        config=mapping("config"),
        config_hash=str(values.get("config_hash") or ""),
        details=mapping("details"),
        versions=mapping("versions"),
    )


def count_done(name: str, value: Any) -> int:
    """How many epochs or steps are done, of whatever integer type a training loop counts in.

    Raises:
        UsageError: no whole number, or below 0.
    """
    try:
        count = index(value)
    except TypeError:
        count = -1
    if count < 0:
        raise UsageError(f"{name}: is {value!r:.80}; give a whole number from 0 up")
    return count


def measured(metrics: Mapping[str, Any] | None) -> dict[str, float]:
    """The metrics as numbers of Python; a tensor of one number is one too.

    Raises:
        UsageError: one that is no number.
    """
    numbers = {}
    for name, value in (metrics or {}).items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UsageError(f"metrics: {name} is {value!r:.80}; give a number") from error
    return numbers


def current_versions() -> dict[str, str]:
    """Of Python, PyTorch and chunkport."""
    import torch

    return {
        "chunkport": __version__,
        "python": python_version(),
        "torch": str(torch.__version__),
    }


def _whole(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
