"""The checkpoints of one training run in one folder: saved, described, and pruned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checkpoints.background import BackgroundSaver, snapshot
from checkpoints.model_facts import KIND, ModelFacts
from checkpoints.models_index import (
    INDEX_NAME,
    ModelRecord,
    metadata_name,
    models_in,
    recover_folder,
    write_index,
)
from checkpoints.removal import remove_checkpoint
from checkpoints.retention import Policies, Ranking, expired
from checkpoints.saving import DEFAULT_CHUNK_MB, announce_on_stderr, cap_in_bytes
from checkpoints.writer import save_model_chunked
from chunkport.errors import UsageError
from chunkport.files import make_folder


@dataclass(frozen=True)
class SaveAs:
    """Under which name, .pth or .safetensors, a state is saved, and as which of the run's."""

    file: str
    kind: str


class ModelFolder:
    """Saves what a run has reached, keeps the folder's index, and removes what is to go.

    A new checkpoint is whole on the disk before an old one is removed. Only checkpoints of runs
    with the same config hash, not further on than the state that is saved, are compared with it or
    removed: another run's, and those of an attempt that was given up, stay as they are.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ranking: Ranking | None = None,
        policies: Policies | None = None,
        max_chunk_mb: float = DEFAULT_CHUNK_MB,
        background: bool = False,
        announce: Callable[[str], None] = announce_on_stderr,
    ) -> None:
        """Open the folder, which is made if it is missing, and mend what was interrupted in it.

        Raises:
            UsageError: the folder cannot serve.
        """
        cap_in_bytes(max_chunk_mb)  # which refuses one that no save could keep
        self.folder = folder
        self.ranking = ranking
        self._policies = policies or {}
        self._max_chunk_mb = max_chunk_mb
        self._announce = announce
        self._saver = BackgroundSaver(announce) if background else None
        make_folder(folder)
        recover_folder(folder, announce)
        known = (folder / INDEX_NAME).is_file() or bool(models_in(folder))
        self._records = write_index(folder, ranking, announce) if known else ()

    def records(self) -> tuple[ModelRecord, ...]:
        """The checkpoints that the folder holds.

        Raises:
            Exception: whatever a save in the background raised.
        """
        self._settle()
        return self._records

    def best(self, facts: ModelFacts) -> ModelRecord | None:
        """The best checkpoint of the run, and up to the point, that `facts` are of."""
        found = [item for item in _comparable(self.records(), facts) if item.kind == "best"]
        if self.ranking is not None:
            ranking = self.ranking
            found.sort(key=lambda record: ranking.sort_key(record.metrics))
        return found[0] if found else None

    def keeps(self, target: SaveAs, facts: ModelFacts) -> bool:
        """Whether a checkpoint that is saved now would outlast its own save."""
        others = [item for item in _comparable(self.records(), facts) if item.file != target.file]
        planned = ModelRecord(target.file, target.kind, facts, datetime.now(UTC), 0, ())
        return target.file not in expired([*others, planned], self._policies)

    def save(
        self, values: Mapping[str, Any], facts: ModelFacts, targets: Sequence[SaveAs]
    ) -> tuple[Path, ...]:
        """Save `values` and `facts` under each target's name; return the paths.

        With `background` they are copied, and written while the caller goes on.

        Raises:
            UsageError: a value that is not stored, a name or folder that cannot serve, a full disk.
            Exception: whatever the save before raised in the background.
        """
        self._settle()
        if clash := sorted(facts.as_values().keys() & values.keys() | {KIND} & values.keys()):
            raise UsageError(f"checkpoint: {', '.join(clash)} are keys of its facts; rename them")
        values = {**facts.as_values(), **values}
        if self._saver is None:
            self._write(values, facts, targets)
        else:
            copied = snapshot(values)
            self._saver.submit(lambda: self._write(copied, facts, targets))
        return tuple(self.folder / target.file for target in targets)

    def close(self) -> None:
        """Wait for the save under way.

        Raises:
            Exception: whatever it raised.
        """
        if self._saver is not None:
            self._saver.close()

    def __enter__(self) -> "ModelFolder":
        return self

    def __exit__(self, *error: Any) -> None:
        if self._saver is not None:
            self._saver.__exit__(*error)

    def _settle(self) -> None:
        if self._saver is not None:
            self._saver.wait()

    def _write(
        self, values: Mapping[str, Any], facts: ModelFacts, targets: Sequence[SaveAs]
    ) -> None:
        for target in targets:
            contents = {**values, KIND: target.kind}
            path = self.folder / target.file
            save_model_chunked(contents, path, self._max_chunk_mb, announce=self._announce)
        self._records = write_index(self.folder, self.ranking, self._announce)
        doomed = expired(_comparable(self._records, facts), self._policies)
        for file in doomed:
            (self.folder / metadata_name(file)).unlink(missing_ok=True)
            remove_checkpoint(self.folder / file)
        if doomed:
            self._records = write_index(self.folder, self.ranking, self._announce)


def _comparable(records: Sequence[ModelRecord], facts: ModelFacts) -> list[ModelRecord]:
    """Those of the same run that are not further on."""
    run = facts.config_hash
    return [item for item in records if item.facts.config_hash == run and item.step <= facts.step]
