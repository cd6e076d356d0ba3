import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import describe, list_files, load_model_chunked, open_checkpoint
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

GENERATOR = {"net.weight": torch.arange(12.0).reshape(3, 4), "net.bias": torch.ones(3)}
DISCRIMINATOR = {"conv.weight": torch.full((2, 2), 7.0)}


def manifest(*parts: str) -> dict[str, Any]:
    """As tools wrote it that knew no more than format 1.0."""
    first = {name: parts.index(name) for name in parts}
    return {
        "version": "1.0",
        "is_chunked": True,
        "total_size_mb": 0.1,
        "total_chunks": len(parts),
        "state_dicts": {name: {"chunked": False, "chunk_id": first[name]} for name in first},
        "chunk_files": [
            {
                "chunk_id": number,
                "filename": f"model.chunk_{number:03d}.pth",
                "size_mb": 0.1,
                "state_dict": name,
            }
            for number, name in enumerate(parts)
        ],
    }


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A checkpoint of two state dicts, in two chunks."""
    torch.save(GENERATOR, tmp_path / "model.chunk_000.pth")
    torch.save(DISCRIMINATOR, tmp_path / "model.chunk_001.pth")
    torch.save({"is_chunked": True, "manifest": "model.manifest.json"}, tmp_path / "model.pth")
    document = manifest("generator_state_dict", "discriminator_state_dict")
    (tmp_path / "model.manifest.json").write_text(json.dumps(document))
    return tmp_path / "model.pth"


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = path.with_name("model.manifest.json")
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


@pytest.mark.parametrize("given", ["model.pth", "model.manifest.json"])
@pytest.mark.parametrize("lost", [False, True])
def test_state_dicts_are_put_together(older: Path, given: str, *, lost: bool) -> None:
    if lost:
        older.unlink()
    with pytest.warns(UserWarning, match=r"model\.manifest\.json: is of format 1\.0, which cannot"):
        loaded = load_model_chunked(older.with_name(given))
    assert list(loaded) == ["generator_state_dict", "discriminator_state_dict"]
    for name, saved in (("generator", GENERATOR), ("discriminator", DISCRIMINATOR)):
        state = loaded[f"{name}_state_dict"]
        assert list(state) == list(saved)
        assert all(torch.equal(state[key], tensor) for key, tensor in saved.items())


def test_it_is_opened_without_reading_its_tensors(older: Path) -> None:
    with pytest.warns(UserWarning, match=r"format 1\.0"):
        tensors = open_checkpoint(older).tensors()
    weight = tensors["generator_state_dict/net.weight"]
    assert b"".join(TensorStream().blocks(weight, 0, 12)) == (
        GENERATOR["net.weight"].numpy().tobytes()
    )
    assert set(tensors) == {
        "generator_state_dict/net.weight",
        "generator_state_dict/net.bias",
        "discriminator_state_dict/conv.weight",
    }


def test_it_is_described(older: Path) -> None:
    summary = describe(older)
    assert summary.is_chunked
    assert [chunk.name for chunk in summary.chunks] == [
        "model.chunk_000.pth",
        "model.chunk_001.pth",
    ]
    assert summary.cap_bytes is None
    assert len(list_files(older)) == 4


def test_one_state_dict_may_be_in_several_chunks(older: Path) -> None:
    document = manifest("net", "net")
    document["state_dicts"] = {"net": {"chunked": True}}
    older.with_name("model.manifest.json").write_text(json.dumps(document))
    with pytest.warns(UserWarning, match=r"format 1\.0"):
        assert set(load_model_chunked(older)["net"]) == {*GENERATOR, *DISCRIMINATOR}
    torch.save(GENERATOR, older.with_name("model.chunk_001.pth"))
    with pytest.raises(BadInputError, match=r"holds 'net\.bias' of 'net', which another chunk"):
        load_model_chunked(older)


def test_a_flipped_bit_is_found_by_the_archive_s_own_checksum(older: Path) -> None:
    chunk = older.with_name("model.chunk_000.pth")
    content = bytearray(chunk.read_bytes())
    content[content.index(GENERATOR["net.weight"].numpy().tobytes()) + 9] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(BadInputError, match=r"model\.chunk_000\.pth: damaged"):
        load_model_chunked(older)


def test_a_missing_chunk_is_named(older: Path) -> None:
    older.with_name("model.chunk_001.pth").unlink()
    for read in (load_model_chunked, open_checkpoint):
        with pytest.raises(BadInputError, match=r"1 of 2 chunks missing: model\.chunk_001\.pth"):
            read(older)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(total_chunks=3), "total_chunks: expected 2"),
        (lambda d: d["chunk_files"][0].update(filename="../x.pth"), "keep its name and folder"),
        (lambda d: d["state_dicts"].update(optimizer={}), "no chunk holds 'optimizer'"),
        (lambda d: d["chunk_files"][0].pop("state_dict"), "chunk_files[0].state_dict: missing"),
        (lambda d: d.pop("chunk_files"), "chunk_files: missing"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    older: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    edit(older, change)
    for read in (load_model_chunked, open_checkpoint):
        with pytest.raises(BadInputError) as caught:
            read(older)
        assert reason in str(caught.value)


def test_a_chunk_that_is_no_state_dict_is_refused(older: Path) -> None:
    torch.save([torch.ones(1)], older.with_name("model.chunk_000.pth"))
    for read in (load_model_chunked, open_checkpoint):
        with pytest.raises(BadInputError, match=r"chunk_000\.pth: holds a list, not a"):
            read(older)


def test_a_whole_checkpoint_is_not_overruled(older: Path) -> None:
    """The manifest is of an older save then."""
    torch.save({"whole": 1}, older)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model_chunked(older) == {"whole": 1}


def test_keys_of_a_later_format_make_it_one(older: Path) -> None:
    edit(older, lambda document: document.update(tensors=[]))
    with pytest.raises(BadInputError, match="placeholder of chunks in another format"):
        load_model_chunked(older)
    older.unlink()
    with pytest.raises(BadInputError, match="format_version: missing"):
        load_model_chunked(older)
