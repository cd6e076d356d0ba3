import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checkpoints import SavedCheckpoint, load_model_chunked
from checkpoints.layout import layout_of
from checkpoints.parsing import read_manifest
from chunkport.errors import BadInputError

Change = Callable[[dict[str, Any]], None]


def refused(saved: SavedCheckpoint, *words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load_model_chunked(saved.path)
    message = str(caught.value)
    assert "\n" not in message
    for word in ("best_model.manifest.json", *words):
        assert word in message


def put(*place: str | int, value: Any) -> Change:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = value

    return change


def drop(*place: str | int) -> Change:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        for key in place[:-1]:
            target = target[key]
        del target[place[-1]]

    return change


WRONG: dict[str, tuple[Change, str]] = {
    "missing key": (drop("tensors"), "tensors: missing"),
    "missing id": (drop("save_id"), "save_id: missing"),
    "missing version": (drop("format_version"), "format_version: missing"),
    "missing in entry": (drop("tensors", 0, "dtype"), "tensors[0].dtype: missing"),
    "wrong type": (put("chunk_files", value={}), "chunk_files: expected list, found dict"),
    "wrong entry": (put("tensors", 0, value=3), "tensors: expected a list of objects"),
    "true for a number": (put("total_chunks", value=True), "total_chunks: expected int"),
    "not chunked": (put("is_chunked", value=False), "is_chunked: expected true"),
    "other byte order": (put("byte_order", value="big"), "byte_order: expected 'little'"),
    "wrong count": (put("total_chunks", value=3), "total_chunks: expected 2"),
    "wrong number": (put("chunk_files", 1, "chunk_id", value=0), "chunk_files[1].chunk_id"),
    "one bound": (put("tensors", 0, "pieces", 0, "rows", value=[90]), "expected [start, stop]"),
    "no checksum": (put("chunk_files", 0, "crc32", value="what"), "not hexadecimal"),
    "no version": (put("format_version", value="new"), "is not a version like '1.1'"),
    "tree": (put("tree", value=[]), "tree: expected dict"),
    "container": (put("container", value="zip"), "'zip' is none of pth, safetensors"),
    "container of no text": (put("container", value=[]), "container: [] is none of"),
    "other container": (put("container", value="safetensors"), "keep its name"),
    "suffix": (put("main_suffix", value="/x"), "'/x' is none of .pth, .safetensors"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_manifest_that_cannot_be_is_refused(
    chunked: SavedCheckpoint, edit_manifest: Callable[[Change], None], case: str
) -> None:
    change, reason = WRONG[case]
    edit_manifest(change)
    refused(chunked, reason, "restore it")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"version": "1.0",', "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"{}", "format_version: missing"),
    ],
)
def test_what_is_not_a_json_object_is_refused(
    chunked: SavedCheckpoint, content: bytes, reason: str
) -> None:
    assert chunked.manifest is not None
    chunked.manifest.write_bytes(content)
    refused(chunked, reason)


def test_an_altered_value_is_noticed(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    text = chunked.manifest.read_text()
    chunked.manifest.write_text(text.replace('"epoch": 12', '"epoch": 13'))
    refused(chunked, "do not match manifest_crc32")


def test_a_later_major_version_is_refused(
    chunked: SavedCheckpoint, edit_manifest: Callable[[Change], None]
) -> None:
    edit_manifest(put("format_version", value="2.0"))
    refused(chunked, "format_version 2.0 is later than 1.1; update chunkport")


def test_a_later_minor_version_is_read_with_a_warning(
    chunked: SavedCheckpoint, edit_manifest: Callable[[Change], None]
) -> None:
    edit_manifest(put("format_version", value="1.7"))
    edit_manifest(put("novelty", value=[1]))
    with pytest.warns(UserWarning, match=r"format_version 1\.7 is later than 1\.1"):
        assert load_model_chunked(chunked.path)["epoch"] == 12


def test_no_damage_of_the_text_escapes_as_another_error(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    whole = chunked.manifest.read_bytes()
    layout = layout_of(chunked.path)
    for position in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[position] ^= 0x04
        chunked.manifest.write_bytes(damaged)
        with pytest.raises(BadInputError, match=r"best_model\.manifest\.json"):
            read_manifest(chunked.manifest, layout)


def test_each_entry_is_a_line_so_that_a_diff_can_be_read(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    lines = Path(chunked.manifest).read_text().splitlines()
    assert sum('"filename"' in line for line in lines) == 2
    assert len(json.loads("\n".join(lines))["chunk_files"]) == 2
