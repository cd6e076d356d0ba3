"""Small files that would take all memory or all time there is."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, open_checkpoint
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

Check = Callable[..., None]
DEPTH = 60  # doublings: more steps than any machine takes


def archive(path: Path, program: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        made.writestr("m/data.pkl", program)
        made.writestr("m/byteorder", "little")
        made.writestr("m/version", "3\n")
        made.writestr("m/data/0", bytes(40))
    return path


def doubled(opening: bytes, joined: bytes) -> bytes:
    """Each value holds the one before it twice."""
    steps = b"".join(
        b"h" + bytes([number]) + b"h" + bytes([number]) + joined + b"q" + bytes([number + 1])
        for number in range(DEPTH)
    )
    return opening + b"q\x00" + steps


LISTS = b"\x80\x02]q\x00" + b"".join(
    b"](h" + bytes([n]) + b"h" + bytes([n]) + b"eq" + bytes([n + 1]) for n in range(DEPTH)
)
TUPLES = b"\x80\x02" + doubled(b")", b"\x86")
LONG_NAME = b"X\x05\x00\x00\x00torchX\x00\x00\x10\x00" + b"a" * (1 << 20)
COPIED = b"\x80\x02](" + b"K\x01" * 100_000 + b"eq\x00" + b"ctorch\nSize\nq\x01"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (TUPLES + b"}h\x3cK\x01s.", "a key of more than 1000 parts"),
        (TUPLES + b"}(h\x3cK\x01u.", "a key of more than 1000 parts"),
        (TUPLES + b"(h\x3cK\x01d.", "a key of more than 1000 parts"),
        (TUPLES + b"cbuiltins\nset\n]h\x3ca\x85R.", "a key of more than 1000 parts"),
        (b"\x80\x04\x8f(" + TUPLES[2:] + b"h\x3c\x90.", "a key of more than 1000 parts"),
        (TUPLES + b"ccollections\nOrderedDict\n]h\x3cK\x01\x86a\x85R.", "a key of more"),
        (b"\x80\x02}" + b"(" + b")" + b"\x85" * 50_000 + b"K\x01u.", "a key of more"),
        (TUPLES + b"h\x3ch\x3c\x93.", "a name that is none"),
        (b"\x80\x04" + LONG_NAME + b"\x93.", "a name that is none"),
        (TUPLES + b"ctorch\ndevice\nh\x3c\x85R.", "a device that is none"),
        (COPIED + b"h\x01h\x00\x85R0" * 1000 + b"}.", "the instruction POP"),
        (COPIED + b"(" + b"h\x01h\x00\x85R" * 1000 + b"d.", "calls that copy more than 64 MiB"),
    ],
    ids=range(12),
)
def test_a_pickle_that_grows(tmp_path: Path, refused: Check, program: bytes, reason: str) -> None:
    refused(archive(tmp_path / "m.pth", program), reason)


@pytest.mark.parametrize("program", [b"\x8f" * 60_000, b"(" * 60_000, b"]" * 60_000])
def test_a_pickle_of_too_many_instructions(
    tmp_path: Path, refused: Check, monkeypatch: pytest.MonkeyPatch, program: bytes
) -> None:
    monkeypatch.setattr("checkpoints.inert_pickle._MAX_INSTRUCTIONS", 50_000)  # for speed
    path = archive(tmp_path / "m.pth", b"\x80\x04" + program + b".")
    refused(path, "more than 50000 instructions")


@pytest.mark.parametrize(
    "program", [LISTS + b"}X\x01\x00\x00\x00wh\x3cs.", TUPLES + b"}X\x01\x00\x00\x00wh\x3cs."]
)
def test_containers_that_share_their_parts(
    tmp_path: Path, survived: Check, monkeypatch: pytest.MonkeyPatch, program: bytes
) -> None:
    """They are small in memory, and walking them must not take for ever."""
    monkeypatch.setattr("checkpoints.lazy._MAX_VALUES", 50_000)  # for speed
    path = archive(tmp_path / "m.pth", program)
    survived(path)
    assert set(load_model_chunked(path)) == {"w"}


@pytest.mark.parametrize(
    "call",
    [
        b"ctorch\nFloatTensor\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R",
        b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x10\x85R",
    ],
    ids=["tensor", "bytearray"],
)
def test_memory_that_is_asked_for_by_a_call(tmp_path: Path, refused: Check, call: bytes) -> None:
    refused(archive(tmp_path / "m.pth", b"\x80\x02}X\x01\x00\x00\x00w" + call + b"s."), "m.pth")


def test_a_container_in_itself(tmp_path: Path, survived: Check) -> None:
    loop: dict[str, object] = {"w": torch.ones(1)}
    loop["again"] = loop
    torch.save(loop, tmp_path / "m.pth")
    survived(tmp_path / "m.pth")
    with pytest.raises(BadInputError, match="nested deeper than 100"):
        open_checkpoint(tmp_path / "m.pth").tensors()


def test_containers_in_containers(tmp_path: Path, survived: Check) -> None:
    program = b"\x80\x02}X\x01\x00\x00\x00w" + b"]" * 100_000 + b"a" * 99_999 + b"s."
    survived(archive(tmp_path / "m.pth", program))


def test_a_tensor_larger_than_its_bytes(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1).expand(1 << 40)}, tmp_path / "m.pth")
    tensor = open_checkpoint(tmp_path / "m.pth").contents["w"]
    with pytest.raises(BadInputError, match="too scattered to be read"):
        next(iter(TensorStream().blocks(tensor, 0, tensor.elements)))
    assert load_model_chunked(tmp_path / "m.pth")["w"].untyped_storage().nbytes() == 4


def test_a_compressed_archive(tmp_path: Path, refused: Check) -> None:
    """Its few bytes could stand for any number of gigabytes."""
    path = archive(tmp_path / "m.pth", pickle.dumps({"a": 1}, 2), zipfile.ZIP_DEFLATED)
    refused(path, "is compressed")


@pytest.mark.parametrize("where", ["placeholder", "chunk"])
def test_a_compressed_file_of_a_chunked_checkpoint(
    chunked: SavedCheckpoint, refused: Check, where: str
) -> None:
    file = chunked.path if where == "placeholder" else chunked.chunk_files[0]
    content = b"\x80\x02" + b"}" * (64 << 20) + b"."
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("m/data.pkl", content)
    refused(chunked.path, file.name)


def test_members_that_share_bytes(tmp_path: Path, refused: Check) -> None:
    """A thousand tensors, each of the same megabyte."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("m/data.pkl", pickle.dumps({}, 2))
        made.writestr("m/data/0", bytes(1 << 20))
    content = bytearray(file.getvalue())
    directory = content.index(b"PK\x01\x02", content.rindex(b"m/data/0") - 60)
    end = content.index(b"PK\x05\x06")
    entry = bytes(content[directory:end])
    copies = b"".join(entry.replace(b"m/data/0", f"m/data/{n}".encode()) for n in range(1, 10))
    first = content.index(b"PK\x01\x02")
    content[end:end] = copies
    size = end + len(copies) - first
    struct.pack_into("<HHII", content, end + len(copies) + 8, 11, 11, size, first)
    (tmp_path / "m.pth").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "m.pth") as made:
        assert len(made.namelist()) == 11
    refused(tmp_path / "m.pth", "members of the archive share bytes")


