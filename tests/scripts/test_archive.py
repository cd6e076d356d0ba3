from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpoints import load_model_chunked


@pytest.mark.integration
def test_packed_and_taken_out(
    tmp_path: Path, generator_checkpoint: Path, run_chunkport: Callable[..., Any]
) -> None:
    packed = run_chunkport("archive", generator_checkpoint, "-o", "g.tar.gz")
    assert packed.returncode == 0, packed.stderr
    assert "g.tar.gz takes" in packed.stdout
    taken = run_chunkport("archive", "g.tar.gz", "--extract", "--output-dir", "out")
    assert taken.returncode == 0, taken.stderr
    assert load_model_chunked(tmp_path / "out" / generator_checkpoint.name)["epoch"] == 3
    for arguments in (("g.tar.gz",), ("g.tar.gz", "--extract", "-o", "x.tar")):
        refused = run_chunkport("archive", *arguments)
        assert refused.returncode == 2
        assert "give -o FILE.tar to pack a checkpoint" in refused.stderr
    missing = run_chunkport("archive", "none.tar", "--extract", "--format", "json")
    assert missing.returncode == 5
    assert '"type": "BadInputError"' in missing.stdout
