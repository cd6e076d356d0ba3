"""The card: who a .tflite is, as JSON inside the file.

What a file is, is read from here and never from its name.
"""

import hashlib
import json
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from checkpoints import list_files
from chunkport.errors import BadInputError
from chunkport.files import sha256_of
from convert.seal import OPEN_SEAL, SEAL_KEY, close_seal, read_seal
from convert.tflite import (
    attach_metadata,
    check_identifier,
    find_metadata,
    read_flatbuffer,
    write_flatbuffer,
)

SCHEMA_VERSION = 1
_METADATA_NAME = "chunkport_card.json"
_TOOLS = ("chunkport", "torch", "litert-torch", "ai-edge-quantizer", "ai-edge-litert")


@dataclass(frozen=True)
class Card:
    """What the file holds, what it was made from, and with which tools.

    Attributes:
        model: the name of its ModelSpec.
        precision: the row of the precision table.
        variant: "rewritten", or "plain" for a conversion without rewrites.
        contract: inputs and outputs, as `Contract.to_json` gives them.
        checkpoint: sha256 of the weights' files, and each file's own.
        tools: the versions that made it.
        options: how the model was built, as `BuildOptions.to_json` gives them.
        recipe: of the precision, as `Recipe.to_json` gives it; empty for float32.
        calibration: what its ranges were measured on, and those of its layers, as
            `record_calibration` gives them; empty where none were needed.
        rounding: what its integers were chosen by, as `record_rounding` gives it; empty where each
            weight was rounded by itself.
        coverage: what came of it, as `Coverage.summary` gives it; empty for float32.
        rounded_from: identities (convert/stored/weight_origins.py) of the float32 constants that
            lay before the quantizer, where the recipe does not round them to the nearest.
    """

    model: str
    precision: str
    variant: str
    contract: dict[str, Any]
    checkpoint: dict[str, Any]
    tools: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    rounding: dict[str, Any] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    rounded_from: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return {"schema_version": SCHEMA_VERSION, **vars(self)}


def identify_checkpoint(path: Path) -> dict[str, Any]:
    """The sha256 of a checkpoint and of each file of it that holds weights.

    A plain checkpoint is identified by its file; one in chunks by its chunks in order, so that
    it keeps its identity when it is renamed.
    """
    files = [file for file in list_files(path) if file.suffix != ".json"]
    chunks = [file for file in files if ".chunk_" in file.name] or files
    hashed = [{"name": file.name, "sha256": sha256_of(file)} for file in sorted(chunks)]
    whole = hashlib.sha256("".join(entry["sha256"] for entry in hashed).encode()).hexdigest()
    return {"sha256": hashed[0]["sha256"] if len(hashed) == 1 else whole, "files": hashed}


def tool_versions() -> dict[str, str]:
    """The installed versions of the tools that shape a conversion."""
    found = {}
    for name in _TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found


def stamp(source: Path, target: Path, card: Card) -> None:
    """Write `target` as `source` with the card inside, in place of one that it has."""
    write_with_card(read_flatbuffer(source), target, card)


def write_with_card(model: Any, target: Path, card: Card) -> None:
    """Write a file's object tree with the card inside, in place of one that it has, and seal it."""
    content = {**card.to_json(), SEAL_KEY: OPEN_SEAL}
    attach_metadata(model, _METADATA_NAME, json.dumps(content, indent=1).encode())
    model.description = f"{card.model} {card.precision}, by chunkport".encode()
    write_flatbuffer(model, target)
    close_seal(target)


@dataclass(frozen=True)
class Examined:
    """A .tflite's card, and whether the file is as it was written.

    Attributes:
        card: None where it has none.
        sealed: whether it holds the digest of its content.
        damage: what is wrong with the content; None where nothing is, or where nobody can tell.
    """

    card: Card | None
    sealed: bool
    damage: str | None = None


def examine(path: Path) -> Examined:
    """The card in a .tflite and the state of the file; a damaged one is not followed anywhere.

    Raises:
        BadInputError: the file is no .tflite, or its card is damaged or of a later, unknown kind.
    """
    check_identifier(path)
    seal = read_seal(path)
    if seal is None:
        content = find_metadata(read_flatbuffer(path), _METADATA_NAME)
        card = None if content is None else _parse(content, path)
        return Examined(card, sealed=False)
    card = _parse(seal.card, path)
    if seal.whole:
        return Examined(card, sealed=True)
    damage = (
        f"its bytes are not those that were written: their SHA-256 is {seal.found[:12]}, and its "
        f"card says {seal.written[:12].decode(errors='replace')}; copy or convert it again"
    )
    return Examined(card, sealed=True, damage=damage)


def read_card(path: Path) -> Card | None:
    """The card in a .tflite, or None where it has none.

    Raises:
        BadInputError: the file is no .tflite, is not as it was written, or its card is of a later,
            unknown kind.
    """
    examined = examine(path)
    if examined.damage:
        raise BadInputError(f"{path}: is damaged: {examined.damage}")
    return examined.card


def _parse(content: bytes, path: Path) -> Card:
    try:
        fields = dict(json.loads(content))
        if fields.pop("schema_version") > SCHEMA_VERSION:
            raise BadInputError(f"{path}: its card is of a later chunkport; update chunkport")
        fields.pop(SEAL_KEY, None)
        card = Card(**fields)
        texts = (card.model, card.precision, card.variant, card.checkpoint["sha256"])
    except (ValueError, LookupError, TypeError) as error:
        raise BadInputError(f"{path}: its card is damaged ({error}); convert it again") from error
    if not all(isinstance(text, str) for text in texts):
        raise BadInputError(f"{path}: its card is damaged (numbers for names); convert it again")
    return card
