import json
import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from checkpoints import load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.disk_tensor import DiskTensor
from checkpoints.memory import TORCH_DTYPES
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

CAP_MB = 0.0625


def quiet(_message: str) -> None:
    """Announce nothing."""


def bytes_in(tensor: DiskTensor, first: int, last: int) -> bytearray:
    content = bytearray()
    for block in TensorStream().blocks(tensor, first, last):
        content += block
    return content


def read(tensor: DiskTensor) -> torch.Tensor:
    content = bytes_in(tensor, 0, tensor.elements)
    if not content:
        return torch.empty(tensor.shape, dtype=TORCH_DTYPES[tensor.dtype])
    return torch.frombuffer(content, dtype=TORCH_DTYPES[tensor.dtype]).reshape(tensor.shape)


def read_all(value: Any) -> Any:
    """Read every tensor in nested containers."""
    if isinstance(value, DiskTensor):
        return read(value)
    if isinstance(value, dict):
        return {key: read_all(item) for key, item in value.items()}
    return [read_all(item) for item in value] if isinstance(value, list) else value


def training_run() -> dict[str, Any]:
    network = torch.nn.Sequential(torch.nn.Linear(70, 300), torch.nn.BatchNorm1d(300))
    optimizer = torch.optim.AdamW(network.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 5])
    network(torch.randn(4, 70)).sum().backward()
    optimizer.step()
    return {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": {k: v for k, v in scheduler.state_dict().items() if k != "_get_lr_called"},
        "args": {"nbits": 16, "sizes": (1, 2.5), "text": "a\nb"},
        "epoch": 3,
        "weight": torch.nn.Parameter(torch.randn(40, 9)),
    }


