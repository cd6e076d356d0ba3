"""A model for use, in a folder of its own: weights, config, metadata, and a README.

    model_v1.0_epoch5/
        full_model.pth          the weights, in chunks where they are above the cap
        config.json             what the network is built from
        training_metadata.json  name, version, how it was trained, what was measured
        README.md               how to load and how to convert it

The folder appears whole or not at all, and replaces none.
"""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from checkpoints.inference_names import free_name, next_version, parse_version
from checkpoints.inference_readme import readme
from checkpoints.journal import locked
from checkpoints.model_facts import current_versions
from checkpoints.saving import DEFAULT_CHUNK_MB, announce_on_stderr
from checkpoints.writer import save_model_chunked
from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing, sync_folder
from chunkport.json_values import without_infinities

WEIGHTS = "full_model.pth"
METADATA = "training_metadata.json"
_SCHEMA_VERSION = 1
_STAGED = re.compile(r"\..+\.[0-9a-f]{8}\.staged")


@dataclass(frozen=True)
class InferenceModel:
    """What goes into the folder.

    Attributes:
        title: what the model is, in a few words.
        architecture: what it is known by to those who build it.
        weights: state dicts by name, without anything that only training needs.
        config: plain values that the network is built from.
        epoch: epochs it was trained for.
        metrics: what was measured, by name.
        hyperparameters: what the run was told.
        load_code: Python lines that end with the network ready for use, run in the folder.
        convert_commands: the command lines that convert it, run in the folder; empty for a model
            that none converts.
    """

    title: str
    architecture: str
    weights: Mapping[str, Any]
    config: Mapping[str, Any]
    epoch: int
    load_code: str
    convert_commands: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InferenceFolder:
    """What a folder says of itself, read from its JSON."""

    path: Path
    version: str
    architecture: str
    epoch: int
    metrics: Mapping[str, float | None]
    weights: Path


def save_inference_folder(
    parent: Path,
    model: InferenceModel,
    *,
    version: str | None = None,
    tag: str | None = None,
    name: str | None = None,
    max_chunk_mb: float = DEFAULT_CHUNK_MB,
    announce: Callable[[str], None] = announce_on_stderr,
) -> Path:
    """Write the model into a new folder of `parent`, and return where.

    It is called `name`, or `model_<version>_<tag>` with `epoch<N>` for a tag; `_2`, `_3`, ...
    follow where that is taken.
    The version is the next one after those in `parent`, unless it is given.

    Raises:
        UsageError: a version or name that cannot be one, a value that is not stored, a folder that
            cannot serve, a full disk.
    """
    make_folder(parent)
    if version is not None:
        version = "v" + ".".join(map(str, parse_version(version)))
    if name is not None and Path(name).name != name:
        raise UsageError(f"name: {name!r:.80} is not the name of a folder; leave out its path")
    with locked(parent, exclusive=True):
        for litter in parent.iterdir():
            if _STAGED.fullmatch(litter.name):  # of a save that was killed: nobody else is here
                shutil.rmtree(litter)
        version = version or next_version(_versions(parent, announce))
        wanted = name or f"model_{version}_{tag or f'epoch{model.epoch}'}"
        staged = parent / f".{wanted}.{token_hex(4)}.staged"
        try:
            staged.mkdir()
            saved = save_model_chunked(
                model.weights, staged / WEIGHTS, max_chunk_mb, announce=announce
            )
            target = parent / free_name(wanted, {path.name for path in parent.iterdir()})
            _describe(staged, model, version, target.name, saved.total_bytes)
            staged.rename(target)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsageError(f"{parent}: cannot be written to ({reason})") from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        sync_folder(parent)
    return target


def read_inference_folder(path: Path) -> InferenceFolder:
    """What the folder holds, by its metadata; its name is not looked at.

    Raises:
        BadInputError: it has no metadata, or not of this kind.
    """
    file = path / METADATA
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return InferenceFolder(
            path=path,
            version="v" + ".".join(map(str, parse_version(str(found["version"])))),
            architecture=str(found["architecture"]),
            epoch=int(found["epoch"]),
            metrics=dict(found["metrics"]),
            weights=path / Path(found["weights"]).name,
        )
    except (OSError, ValueError, KeyError, TypeError, UsageError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(
            f"{file}: is not the metadata of an inference folder ({reason}); name another folder"
        ) from error


def _versions(parent: Path, announce: Callable[[str], None]) -> list[str]:
    """Of the folders there, as far as they can be read."""
    found = []
    for file in sorted(parent.glob(f"[!.]*/{METADATA}")):
        try:
            found.append(read_inference_folder(file.parent).version)
        except BadInputError as error:
            announce(f"Warning: {error}")
    return found


def _describe(
    folder: Path, model: InferenceModel, version: str, name: str, size_bytes: int
) -> None:
    """Write all but the weights."""
    config = {"architecture": model.architecture, **model.config}
    metadata = {
        "schema_version": _SCHEMA_VERSION,
        "model_name": name,
        "title": model.title,
        "version": version,
        "architecture": model.architecture,
        "weights": WEIGHTS,
        "epoch": model.epoch,
        "metrics": model.metrics,
        "hyperparameters": model.hyperparameters,
        "training_date": f"{datetime.now(UTC):%Y-%m-%d}",
        "size_bytes": size_bytes,
        "versions": current_versions(),
    }
    texts = {
        "config.json": json.dumps(without_infinities(config), indent=2) + "\n",
        METADATA: json.dumps(without_infinities(metadata), indent=2) + "\n",
        "README.md": readme(metadata, model.load_code, model.convert_commands),
    }
    for file, text in texts.items():
        with replacing(folder / file) as temporary:
            temporary.write_text(text, encoding="utf-8")
