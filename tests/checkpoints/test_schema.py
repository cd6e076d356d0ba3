"""The JSON schema says what the parser says, as far as a schema can."""

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from checkpoints import SavedCheckpoint
from checkpoints.layout import layout_of
from checkpoints.manifest import ITEM_SIZES, document_crc32
from checkpoints.parsing import read_manifest
from chunkport.errors import BadInputError

Place = tuple[str | int, ...]
GONE = object()

SCHEMA = json.loads((files("checkpoints") / "manifest.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

BOTH_REFUSE: list[tuple[Place, Any]] = [
    (("format_version",), GONE),
    (("format_version",), "new"),
    (("format_version",), 1.1),
    (("format_version",), "2.0"),
    (("is_chunked",), False),
    (("is_chunked",), 1),
    (("byte_order",), "big"),
    (("save_id",), GONE),
    (("save_id",), "../x"),
    (("save_id",), "0123456789ABCDEF"),
    (("cap_bytes",), -1),
    (("cap_bytes",), "90"),
    (("created",), 2026),
    (("tools",), []),
    (("tree",), []),
    (("tree",), GONE),
    (("manifest_crc32",), GONE),
    (("container",), "zip"),
    (("main_suffix",), ".bin"),
    (("tensors",), {}),
    (("tensors", 0), 3),
    (("tensors", 0, "path"), GONE),
    (("tensors", 0, "dtype"), "object"),
    (("tensors", 0, "shape"), [-1, 100]),
    (("tensors", 0, "shape"), [90.5, 100]),
    (("tensors", 0, "shape"), [True, 100]),
    (("tensors", 0, "shape"), [1 << 63]),
    (("tensors", 0, "shape"), "90"),
    (("tensors", 0, "pieces"), None),
    (("tensors", 0, "pieces", 0, "chunk_id"), -1),
    (("tensors", 0, "pieces", 0, "rows"), GONE),
    (("tensors", 0, "pieces", 0, "rows"), [0]),
    (("tensors", 0, "pieces", 0, "rows"), [0, 90, 90]),
    (("tensors", 0, "pieces", 0, "offset"), -4),
    (("tensors", 0, "pieces", 0, "crc32"), "what"),
    (("tensors", 0, "pieces", 0, "crc32"), "-0000001"),
    (("chunk_files",), {}),
    (("chunk_files", 0, "filename"), "../best_model.chunk_000.pth"),
    (("chunk_files", 0, "filename"), "/best_model.chunk_000.pth"),
    (("chunk_files", 0, "filename"), "C:best_model.chunk_000.pth"),
    (("chunk_files", 0, "filename"), "model.pth"),
    (("chunk_files", 0, "state_dict"), None),
    (("chunk_files", 0, "size_bytes"), GONE),
    (("chunk_files", 0, "size_bytes"), -1),
    (("chunk_files", 0, "crc32"), 0),
    (("chunk_files", 0, "crc32"), "1"),
    (("chunk_files", 0, "sha256"), "00"),
    (("chunk_files", 0, "sha256"), "G" * 64),
    (("chunk_files", 0, "sha256"), None),
]

PARSER_REFUSES: list[tuple[Place, Any]] = [  # for what lies between several values
    (("total_chunks",), 3),
    (("total_chunks",), 2.0),  # which JSON Schema counts among the integers
    (("container",), "safetensors"),  # though its chunks are called .pth
    (("chunk_files", 1, "chunk_id"), 0),
    (("chunk_files", 0, "filename"), "other.chunk_000.pth"),
    (("tensors", 0, "pieces"), []),
    (("tensors", 0, "pieces", 0, "rows"), [0, 45]),
    (("tensors", 0, "pieces", 0, "chunk_id"), 7),
    (("tensors", 0, "pieces", 0, "offset"), 1 << 30),
    (("tensors", 0, "shape"), [1 << 40, 1 << 40]),
    (("tensors", 1, "pieces", 0, "chunk_id"), 0),
]

SCHEMA_REFUSES: list[tuple[Place, Any]] = [  # for keys that are there for older tools alone
    (("version",), "1.1"),
    (("total_size_mb",), GONE),
    (("state_dicts",), []),
    (("state_dicts", "first", "chunk_id"), "0"),
    (("chunk_files", 0, "size_mb"), GONE),
    (("size_bytes",), -1),
]

NEITHER_REFUSES: list[tuple[Place, Any]] = [
    (("novelty",), {"of": "a later version"}),
    (("tensors", 0, "novelty"), 1),
    (("chunk_files", 0, "novelty"), 1),
    (("chunk_files", 0, "sha256"), "0" * 64),
    (("format_version",), "1.0"),
    (("created",), "yesterday"),
    (("tools",), {}),
    (("cap_bytes",), 0),
    (("container",), GONE),
    (("main_suffix",), GONE),
]


def verdicts(saved: SavedCheckpoint, change: tuple[Place, Any]) -> tuple[bool, bool]:
    """Whether the schema and the parser take the manifest with one value changed."""
    assert saved.manifest is not None
    document = json.loads(saved.manifest.read_text())
    (*places, last), value = change
    target = document
    for key in places:
        target = target[key]
    if value is GONE:
        del target[last]
    else:
        target[last] = value
    if "manifest_crc32" in document:
        document["manifest_crc32"] = document_crc32(document)
    saved.manifest.write_text(json.dumps(document))
    try:
        read_manifest(saved.manifest, layout_of(saved.path))
    except BadInputError:
        return VALIDATOR.is_valid(document), False
    return VALIDATOR.is_valid(document), True


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    dtypes = SCHEMA["properties"]["tensors"]["items"]["properties"]["dtype"]["enum"]
    assert dtypes == list(ITEM_SIZES)


@pytest.mark.parametrize("change", BOTH_REFUSE)
def test_what_both_refuse(chunked: SavedCheckpoint, change: tuple[Place, Any]) -> None:
    assert verdicts(chunked, change) == (False, False)


@pytest.mark.parametrize("change", PARSER_REFUSES)
def test_what_only_the_parser_can_know(chunked: SavedCheckpoint, change: tuple[Place, Any]) -> None:
    assert verdicts(chunked, change) == (True, False)


@pytest.mark.parametrize("change", SCHEMA_REFUSES)
def test_what_the_parser_passes_over(chunked: SavedCheckpoint, change: tuple[Place, Any]) -> None:
    assert verdicts(chunked, change) == (False, True)


@pytest.mark.parametrize("change", NEITHER_REFUSES)
def test_what_both_take(chunked: SavedCheckpoint, change: tuple[Place, Any]) -> None:
    assert verdicts(chunked, change) == (True, True)


def test_manifests_as_they_are_written(
    tmp_path: Path, save_small: Callable[..., SavedCheckpoint], model: dict[str, Any]
) -> None:
    import torch

    odd = {
        "bare": torch.tensor(2.0),
        "empty": torch.empty(0, 3),
        "large": torch.zeros(3, 30_000),
        "wide": torch.zeros(2, 20_000, dtype=torch.int8),
        "brain": torch.zeros(9, dtype=torch.bfloat16),
        7: None,
        "nested": {(1, 2): [float("inf")]},
    }
    del odd[7]
    for number, contents in enumerate((model, odd)):
        saved = save_small(contents, tmp_path / f"m{number}.pth")
        assert saved.manifest is not None
        VALIDATOR.validate(json.loads(saved.manifest.read_text()))
