from pathlib import Path

import pytest
import torch

from checkpoints.placeholder import Placeholder, placeholder_contents, read_placeholder

PLACEHOLDER = Placeholder("m.manifest.json", "0123456789abcdef")


def test_what_torch_writes_is_read_without_torch(tmp_path: Path) -> None:
    torch.save(placeholder_contents(PLACEHOLDER), tmp_path / "m.pth")
    assert read_placeholder(tmp_path / "m.pth") == PLACEHOLDER


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"is_chunked": False, "manifest": "m", "save_id": "s"},
        {"is_chunked": True, "manifest": 1, "save_id": "s"},
        {"is_chunked": True, "manifest": "m"},
        {"is_chunked": True, "manifest": "m", "save_id": "s", "more": 1},
        {"is_chunked": torch.ones(1)},
        {"is_chunked": Path},
        torch.ones(1),
    ],
    ids=str,
)
def test_other_checkpoints_are_no_placeholder(tmp_path: Path, contents: object) -> None:
    torch.save(contents, tmp_path / "m.pth")
    assert read_placeholder(tmp_path / "m.pth") is None


def test_damage_makes_it_something_else_or_leaves_strings(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    torch.save(placeholder_contents(PLACEHOLDER), path)
    whole = path.read_bytes()
    changed = 0
    for position in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        found = read_placeholder(path)
        assert found is None or found == PLACEHOLDER  # the archive's CRC-32 guards the strings
        changed += found is None
    assert changed > 50
