"""Whether the rules of a recipe are for anything in a model; one that is not was mistyped."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from chunkport.errors import UsageError
from convert.quantization.op_widths import OpWidths, op_widths
from convert.quantization.precision import PRECISIONS, wholly_integer
from convert.quantization.recipe import Recipe, Rule
from convert.tflite import read_flatbuffer

_SHOWN = 3
_LIKENESS = 0.5


def refuse_unmatched(recipe: Recipe, float_model: Path) -> None:
    """Refuse a recipe with a rule that matches no op of the model.

    The precision table's own rules are for every model, and may be for nothing in this one.

    Raises:
        UsageError: names the rule, and the layers or ops whose names are near.
    """
    own = [row.recipe for row in PRECISIONS if row.recipe]
    general = {rule for every in (*own, *map(wholly_integer, own)) for rule in every.rules}
    special = [item for item in enumerate(recipe.rules) if item[1] not in general]
    if not special:
        return
    ops = op_widths(read_flatbuffer(float_model))
    for index, rule in special:
        if not any(rule.matches(op.kind, op.scope) for op in ops):
            raise UsageError(f"rule {index} of the recipe is for nothing here: {_why(rule, ops)}")


def _why(rule: Rule, ops: Sequence[OpWidths]) -> str:
    kinds = dict.fromkeys(op.kind for op in ops)
    if rule.op not in ("*", *kinds):
        near = difflib.get_close_matches(rule.op.upper(), kinds, n=1)
        meant = f" Did you mean '{near[0]}'?" if near else ""
        return f"the model has no op '{rule.op}'.{meant} Its ops: {', '.join(sorted(kinds))}"
    of_kind = [op for op in ops if rule.op in ("*", op.kind)]
    what = "op" if rule.op == "*" else rule.op
    names = dict.fromkeys(_names(of_kind))
    near = difflib.get_close_matches(rule.layer, names, n=_SHOWN, cutoff=_LIKENESS)
    told = "near it are" if near else "there are, for instance,"
    shown = ", ".join(near or list(names)[:_SHOWN])
    return (
        f"'{rule.layer}' is found in the name of no {what}; {told} {shown} (chunkport convert "
        "--format json lists the 'scope' of every op)"
    )


def _names(ops: Iterable[OpWidths]) -> Iterator[str]:
    """The parts of the ops' names that one would look for: of modules, without their packages."""
    for op in ops:
        for part in re.split(r"[/;]+", op.scope):
            if name := part.rpartition(".")[2]:
                yield name
