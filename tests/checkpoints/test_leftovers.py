from pathlib import Path

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, save_model_chunked
from checkpoints.leftovers import clean_left_overs
from chunkport.errors import BadInputError

STAGED = ".best_model.chunk_001.pth.0123456789abcdef.staged"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_litter_goes_and_the_checkpoint_stays(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    before = names(folder)
    splitting = folder / ".large.pth.splitting"
    splitting.mkdir()
    (splitting / "large.chunk_000.pth").write_text("half")
    litter = {STAGED, ".new.pth.0123456789abcdef.staged", "best_model.chunk_007.pth"}
    for name in litter:
        (folder / name).write_text("half")
    found = clean_left_overs(folder, dry_run=True)
    assert {path.name for path in found} == litter | {".large.pth.splitting"}
    assert names(folder) > before
    assert set(clean_left_overs(folder)) == set(found)
    assert names(folder) == before
    assert load_model_chunked(chunked.path)["epoch"] == 12


def test_of_one_checkpoint_only_its_own(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    for name in (STAGED, ".other.pth.0123456789abcdef.staged"):
        (folder / name).write_text("half")
    assert clean_left_overs(chunked.path) == (folder / STAGED,)


def test_chunks_beside_a_whole_checkpoint_go(tmp_path: Path) -> None:
    save_model_chunked({"w": torch.ones(3)}, tmp_path / "m.pth")
    (tmp_path / "m.chunk_000.pth").write_text("of an older save")
    assert clean_left_overs(tmp_path) == (tmp_path / "m.chunk_000.pth",)
    assert load_model_chunked(tmp_path / "m.pth")["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("text", [None, "{"], ids=["missing", "damaged"])
def test_chunks_without_a_manifest_stay(chunked: SavedCheckpoint, text: str | None) -> None:
    assert chunked.manifest is not None
    chunked.manifest.unlink()
    if text:
        chunked.manifest.write_text(text)
    assert clean_left_overs(chunked.path.parent) == ()
    assert all(chunk.is_file() for chunk in chunked.chunk_files)


def test_chunks_of_the_other_ending_stay(tmp_path: Path) -> None:
    saved = save_model_chunked(
        {"w": torch.randn(30_000)}, tmp_path / "m.safetensors", 0.0625, announce=print
    )
    torch.save({"w": torch.ones(3)}, tmp_path / "m.pth")
    assert clean_left_overs(tmp_path) == ()
    assert all(chunk.is_file() for chunk in saved.chunk_files)


def test_a_committed_save_is_finished(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    chunk = chunked.chunk_files[0]
    chunk.rename(folder / f".{chunk.name}.{chunked.save_id}.staged")
    journal = f'{{"save_id": "{chunked.save_id}", "chunks": {len(chunked.chunk_files)}}}\n'
    (folder / ".best_model.journal").write_text(journal)
    assert clean_left_overs(folder) == ()
    assert chunk.is_file()
    assert load_model_chunked(chunked.path)["epoch"] == 12


def test_a_place_without_anything_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such checkpoint"):
        clean_left_overs(tmp_path / "m.pth")
