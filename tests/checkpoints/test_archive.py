import zipfile
import zlib
from pathlib import Path

import pytest
import torch

from checkpoints.archive import damaged_member, records, refuse_lfs_pointer
from chunkport.errors import BadInputError


def test_records_point_at_the_bytes_of_each_tensor(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    tensors = [torch.arange(size, dtype=torch.int64) for size in (1, 100, 7)]
    torch.save(tensors, path)
    content = path.read_bytes()
    found = records(path)
    for number, tensor in enumerate(tensors):
        record = found[f"data/{number}"]
        data = content[record.offset : record.offset + record.size_bytes]
        assert data == tensor.numpy().tobytes()
        assert record.crc32 == zlib.crc32(data)


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save({"w": torch.ones(100)}, path)
    assert damaged_member(path) is None
    content = bytearray(path.read_bytes())
    content[records(path)["data/0"].offset + 50] ^= 1
    path.write_bytes(content)
    assert damaged_member(path) == "m/data/0"


def test_no_damage_escapes_as_another_error(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save({"w": torch.ones(2)}, path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        for look in (records, damaged_member):
            try:
                look(path)
            except BadInputError as error:
                assert "m.pth" in str(error)  # noqa: PT017  # padding may be damaged unseen


def test_compression_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data/0", bytes(1000))
    with pytest.raises(BadInputError, match="'m/data/0' is compressed"):
        records(tmp_path / "m.pth")


def test_a_git_lfs_pointer_is_told_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "pointer").write_text("version https://git-lfs.github.com/spec/v1\n")
    (tmp_path / "text").write_text("version 1")
    refuse_lfs_pointer(tmp_path / "text")
    with pytest.raises(BadInputError, match="git lfs pull"):
        refuse_lfs_pointer(tmp_path / "pointer")
