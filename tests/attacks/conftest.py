import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.manifest import document_crc32
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

SECONDS = 20  # many times what any of these takes, on a machine that is busy
MEMORY = 2 << 30


def load(path: Path) -> None:
    load_model_chunked(path)


def open_and_read(path: Path) -> None:
    stream = TensorStream()
    for tensor in open_checkpoint(path).tensors().values():
        for _ in stream.blocks(tensor, 0, tensor.elements):
            pass


DOORS = (load, open_and_read)


@contextmanager
def bounded() -> Iterator[None]:
    """Fail what takes for ever, or all the memory there is, where the system can tell."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def too_long(*_: object) -> None:
        raise AssertionError(f"took more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What every gadget creates, if it is run."""
    return tmp_path / "the code was run"


@pytest.fixture
def refused(canary: Path) -> Callable[..., None]:
    """Both ways of reading refuse the file in one line that has all the words, and run nothing."""

    def check(path: Path, *words: str) -> None:
        for read in DOORS:
            with pytest.raises(BadInputError) as caught, bounded():
                read(path)
            message = str(caught.value)
            assert "\n" not in message
            assert len(message) < 2000
            for word in words:
                assert word in message, read.__name__
            assert not canary.exists(), read.__name__

    return check


@pytest.fixture
def survived(canary: Path) -> Callable[..., None]:
    """Both ways of reading take the file or refuse it, within bounds, and run nothing."""

    def check(path: Path) -> None:
        for read in DOORS:
            try:
                with bounded():
                    read(path)
            except BadInputError as error:
                assert "\n" not in str(error)  # noqa: PT017  # reading is allowed too
            assert not canary.exists(), read.__name__

    return check


@pytest.fixture
def chunked(tmp_path: Path) -> SavedCheckpoint:
    """best_model.pth in two chunks."""
    model: Mapping[str, Any] = {
        "first": {"weight": torch.arange(9000.0).reshape(90, 100), "step": 3},
        "second": {"weight": torch.arange(9000.0)},
        "epoch": 12,
    }
    return save_model_chunked(model, tmp_path / "best_model.pth", 0.0625, announce=lambda _: None)


@pytest.fixture
def forge(chunked: SavedCheckpoint) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Change the manifest of `chunked` and seal it again, as a forger would."""

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        assert chunked.manifest is not None
        document = json.loads(chunked.manifest.read_text())
        change(document)
        document["manifest_crc32"] = document_crc32(document)
        chunked.manifest.write_text(json.dumps(document))

    return edit
