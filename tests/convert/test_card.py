"""The card inside a .tflite, and the identity of a checkpoint that it names."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from chunkport.errors import BadInputError
from chunkport.files import sha256_of
from convert.card import Card, identify_checkpoint, read_card, stamp
from convert.tflite import attach_metadata, constants, read_flatbuffer, write_flatbuffer

WriteTflite = Callable[..., Path]
CARD = Card(
    model="gan-generator",
    precision="fp16",
    variant="rewritten",
    contract={"inputs": [{"name": "latent", "shape": [1, 100]}], "outputs": []},
    checkpoint={"sha256": "ab" * 32, "files": [{"name": "a.pth", "sha256": "ab" * 32}]},
    tools={"torch": "2.13.0"},
)


@pytest.fixture
def bare(tmp_path: Path, write_tflite: WriteTflite) -> Path:
    """A .tflite without a card."""
    return write_tflite(tmp_path / "bare.tflite", {"weight": np.arange(6, dtype=np.float32)})


def test_a_card_is_read_back_as_it_was_stamped_and_the_weights_are_kept(
    bare: Path, tmp_path: Path
) -> None:
    stamped = tmp_path / "stamped.tflite"
    stamp(bare, stamped, CARD)
    assert read_card(stamped) == CARD
    (weight,) = constants(read_flatbuffer(stamped))
    assert np.array_equal(weight.values, np.arange(6))


def test_a_new_card_takes_the_place_of_the_old(bare: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    stamp(bare, first, CARD)
    stamp(first, second, replace(CARD, precision="int8-dynamic"))
    assert read_card(second) == replace(CARD, precision="int8-dynamic")


def test_a_file_without_a_card_has_none(bare: Path) -> None:
    assert read_card(bare) is None


def write_card(path: Path, content: str) -> None:
    model = read_flatbuffer(path)
    attach_metadata(model, "chunkport_card.json", content.encode())
    write_flatbuffer(model, path)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "3",
        "[]",
        "{}",
        '{"schema_version": 1}',
        '{"schema_version": "new"}',
        json.dumps({**CARD.to_json(), "surplus": 1}),
        json.dumps({**CARD.to_json(), "model": 3}),
        json.dumps({**CARD.to_json(), "precision": None}),
        json.dumps({**CARD.to_json(), "checkpoint": {}}),
        json.dumps({**CARD.to_json(), "checkpoint": "ab"}),
    ],
)
def test_a_damaged_card_is_refused(bare: Path, content: str) -> None:
    write_card(bare, content)
    with pytest.raises(BadInputError, match=r"bare\.tflite: its card is damaged"):
        read_card(bare)


def test_a_card_of_a_later_kind_asks_for_an_update(bare: Path) -> None:
    write_card(bare, json.dumps({**CARD.to_json(), "schema_version": 2}))
    with pytest.raises(BadInputError, match="update chunkport"):
        read_card(bare)


def test_a_plain_checkpoint_is_identified_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "plain.pth"
    torch.save({"weight": torch.ones(3)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert identify_checkpoint(path) == {
        "sha256": digest,
        "files": [{"name": "plain.pth", "sha256": digest}],
    }


def test_a_chunked_checkpoint_is_identified_by_its_chunks_in_order(
    generator_checkpoint: Path,
) -> None:
    chunks = sorted(generator_checkpoint.parent.glob("*.chunk_*.pth"))
    identity = identify_checkpoint(generator_checkpoint)
    digests = [sha256_of(chunk) for chunk in chunks]
    assert [entry["name"] for entry in identity["files"]] == [chunk.name for chunk in chunks]
    assert [entry["sha256"] for entry in identity["files"]] == digests
    assert identity["sha256"] == hashlib.sha256("".join(digests).encode()).hexdigest()


def test_the_identity_does_not_depend_on_the_folder(
    generator_checkpoint: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(generator_checkpoint.parent, moved)
    assert identify_checkpoint(moved / generator_checkpoint.name) == identify_checkpoint(
        generator_checkpoint
    )
