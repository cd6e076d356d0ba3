from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from checkpoints import CheckpointManager
from chunkport.errors import UsageError


@pytest.mark.parametrize("count", [np.int64, torch.tensor])
def test_loops_that_count_in_other_integers_keep_the_best_too(tmp_path: Path, count: Any) -> None:
    with CheckpointManager(tmp_path, keep_top_k=1, metric="f1") as manager:
        for step in range(1, 4):
            manager.save_checkpoint(
                nn.Linear(2, 2),
                epoch=count(1),
                step=count(step),
                metrics={"f1": count(step)},
                checkpoint_type="step",
            )
        (record,) = manager.checkpoints()
    assert (record.file, record.kind) == ("checkpoint_step_3.pth", "step")
    assert (record.epoch, record.step, record.metrics) == (1, 3, {"f1": 3.0})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 1.5}, r"epoch: is 1\.5; give a whole number from 0 up"),
        ({"step": -6}, "step: is -6; give a whole number"),
        ({"epoch": None}, "epoch: is None; give a whole number"),
        ({"metrics": {"f1": "high"}}, "metrics: f1 is 'high'; give a number"),
        ({"metrics": {"f1": torch.ones(2)}}, "metrics: f1 is tensor.*; give a number"),
        ({"metrics": {"f1": None}}, "metrics: f1 is None; give a number"),
    ],
)
def test_what_is_no_number_is_told_by_its_name(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with CheckpointManager(tmp_path) as manager, pytest.raises(UsageError, match=message):
        manager.save_checkpoint(nn.Linear(2, 2), **given)
    assert list(tmp_path.iterdir()) == []
