"""What is said of a training run that was interrupted: what it leaves, and how it goes on."""

import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from checkpoints.models_index import ModelRecord

_TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def how_to_go_on(models: Path, began: datetime, epochs: int) -> str:
    """Of the current command, which trained into the folder `models` since `began`, in UTC."""
    newest = _newest(models, began)
    resumed = click.get_current_context().params.get("resume")
    if newest is None:
        left = "Nothing was saved since it began: no epoch was over."
        return f"{left}\nGo on with: {_command_line(resumed)}"
    path = models / newest.file
    epoch, step = newest.epoch, newest.step
    left = f"{path} holds the state after epoch {epoch} of {epochs}, step {step}."
    ready = f"Every checkpoint in {models} is whole, and can be used as it is."
    if epoch >= epochs:
        return f"{left} {ready}"
    return f"{left} {ready}\nGo on with: {_command_line(path)}"


def _newest(models: Path, began: datetime) -> "ModelRecord | None":
    """The checkpoint furthest on of those that were saved since then."""
    from checkpoints.models_index import read_models

    if not models.is_dir():
        return None
    saved = [item for item in read_models(models, lambda _line: None) if item.saved >= began]
    # Of those of one state the one that is called the latest.
    return max(saved, key=lambda item: (item.step, item.kind == "latest"), default=None)


def _command_line(resume: Path | None) -> str:
    """The current command as it was given, but for what it goes on from."""
    context = click.get_current_context()
    words = ["chunkport", context.command.name or ""]
    for option in context.command.params:
        name = option.name or ""
        value = context.params.get(name)
        if name == "resume" or context.get_parameter_source(name) not in _TYPED:
            continue
        if isinstance(value, bool) and isinstance(option, click.Option):
            words.append(option.opts[-1] if value else option.secondary_opts[-1])
        else:
            words += [option.opts[-1], str(value)]
    if resume is not None:
        words += ["--resume", str(resume)]
    return shlex.join(words)
