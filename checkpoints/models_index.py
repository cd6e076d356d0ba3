"""What a folder of checkpoints holds, in JSON: a metadata file beside each, and one index of all.

Everything in them is read from the checkpoints themselves and written again when those change: they
are for people and for tools that look after the folder, and no decision about a checkpoint is made
from a JSON file that does not fit it.

`models_index.json`:

    schema_version  1
    metric, mode    what "best" means here; null where nothing is compared
    best            the file of kind "best", null if there is none
    models          one object for each checkpoint that can be opened, sorted by file:
        file            name of its .pth or .safetensors in this folder
        kind            latest | best | final | epoch | step; other: of no training run, or a copy
        epoch, step     epochs and optimiser steps done
        metrics         {name: number or null}
        config_hash     equal for checkpoints of runs with the same config; "" if unknown
        saved           when, UTC, ISO 8601
        size_bytes      of all its files
        files           names of all files that it consists of: the .pth, manifest, index, chunks
        metadata        name of its metadata file; null if it has none. Of m.pth and m.safetensors
                        the newer has it

`<name>_metadata.json` (`best_metadata.json` for `best_model.pth`) holds the same of one checkpoint,
its `config` and `versions`, and whatever the trainer tells of it as `details`, at the top level.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checkpoints.catalog import list_files
from checkpoints.journal import locked, recover
from checkpoints.layout import layout_of, may_be_model, stem_of_unfinished
from checkpoints.lazy import open_checkpoint
from checkpoints.model_facts import KIND, KINDS, OTHER, ModelFacts, facts_in
from checkpoints.retention import Ranking
from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError
from chunkport.files import replacing
from chunkport.json_values import without_infinities

INDEX_NAME = "models_index.json"
_SCHEMA_VERSION = 1
_NUMBERED = re.compile(r"checkpoint_(?P<kind>epoch|step)_(?P<number>\d+)\.(?:pth|safetensors)")


@dataclass(frozen=True)
class ModelRecord:
    """One checkpoint of a folder.

    Attributes:
        file: the name of its .pth or .safetensors, which is not there if that is in chunks.
        kind: one of `KINDS`, or `OTHER`.
        facts: what it says of itself.
        saved: when, in UTC.
        size_bytes: of all its files.
        files: their names, the .pth or .safetensors first if it is there.
    """

    file: str
    kind: str
    facts: ModelFacts
    saved: datetime
    size_bytes: int
    files: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.facts.epoch

    @property
    def step(self) -> int:
        """Steps done."""
        return self.facts.step

    @property
    def metrics(self) -> Mapping[str, float]:
        """What was measured of it."""
        return self.facts.metrics


def metadata_name(file: str) -> str:
    """`best_metadata.json` for `best_model.pth`, `final_metadata.json` for `final_gan.pth`."""
    stem = layout_of(file).stem
    return re.sub(r"(?<=.)_(model|gan)$", "", stem) + "_metadata.json"


def recover_folder(folder: Path, announce: Callable[[str], None]) -> None:
    """Finish or undo every save and removal in `folder` that was interrupted.

    `announce` hears of what cannot be mended.

    Raises:
        OSError: the folder cannot be written to.
    """
    hidden = {stem_of_unfinished(path.name) for path in folder.iterdir()}
    stems = sorted(stem for stem in hidden if stem is not None)
    with locked(folder, exclusive=True):
        for stem in stems:
            try:
                recover(layout_of(folder / f"{stem}.pth"))
            except BadInputError as error:
                announce(f"Warning: {error}")


def read_models(folder: Path, announce: Callable[[str], None]) -> tuple[ModelRecord, ...]:
    """Every checkpoint in `folder` that can be opened, sorted by name, read from itself.

    `announce` hears of those that cannot. Takes milliseconds each and memory for names, not for
    tensors. Whether their tensors are sound is not looked at.
    """
    found = []
    for path in models_in(folder):
        try:
            found.append(_read_model(path))
        except BadInputError as error:
            announce(f"Warning: {error}")
    return tuple(found)


def models_in(folder: Path) -> tuple[Path, ...]:
    """The checkpoints that `folder` itself holds, by their names."""
    return tuple(path for path in find_checkpoints(folder, below=False) if may_be_model(path.name))


def write_index(
    folder: Path, ranking: Ranking | None, announce: Callable[[str], None]
) -> tuple[ModelRecord, ...]:
    """Read the folder, bring its metadata files and its index up to date, and return what it holds.

    A file that would not change is not written.

    Raises:
        UsageError: the folder is not writable.
    """
    records = read_models(folder, announce)
    newest_last = sorted(records, key=lambda record: record.saved)
    described = {metadata_name(item.file): item for item in newest_last if item.kind != OTHER}
    for name, record in described.items():
        _write_json(folder / name, _metadata(record))
    best = [record for record in records if record.kind == "best"]
    if ranking:
        best.sort(key=lambda record: ranking.sort_key(record.metrics))
    document = {
        "schema_version": _SCHEMA_VERSION,
        "metric": ranking.metric if ranking else None,
        "mode": ranking.mode if ranking else None,
        "best": best[0].file if best else None,
        "models": [
            {**_entry(record), "metadata": name if described.get(name) is record else None}
            for record in records
            for name in [metadata_name(record.file)]
        ],
    }
    _write_json(folder / INDEX_NAME, document)
    return records


def _read_model(path: Path) -> ModelRecord:
    contents = open_checkpoint(path).contents
    files = list_files(path)
    facts = facts_in(contents)
    stats = [file.stat() for file in files]
    return ModelRecord(
        file=path.name,
        kind=_kind(path.name, contents.get(KIND), facts),
        facts=facts,
        saved=datetime.fromtimestamp(int(stats[0].st_mtime), UTC),
        size_bytes=sum(stat.st_size for stat in stats),
        files=tuple(file.name for file in files),
    )


def _kind(file: str, told: Any, facts: ModelFacts) -> str:
    """What the checkpoint says, unless it lies under a name that was not given to it."""
    if told not in KINDS:
        return OTHER
    if told in ("epoch", "step"):
        name = _NUMBERED.fullmatch(file)
        number = facts.epoch if told == "epoch" else facts.step
        if name is None or name["kind"] != told or int(name["number"]) != number:
            return OTHER
    return str(told)


def _entry(record: ModelRecord) -> dict[str, Any]:
    return {
        "file": record.file,
        "kind": record.kind,
        "epoch": record.epoch,
        "step": record.step,
        "metrics": record.metrics,
        "config_hash": record.facts.config_hash,
        "saved": record.saved.isoformat(),
        "size_bytes": record.size_bytes,
        "files": record.files,
    }


def _metadata(record: ModelRecord) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA_VERSION,
        **record.facts.details,
        **_entry(record),
        "timestamp": f"{record.saved:%Y-%m-%d %H:%M:%S}",
        "config": record.facts.config,
        "versions": record.facts.versions,
    }


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(without_infinities(document), indent=2, default=str) + "\n"
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return
    with replacing(path) as temporary:
        temporary.write_bytes(content)
