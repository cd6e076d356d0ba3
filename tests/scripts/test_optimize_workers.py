"""`chunkport optimize --workers`: for any number of workers the same search with the same end."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]


def without_times(found: Any) -> Any:
    """The same values without those that differ from run to run."""
    if isinstance(found, dict):
        return {key: without_times(value) for key, value in found.items() if key != "seconds"}
    return [without_times(value) for value in found] if isinstance(found, list) else found


def test_two_workers_try_the_same_candidates_and_find_the_same_of_each(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    def optimize(workers: int) -> tuple[int, dict[str, Any], Path]:
        folder = tmp_path / str(workers)
        ended = run_chunkport(
            *("optimize", generator_checkpoint, "--model", "gan-generator", "-o", folder),
            *("--samples", "2", "--probes", "2", "--num-threads", "1"),
            *("--max-candidates", "6", "--at-once", "2", "--workers", workers),
            *("--format", "json"),
        )
        assert ended.returncode in {0, 1}, ended.stderr
        return ended.returncode, json.loads(ended.stdout), folder

    (code, alone, one), (same_code, shared, two) = optimize(1), optimize(2)
    assert same_code == code
    assert alone["candidates"] == shared["candidates"] == 6
    assert alone["stopped"] == shared["stopped"] == "--max-candidates 6 is reached"
    results = [
        {path.name: without_times(json.loads(path.read_text())) for path in folder.glob("*.json")}
        for folder in (one / ".optimize" / "results", two / ".optimize" / "results")
    ]
    assert len(results[0]) >= 6
    assert results[1] == results[0]
    fronts = [json.loads((folder / "front.json").read_text()) for folder in (one, two)]
    assert without_times(fronts[1]) == without_times(fronts[0])