@pytest.mark.parametrize("form", ["torch", "chunks"])
def test_a_training_run_is_seen_whole(tmp_path: Path, form: str) -> None:
    path, saved = tmp_path / "run.pth", training_run()
    if form == "torch":
        torch.save(saved, path)
    else:
        saved["scheduler"] = {"milestones": {2: 1, 5: 1}}
        save_model_chunked(saved, path, CAP_MB, announce=quiet)
    checkpoint = open_checkpoint(path)
    contents = checkpoint.contents
    assert {key: contents["args"][key] for key in contents["args"]} == saved["args"]
    assert contents["epoch"] == 3
    assert contents["optimizer"]["param_groups"] == saved["optimizer"]["param_groups"]
    assert dict(contents["scheduler"]["milestones"]) == {2: 1, 5: 1}
    for name, tensor in saved["model"].items():
        assert torch.equal(read(contents["model"][name]), tensor)
    for name, tensor in saved["optimizer"]["state"][0].items():
        assert torch.equal(read(contents["optimizer"]["state"][0][name]), tensor)
    assert torch.equal(read(contents["weight"]), saved["weight"])
    assert set(checkpoint.tensors()) >= {
        "model/0.weight",
        "optimizer/state/0/exp_avg",
        "weight",
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_tensor_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    bits = torch.arange(600).reshape(20, 30) % 2
    wide = torch.randn(8, 3, 5, 7)
    saved = {name: bits.to(dtype) for name, dtype in TORCH_DTYPES.items()}
    saved |= {
        "transposed": wide[0, 0].t(),
        "channels_last": wide.to(memory_format=torch.channels_last),
        "rows": wide[2:5],
        "every_other": wide[::2, 1:],
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
        "tied": wide,
    }
    torch.save(saved, tmp_path / "m.pth", pickle_protocol=protocol)
    opened = open_checkpoint(tmp_path / "m.pth").contents
    assert list(opened) == list(saved)
    for name, tensor in saved.items():
        assert (opened[name].dtype, opened[name].shape) == (
            str(tensor.dtype).removeprefix("torch."),
            tuple(tensor.shape),
        )
        assert torch.equal(
            read(opened[name]).reshape(-1).view(torch.uint8),
            tensor.contiguous().reshape(-1).view(torch.uint8),
        )


@pytest.mark.parametrize("protocol", [2, 4])
def test_plain_values_come_back(tmp_path: Path, protocol: int) -> None:
    saved = {
        "numbers": [1, -300, 1 << 40, 1 << 200, 2.5, 1j, True, None],
        "texts": ["", "a", "\u00e9" * 300],
        "bytes": b"\x00\xff",
        "set": {1, 2},
        "one": (1,),
        "many": (1, 2, 3, (4, 5)),
        "size": torch.Size([3, 4]),
        "counter": Counter("abca"),
        "ordered": OrderedDict(z=1, a=2),
        (1, "key"): {},
    }
    torch.save(saved, tmp_path / "m.pth", pickle_protocol=protocol)
    assert open_checkpoint(tmp_path / "m.pth").contents == saved


def test_a_part_of_a_tensor_is_the_same_however_it_is_split(tmp_path: Path) -> None:
    large = torch.randn(300, 200)
    strided = torch.randn(40, 3, 4, 4).to(memory_format=torch.channels_last)
    torch.save({"l": large, "s": strided}, tmp_path / "m.pth")
    save_model_chunked({"l": large}, tmp_path / "c.pth", CAP_MB, announce=quiet)
    whole = open_checkpoint(tmp_path / "m.pth").contents
    pieces = open_checkpoint(tmp_path / "c.pth").contents["l"]
    assert len(pieces.storage) > 3
    for tensor, at in ((large, whole["l"]), (large, pieces), (strided, whole["s"])):
        flat = tensor.contiguous().view(-1).numpy()
        for first, last in ((0, 7), (5, 1900), (1000, 1001), (17, len(flat))):
            assert bytes_in(at, first, last) == flat[first:last].tobytes()


def test_safetensors_are_read_as_the_library_writes_them(tmp_path: Path) -> None:
    tensors = {
        "detector.a": torch.randn(30, 4),
        "b": torch.randn(7).to(torch.bfloat16),
        "c": torch.tensor(3),
        "empty": torch.empty(0, 2),
    }
    save_file(tensors, tmp_path / "m.safetensors", metadata={"args": "nbits: 3\n"})
    contents = open_checkpoint(tmp_path / "m.safetensors").contents
    assert contents["args"] == "nbits: 3\n"
    assert set(contents) == {"args", *tensors}
    for name, tensor in tensors.items():
        assert torch.equal(read(contents[name]), tensor)
        assert str(tensor.dtype) == f"torch.{contents[name].dtype}"


def header_of(entry: dict[str, Any], **others: Any) -> bytes:
    return json.dumps({"a": {"dtype": "F32", "shape": [2], **entry}, **others}).encode()


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (header_of({"data_offsets": [0, 8]}), bytes(4)),
        (header_of({"data_offsets": [0, 8]}), bytes(12)),
        (header_of({"data_offsets": [4, 12]}), bytes(12)),
        (header_of({"data_offsets": [0, 8], "shape": [1 << 40]}), bytes(8)),
        (header_of({"data_offsets": [0, 8], "shape": [-2, -1]}), bytes(8)),
        (header_of({"data_offsets": [0, 8], "shape": ["2"]}), bytes(8)),
        (header_of({"data_offsets": [8, 0]}), bytes(8)),
        (header_of({"data_offsets": [0, 8], "dtype": "F31"}), bytes(8)),
        (header_of({"data_offsets": [0, 8]}, b={}), bytes(8)),
        (
            header_of(
                {"data_offsets": [0, 8]}, b={"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}
            ),
            bytes(12),
        ),
        (header_of({"data_offsets": [0, 8]}, __metadata__={"n": 3}), bytes(8)),
        (b'{"a": 1, "a": 2}', b""),
        (b"[]", b""),
        (b"[" * 50_000, b""),
        (b"\xff", b""),
    ],
)
def test_a_safetensors_header_that_lies_is_refused(
    tmp_path: Path, header: bytes, data: bytes
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    with pytest.raises(BadInputError, match=r"m\.safetensors: not a safetensors file, or damaged"):
        open_checkpoint(path)


@pytest.mark.parametrize("value", [[1], torch.ones(1), "text", OrderedDict])
def test_what_is_no_dictionary_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "m.pth")
    with pytest.raises(BadInputError, match="not a dictionary"):
        open_checkpoint(tmp_path / "m.pth")


