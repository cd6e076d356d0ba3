import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

from checkpoints import SavedCheckpoint, list_files, save_model_chunked
from checkpoints.checking import CheckedCheckpoint, check
from checkpoints.digests import digest_of, record_sha256
from checkpoints.journal import Commit
from checkpoints.layout import layout_of
from checkpoints.survey import find_checkpoints

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


def said(found: CheckedCheckpoint, level: str) -> str:
    """What was found at that level; everything is at one of the two."""
    assert {finding.level for finding in found.findings} <= {"error", "warning"}
    return "\n".join(one.message for one in found.findings if one.level == level)


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_checkpoint_in_chunks(chunked: SavedCheckpoint, *, deep: bool) -> None:
    heard: list[int] = []
    found = check(chunked.path, deep=deep, on_bytes=heard.append)
    assert found.sound
    assert found.findings == ()
    assert (found.form, found.tensors, found.epoch) == ("chunks", 2, 12)
    assert found.save_id == chunked.save_id
    assert [file.path for file in found.files] == list(chunked.chunk_files)
    assert found.beside == (chunked.path, chunked.manifest)
    assert found.size_bytes == sum(file.stat().st_size for file in chunked.chunk_files)
    if deep:
        assert sum(heard) == found.size_bytes
        assert [f.sha256 for f in found.files] == [digest_of(f).sha256 for f in chunked.chunk_files]
    else:
        assert (heard, {file.sha256 for file in found.files}) == ([], {None})


def test_a_sound_checkpoint_in_one_file(tmp_path: Path) -> None:
    save_model_chunked({"w": torch.ones(3), "epoch": 4}, tmp_path / "m.pth")
    found = check(tmp_path / "m.pth", deep=True)
    assert (found.form, found.tensors, found.epoch, found.save_id) == ("one file", 1, 4, None)
    save_file({"w": torch.ones(3)}, tmp_path / "m.safetensors")
    found = check(tmp_path / "m.safetensors", deep=True)
    assert (found.form, found.tensors, found.sound) == ("one file", 1, True)


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_a_sound_checkpoint_in_safetensors(tmp_path: Path, name: str) -> None:
    model = {"net": {"w": torch.ones(40_000)}, "epoch": 4}
    saved = save_model_chunked(model, tmp_path / name, 0.0625, container="safetensors")
    found = check(saved.path, deep=True)
    assert (found.form, found.tensors, found.epoch) == ("chunks", 1, 4)
    assert found.findings == ()
    beside = ["m.manifest.json", "m.safetensors.index.json"]
    assert [file.name for file in found.beside] == (["m.pth"] if name == "m.pth" else []) + beside
    (tmp_path / "m.safetensors.index.json").write_text("{}")
    assert "m.safetensors.index.json: is damaged" in said(check(saved.path), "error")


def test_chunks_of_the_other_ending_are_not_left_over(tmp_path: Path) -> None:
    whole = save_model_chunked({"w": torch.ones(3)}, tmp_path / "m.pth").path
    save_model_chunked({"w": torch.ones(40_000)}, tmp_path / "m.safetensors", 0.0625)
    assert check(whole).findings == ()


def test_missing_and_truncated_shards_are_named(tmp_path: Path) -> None:
    state = {f"layer{number}": torch.ones(99) for number in range(4)}
    save_torch_state_dict(state, tmp_path, max_shard_size=800)
    first, second = sorted(tmp_path.glob("*.safetensors"))
    assert find_checkpoints(tmp_path) == (tmp_path / "model.safetensors",)
    found = check(tmp_path / "model.safetensors", deep=True)
    assert (found.form, found.tensors, found.findings) == ("shards", 4, ())
    os.truncate(second, second.stat().st_size - 1)
    assert second.name in said(check(tmp_path / "model.safetensors"), "error")
    first.unlink()
    message = f"{first}: missing; copy all chunks beside the index"
    assert message in said(check(tmp_path / "model.safetensors"), "error")


def test_a_removal_that_was_not_finished_is_no_damage(chunked: SavedCheckpoint) -> None:
    layout = layout_of(chunked.path)
    names = [file.name for file in list_files(chunked.path)]
    layout.removal.write_text(json.dumps({"remove": names}))
    chunked.chunk_files[0].unlink()
    found = check(chunked.path)
    assert (found.form, found.sound) == ("unfinished", True)
    assert f"{layout.removal}: of a removal that was not finished" in said(found, "warning")
    assert layout.removal.exists()
    layout.removal.write_text("?")
    assert "damaged mark" in said(check(chunked.path), "error")


