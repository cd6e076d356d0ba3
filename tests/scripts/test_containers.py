"""Safetensors, ours and others', as commands take and write them."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file

from checkpoints import list_files, load_model_chunked
from chunkport.files import sha256_of
from convert.card import read_card

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
EXTRACT = "extract-detector-weights"


@pytest.fixture
def full(tmp_path: Path) -> Path:
    model = {"detector.convnext.w": torch.randn(100, 300), "embedder.a": torch.randn(40)}
    torch.save({"model": model, "args": "nbits: 16\n"}, tmp_path / "full.pth")
    return tmp_path / "full.pth"


def test_a_detector_in_a_folder_of_safetensors_is_converted_and_verified(
    run_chunkport: Run, tmp_path: Path, named_detector_case: Callable[[str], Any]
) -> None:
    saved, card = named_detector_case("convnext_stride4").save(tmp_path / "weights")
    folder, out = tmp_path / "sharded", tmp_path / "out"
    folder.mkdir()
    save_torch_state_dict(load_model_chunked(saved)["model"], folder, max_shard_size=150_000)
    assert (folder / "model.safetensors.index.json").is_file()
    done = run_chunkport("convert", folder, "--model", "pixelseal", "--card", card, "-o", out)
    assert done.returncode == 0, done.stderr
    (tflite,) = out.iterdir()
    made = read_card(tflite)
    assert made is not None
    shards = [file for file in list_files(folder) if file.suffix == ".safetensors"]
    assert made.checkpoint["files"] == [
        {"name": shard.name, "sha256": sha256_of(shard)} for shard in shards
    ]
    verified = run_chunkport("verify", tflite, "--checkpoint", folder, "--samples", "1")
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize(
    ("target", "flags", "chunks"),
    [
        ("d.safetensors", (), 0),
        ("d.safetensors", ("--chunk", "--max-chunk-mb", "0.0625"), 2),
        ("d.pth", ("--container", "safetensors", "--chunk"), 1),
    ],
)
def test_a_detector_is_extracted_as_safetensors(
    run_chunkport: Run, full: Path, target: Path | str, flags: tuple[str, ...], chunks: int
) -> None:
    target = full.parent / "out" / target
    done = run_chunkport(EXTRACT, full, "-o", target, *flags, "--format", "json")
    assert done.returncode == 0, done.stderr
    files = [Path(file) for file in json.loads(done.stdout)["chunk_files"]]
    assert len(files) == chunks
    for file in files or [target]:
        assert set(load_file(file)) == {"model/detector.convnext.w"}
    loaded, source = load_model_chunked(target), torch.load(full, weights_only=True)
    assert loaded["args"] == source["args"]
    assert torch.equal(
        loaded["model"]["detector.convnext.w"], source["model"]["detector.convnext.w"]
    )
    again = run_chunkport(EXTRACT, full, "-o", target, *flags)
    assert again.returncode == 2
    assert f"{target.name}: already there; add --force to replace" in again.stderr


def test_one_file_of_a_pth_holds_no_safetensors(
    run_chunkport: Run, tmp_path: Path, full: Path
) -> None:
    done = run_chunkport(EXTRACT, full, "-o", tmp_path / "d.pth", "--container", "safetensors")
    assert done.returncode == 2
    assert "give a cap, or a name that ends in .safetensors" in done.stderr


def test_missing_files_are_told_at_once(run_chunkport: Run, tmp_path: Path) -> None:
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    save_file({"c": torch.ones(1)}, tmp_path / "other.safetensors")
    done = run_chunkport("convert", tmp_path, "--model", "pixelseal")
    assert done.returncode == 5
    assert f"2 of 2 chunks missing: {', '.join(weight_map.values())}" in done.stderr
