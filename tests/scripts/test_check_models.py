import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, save_model_chunked

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]


def save(path: Path, **model: Any) -> SavedCheckpoint:
    return save_model_chunked(model, path, 0.0625, announce=lambda _message: None)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """models/ with a checkpoint in chunks and one in a file."""
    folder = tmp_path / "models"
    save(folder / "best_model.pth", net={"w": torch.randn(40_000)}, epoch=7)
    save(folder / "old" / "latest_model.pth", net={"w": torch.randn(4)})
    return folder


def test_models_is_where_it_looks(models: Path, run_chunkport: Run) -> None:
    done = run_chunkport("check-models")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if ".pth" in line]
    assert " ".join(rows[0]) == "models/best_model.pth ok chunks 3 0.2 MiB 0.1 MiB 1 7"
    assert rows[1][:4] == ["models/old/latest_model.pth", "ok", "one", "file"]
    assert "2 checkpoints, 0.2 MiB: all ok (sizes and manifests looked at" in done.stdout
    assert "Next: chunkport check-models --deep models" in done.stdout
    assert models.is_dir()


@pytest.mark.parametrize("deep", [False, True])
def test_json_has_all_of_it(models: Path, run_chunkport: Run, *, deep: bool) -> None:
    flags = ["--deep"] if deep else []
    done = run_chunkport("check-models", models, *flags, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    first, second = document["checkpoints"]
    assert (first["form"], first["tensors"], first["epoch"]) == ("chunks", 1, 7)
    assert (second["form"], second["epoch"]) == ("one file", None)
    for file in (*first["files"], *second["files"]):
        content = Path(file["path"]).read_bytes()
        assert file["size_bytes"] == len(content)
        assert file["sha256"] == (hashlib.sha256(content).hexdigest() if deep else None)
    assert document["total"]["size_bytes"] == first["size_bytes"] + second["size_bytes"]
    assert document["total"]["deep"] == deep
    assert document["git"] == {str(models): "not asked: not in a git repository"}
    assert document["findings"] == []


def test_damage_is_named_and_exits_5(models: Path, run_chunkport: Run) -> None:
    chunk = models / "best_model.chunk_001.pth"
    content = bytearray(chunk.read_bytes())
    content[30_000] ^= 1
    chunk.write_bytes(content)
    assert run_chunkport("check-models").returncode == 0  # bytes are not read
    done = run_chunkport("check-models", "--deep")
    assert done.returncode == 5
    assert "error: models/best_model.chunk_001.pth: damaged" in done.stdout
    assert "restore this chunk from a copy" in done.stdout
    assert "2 checkpoints, 0.2 MiB: 1 BAD (every byte read)" in done.stdout
    assert "Next:" not in done.stdout
    chunk.unlink()
    done = run_chunkport("check-models", "--format", "json")
    assert done.returncode == 5
    document = json.loads(done.stdout)
    assert document["total"]["bad"] == 1
    assert document["checkpoints"][0]["status"] == "BAD"
    assert document["findings"] == [
        {
            "level": "error",
            "message": "models/best_model.chunk_001.pth: missing; copy all chunks beside the "
            "manifest",
        }
    ]


def test_sha256_is_recorded_where_asked(models: Path, run_chunkport: Run) -> None:
    manifest = models / "best_model.manifest.json"
    done = run_chunkport("check-models", "--deep", "--record")
    assert done.returncode == 0, done.stderr
    assert "SHA-256 recorded in 1 manifests" in done.stdout
    chunks = json.loads(manifest.read_text())["chunk_files"]
    for entry in chunks:
        content = (models / entry["filename"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert run_chunkport("check-models", "--deep").returncode == 0
    done = run_chunkport("check-models", "--record")
    assert done.returncode == 2
    assert "--record keeps what --deep computes; give both" in done.stderr


def test_checkpoints_may_be_named(models: Path, run_chunkport: Run) -> None:
    done = run_chunkport(
        "check-models", models / "best_model.manifest.json", models / "old", "--format", "json"
    )
    paths = [row["path"] for row in json.loads(done.stdout)["checkpoints"]]
    assert paths == [
        str(models / "best_model.pth"),
        str(models / "old" / "latest_model.pth"),
    ]
    done = run_chunkport("check-models", "model")
    assert done.returncode == 5
    assert "model: no such checkpoint; did you mean models?" in done.stderr


def test_an_empty_folder_is_told(tmp_path: Path, run_chunkport: Run) -> None:
    (tmp_path / "models").mkdir()
    done = run_chunkport("check-models")
    assert (done.returncode, done.stdout.strip()) == (0, "no checkpoints in models")


def test_as_a_file_of_its_own(models: Path, run_python: Run) -> None:
    done = run_python(ROOT / "scripts" / "check_models.py")
    assert done.returncode == 0, done.stderr
    assert f"{models.name}/best_model.pth" in done.stdout


def test_torch_stays_out(models: Path, run_python: Run) -> None:
    code = (
        "import sys; from scripts.check_models import command;"
        "command.main([sys.argv[1], '--deep'], standalone_mode=False);"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    done = run_python("-c", code, models)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_memory_does_not_grow_with_the_files(tmp_path: Path, run_python: Run) -> None:
    torch.save({"w": torch.zeros(50 << 20)}, tmp_path / "large.pth")
    code = (
        "import re, sys; from scripts.check_models import command;"
        "command.main([sys.argv[1], '--deep'], standalone_mode=False);"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    done = run_python("-c", code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 64 << 10
