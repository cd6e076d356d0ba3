import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, save_model_chunked
from chunkport.errors import BadInputError, UsageError

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def refused(path: Path, *words: str) -> None:
    """Loading `path` fails with one line that has all the words."""
    with pytest.raises(BadInputError) as caught:
        load_model_chunked(path)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("given", ["best_model.pth", "best_model.manifest.json"])
@pytest.mark.parametrize("lost", ["nothing", "placeholder"])
def test_the_placeholder_or_the_manifest_will_do(
    chunked: SavedCheckpoint, model: dict[str, Any], given: str, lost: str
) -> None:
    if lost == "placeholder":
        chunked.path.unlink()
    loaded = load_model_chunked(chunked.path.parent / given)
    assert torch.equal(loaded["first"]["weight"], model["first"]["weight"])
    assert torch.equal(loaded["second"]["weight"], model["second"]["weight"])
    assert loaded["epoch"] == 12


def test_a_file_from_torch_save_loads(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "plain.pt")
    assert load_model_chunked(tmp_path / "plain.pt")["w"].tolist() == [1, 1, 1]


def test_tensors_go_to_the_device(chunked: SavedCheckpoint) -> None:
    assert load_model_chunked(chunked.path, device="meta")["first"]["weight"].is_meta
    with pytest.raises(UsageError, match="device 'cuda:99': not available"):
        load_model_chunked(chunked.path, device="cuda:99")
    with pytest.raises(UsageError, match="device 'gpu': not available"):
        load_model_chunked(chunked.path, device="gpu")


def test_a_missing_checkpoint_names_its_neighbours(chunked: SavedCheckpoint) -> None:
    refused(chunked.path.with_name("best_modl.pth"), "no such checkpoint", "best_model.pth")
    refused(chunked.path.parent / "nowhere" / "m.pth", "no folder")
    refused(chunked.path.parent, "is a folder")


def test_all_missing_chunks_are_listed(chunked: SavedCheckpoint) -> None:
    for chunk in chunked.chunk_files:
        chunk.unlink()
    names = [chunk.name for chunk in chunked.chunk_files]
    refused(chunked.path, "2 of 2 chunks missing", "copy all chunks", *names)


def test_a_missing_manifest_is_named(chunked: SavedCheckpoint) -> None:
    (chunked.path.parent / "best_model.manifest.json").unlink()
    refused(chunked.path, "is a placeholder", "best_model.manifest.json is missing")


def test_any_flipped_bit_of_a_chunk_is_noticed(chunked: SavedCheckpoint) -> None:
    chunk = chunked.chunk_files[0]
    size = chunk.stat().st_size
    for position in [*range(0, size, 997), *range(8), *range(size - 60, size)]:
        flip(chunk, position)
        refused(chunked.path, chunk.name, "restore")
        flip(chunk, position)
    load_model_chunked(chunked.path)


def test_a_chunk_cut_short_or_grown_is_noticed(chunked: SavedCheckpoint) -> None:
    chunk = chunked.chunk_files[1]
    whole = chunk.read_bytes()
    for content in (whole[:-1], whole[:100], b"", whole + b"\0"):
        chunk.write_bytes(content)
        refused(chunked.path, chunk.name, "bytes, not")


def test_a_chunk_of_another_save_is_told_from_a_damaged_one(
    chunked: SavedCheckpoint, model: dict[str, Any], save_small: Callable[..., SavedCheckpoint]
) -> None:
    older = chunked.chunk_files[0].read_bytes()
    model["first"]["weight"] += 1
    save_small(model, chunked.path)
    chunked.chunk_files[0].write_bytes(older)
    refused(chunked.path, chunked.chunk_files[0].name, "from another save")


def test_a_placeholder_of_another_save_is_noticed(
    chunked: SavedCheckpoint, model: dict[str, Any], save_small: Callable[..., SavedCheckpoint]
) -> None:
    older = chunked.path.read_bytes()
    save_small(model, chunked.path)
    chunked.path.write_bytes(older)
    refused(chunked.path, "is from save", "restore all files of one save")


