import gc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from checkpoints import open_checkpoint, save_model_chunked
from checkpoints.disk_tensor import DiskTensor
from checkpoints.mapping import map_tensor
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError, UsageError

CAP_MB = 0.0625


def quiet(_message: str) -> None:
    """Announce nothing."""


def mapped(path: Path) -> dict[str, torch.Tensor]:
    stream = TensorStream()
    contents = open_checkpoint(path).contents
    return {
        name: map_tensor(tensor, stream)
        for name, tensor in contents.items()
        if isinstance(tensor, DiskTensor)
    }


WIDE = torch.randn(64, 3, 20, 20)
TENSORS = {
    "large": torch.randn(300, 200),
    "half": torch.randn(50_000).half(),
    "small": torch.randn(7),
    "scalar": torch.tensor(5, dtype=torch.int64),
    "empty": torch.empty(0, 3),
}
VIEWS = {"channels_last": WIDE.to(memory_format=torch.channels_last), "some_rows": WIDE[9:50]}


@pytest.mark.parametrize("form", ["torch", "chunks", "safetensors"])
def test_mapped_tensors_are_those_that_were_saved(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("m.safetensors" if form == "safetensors" else "m.pth")
    saved = TENSORS | ({} if form == "safetensors" else VIEWS)
    if form == "torch":
        torch.save(saved, path)
    elif form == "chunks":
        save_model_chunked(saved, path, CAP_MB, announce=quiet)
    else:
        save_file(saved, path)
    found = mapped(path)
    gc.collect()  # a mapping lives as long as its tensor, and no shorter
    assert set(found) == set(saved)
    for name, tensor in saved.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_a_small_tensor_that_is_split_is_whole(tmp_path: Path) -> None:
    weight = torch.arange(16_000, dtype=torch.int16)
    save_model_chunked({"a": {"f": torch.ones(16_000), "w": weight}}, tmp_path / "m.pth", CAP_MB)
    tensor = open_checkpoint(tmp_path / "m.pth").contents["a"]["w"]
    half = DiskTensor("int16", (8_000,), tensor.storage, start=4_000)
    assert torch.equal(map_tensor(half, TensorStream()), weight[4_000:12_000])


def test_writing_to_a_mapped_tensor_leaves_the_file(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "m.pth")
    before = (tmp_path / "m.pth").read_bytes()
    large = mapped(tmp_path / "m.pth")["large"]
    large.zero_()
    assert (tmp_path / "m.pth").read_bytes() == before
    assert not large.any()


def test_a_mapped_tensor_survives_the_replacement_of_its_file(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "m.pth")
    large = mapped(tmp_path / "m.pth")["large"]
    save_model_chunked({"other": torch.zeros(9)}, tmp_path / "m.pth")
    assert torch.equal(large, TENSORS["large"])


@pytest.mark.parametrize("name", ["large", "small"])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.pth"
    torch.save(TENSORS, path)
    content = bytearray(path.read_bytes())
    content[open_checkpoint(path).contents[name].storage[0].offset + 5] ^= 16
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"m\.pth: damaged at 'byte \d+'"):
        mapped(path)


def test_no_room_for_a_split_tensor_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model_chunked(TENSORS, tmp_path / "m.pth", CAP_MB, announce=quiet)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match=r"missing: no room for .* set TMPDIR"):
        mapped(tmp_path / "m.pth")