def test_every_missing_or_changed_chunk_is_named(chunked: SavedCheckpoint) -> None:
    first, second = chunked.chunk_files
    first.unlink()
    size = second.stat().st_size
    os.truncate(second, size - 1)
    found = check(chunked.path)
    assert not found.sound
    assert f"{first}: missing" in said(found, "error")
    assert f"{second}: damaged ({size - 1} bytes, not {size})" in said(found, "error")
    assert found.files[0].size_bytes is None


@pytest.mark.parametrize("name", ["best_model.pth", "best_model.chunk_001.pth"])
def test_a_git_lfs_pointer_is_named(chunked: SavedCheckpoint, name: str) -> None:
    (chunked.path.parent / name).write_text(LFS_POINTER)
    assert "git lfs pull" in said(check(chunked.path), "error")


def test_a_flipped_bit_is_found_where_bytes_are_read(chunked: SavedCheckpoint) -> None:
    flip(chunked.chunk_files[1], 20_000)
    assert check(chunked.path).sound
    found = check(chunked.path, deep=True)
    assert f"{chunked.chunk_files[1]}: damaged (a CRC-32 that" in said(found, "error")


def test_a_flipped_bit_of_one_file_is_found_where_bytes_are_read(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "m.pth")
    flip(tmp_path / "m.pth", (tmp_path / "m.pth").read_bytes().index(torch.ones(9).numpy().data))
    assert check(tmp_path / "m.pth").sound
    assert "m.pth: damaged at 'm/data/0'" in said(check(tmp_path / "m.pth", deep=True), "error")


def test_a_chunk_of_another_save_is_told_from_a_damaged_one(
    chunked: SavedCheckpoint, model: dict[str, Any], save_small: Callable[..., SavedCheckpoint]
) -> None:
    older = chunked.chunk_files[0].read_bytes()
    model["first"]["weight"] += 1
    save_small(model, chunked.path)
    chunked.chunk_files[0].write_bytes(older)
    assert "it is from another save" in said(check(chunked.path, deep=True), "error")


