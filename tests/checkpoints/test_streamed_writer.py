import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked, open_checkpoint, save_model_chunked, save_streamed
from checkpoints.archive_writing import Blocks, TensorSource
from checkpoints.memory import DTYPE_NAMES, TORCH_DTYPES, bytes_of
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError, UsageError

CAP_MB = 0.0625
CAP = 65_536
VALUES: dict[str, Any] = {
    "args": {"nbits": 16, "deep": [1, (2.5, None, True)], "text": "a\nb \u00e9 \ud800"},
    "epoch": 1 << 40,
    "loss": math.inf,
}


def quiet(_message: str) -> None:
    """Announce nothing."""


def source_of(tensor: torch.Tensor) -> TensorSource:
    flat = tensor.contiguous().reshape(-1)

    def blocks(first: int, last: int) -> Iterator[memoryview]:
        for start in range(first, last, 1000):
            yield memoryview(bytes_of(flat, start, min(start + 1000, last)).data)

    return TensorSource(DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), blocks)


def tensors() -> dict[str, torch.Tensor]:
    bits = torch.arange(900).reshape(30, 30) % 2
    made = {name: bits.to(dtype) for name, dtype in TORCH_DTYPES.items()}
    made |= {"large": torch.randn(120, 400), "empty": torch.empty(0, 3), "scalar": torch.tensor(2)}
    return made


@pytest.mark.parametrize("cap_mb", [None, CAP_MB, 90])
def test_what_is_streamed_is_what_torch_and_we_load(tmp_path: Path, cap_mb: float | None) -> None:
    path, saved = tmp_path / "m.pth", tensors()
    streamed = {"model": {name: source_of(tensor) for name, tensor in saved.items()}, **VALUES}
    result = save_streamed(streamed, path, cap_mb, announce=quiet)
    assert (result.manifest is not None) == (cap_mb == CAP_MB)
    loaded = [load_model_chunked(path)]
    if result.manifest is None:
        loaded += [torch.load(path, weights_only=True, mmap=mmap) for mmap in (True, False)]
    else:
        assert max(file.stat().st_size for file in tmp_path.iterdir()) <= CAP
        for chunk in result.chunk_files:
            torch.load(chunk, weights_only=True)
    for found in loaded:
        assert {key: found[key] for key in VALUES} == VALUES
        assert list(found["model"]) == list(saved)
        for name, tensor in saved.items():
            assert found["model"][name].dtype == tensor.dtype
            assert torch.equal(
                found["model"][name].reshape(-1).view(torch.uint8),
                tensor.reshape(-1).view(torch.uint8),
            )


def test_tensors_are_aligned_as_torch_aligns_them(tmp_path: Path) -> None:
    save_streamed(
        {name: source_of(tensor) for name, tensor in tensors().items()}, tmp_path / "m.pth"
    )
    for tensor in open_checkpoint(tmp_path / "m.pth").contents.values():
        assert tensor.storage[0].offset % 64 == 0


def test_a_source_that_occurs_twice_is_written_once(tmp_path: Path) -> None:
    tied = source_of(torch.randn(50_000))
    for cap_mb in (None, CAP_MB):
        saved = save_streamed({"a": tied, "b": [tied]}, tmp_path / "m.pth", cap_mb, announce=quiet)
        assert saved.total_bytes < 250_000
        loaded = load_model_chunked(tmp_path / "m.pth")
        assert loaded["a"].data_ptr() == loaded["b"][0].data_ptr()


def test_the_same_contents_are_the_same_bytes(tmp_path: Path) -> None:
    contents = {name: source_of(tensor) for name, tensor in tensors().items() if name != "large"}
    for name in ("a.pth", "b.pth"):
        save_streamed(contents, tmp_path / name)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_damage_in_the_source_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(100_000)}, tmp_path / "source.pth")
    save_model_chunked({"old": 1}, tmp_path / "m.pth")
    extent = open_checkpoint(tmp_path / "source.pth").contents["w"].storage[0]
    content = bytearray((tmp_path / "source.pth").read_bytes())
    content[extent.offset + 200_000] ^= 1
    (tmp_path / "source.pth").write_bytes(content)
    tensor = open_checkpoint(tmp_path / "source.pth").contents["w"]
    for cap_mb in (None, CAP_MB):
        source = TensorStream().source(tensor)
        with pytest.raises(BadInputError, match=r"source\.pth: damaged"):
            save_streamed({"w": source}, tmp_path / "m.pth", cap_mb, announce=quiet)
        assert load_model_chunked(tmp_path / "m.pth") == {"old": 1}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["m.pth", "source.pth"]


def test_other_values_are_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint: args/x holds a value of type complex"):
        save_streamed({"args": {"x": 1j}}, tmp_path / "m.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_source_of_too_few_bytes_is_a_fault_of_ours(tmp_path: Path) -> None:
    def blocks(_first: int, _last: int) -> Blocks:
        return [b"1234"]

    with pytest.raises(AssertionError, match="4 bytes, not 8"):
        save_streamed({"w": TensorSource("float32", (2,), blocks)}, tmp_path / "m.pth")
    assert list(tmp_path.iterdir()) == []
