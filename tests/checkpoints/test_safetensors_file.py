from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.safetensors_file import LENGTH_BYTES, MAX_HEADER_BYTES, read_safetensors
from chunkport.errors import BadInputError


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    model = {"net": {"w": torch.arange(400.0), "b": torch.ones(3)}, "epoch": 4}
    return save_model_chunked(model, tmp_path / "m.safetensors").path


def test_any_flipped_bit_of_a_save_is_noticed(whole: Path) -> None:
    content = whole.read_bytes()
    header = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    for position in [*range(header), *range(header, len(content), 37)]:
        for bit in (0x01, 0x10):
            damaged = bytearray(content)
            damaged[position] ^= bit
            whole.write_bytes(damaged)
            with pytest.raises(BadInputError, match=r"m\.safetensors: "):
                load_model_chunked(whole)
    whole.write_bytes(content)
    assert load_model_chunked(whole)["epoch"] == 4


def test_a_save_cut_short_or_grown_is_noticed(whole: Path) -> None:
    content = whole.read_bytes()
    for other in (b"", content[:5], content[:100], content[:-1], content + b"\0"):
        whole.write_bytes(other)
        with pytest.raises(BadInputError, match=r"m\.safetensors: not a safetensors file, or dam"):
            load_model_chunked(whole)


def test_texts_of_a_save_on_other_tensors_are_refused(whole: Path) -> None:
    """As a tool leaves it that keeps all texts and changes the tensors."""
    texts = {"chunkport.tree": '{"w": {"$": "tensor", "index": 0}}'}
    save_file(load_file(whole), whole, metadata=texts)
    with pytest.raises(BadInputError, match=r"m\.safetensors: not a safetensors file, or damaged"):
        load_model_chunked(whole)


def test_a_header_beyond_all_reason_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write((MAX_HEADER_BYTES + 1).to_bytes(LENGTH_BYTES, "little"))
        file.truncate(MAX_HEADER_BYTES + 100)  # a sparse file
    with pytest.raises(BadInputError, match="a header of 67108865 bytes"):
        read_safetensors(path)


def test_a_git_lfs_pointer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(BadInputError, match="git lfs pull"):
        load_model_chunked(path)


def test_every_type_of_the_library_is_read(tmp_path: Path) -> None:
    """Save those that torch does no arithmetic with."""
    names = (
        "bool uint8 int8 int16 uint16 int32 uint32 int64 uint64 float16 bfloat16 float32 float64"
    )
    names += " complex64 float8_e4m3fn float8_e5m2"
    bits = torch.arange(60) % 2
    state = {name: bits.to(getattr(torch, name)) for name in names.split()}
    save_file(state, tmp_path / "m.safetensors")
    loaded = load_model_chunked(tmp_path / "m.safetensors")
    for name, tensor in state.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name].view(torch.uint8), tensor.view(torch.uint8))
