import hashlib
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from checkpoints import SavedCheckpoint, load_model_chunked
from checkpoints.digests import digest_of, record_sha256
from checkpoints.layout import layout_of
from checkpoints.parsing import read_manifest
from chunkport.errors import BadInputError


def digests(saved: SavedCheckpoint) -> dict[str, str]:
    return {file.name: digest_of(file).sha256 for file in saved.chunk_files}


def test_a_file_s_checksums(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(content)
    heard: list[int] = []
    digest = digest_of(tmp_path / "f", heard.append)
    assert digest.crc32 == zlib.crc32(content)
    assert digest.sha256 == hashlib.sha256(content).hexdigest()
    assert sum(heard) == len(content)


@pytest.mark.parametrize("container", ["pth", "safetensors"])
def test_what_is_recorded_is_in_the_manifest_and_nothing_else_changes(
    tmp_path: Path, model: dict[str, Any], save_small: Any, container: str
) -> None:
    chunked = save_small(model, tmp_path / f"m.{container}")
    assert chunked.manifest is not None
    before = json.loads(chunked.manifest.read_text())
    record_sha256(layout_of(chunked.path), chunked.save_id, digests(chunked))
    after = json.loads(chunked.manifest.read_text())
    for entry, file in zip(after["chunk_files"], chunked.chunk_files, strict=True):
        assert entry.pop("sha256") == hashlib.sha256(file.read_bytes()).hexdigest()
    assert after.pop("manifest_crc32") != before.pop("manifest_crc32")
    assert after == before
    assert load_model_chunked(chunked.path)["epoch"] == 12
    parsed = read_manifest(chunked.manifest, layout_of(chunked.path))
    assert [chunk.sha256 for chunk in parsed.chunks] == list(digests(chunked).values())


def test_what_a_later_version_wrote_is_kept(chunked: SavedCheckpoint, edit_manifest: Any) -> None:
    edit_manifest(lambda document: document.update(format_version="1.9", novelty=[1]))
    with pytest.warns(UserWarning, match=r"1\.9"):
        record_sha256(layout_of(chunked.path), chunked.save_id, digests(chunked))
    assert chunked.manifest is not None
    assert json.loads(chunked.manifest.read_text())["novelty"] == [1]


def test_another_save_is_not_given_these(
    chunked: SavedCheckpoint, model: dict[str, Any], save_small: Any
) -> None:
    found = digests(chunked)
    model["first"]["weight"] += 1
    save_small(model, chunked.path)
    with pytest.raises(BadInputError, match="saved anew meanwhile; check it again"):
        record_sha256(layout_of(chunked.path), chunked.save_id, found)


DIE = """
import os, sys
from checkpoints.digests import record_sha256
from checkpoints.layout import layout_of

path, save_id, names, at = sys.argv[1], sys.argv[2], sys.argv[3].split(","), int(sys.argv[4])
count = 0

def hook(event, arguments):
    global count
    if event == "os.rename" or (event == "open" and ".staged" in str(arguments[0])):
        count += 1
        if count == at:
            os._exit(9)

sys.addaudithook(hook)
record_sha256(layout_of(path), save_id, dict.fromkeys(names, "0" * 64))
"""


@pytest.mark.integration
@pytest.mark.parametrize("at", [1, 2, 3])
def test_death_leaves_a_manifest_that_is_whole(chunked: SavedCheckpoint, at: int) -> None:
    names = ",".join(file.name for file in chunked.chunk_files)
    done = subprocess.run(
        [sys.executable, "-c", DIE, str(chunked.path), chunked.save_id, names, str(at)],
        check=False,
    )
    assert done.returncode == (9 if at < 3 else 0)
    assert load_model_chunked(chunked.path)["epoch"] == 12
    assert [file.name for file in chunked.path.parent.iterdir() if file.name[0] == "."] == []
    assert chunked.manifest is not None
    assert ("0" * 64 in chunked.manifest.read_text()) == (at == 3)
