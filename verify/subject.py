"""What a .tflite is: what the card inside it says, or what its user says of one without."""

from dataclasses import dataclass, field
from pathlib import Path

from chunkport.errors import BadInputError, UsageError
from convert.card import Card, examine
from convert.quantization.precision import PRECISIONS, find_precision
from wrappers.registry import find_spec, model_names
from wrappers.spec import BuildOptions


@dataclass(frozen=True)
class Subject:
    """A .tflite to be judged and what it says it is.

    Attributes:
        model: registered name or FILE.py:NAME of its ModelSpec. A card holds no place of code, so
            that no file decides what is run.
        sealed: whether the file holds the digest of its content.
        damage: what is wrong with the content; None where nothing is, or where nobody can tell.
    """

    path: Path
    model: str
    precision: str
    card: Card | None
    options: BuildOptions = field(default_factory=BuildOptions)
    sealed: bool = False
    damage: str | None = None


def identify(
    path: Path,
    model: str | None = None,
    precision: str | None = None,
    *,
    damaged_too: bool = False,
) -> Subject:
    """What the file's card says, or what the caller says of a file without one.

    With `damaged_too` a file that is not as it was written is identified all the same, to be
    judged; nobody should load it.

    Raises:
        BadInputError: no .tflite, it is damaged, it has no card and the caller did not say what it
            is, or its card names no precision of the table.
        UsageError: the caller contradicts the card, or its model is not registered and the caller
            named no spec.
    """
    examined = examine(path)
    card = examined.card
    if examined.damage and not damaged_too:
        raise BadInputError(f"{path}: is damaged: {examined.damage}")
    name = None if model is None else find_spec(model).name
    if card is None:
        if model is None or precision is None:
            raise BadInputError(
                f"{path}: has no chunkport card; say what it is with --model and --precision"
            )
        return Subject(path, model, find_precision(precision).name, None)
    if name not in (None, card.model):
        raise UsageError(f"{path}: its card says model '{card.model}', not '{name}'")
    if name is None and card.model not in model_names():
        raise UsageError(
            f"{path}: its card says model '{card.model}', which is not registered; name its spec "
            "with --spec FILE.py:NAME"
        )
    if card.precision not in [row.name for row in PRECISIONS]:
        raise BadInputError(
            f"{path}: its card names the precision '{card.precision}', which is unknown; "
            "update chunkport or convert the checkpoint again"
        )
    if precision is not None and find_precision(precision).name != card.precision:
        raise UsageError(f"{path}: its card says precision '{card.precision}', not '{precision}'")
    try:
        options = BuildOptions.from_json(card.options)
    except TypeError as error:
        raise BadInputError(
            f"{path}: its card has options of a later chunkport ({error}); update chunkport"
        ) from error
    return Subject(
        *(path, model or card.model, card.precision, card, options),
        sealed=examined.sealed,
        damage=examined.damage,
    )
