"""A training loop's checkpoints: latest, best, by epoch and by step, with a full resume."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from checkpoints.checkpoint_types import latest_name, not_measured, target_for
from checkpoints.layout import known_container
from checkpoints.model_facts import ModelFacts, count_done, current_versions, facts_in, measured
from checkpoints.model_folder import ModelFolder, SaveAs
from checkpoints.models_index import ModelRecord
from checkpoints.reader import load_model_chunked
from checkpoints.retention import KeepBest, KeepNewest, Mode, Policy, Ranking
from checkpoints.run_config import config_hash, plain_config, refuse_changed_config
from checkpoints.saving import DEFAULT_CHUNK_MB, announce_on_stderr
from checkpoints.training_state import Part, restore_parts, restore_training, training_values


class CheckpointManager:
    """Saves and restores all of a training run: weights, optimisers, schedulers, EMA, random state.

    In `save_dir`, each with a metadata JSON beside it and all of them in `models_index.json`:

    - `checkpoint_latest.pth`, replaced at every save of that type;
    - `checkpoint_best_<metric>.pth`, replaced when the metric improves;
    - `checkpoint_epoch_<N>.pth`, never removed;
    - `checkpoint_step_<N>.pth`, of which the `keep_top_k` best by the metric stay (the newest,
      without one).

    With `container="safetensors"` all names end in .safetensors instead of .pth.

    What is best so far is read from the checkpoints in the folder, so it outlasts the process.
    """

    def __init__(
        self,
        save_dir: Path | str,
        keep_top_k: int | None = 3,
        metric: str | None = None,
        mode: Mode = "max",
        use_safetensors: bool = False,  # noqa: FBT001, FBT002 - the name of a published interface
        *,
        save_total_limit: int | None = None,
        container: str | None = None,
        max_chunk_mb: float = DEFAULT_CHUNK_MB,
        may_change: Collection[str] = (),
        background: bool = False,
        announce: Callable[[str], None] = announce_on_stderr,
    ) -> None:
        """Open `save_dir`, which is made if it is missing.

        Args:
            save_dir: where the checkpoints are.
            keep_top_k: how many step checkpoints stay; None keeps all.
            metric: the key in `metrics` that says which checkpoint is best.
            mode: whether more ("max") or less ("min") of it is better.
            use_safetensors: another way to say `container="safetensors"`.
            save_total_limit: another name of `keep_top_k`.
            container: the form of the files and the end of their names, "pth" or "safetensors".
            max_chunk_mb: the largest file, in MiB.
            may_change: keys of the config that may change when a run is resumed.
            background: write in a thread while training goes on; errors come at the next call.
            announce: hears of chunks, and warnings.

        Raises:
            UsageError: a value that is not known, or a folder that cannot serve.
        """
        count = keep_top_k if save_total_limit is None else save_total_limit
        chosen = "safetensors" if use_safetensors else "pth"
        self._container = known_container(container or chosen)
        self._ranking = None if metric is None else Ranking(metric, mode)
        self._may_change = may_change
        self._announce = announce
        policies: dict[str, Sequence[Policy]] = {}
        if count is not None:
            by_metric = self._ranking and KeepBest(count, self._ranking)
            policies["step"] = [by_metric or KeepNewest(count)]
        self._folder = ModelFolder(
            Path(save_dir),
            ranking=self._ranking,
            policies=policies,
            max_chunk_mb=max_chunk_mb,
            background=background,
            announce=announce,
        )

    def save_checkpoint(  # noqa: PLR0917 - the order of a published interface
        self,
        model: Part,
        optimizer: Part = None,
        scheduler: Part = None,
        ema: Part = None,
        epoch: int = 0,
        step: int = 0,
        metrics: Mapping[str, float] | None = None,
        config: Any = None,
        checkpoint_type: str = "latest",
        *,
        history: Mapping[str, Any] | None = None,
    ) -> Path | None:
        """Save everything as one type of checkpoint; its path, or None where it was not due.

        It is not due as "best" where the metric has not improved, nor as "step" where it would not
        be among those that stay. Several models, optimisers or schedulers are given by name, in a
        dictionary. `history` is any plain values that the run is to have again.

        Raises:
            UsageError: an unknown type, a metric that was not measured, a value that is not stored,
                a full disk.
            Exception: whatever the save before raised in the background.
        """
        facts = self._facts(epoch, step, metrics, config)
        target = self._target(checkpoint_type, facts)
        if target.kind == "best" and not self._is_best(facts):
            return None
        if not self._folder.keeps(target, facts):
            return None
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "ema": ema}
        return self._save(parts, history, facts, [target])[0]

    def save_epoch(  # noqa: PLR0917 - the order of a published interface
        self,
        model: Part,
        optimizer: Part = None,
        scheduler: Part = None,
        ema: Part = None,
        epoch: int = 0,
        step: int = 0,
        metrics: Mapping[str, float] | None = None,
        config: Any = None,
        *,
        history: Mapping[str, Any] | None = None,
    ) -> tuple[Path, ...]:
        """Save as this epoch's checkpoint and as the latest, and as the best if it is; the paths.

        Raises:
            UsageError: as `save_checkpoint`.
            Exception: whatever the save before raised in the background.
        """
        facts = self._facts(epoch, step, metrics, config)
        targets = [self._target(kind, facts) for kind in ("latest", "epoch")]
        if self._ranking is not None and self._is_best(facts):
            targets.append(self._target("best", facts))
        parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "ema": ema}
        return self._save(parts, history, facts, targets)

    def load_checkpoint(  # noqa: PLR0917 - the order of a published interface
        self,
        filepath: Path | str,
        model: Part = None,
        optimizer: Part = None,
        scheduler: Part = None,
        ema: Part = None,
        load_training_state: bool = True,  # noqa: FBT001, FBT002 - the name of a published interface
        *,
        config: Any = None,
    ) -> dict[str, Any]:
        """Load a checkpoint into the parts given; what it says of itself.

        Without `load_training_state` only the weights of `model` and `ema` are loaded. With it the
        optimisers, schedulers and all random states are too, and a `config` is held against the
        checkpoint's.

        Returns:
            `epoch`, `global_step`, `metrics`, `config`, `config_hash`, `versions`, `history`,
            `checkpoint_type`.

        Raises:
            BadInputError: missing, damaged, or not fitting; the parts are not changed unless the
                message says so.
            UsageError: the config differs; the message shows in what.
            Exception: whatever the save before raised in the background.
        """
        self._folder.records()  # lets a save under way end
        values = load_model_chunked(filepath)
        if load_training_state:
            if config is not None:
                now = plain_config(config)
                before = facts_in(values).config
                refuse_changed_config(str(filepath), before, now, self._may_change)
            parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "ema": ema}
            restore_training(values, str(filepath), self._announce, **parts)
        else:
            restore_parts(values, str(filepath), model=model, ema=ema)
        described = facts_in(values).as_values()
        del described["details"]
        return described | {
            "history": values.get("history") or {},
            "checkpoint_type": values.get("checkpoint_type"),
        }

    def resume_from_checkpoint(
        self,
        checkpoint_path: Path | str | None = None,
        model: Part = None,
        optimizer: Part = None,
        scheduler: Part = None,
        ema: Part = None,
        *,
        config: Any = None,
    ) -> dict[str, Any]:
        """Restore everything from `checkpoint_path`, or from the latest; as `load_checkpoint`.

        Raises:
            BadInputError: as `load_checkpoint`; or there is no latest yet.
            UsageError: the config differs; the message shows in what.
        """
        path = checkpoint_path or self._folder.folder / latest_name(self._container)
        return self.load_checkpoint(path, model, optimizer, scheduler, ema, config=config)

    def checkpoints(self) -> tuple[ModelRecord, ...]:
        """What the folder holds, sorted by name.

        Raises:
            Exception: whatever the save before raised in the background.
        """
        return self._folder.records()

    def close(self) -> None:
        """Wait for the save under way.

        Raises:
            Exception: whatever it raised.
        """
        self._folder.close()

    def __enter__(self) -> "CheckpointManager":
        return self

    def __exit__(self, *error: Any) -> None:
        self._folder.__exit__(*error)

    def _target(self, checkpoint_type: str, facts: ModelFacts) -> SaveAs:
        return target_for(checkpoint_type, facts, self._ranking, self._container)

    def _facts(
        self, epoch: int, step: int, metrics: Mapping[str, float] | None, config: Any
    ) -> ModelFacts:
        plain = plain_config(config)
        numbers = measured(metrics)
        if self._ranking and numbers and self._ranking.metric not in numbers:
            raise not_measured(self._ranking, numbers)
        run = config_hash(plain, self._may_change)
        versions = current_versions()
        return ModelFacts(
            count_done("epoch", epoch),
            count_done("step", step),
            numbers,
            plain,
            run,
            versions=versions,
        )

    def _is_best(self, facts: ModelFacts) -> bool:
        assert self._ranking is not None
        best = self._folder.best(facts)
        return self._ranking.improves(facts.metrics, best.metrics if best else None)

    def _save(
        self,
        parts: Mapping[str, Part],
        history: Mapping[str, Any] | None,
        facts: ModelFacts,
        targets: Sequence[SaveAs],
    ) -> tuple[Path, ...]:
        values = {**training_values(**parts), "history": dict(history or {})}
        return self._folder.save(values, facts, targets)
