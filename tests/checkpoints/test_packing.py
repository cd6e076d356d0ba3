import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, save_model_chunked
from checkpoints.packing import pack, unpack
from chunkport.errors import BadInputError, UsageError


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_there_and_back(chunked: SavedCheckpoint, tmp_path: Path, ending: str) -> None:
    target = tmp_path / f"m{ending}"
    read: list[int] = []
    packed = pack(chunked.path, target, on_bytes=read.append)
    assert packed.size_bytes == target.stat().st_size
    assert len(packed.files) == 4
    assert (packed.size_bytes < packed.size_bytes_before) == (ending == ".tar.gz")
    assert sum(read) > 2.9 * 72_000
    files = unpack(target, tmp_path / "out")
    for file in files:
        assert file.read_bytes() == (chunked.path.parent / file.name).read_bytes()
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    assert load_model_chunked(tmp_path / "out" / "best_model.pth")["epoch"] == 12


def test_one_file_and_chunks_of_safetensors_too(tmp_path: Path) -> None:
    for name, size in (("one.pth", 3), ("many.safetensors", 30_000)):
        saved = save_model_chunked({"w": torch.ones(size)}, tmp_path / name, 0.0625, announce=print)
        pack(saved.path, tmp_path / "m.tar", force=True)
        unpack(tmp_path / "m.tar", tmp_path / "out")
        assert load_model_chunked(tmp_path / "out" / name)["w"].sum() == size


def test_other_tools_can_check_it(chunked: SavedCheckpoint, tmp_path: Path) -> None:
    pack(chunked.path, tmp_path / "m.tar")
    with tarfile.open(tmp_path / "m.tar") as tar:
        lines = tar.extractfile("SHA256SUMS").read().decode().splitlines()  # type: ignore[union-attr]  # it is a file
    assert [line[64:66] for line in lines] == ["  "] * 4
    assert lines[0].endswith("best_model.pth")


def test_a_damaged_checkpoint_is_not_packed(chunked: SavedCheckpoint, tmp_path: Path) -> None:
    chunk = chunked.chunk_files[0]
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(BadInputError, match="damaged"):
        pack(chunked.path, tmp_path / "m.tar")
    assert not (tmp_path / "m.tar").exists()


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_damaged_archive_leaves_nothing(
    chunked: SavedCheckpoint, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"m{ending}"
    pack(chunked.path, target)
    whole = target.read_bytes()
    for place in range(0, len(whole), len(whole) // 20):
        target.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        try:
            unpack(target, tmp_path / "out")
        except BadInputError:
            assert list((tmp_path / "out").iterdir()) == []
        else:  # a bit that says nothing of the files, such as a time
            assert load_model_chunked(tmp_path / "out" / "best_model.pth")["epoch"] == 12
            shutil.rmtree(tmp_path / "out")
    target.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInputError, match="or damaged"):
        unpack(target, tmp_path / "out")


def of(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "info",
    [of("../m.pth"), of("/m.pth"), of("a/m.pth"), of("m.pth"), of("m.pth", tarfile.SYMTYPE)],
)
def test_foreign_archives_are_refused(tmp_path: Path, info: tarfile.TarInfo) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as tar:
        tar.addfile(info, io.BytesIO(b""))
    message = r"not an archive of a checkpoint, or damaged \([^-]*\); copy"
    with pytest.raises(BadInputError, match=message):
        unpack(tmp_path / "m.tar", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "m.pth").exists()


def test_nothing_is_replaced(chunked: SavedCheckpoint, tmp_path: Path) -> None:
    pack(chunked.path, tmp_path / "m.tar")
    with pytest.raises(UsageError, match="already there; add --force"):
        pack(chunked.path, tmp_path / "m.tar")
    with pytest.raises(UsageError, match=r"best_model\.pth: already there"):
        unpack(tmp_path / "m.tar", tmp_path)
    with pytest.raises(UsageError, match=r"must end in \.tar"):
        pack(chunked.path, tmp_path / "m.zip")


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_unpacking_it_is_there_whole_or_not(
    chunked: SavedCheckpoint, tmp_path: Path, die_at_every_step: Callable[..., int]
) -> None:
    archive, out = tmp_path / "m.tar", tmp_path / "out"
    pack(chunked.path, archive)
    forms: set[bool] = set()

    def prepare() -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    def check(_step: int) -> None:
        try:
            loaded: dict[str, Any] | None = load_model_chunked(out / "best_model.pth")
        except BadInputError as error:
            assert "no such checkpoint" in str(error)  # noqa: PT017 - any other error is a half set
            loaded = None
        assert loaded is None or loaded["epoch"] == 12
        forms.add(loaded is None)

    assert die_at_every_step(out, prepare, lambda: unpack(archive, out), check) > 6
    assert forms == {True, False}


def test_what_is_no_archive_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(b"no archive")
    with pytest.raises(BadInputError, match=r"damaged \(file could not be opened successfully\);"):
        unpack(tmp_path / "m.tar", tmp_path / "out")