def test_a_manifest_beside_a_whole_checkpoint_is_not_believed(chunked: SavedCheckpoint) -> None:
    torch.save({"whole": 1}, chunked.path)
    assert load_model_chunked(chunked.path) == {"whole": 1}
    assert chunked.manifest is not None
    refused(chunked.manifest, "holds a whole checkpoint")


def test_a_flipped_bit_in_a_whole_checkpoint_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"w": torch.ones(1000)}, path)
    flip(path, path.read_bytes().index(torch.ones(9).numpy().tobytes()) + 100)
    refused(path, "m.pth", "CRC-32")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", pickle.dumps({"a": 1})])
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pth").write_bytes(content)
    refused(tmp_path / "m.pth", "m.pth", "torch.save")


def test_a_checkpoint_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"w": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[:-30])
    refused(path, "cut short")


def test_a_placeholder_of_another_tool_is_not_taken_for_the_model(tmp_path: Path) -> None:
    torch.save({"is_chunked": True, "manifest": "m.manifest.json"}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "placeholder of chunks in another format")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(chunked: SavedCheckpoint) -> None:
    chunked.chunk_files[0].chmod(0)
    refused(chunked.path, chunked.chunk_files[0].name, "cannot be read")


def test_a_whole_checkpoint_that_is_no_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save([torch.ones(1)], tmp_path / "m.pth")
    refused(tmp_path / "m.pth", "holds a list, not a dictionary")


def test_random_damage_to_a_whole_checkpoint_never_escapes_as_another_error(
    tmp_path: Path,
) -> None:
    """The pickle is damaged and the archive's checksum mended, so that torch gets to read it."""
    path = tmp_path / "m.pth"
    torch.save({"w": torch.ones(3), "list": [1, (2, "x")]}, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in members if name.endswith("data.pkl"))
    whole = members[pickled]
    for position in range(len(whole)):
        for bits in (0x01, 0x20, 0xFF):
            damaged = bytearray(whole)
            damaged[position] ^= bits
            members[pickled] = bytes(damaged)
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in members.items():
                    archive.writestr(name, content)
            try:
                assert isinstance(load_model_chunked(path), dict)
            except BadInputError as error:
                assert "\n" not in str(error)  # noqa: PT017  # loading is allowed too


PEAK = """
import re, sys
from pathlib import Path
from checkpoints import load_model_chunked

def mib(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(field + r":\\s+(\\d+) kB", status)[1]) / 1024

load_model_chunked(sys.argv[2])  # so that all code is in memory
Path("/proc/self/clear_refs").write_text("5")  # forget the highest mark so far
before = mib("VmRSS")
loaded = load_model_chunked(sys.argv[1])
print(mib("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_loading_takes_the_memory_of_the_model_once(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    model = {"net": {f"w{i}": torch.ones(4 << 20) for i in range(8)}}  # 128 MiB
    save_model_chunked(model, path, 40, announce=lambda _message: None)
    tiny = tmp_path / "tiny.pth"
    save_model_chunked({"w": torch.ones(20_000)}, tiny, 0.0625, announce=lambda _message: None)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(tiny)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 120 < float(done.stdout) < 128 + 16


def test_a_manifest_may_be_reformatted(chunked: SavedCheckpoint) -> None:
    """Line ends and spacing change when a version control system or an editor touches it."""
    assert chunked.manifest is not None
    document = json.loads(chunked.manifest.read_text())
    text = json.dumps(document, indent=4).replace("\n", "\r\n")
    chunked.manifest.write_bytes(text.encode())
    assert load_model_chunked(chunked.path)["epoch"] == 12


@pytest.mark.filterwarnings("ignore:.*quantiz.*", "ignore:TypedStorage", "ignore:Sparse")
def test_tensors_that_only_torch_knows_load(tmp_path: Path) -> None:
    saved = {
        "sparse": torch.eye(3).to_sparse(),
        "half": torch.ones(2, dtype=torch.complex32),
        "quantized": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    }
    torch.save(saved, tmp_path / "m.pth")
    loaded = load_model_chunked(tmp_path / "m.pth")
    assert torch.equal(loaded["sparse"].to_dense(), torch.eye(3))
    assert loaded["quantized"].int_repr().tolist() == [10, 10, 10]