def test_a_flipped_bit_is_found_when_it_is_read(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000), "v": torch.ones(1000)}, tmp_path / "m.pth")
    save_model_chunked({"w": torch.ones(40_000)}, tmp_path / "c.pth", CAP_MB, announce=quiet)
    for name in ("m.pth", "c.pth"):
        tensor = open_checkpoint(tmp_path / name).contents["w"]
        extent = tensor.storage[-1]
        content = bytearray(extent.file.read_bytes())
        content[extent.offset + 77] ^= 4
        extent.file.write_bytes(content)
        opened = open_checkpoint(tmp_path / name)
        with pytest.raises(BadInputError, match=f"{extent.file.name}: damaged"):
            read(opened.contents["w"])
        with pytest.raises(BadInputError, match="damaged"):  # though not among those asked for
            list(TensorStream().blocks(tensor, tensor.elements - 1, tensor.elements))
    assert torch.equal(read(open_checkpoint(tmp_path / "m.pth").contents["v"]), torch.ones(1000))


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    saved = {"w": torch.arange(9), "n": {"x": [1, 2.5, None]}, "c": Counter(a=1)}
    torch.save(saved, path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x15]) + whole[position + 1 :])
        try:
            contents = read_all(dict(open_checkpoint(path).contents))
        except BadInputError as error:
            assert "m.pth" in str(error)  # noqa: PT017  # not every byte matters
        else:
            assert contents["n"] == {"x": [1, 2.5, None]}
            assert torch.equal(contents["w"], torch.arange(9))
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(BadInputError):
            open_checkpoint(path)


def test_numpy_values_of_chunks_are_seen(tmp_path: Path) -> None:
    saved = {
        "big": torch.ones(40_000),
        "array": np.arange(5, dtype=np.int16),
        "number": np.float32(0.5),
        "size": torch.Size([3, 4]),
    }
    save_model_chunked(saved, tmp_path / "m.pth", CAP_MB, announce=quiet)
    contents = open_checkpoint(tmp_path / "m.pth").contents
    assert read(contents["array"]).tolist() == [0, 1, 2, 3, 4]
    assert (contents["number"], contents["size"]) == (0.5, (3, 4))


ALONE = """
import sys
from checkpoints import open_checkpoint
from checkpoints.streaming import TensorStream
for path in sys.argv[1:]:
    tensor = open_checkpoint(path).contents["w"]
    assert sum(map(len, TensorStream().blocks(tensor, 0, tensor.elements))) == 400_000
assert "torch" not in sys.modules and "numpy" not in sys.modules
"""


def test_neither_torch_nor_numpy_is_needed(tmp_path: Path) -> None:
    weights = {"w": torch.ones(1000, 100)}
    torch.save(weights, tmp_path / "m.pth")
    save_model_chunked(weights, tmp_path / "c.pth", CAP_MB, announce=quiet)
    save_file(weights, tmp_path / "s.safetensors")
    paths = [str(tmp_path / name) for name in ("m.pth", "c.pth", "s.safetensors")]
    subprocess.run([sys.executable, "-c", ALONE, *paths], check=True)
    assert load_model_chunked(tmp_path / "c.pth")["w"].shape == (1000, 100)


def test_tensors_are_read_by_name_and_by_prefix(tmp_path: Path) -> None:
    net = {"detector.w": torch.randn(300, 200), "detector.b": torch.randn(9)}
    net |= {"head.w": torch.ones(2), "detector.tied": net["detector.w"]}
    save_model_chunked({"model": net, "epoch": 3}, tmp_path / "m.pth", CAP_MB, announce=quiet)
    opened = open_checkpoint(tmp_path / "m.pth")
    assert torch.equal(opened.read("model/head.w"), net["head.w"])
    read = opened.read_prefix("model/detector.")
    assert list(read) == ["model/detector.w", "model/detector.b", "model/detector.tied"]
    assert all(torch.equal(tensor, net[name[6:]]) for name, tensor in read.items())
    assert read["model/detector.w"] is read["model/detector.tied"]
    with pytest.raises(BadInputError, match=r"no tensor 'model/hed\.w'; nearest: 'model/head\.w'"):
        opened.read("model/hed.w")
    with pytest.raises(BadInputError, match=r"no tensor 'modle/det'; nearest: 'model/det'"):
        opened.read_prefix("modle/det")
