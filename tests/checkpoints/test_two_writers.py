"""Two processes that save under one name: one of them wins each time, and nothing is mixed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from checkpoints import list_files, load_model_chunked

SAVE_UNTIL_TOLD = """
import sys
from pathlib import Path
import torch
from checkpoints import save_model_chunked
path, mark, parts, enough = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
while not enough.exists():
    model = {f"net{i}": {"w": torch.full((20_000,), mark)} for i in range(parts)}
    save_model_chunked(model, path, 0.0625, announce=lambda _message: None)
"""
PARTS = {1.0: 2, 2.0: 5}
LOADS = 100
LONGEST_SECONDS = 120


@pytest.mark.integration
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_every_load_is_of_one_writer_alone(tmp_path: Path, name: str) -> None:
    path, enough = tmp_path / "models" / name, tmp_path / "enough"
    path.parent.mkdir()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVE_UNTIL_TOLD, str(path), str(mark), str(parts), str(enough)]
        )
        for mark, parts in PARTS.items()
    ]
    seen: list[float] = []
    last = time.monotonic() + LONGEST_SECONDS
    try:
        while (len(seen) < LOADS or set(seen) != set(PARTS)) and time.monotonic() < last:
            if list(path.parent.glob("m.*")):
                seen.append(whose(path))
    finally:
        enough.touch()
    for writer in writers:
        assert writer.wait() == 0
    assert set(seen) == set(PARTS)
    assert whose(path) in PARTS
    assert sorted(path.parent.iterdir()) == sorted(list_files(path))


def whose(path: Path) -> float:
    """The mark of the one writer that the checkpoint is of."""
    loaded = load_model_chunked(path)
    marks = {value for net in loaded.values() for value in net["w"].unique().tolist()}
    assert len(marks) == 1
    mark: float = marks.pop()
    assert len(loaded) == PARTS[mark]
    return mark
