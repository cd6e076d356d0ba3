from pathlib import Path

import pytest

from checkpoints.layout import layout_of, layout_to_write
from chunkport.errors import UsageError


def test_files_are_named_after_the_checkpoint() -> None:
    layout = layout_of("runs/best_model.pth")
    assert layout.main == Path("runs/best_model.pth")
    assert layout.manifest == Path("runs/best_model.manifest.json")
    assert layout.chunk_name(0) == "best_model.chunk_000.pth"
    assert layout.chunk_name(1234) == "best_model.chunk_1234.pth"
    assert layout_of("runs/best_model.manifest.json") == layout


def test_safetensors_have_their_own_endings() -> None:
    layout = layout_of("runs/m.safetensors")
    assert (layout.stem, layout.main) == ("m", Path("runs/m.safetensors"))
    assert layout.chunk_name(2, "safetensors") == "m.chunk_002.safetensors"
    assert layout.index == Path("runs/m.safetensors.index.json")
    assert layout_of(layout.index) == layout
    assert layout_to_write("m.pth") == (layout_of("m.pth"), "pth")
    assert layout_to_write("m.pth", "safetensors") == (layout_of("m.pth"), "safetensors")
    assert layout_to_write("m.safetensors") == (layout_of("m.safetensors"), "safetensors")


def test_chunks_are_those_of_this_name_alone(tmp_path: Path) -> None:
    for name in ("m.chunk_000.pth", "m.chunk_1000.pth", "m.chunk_00.pth", "m2.chunk_000.pth"):
        (tmp_path / name).touch()
    found = [path.name for path in layout_of(tmp_path / "m.pth").chunk_files()]
    assert found == ["m.chunk_000.pth", "m.chunk_1000.pth"]
    assert layout_of(tmp_path / "nowhere" / "m.pth").chunk_files() == []


def test_staged_files_are_recognised_by_their_own_checkpoint_only(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "m.pth")
    names = [layout.main_name, layout.manifest_name, layout.chunk_name(3)]
    names += ["m.safetensors", layout.index_name, layout.chunk_name(3, "safetensors")]
    for name in names:
        layout.staged(name, "0123456789abcdef").touch()
    assert len(layout.staged_files()) == 6
    assert layout_of(tmp_path / "m.m.pth").staged_files() == []
    assert layout_of(tmp_path / "n.pth").staged_files() == []


@pytest.mark.parametrize("name", ["m.pt", "m", "m.pth.bak", "m.chunk_000.pth"])
def test_names_of_other_files_cannot_be_written(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        layout_to_write(name)
