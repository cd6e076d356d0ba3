import json
from pathlib import Path

from checkpoints.layout import layout_of
from checkpoints.manifest import Chunk, Manifest, Piece, StoredTensor, document_crc32, to_text
from checkpoints.parsing import read_manifest

MANIFEST = Manifest(
    save_id="0123456789abcdef",
    cap_bytes=65_536,
    created="2026-01-01T00:00:00+00:00",
    tools={"torch": "2"},
    chunks=(
        Chunk("m.chunk_000.pth", 60_000, 1, "net"),
        Chunk("m.chunk_001.pth", 50_000, 0xFFFFFFFF, "net"),
    ),
    tensors=(
        StoredTensor(
            "net/rows", "float32", (10, 100), (Piece(0, 0, 600, 64, 2), Piece(1, 600, 1000, 64, 3))
        ),
        StoredTensor(
            "net/split",
            "int8",
            (2, 9000),
            (Piece(0, 0, 100, 4096, 4), Piece(1, 100, 18000, 4096, 5)),
        ),
        StoredTensor("net/number", "float64", (), (Piece(0, 0, 1, 8192, 6),)),
        StoredTensor("net/nothing", "bool", (0, 3), ()),
    ),
    tree={"net": {"rows": {"$": "tensor", "index": 0}}},
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "m.manifest.json"
    path.write_text(to_text(MANIFEST))
    assert read_manifest(path, layout_of(path)) == MANIFEST


def test_pieces_are_given_in_rows_where_they_are_rows() -> None:
    tensors = json.loads(to_text(MANIFEST))["tensors"]
    assert [piece["rows"] for piece in tensors[0]["pieces"]] == [[0, 6], [6, 10]]
    assert [piece["elements"] for piece in tensors[1]["pieces"]] == [[0, 100], [100, 18000]]
    assert tensors[2]["pieces"][0]["elements"] == [0, 1]
    assert tensors[3]["pieces"] == []


def test_a_spread_state_dict_names_all_its_chunks() -> None:
    document = json.loads(to_text(MANIFEST))
    assert document["state_dicts"] == {"net": {"chunked": True, "chunk_id": 0, "chunk_ids": [0, 1]}}
    assert document["size_bytes"] == 110_000
    assert document["manifest_crc32"] == document_crc32(document)
