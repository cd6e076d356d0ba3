import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.checkpoint_fuzz import DOORS
from checkpoints import SavedCheckpoint, save_model_chunked
from checkpoints.manifest import document_crc32
from chunkport.errors import BadInputError

SECONDS = 20  # of the processor; many times what any of these takes
WAITING_SECONDS = 300  # by the clock, for what waits and does nothing
MEMORY = 2 << 30


@contextmanager
def bounded() -> Iterator[None]:
    """Fail what takes for ever, or all the memory there is, where the system can tell."""
    if sys.platform != "linux":
        yield
        return
    import resource

    def too_long(*_: object) -> None:
        raise AssertionError("took too long")

    before = [signal.signal(kind, too_long) for kind in (signal.SIGPROF, signal.SIGALRM)]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(WAITING_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        for kind, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(kind, handler)


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
