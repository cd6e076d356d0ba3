import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from checkpoints import describe, load_model_chunked
from scripts.convert_existing_models import command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """models/ with a large file, a small one and a pickled module; the folder we are in."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models"
    folder.mkdir()
    torch.save({"state": {"w": torch.arange(30_000.0)}, "epoch": 3}, folder / "large.pth")
    torch.save({"w": torch.ones(3)}, folder / "small.pth")
    return folder


def run(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = CliRunner().invoke(
        command, [*arguments, "--max-chunk-mb", "0.0625", "--format", "json"], standalone_mode=False
    )
    assert done.exception is None, done.exception
    rows = json.loads(done.stdout)["checkpoints"]
    return int(done.return_value), {Path(row["path"]).name: row for row in rows}


def test_what_is_larger_than_the_cap_becomes_chunks(models: Path) -> None:
    code, rows = run()
    assert code == 0
    assert rows["large.pth"]["status"] == "converted"
    assert rows["large.pth"]["chunks"] == len(describe(models / "large.pth").chunks) == 2
    assert rows["small.pth"]["reason"] == "not above the cap of 0.0625 MiB"
    loaded = load_model_chunked(models / "large.pth")
    assert torch.equal(loaded["state"]["w"], torch.arange(30_000.0))
    assert loaded["epoch"] == 3
    code, rows = run()
    assert (code, rows["large.pth"]["status"]) == (0, "skipped")
    assert rows["large.pth"]["reason"] == "in chunks already"


def test_a_dry_run_changes_nothing(models: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in models.iterdir()}
    code, rows = run("--dry-run", str(models))
    assert (code, rows["large.pth"]["status"]) == (0, "would convert")
    assert {file: file.stat().st_mtime_ns for file in models.iterdir()} == before


@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_pickled_module_is_refused_and_the_others_are_converted(
    models: Path, flags: tuple[str, ...]
) -> None:
    torch.save(torch.nn.Linear(300, 300), models / "module.pth")
    before = (models / "module.pth").read_bytes()
    code, rows = run(*flags)
    assert code == 5
    assert rows["module.pth"]["status"] == "refused"
    assert "asks for torch.nn.modules.linear.Linear" in rows["module.pth"]["reason"]
    assert "save its state_dict() instead" in rows["module.pth"]["reason"]
    assert (models / "module.pth").read_bytes() == before
    assert rows["large.pth"]["status"] == ("would convert" if flags else "converted")


def test_links_are_left_to_what_they_stand_for(models: Path) -> None:
    (models / "latest.pth").symlink_to("large.pth")
    _, rows = run()
    assert rows["latest.pth"]["reason"] == "a link to large.pth"
    assert describe(models / "latest.pth").is_chunked


@pytest.mark.integration
@pytest.mark.usefixtures("models")
def test_as_a_program_it_tells_people_the_same(run_python: Callable[..., Any]) -> None:
    done = run_python(ROOT / "scripts" / "convert_existing_models.py", "--max-chunk-mb", "0.0625")
    assert done.returncode == 0, done.stderr
    assert "large.pth" in done.stdout
    assert "1 converted, 0 refused" in done.stdout
    assert "[CHUNKED] Saved 2 chunks" in done.stderr
    missing = run_python(ROOT / "scripts" / "convert_existing_models.py", "nowhere")
    assert missing.returncode == 5
    assert "no such checkpoint" in missing.stderr


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_does_not_grow_with_the_file_and_torch_stays_out(
    tmp_path: Path, peak_mib: Callable[..., float]
) -> None:
    torch.save({"state": {"w": torch.zeros(60 << 20)}}, tmp_path / "large.pth")
    assert peak_mib("convert-existing-models", tmp_path, "--quiet") < 64
