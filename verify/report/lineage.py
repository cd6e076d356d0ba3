"""From each file of a checkpoint to each .tflite, and whether it is the checkpoint at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convert.card import Card
    from verify.report import JudgedFile

_QUANTIZER = "ai-edge-quantizer"


@dataclass(frozen=True)
class WeightsFile:
    """A file of the checkpoint as the card names it, and whether the one at hand has the `same`.

    Names do not count: a checkpoint keeps its identity when it is renamed.
    """

    name: str
    sha256: str
    same: bool


@dataclass(frozen=True)
class Step:
    """A .tflite made from the float32 conversion: what made it, and who it is now."""

    label: str
    precision: str
    tools: str
    size_bytes: int
    sha256: str
    passed: bool


@dataclass(frozen=True)
class Chain:
    """What some files have in common, which is everything in their cards but the precision.

    Attributes:
        card: of the first of them.
        weights: the files of the checkpoint that they were made from.
        same: whether the checkpoint at hand is that one.
        at_hand: the sha256 of the one at hand.
        float_tools: what made the float32 conversion.
        files: each .tflite.
    """

    card: "Card"
    weights: tuple[WeightsFile, ...]
    same: bool
    at_hand: str
    float_tools: str
    files: tuple[Step, ...]


_ORIGIN = ("model", "variant", "contract", "checkpoint", "tools", "options")  # not the widths


def trace(files: "Sequence[JudgedFile]", at_hand: dict[str, Any]) -> tuple[Chain, ...]:
    """A chain for each group of files of one origin, so that nothing stands on the page twice.

    Args:
        files: those without a card are left out.
        at_hand: the checkpoint that they are compared with, by `identify_checkpoint`.
    """
    groups: list[tuple[dict[str, Any], list[JudgedFile]]] = []
    for file in files:
        if file.card is None:
            continue
        common = {name: getattr(file.card, name) for name in _ORIGIN}
        for known, members in groups:
            if known == common:
                members.append(file)
                break
        else:
            groups.append((common, [file]))
    return tuple(_chain(members, at_hand) for _, members in groups)


def _chain(files: "Sequence[JudgedFile]", at_hand: dict[str, Any]) -> Chain:
    card = files[0].card
    assert card is not None
    digests = [entry["sha256"] for entry in at_hand["files"]]
    weights = tuple(
        WeightsFile(entry["name"], entry["sha256"], [entry["sha256"]] == digests[place : place + 1])
        for place, entry in enumerate(card.checkpoint["files"])
    )
    return Chain(
        card=card,
        weights=weights,
        same=card.checkpoint["sha256"] == at_hand["sha256"],
        at_hand=at_hand["sha256"],
        float_tools=_named(card, [name for name in card.tools if name != _QUANTIZER]),
        files=tuple(
            Step(
                label=file.label,
                precision=file.verdict.precision,
                tools=_tools(file.card, file.verdict.precision),
                size_bytes=file.verdict.size_bytes,
                sha256=file.verdict.sha256,
                passed=file.verdict.passed,
            )
            for file in files
        ),
    )


def _tools(card: "Card | None", precision: str) -> str:
    """What made this precision from the float32 conversion; nothing for that itself."""
    from convert.quantization.precision import find_precision

    if card is None or find_precision(precision).recipe is None:
        return ""
    return _named(card, [_QUANTIZER])


def _named(card: "Card", tools: Sequence[str]) -> str:
    return ", ".join(f"{name} {card.tools[name]}" for name in tools if name in card.tools)