def test_a_claimed_size_beyond_the_file(tmp_path: Path, refused: Check) -> None:
    path = archive(tmp_path / "m.pth", pickle.dumps({}, 2))
    content = path.read_bytes()
    for claimed in (1 << 30, 0xFFFFFFFE):
        sizes = struct.pack("<II", 40, 40)
        path.write_bytes(content.replace(sizes, struct.pack("<II", claimed, claimed)))
        refused(path, "not a checkpoint in torch's zip format, or cut short")


def test_a_byte_order_of_any_length(tmp_path: Path, refused: Check) -> None:
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as made:
        made.writestr("m/data.pkl", pickle.dumps({}, 2))
        made.writestr("m/byteorder", bytes(1 << 20))
    refused(tmp_path / "m.pth", "not in little-endian order")


def test_a_pickle_of_any_length(tmp_path: Path, refused: Check) -> None:
    path = tmp_path / "m.pth"
    archive(path, pickle.dumps({"text": "a" * (65 << 20)}, 2))
    refused(path, "larger than 64 MiB")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"format_version": ' + b"9" * 100_000 + b"}", "not JSON"),
        (b'{"tensors": [], "tensors": []}', "duplicate key 'tensors'"),
        (b" " * (65 << 20), "larger than 64 MiB"),
    ],
    ids=range(5),
)
def test_a_manifest_that_grows(
    chunked: SavedCheckpoint, refused: Check, content: bytes, reason: str
) -> None:
    assert chunked.manifest is not None
    chunked.manifest.write_bytes(content)
    refused(chunked.path, "best_model.manifest.json", reason)


def header(entry: dict[str, object]) -> bytes:
    return json.dumps(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}
    ).encode()


@pytest.mark.parametrize(
    ("length", "content"),
    [
        (1 << 62, b""),
        (100_000_000, b"{}"),
        (100_000_000, b'{"a":' + b" " * 99_999_995),
        (50_000, b"[" * 50_000),
        (None, header({"shape": [1 << 62] * 60_000})),
        (None, header({"shape": [10**4000] * 60})),
        (None, header({"shape": [1 << 40, 1 << 40]})),
        (None, header({"data_offsets": [-8, 0]})),
        (None, b'{"a": {}, "a": {}}'),
    ],
    ids=range(9),
)
def test_a_safetensors_header_that_grows(
    tmp_path: Path, refused: Check, length: int | None, content: bytes
) -> None:
    path = tmp_path / "m.safetensors"
    count = len(content) if length is None else length
    path.write_bytes(count.to_bytes(8, "little") + content + bytes(8))
    refused(path, "m.safetensors")