def forged(file: Path) -> None:
    """Change the file and mend its CRC-32: four bytes suffice to give it any."""
    import zlib

    content = bytearray(file.read_bytes())
    wanted = zlib.crc32(content)
    content[-200] ^= 1
    at = len(content) - 100
    columns = []
    base = zlib.crc32(bytes(content))
    for bit in range(32):
        content[at + bit // 8] ^= 1 << bit % 8
        columns.append(zlib.crc32(bytes(content)) ^ base)
        content[at + bit // 8] ^= 1 << bit % 8
    chosen = [(column, 1 << bit) for bit, column in enumerate(columns)]
    goal, mask = base ^ wanted, 0
    for pivot in reversed(range(32)):  # solve over GF(2)
        row = next(pair for pair in chosen if pair[0] >> pivot & 1)
        chosen = [
            (c ^ row[0], m ^ row[1]) if c >> pivot & 1 else (c, m)
            for c, m in chosen
            if (c, m) != row
        ]
        if goal >> pivot & 1:
            goal, mask = goal ^ row[0], mask ^ row[1]
    for bit in range(32):
        if mask >> bit & 1:
            content[at + bit // 8] ^= 1 << bit % 8
    assert zlib.crc32(content) == wanted
    file.write_bytes(content)


def test_a_forgery_is_found_by_its_sha256(chunked: SavedCheckpoint) -> None:
    sha256 = {file.name: digest_of(file).sha256 for file in chunked.chunk_files}
    record_sha256(layout_of(chunked.path), chunked.save_id, sha256)
    forged(chunked.chunk_files[0])
    found = check(chunked.path, deep=True)
    assert f"{chunked.chunk_files[0]}: its SHA-256 is not the manifest's" in said(found, "error")


@pytest.mark.parametrize("step", ["journal", "staged"])
def test_an_interrupted_save_is_named_and_left(chunked: SavedCheckpoint, step: str) -> None:
    layout = layout_of(chunked.path)
    staged = layout.staged(chunked.chunk_files[0].name, chunked.save_id)
    if step == "journal":
        chunked.chunk_files[0].rename(staged)
        save = Commit(chunked.save_id, len(chunked.chunk_files))
        layout.journal.write_text(f'{{"save_id": "{save.save_id}", "chunks": {save.chunks}}}\n')
    else:
        staged.write_bytes(b"half")
    before = {file.name: file.stat().st_mtime_ns for file in chunked.path.parent.iterdir()}
    found = check(chunked.path, deep=True)
    assert found.sound
    assert ("loading completes it" if step == "journal" else "removes them") in said(
        found, "warning"
    )
    assert found.tensors == 2
    after = {file.name: file.stat().st_mtime_ns for file in chunked.path.parent.iterdir()}
    assert after == before


def test_a_first_save_that_was_interrupted_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / ".m.chunk_000.pth.0123456789abcdef.staged").write_bytes(b"half")
    found = check(tmp_path / "m.pth")
    assert (found.form, found.sound, found.files) == ("unfinished", True, ())
    assert "of a save that was not finished" in said(found, "warning")


def test_chunks_without_a_manifest_are_damage(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    chunked.manifest.unlink()
    assert "best_model.manifest.json is missing" in said(check(chunked.path), "error")
    chunked.path.unlink()
    found = check(chunked.path)
    assert "2 chunks are here and their manifest is not" in said(found, "error")
    assert found.size_bytes > 0


def test_files_of_no_use_are_named(tmp_path: Path, chunked: SavedCheckpoint) -> None:
    stale = tmp_path / "best_model.chunk_007.pth"
    stale.write_bytes(b"old")
    assert f"has no use for {stale.name}" in said(check(chunked.path), "warning")
    torch.save({"w": torch.ones(1)}, chunked.path)
    found = check(chunked.path)
    assert found.sound
    assert "has no use for best_model.manifest.json, best_model.chunk_000" in said(found, "warning")


def test_a_checkpoint_that_asks_for_code_is_an_error(tmp_path: Path) -> None:
    torch.save({"net": torch.nn.Linear(1, 1)}, tmp_path / "m.pth")
    found = check(tmp_path / "m.pth", deep=True)
    assert "asks for torch.nn.modules.linear.Linear" in said(found, "error")
    assert found.size_bytes == (tmp_path / "m.pth").stat().st_size


def test_neither_torch_nor_numpy_is_needed(chunked: SavedCheckpoint) -> None:
    code = (
        "import sys; from pathlib import Path; from checkpoints.checking import check;"
        "assert check(Path(sys.argv[1]), deep=True).sound;"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(chunked.path)], check=True, env=os.environ)


@pytest.mark.parametrize("name", ["m.safetensors", "m.pth"])
def test_chunks_of_safetensors(tmp_path: Path, name: str) -> None:
    model = {"w": torch.randn(40_000), "epoch": 3}
    saved = save_model_chunked(
        model, tmp_path / name, 0.0625, container="safetensors", announce=lambda _: None
    )
    (path,) = find_checkpoints(tmp_path)
    assert path == tmp_path / name
    found = check(path, deep=True)
    assert (found.form, found.epoch, found.findings) == ("chunks", 3, ())
    assert [file.path for file in found.files] == list(saved.chunk_files)
    assert tmp_path / "m.safetensors.index.json" in found.beside
    flip(saved.chunk_files[1], 20_000)
    assert f"{saved.chunk_files[1]}: damaged" in said(check(path, deep=True), "error")


def test_one_file_of_safetensors_is_held_against_its_own_checksums(tmp_path: Path) -> None:
    save_model_chunked({"w": torch.ones(1000)}, tmp_path / "m.safetensors")
    assert check(tmp_path / "m.safetensors", deep=True).sound
    flip(tmp_path / "m.safetensors", (tmp_path / "m.safetensors").stat().st_size - 9)
    assert check(tmp_path / "m.safetensors").sound
    assert "damaged at 'byte" in said(check(tmp_path / "m.safetensors", deep=True), "error")


def test_a_link_is_called_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    save_model_chunked({"w": torch.ones(3)}, tmp_path / "run" / "m.pth", announce=print)
    link, lost = tmp_path / "best.pth", tmp_path / "lost.pth"
    link.symlink_to("run/m.pth")
    lost.symlink_to("run/gone.pth")
    assert (check(link).path, check(link).sound) == (link, True)
    found = check(lost)
    assert (found.path, found.sound) == (lost, False)
    message = f"{lost}: is a link to run/gone.pth, which is not there; remove it"
    assert [finding.message for finding in found.findings] == [message]
