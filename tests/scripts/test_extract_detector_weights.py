import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from checkpoints import load_model_chunked, save_model_chunked

PeakMib = Callable[..., float]

ROOT = Path(__file__).parents[2]
DETECTOR_BYTES = 3_094_860_836
ARGS = "nbits: 16\nextractor_model: convnext_tiny\n"


def extract(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts._cli", "extract-detector-weights", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def quiet(_message: str) -> None:
    """Announce nothing."""


@pytest.fixture
def run() -> dict[str, Any]:
    """What training leaves: the detector is 170 KB of 570."""
    tied = torch.randn(300, 100)
    return {
        "model": {
            "module.embedder.a": torch.randn(100_000),
            "module.detector.convnext.w": torch.randn(100, 90),
            "module.detector.tied": tied,
            "module.detector.tied_again": tied,
            "module.detector.channels_last": torch.randn(20, 3, 5, 5).to(
                memory_format=torch.channels_last
            ),
            "module.detector.rows": torch.randn(40, 10)[5:20],
            "module.rgb2yuv.M": torch.randn(3, 3),
        },
        "optimizer": {"state": {0: {"exp_avg": torch.randn(9)}}},
        "args": ARGS,
    }


def expected(run: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix("module."): tensor
        for name, tensor in run["model"].items()
        if "detector." in name
    }


def holds(path: Path, run: dict[str, Any]) -> None:
    contents = load_model_chunked(path)
    assert set(contents) == {"model", "args"}
    assert contents["args"] == ARGS
    assert list(contents["model"]) == list(expected(run))
    for name, tensor in expected(run).items():
        assert torch.equal(contents["model"][name], tensor)
    tied = (contents["model"]["detector.tied"], contents["model"]["detector.tied_again"])
    assert tied[0].data_ptr() == tied[1].data_ptr()


@pytest.mark.integration
@pytest.mark.parametrize("source", ["torch", "chunks"])
@pytest.mark.parametrize("chunk", [False, True])
def test_the_detector_and_only_it_is_copied(
    tmp_path: Path, run: dict[str, Any], source: str, chunk: bool
) -> None:
    full, target = tmp_path / "full.pth", tmp_path / "detector.pth"
    if source == "torch":
        torch.save(run, full)
    else:
        save_model_chunked(run, full, 0.0625, announce=quiet)
    flags = ["--chunk", "--max-chunk-mb", "0.0625"] if chunk else []
    done = extract(full, "-o", target, *flags, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["path"] == str(target)
    assert document["tensors"] == 5
    assert document["size_bytes"] < 200_000
    assert bool(document["chunk_files"]) == chunk
    assert all(Path(file).stat().st_size <= 65_536 for file in document["chunk_files"])
    holds(target, run)
    if not chunk:
        assert set(torch.load(target, weights_only=True)) == {"model", "args"}
    again = extract(target, "-o", tmp_path / "again.pth")
    assert again.returncode == 0, again.stderr
    holds(tmp_path / "again.pth", run)


@pytest.mark.integration
def test_safetensors_are_taken_too(tmp_path: Path) -> None:
    state = {"detector.convnext.w": torch.randn(9, 9), "embedder.a": torch.randn(4)}
    save_file(state, tmp_path / "full.safetensors", metadata={"args": ARGS})
    done = extract(tmp_path / "full.safetensors", "-o", tmp_path / "d.pth")
    assert done.returncode == 0, done.stderr
    loaded = torch.load(tmp_path / "d.pth", weights_only=True)
    assert loaded["args"] == ARGS
    assert torch.equal(loaded["model"].pop("detector.convnext.w"), state["detector.convnext.w"])
    assert loaded["model"] == {}


@pytest.mark.integration
def test_what_is_there_is_replaced_only_by_force(tmp_path: Path, run: dict[str, Any]) -> None:
    torch.save(run, tmp_path / "full.pth")
    (tmp_path / "d.pth").write_text("precious")
    done = extract(tmp_path / "full.pth", "-o", tmp_path / "d.pth")
    assert (done.returncode, (tmp_path / "d.pth").read_text()) == (2, "precious")
    assert "d.pth: already there; add --force to replace" in done.stderr
    assert extract(tmp_path / "full.pth", "-o", tmp_path / "d.pth", "--force").returncode == 0
    holds(tmp_path / "d.pth", run)


@pytest.mark.integration
def test_a_cap_on_chunks_that_are_not_asked_for_is_refused(tmp_path: Path) -> None:
    done = extract(tmp_path / "full.pth", "-o", tmp_path / "d.pth", "--max-chunk-mb", "50")
    assert done.returncode == 2
    assert "--max-chunk-mb caps the chunks of --chunk" in done.stderr


@pytest.mark.integration
def test_extracting_onto_itself_works_by_force(tmp_path: Path, run: dict[str, Any]) -> None:
    torch.save(run, tmp_path / "full.pth")
    done = extract(tmp_path / "full.pth", "-o", tmp_path / "full.pth", "--force")
    assert done.returncode == 0, done.stderr
    holds(tmp_path / "full.pth", run)


@pytest.mark.integration
def test_without_arguments_it_says_what_it_needs() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/extract_detector_weights.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    assert "Missing argument 'CHECKPOINT'" in done.stderr
    assert "Traceback" not in done.stderr


class Gadget:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.integration
def test_no_code_of_the_file_is_run(tmp_path: Path, run: dict[str, Any]) -> None:
    torch.save({**run, "scheduler": Gadget(tmp_path / "ran")}, tmp_path / "full.pth")
    done = extract(tmp_path / "full.pth", "-o", tmp_path / "d.pth")
    assert done.returncode == 5
    assert f"asks for {os.system.__module__}.system" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full.pth"]


@pytest.mark.integration
def test_damage_in_the_detector_leaves_nothing_and_elsewhere_does_not_matter(
    tmp_path: Path, run: dict[str, Any]
) -> None:
    full = tmp_path / "full.pth"
    torch.save(run, full)
    whole = full.read_bytes()
    for name, code in (("module.detector.convnext.w", 5), ("module.embedder.a", 0)):
        place = whole.index(run["model"][name].numpy().tobytes())
        full.write_bytes(whole[:place] + b"\x00\x01\x02\x03" + whole[place + 4 :])
        done = extract(full, "-o", tmp_path / "d.pth")
        assert done.returncode == code, done.stderr
        assert (tmp_path / "d.pth").exists() == (code == 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.pth", "full.pth"]


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("flags", [[], ["--chunk"]], ids=["plain", "chunked"])
def test_memory_does_not_grow_with_the_file_and_torch_stays_out(
    tmp_path: Path, peak_mib: PeakMib, flags: list[str]
) -> None:
    model = {"embedder.a": torch.zeros(30 << 20), "detector.w": torch.zeros(50 << 20)}
    torch.save({"model": model}, tmp_path / "full.pth")
    paths = (tmp_path / "full.pth", "-o", tmp_path / "d.pth")
    assert peak_mib("extract-detector-weights", *paths, "--quiet", *flags) < 64


@pytest.mark.full_scale
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("flags", [[], ["--chunk"]], ids=["plain", "chunked"])
def test_a_training_run_of_the_largest_model(
    tmp_path: Path, peak_mib: PeakMib, flags: list[str]
) -> None:
    """13.4 GB, most of it holes, its directory beyond 4 GiB; prints its speed, by -s."""
    full = tmp_path / "full.pth"
    made = ["benchmarks/made_weights.py", "chunkyseal", "-o", str(full), "--full"]
    subprocess.run([sys.executable, *made], check=True, cwd=ROOT)
    assert full.stat().st_size > 13e9
    detector = tmp_path / "d.pth"
    started = time.perf_counter()
    above = peak_mib("extract-detector-weights", full, "-o", detector, "--quiet", *flags)
    seconds = time.perf_counter() - started
    written = sum(path.stat().st_size for path in tmp_path.iterdir() if path != full)
    print(f"{DETECTOR_BYTES / seconds / 1e6:.0f} MB/s by the clock")  # noqa: T201 - for whoever runs it
    assert above < 64
    assert written > DETECTOR_BYTES
