"""Two processes that save under one name: one of them wins each time, and nothing is mixed."""

import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints import list_files, load_model_chunked

SAVE_OFTEN = """
import sys
import torch
from checkpoints import save_model_chunked
path, mark, parts = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()  # until both are ready
for _ in range(25):
    model = {f"net{i}": {"w": torch.full((20_000,), mark)} for i in range(parts)}
    save_model_chunked(model, path, 0.0625, announce=lambda _message: None)
"""
PARTS = {1.0: 2, 2.0: 5}


@pytest.mark.integration
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_every_load_is_of_one_writer_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", SAVE_OFTEN, str(path), str(mark), str(parts)],
            stdin=subprocess.PIPE,
            text=True,
        )
        for mark, parts in PARTS.items()
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    seen: list[float] = []
    while any(writer.poll() is None for writer in writers):
        if list(tmp_path.glob("m.*")):
            seen.append(whose(path))
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert set(seen) == set(PARTS)
    assert whose(path) in PARTS
    assert sorted(tmp_path.iterdir()) == sorted(list_files(path))


def whose(path: Path) -> float:
    """The mark of the one writer that the checkpoint is of."""
    loaded = load_model_chunked(path)
    marks = {value for net in loaded.values() for value in net["w"].unique().tolist()}
    assert len(marks) == 1
    mark: float = marks.pop()
    assert len(loaded) == PARTS[mark]
    return mark
