"""Memory is told apart by kind, and the weight cache moves it from one kind to the other."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from verify.benchmark import memory_sampler
from verify.benchmark.contenders import EAGER, Contender, Original
from verify.benchmark.memory import footprint
from verify.runtimes import LITERT

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells")

_SIDE = 5000
_WEIGHTS = 4 * _SIDE * _SIDE  # 100 MB
_MB = 1_000_000


@pytest.mark.integration
def test_weights_of_a_known_size_are_found_where_they_lie(
    tmp_path: Path, hand_made: "type[HandMade]"
) -> None:
    path = hand_made(
        {
            "x": (1, _SIDE),
            "w": np.ones((_SIDE, _SIDE), np.float32),
            "b": np.zeros(_SIDE, np.float32),
            "y": (1, _SIDE),
        },
        [("FULLY_CONNECTED", ["x", "w", "b"], "y")],
    ).write(tmp_path / "large.tflite")
    original = Original("none", path, {"x": np.zeros((1, _SIDE), np.float32)})
    found = footprint(Contender("large", LITERT, "fp32", "plain", path), original, threads=1)
    assert found.reason is None
    assert found.plain is not None
    assert found.cached is not None
    # XNNPACK packs the weights into memory of its own, and read them from the file
    assert _WEIGHTS <= found.plain.anonymous_bytes < _WEIGHTS + 5 * _MB
    assert _WEIGHTS <= found.plain.file_backed_bytes < _WEIGHTS + _MB
    # from the cache they come as pages of a file
    assert found.cache_bytes is not None
    assert _WEIGHTS <= found.cache_bytes < _WEIGHTS + _MB
    assert found.cached.anonymous_bytes < 5 * _MB
    assert _WEIGHTS <= found.cached.file_backed_bytes < _WEIGHTS + 5 * _MB


@pytest.mark.integration
def test_a_network_in_pytorch_has_its_weights_to_itself(generator_checkpoint: Path) -> None:
    original = Original(
        "gan-generator", generator_checkpoint, {"latent": np.zeros((1, 100), np.float32)}
    )
    network = original.spec().open_network(generator_checkpoint)
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    found = footprint(EAGER, original, threads=1)
    assert (found.reason, found.cached, found.cache_bytes) == (None, None, None)
    assert found.plain is not None
    assert weights <= found.plain.anonymous_bytes < weights + 50 * _MB
    assert found.plain.first_answer_ms is None


@pytest.mark.integration
def test_a_file_that_does_not_load_has_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    found = footprint(
        Contender("broken", LITERT, "fp32", "plain", path), Original("none", path, {}), 1
    )
    assert found.plain is None
    assert found.reason is not None
    assert found.reason.startswith("its memory could not be measured: ")


def test_a_process_is_seen_to_grow_and_its_peak_is_kept() -> None:
    before = memory_sampler.anonymous_bytes(str(os.getpid()))
    assert before is not None
    with subprocess.Popen(
        [sys.executable, "-I", "-S", memory_sampler.__file__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sampler:
        assert sampler.stdout is not None
        sampler.stdout.readline()
        block = bytearray(64 * _MB)
        time.sleep(0.5)  # the machine may be busy
        del block
        peak = int(sampler.communicate()[0])
    assert peak - before > 60 * _MB


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert memory_sampler.anonymous_bytes("999999999") is None
