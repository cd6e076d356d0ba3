"""The largest detector's weights, 2951.5 MiB, there and back. By hand: pytest -m full_scale."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from checkpoints import open_checkpoint, save_model_chunked
from checkpoints.layout import Container
from networks.cards import load_card
from networks.detector import build_detector

CAP_BYTES = 90 << 20
SEED = 7

# Loads the checkpoint and holds each tensor against what its seed says; prints by how many bytes
# the process grew at the most.
LOAD_AND_COMPARE = """
import sys, torch
from checkpoints import load_model_chunked
from tests.checkpoints.test_full_size import weights_of

def kib(field):
    lines = open("/proc/self/status", encoding="ascii").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

before = kib("VmRSS:")
loaded = load_model_chunked(sys.argv[1])["model"]
print((kib("VmHWM:") - before) * 1024)
for name, tensor in weights_of():
    assert torch.equal(loaded.pop(name), tensor), name
assert not loaded
"""


def weights_of() -> Iterator[tuple[str, torch.Tensor]]:
    """Each key of ChunkySeal's detector with numbers of its own."""
    with torch.device("meta"):
        states = build_detector(load_card("chunkyseal")).state_dict()
    numbers = torch.Generator().manual_seed(SEED)
    for name, tensor in states.items():
        yield f"detector.{name}", torch.randn(tensor.shape, generator=numbers)


@pytest.mark.full_scale
@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
@pytest.mark.parametrize("container", ["pth", "safetensors"])
def test_the_largest_detector_comes_back_bit_for_bit(tmp_path: Path, container: Container) -> None:
    states = dict(weights_of())
    total = sum(tensor.nbytes for tensor in states.values())
    path = tmp_path / "chunkyseal.pth"
    saved = save_model_chunked({"model": states}, path, container=container)
    del states
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert max(sizes) <= CAP_BYTES
    if container == "pth":
        assert len(saved.chunk_files) == 33
    started = time.perf_counter()
    opened = open_checkpoint(path)
    seconds = time.perf_counter() - started
    assert len(opened.tensors()) == 381
    done = subprocess.run(
        [sys.executable, "-c", LOAD_AND_COMPARE, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    ratio = int(done.stdout) / total
    print(f"{len(sizes)} files, opened in {seconds * 1e3:.1f} ms, loaded in {ratio:.3f}x")  # noqa: T201 - for whoever runs it
    assert ratio <= 1.1
