"""The types of a training loop's checkpoints and the names of their files."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from checkpoints.layout import SUFFIXES, Container
from checkpoints.model_facts import ModelFacts
from checkpoints.model_folder import SaveAs
from checkpoints.retention import Ranking
from chunkport.errors import UsageError

CHECKPOINT_TYPES = ("latest", "best", "epoch", "step", "regular", "final")
"""What a `checkpoint_type` may be; "regular" is another word for "step"."""


def latest_name(container: Container) -> str:
    """`checkpoint_latest.pth`."""
    return f"checkpoint_latest{SUFFIXES[container]}"


def target_for(
    checkpoint_type: str, facts: ModelFacts, ranking: Ranking | None, container: Container = "pth"
) -> SaveAs:
    """Under which name a checkpoint of the type, of what `facts` say, is saved.

    Raises:
        UsageError: an unknown type, or "best" without the metric that says which that is.
    """
    if checkpoint_type not in CHECKPOINT_TYPES:
        near = get_close_matches(checkpoint_type, CHECKPOINT_TYPES, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"checkpoint_type: unknown {checkpoint_type!r}.{meant} Choose one of "
            f"{', '.join(CHECKPOINT_TYPES)}."
        )
    kind = "step" if checkpoint_type == "regular" else checkpoint_type
    if kind == "latest":
        return SaveAs(latest_name(container), kind)
    if kind == "best":
        if ranking is None:
            raise UsageError("checkpoint_type: 'best' by what? Give the manager a metric")
        if not facts.metrics:
            raise not_measured(ranking, facts.metrics)
        metric = re.sub(r"[^\w.-]", "_", ranking.metric)
        return SaveAs(f"checkpoint_best_{metric}{SUFFIXES[container]}", kind)
    number = {"epoch": f"_{facts.epoch}", "step": f"_{facts.step}"}.get(kind, "")
    return SaveAs(f"checkpoint_{kind}{number}{SUFFIXES[container]}", kind)


def not_measured(ranking: Ranking, metrics: Mapping[str, float]) -> UsageError:
    """The error for metrics that lack the one that checkpoints are compared by."""
    known = ", ".join(sorted(metrics)) or "none"
    return UsageError(
        f"metrics: no {ranking.metric!r}, by which the best is chosen; there are: {known}"
    )
