import json
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.shard_index import is_of_a_save, read_index
from chunkport.errors import BadInputError

NAME = "model.safetensors.index.json"


def index(tmp_path: Path, text: str) -> Path:
    (tmp_path / NAME).write_text(text)
    return tmp_path / NAME


def test_an_index_says_where_each_tensor_is(tmp_path: Path) -> None:
    weight_map = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    file = index(tmp_path, json.dumps({"metadata": {"total_size": 8}, "weight_map": weight_map}))
    assert read_index(file) == weight_map
    assert not is_of_a_save(file)
    assert not is_of_a_save(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    "name",
    [
        "../x.safetensors",
        "a/x.safetensors",
        "/x.safetensors",
        "..\\x.safetensors",
        "a\\x.safetensors",
        "C:x.safetensors",
        "C:\\x.safetensors",
        "\\\\server\\share\\x.safetensors",
        "x.safetensors:stream.safetensors",
        "x\0.safetensors",
        "x.bin",
        "",
        3,
        None,
        ["x.safetensors"],
    ],
)
def test_only_files_beside_it_may_be_named(tmp_path: Path, name: Any) -> None:
    file = index(tmp_path, json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BadInputError, match=r"not an index of \.safetensors files") as caught:
        open_checkpoint(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"weight_map": {}}',
        '{"weight_map": ["a"]}',
        '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}',
        '{"weight_map": {"a": "x.safetensors"}, "weight_map": {}}',
        "[" * 50_000,
        '{"weight_map": {"a": NaN}}',
    ],
)
def test_what_is_no_index_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match=r"index\.json: not an index of \.safetensors files"):
        load_model_chunked(index(tmp_path, text))


def test_an_index_beyond_all_reason_is_refused_unread(tmp_path: Path) -> None:
    file = index(tmp_path, "{")
    with file.open("rb+") as stream:
        stream.truncate(11 << 20)
    with pytest.raises(BadInputError, match="it has 11534336 bytes, and an index at most 10485760"):
        load_model_chunked(file)


@pytest.fixture
def saved(tmp_path: Path) -> SavedCheckpoint:
    return save_model_chunked(
        {"w": torch.ones(40_000)}, tmp_path / "m.safetensors", 0.0625, announce=lambda _text: None
    )


def test_any_change_of_a_saves_index_is_noticed(saved: SavedCheckpoint, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors.index.json"
    content = file.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x01
        file.write_bytes(damaged)
        try:
            load_model_chunked(saved.path)
        except BadInputError as error:
            assert file.name in str(error)  # noqa: PT017  # spaces may become others
        else:
            assert json.loads(file.read_bytes()) == json.loads(content)
    file.unlink()  # which only loaders of others need
    assert load_model_chunked(saved.path)["w"].sum() == 40_000


def test_an_index_too_long_for_others_is_not_for_us(
    saved: SavedCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checkpoints.shard_index._MAX_BYTES", 20)
    assert load_model_chunked(saved.path)["w"].sum() == 40_000


def test_an_index_of_an_older_save_is_noticed(saved: SavedCheckpoint, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors.index.json"
    older = file.read_bytes()
    save_model_chunked({"w": torch.ones(40_000)}, saved.path, 0.0625, announce=lambda _text: None)
    file.write_bytes(older)
    with pytest.raises(BadInputError, match=r"not of the save of the manifest beside it"):
        load_model_chunked(saved.path)


def test_line_ends_of_another_system_do_not_count(saved: SavedCheckpoint, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors.index.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert is_of_a_save(file)
    for path in (saved.path, file, tmp_path):
        assert load_model_chunked(path)["w"].sum() == 40_000


def test_chunks_of_a_save_are_never_read_by_an_index_alone(
    saved: SavedCheckpoint, tmp_path: Path
) -> None:
    assert saved.manifest is not None
    saved.manifest.unlink()
    file = tmp_path / "m.safetensors.index.json"
    file.write_text(file.read_text().replace("chunkport_save_id", "chunkport_save_ie"))
    with pytest.raises(BadInputError, match="chunks of a checkpoint whose manifest is missing"):
        load_model_chunked(file)


def test_a_saves_index_without_its_manifest_is_not_enough(
    saved: SavedCheckpoint, tmp_path: Path
) -> None:
    """It knows the first rows of a split tensor only, and none of the other values."""
    assert saved.manifest is not None
    saved.manifest.unlink()
    for path in (saved.path, tmp_path / "m.safetensors.index.json", tmp_path):
        with pytest.raises(BadInputError, match=r"its m\.manifest\.json is missing"):
            load_model_chunked(path)
