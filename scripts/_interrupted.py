"""What is said of a training run that was interrupted: what it leaves, and how it goes on."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts._options import typed_again

if TYPE_CHECKING:
    from checkpoints.models_index import ModelRecord


def how_to_go_on(began: datetime, epochs: int) -> str:
    """Of the current command, which has `--output-dir` and `--resume` and began then, in UTC."""
    context = click.get_current_context()
    models = context.params["output_dir"] / "models"
    newest = _newest(models, began)
    if newest is None:
        left = "Nothing was saved since it began: no epoch was over."
        return f"{left}\nGo on with: {typed_again(context)}"
    path = models / newest.file
    epoch, step = newest.epoch, newest.step
    left = f"{path} holds the state after epoch {epoch} of {epochs}, step {step}."
    ready = f"Every checkpoint in {models} is whole, and can be used as it is."
    if epoch >= epochs:
        return f"{left} {ready}"
    return f"{left} {ready}\nGo on with: {typed_again(context, resume=path)}"


def _newest(models: Path, began: datetime) -> "ModelRecord | None":
    """The checkpoint furthest on of those that were saved since then."""
    from checkpoints.models_index import read_models

    if not models.is_dir():
        return None
    saved = [item for item in read_models(models, lambda _line: None) if item.saved >= began]
    # Of those of one state the one that is called the latest.
    return max(saved, key=lambda item: (item.step, item.kind == "latest"), default=None)
