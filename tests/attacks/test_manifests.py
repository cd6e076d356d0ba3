"""Manifests that name files elsewhere, or describe what cannot be."""

from collections.abc import Callable
from typing import Any

import pytest

from checkpoints import SavedCheckpoint

Check = Callable[..., None]
ELSEWHERE = (
    "../best_model.chunk_000.pth",
    "../../etc/passwd",
    "/etc/passwd",
    "//server/share/best_model.chunk_000.pth",
    "..\\best_model.chunk_000.pth",
    "C:best_model.chunk_000.pth",
    "C:\\best_model.chunk_000.pth",
    "./best_model.chunk_000.pth",
    "best_model.chunk_000.pth/",
    "best_model.chunk_000.pth\0",
    "BEST_MODEL.CHUNK_000.PTH",
    "other.chunk_000.pth",
    "best_model.chunk_001.pth",
    "best_model.chunk_0.pth",
    "best_model.pth",
    ".best_model.journal",
    "CON",
    "",
)


def put(*place: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        target: Any = document
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = value

    return change


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_chunk_somewhere_else(
    chunked: SavedCheckpoint, forge: Check, refused: Check, name: str
) -> None:
    forge(put("chunk_files", 0, "filename", value=name))
    refused(chunked.path, "best_model.manifest.json", "keep its name and folder")


PIECE = ("tensors", 0, "pieces", 0)


LIES: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("chunk_files", 1, "filename"), "best_model.chunk_000.pth", "keep its name"),
    (("tensors", 1, "pieces", 0, "chunk_id"), 0, "share bytes"),
    (("tensors", 1, "pieces", 0, "chunk_id"), -1, "expected a size"),
    (("tensors", 1, "pieces", 0, "chunk_id"), 2, "there are 2 chunks"),
    ((*PIECE, "offset"), -4, "expected a size"),
    ((*PIECE, "offset"), 1 << 30, "past the end"),
    ((*PIECE, "offset"), 1 << 70, "expected a size"),
    ((*PIECE, "offset"), 10**4000, "expected a size"),
    ((*PIECE, "rows"), [0, 45], "do not cover"),
    ((*PIECE, "rows"), [1, 90], "overlap"),
    ((*PIECE, "rows"), [90, 0], "overlap"),
    ((*PIECE, "rows"), [0, 1 << 61], "past the end"),
    (("tensors", 0, "pieces"), [], "do not cover"),
    (("tensors", 0, "shape"), [180, 100], "do not cover"),
    (("tensors", 0, "shape"), [-90, -100], "expected a size"),
    (("tensors", 0, "shape"), [9000.0], "expected a size"),
    (("tensors", 0, "shape"), [1 << 40, 1 << 40], "larger than any memory"),
    (("tensors", 0, "shape"), [0, 1 << 61, 1 << 61], "larger than any memory"),
    (("tensors", 0, "shape"), [1 << 62] * 60_000, "more than 64 dimensions"),
    (("tensors", 0, "shape"), [1] * 65, "more than 64 dimensions"),
    (("tensors", 0, "dtype"), "object", "unknown type 'object'"),
    (("chunk_files", 0, "size_bytes"), 1 << 40, "bytes, not 1099511627776"),
    (("chunk_files", 0, "size_bytes"), 10, "past the end"),
    (("chunk_files", 0, "crc32"), "-1", "not hexadecimal"),
    (("save_id",), "../../../tmp/x", "not hexadecimal"),
    (("total_chunks",), 1 << 62, "total_chunks: expected 2"),
    (("tree", "first", "weight", "index"), 99, "no tensor number 99"),
    (("tree", "first", "weight", "index"), -1, "no tensor number -1"),
    (("tree", "epoch"), {"$": "eval", "value": "1"}, "cannot be rebuilt"),
    (("tree", "epoch"), {"$": "size", "items": [1, "x"]}, "cannot be rebuilt"),
    (("tree", "epoch"), {"$": "size", "items": [10**40]}, "cannot be rebuilt"),
    (("tree", "epoch"), {"$": "scalar", "dtype": "object", "hex": "00"}, "cannot be rebuilt"),
]


@pytest.mark.parametrize("lie", LIES)
def test_what_cannot_be(
    chunked: SavedCheckpoint,
    forge: Check,
    refused: Check,
    lie: tuple[tuple[str | int, ...], Any, str],
) -> None:
    place, value, reason = lie
    forge(put(*place, value=value))
    refused(chunked.path, "best_model.", reason)
