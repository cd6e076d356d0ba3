"""Why an op of a quantized file is in float, or in other integers than were asked for.

The reasons come from the recipe's rules and from the quantizer's own policy; none is a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convert.quantization.op_widths import WEIGHT_AT, OpWidths
from convert.quantization.quantize import can_do, undivided
from convert.quantization.recipe import Recipe, Rule

_FLOATS = ("float32", "float16")


@dataclass(frozen=True)
class Leftover:
    """An op that did not come out as its rule asked, or that no rule asked for.

    Attributes:
        reason: why, in plain words.
        remedy: what to do about it; empty where nothing needs be done.
        asked: whether it is what the recipe is for. An op without weights is not where activations
            have no ranges: only what is multiplied by weights is quantized then.
    """

    op: OpWidths
    reason: str
    remedy: str = ""
    asked: bool = True


class Explainer:
    """Tells of the ops of one file what the recipe that it was made by has left undone."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        self._integer = recipe.in_integers
        self._rules = tuple(enumerate(recipe.rules))
        self._undivided = [undivided(model, rule) for rule in recipe.rules]

    def left_in_float(self, op: OpWidths) -> Leftover | None:
        """Why an op that computes does so in float, or has float weights; None if it does not.

        A recipe without integers is for float16 weights alone.
        """
        if not (
            (op.float_weights or not op.integers) if self._integer else op.weights == "float32"
        ):
            return None
        matching = self._matching(op)
        index, rule = self._counting(matching, op)
        if not matching:
            return Leftover(op, "no rule of the recipe is for it", "add a rule for it")
        if rule is None:
            return _without_kernel(op, matching[-1][1])
        return _because_of(op, index, rule)

    def otherwise(self, op: OpWidths) -> Leftover | None:
        """Why an op has other integers than the last rule for it asks for; None if it has not."""
        matching = self._matching(op)
        rule = self._counting(matching, op)[1]
        if rule is None or rule.weights in _FLOATS or op.float_weights or not op.weights:
            return None
        last = matching[-1][1]
        if (last.weights, last.granularity) == (rule.weights, rule.granularity):
            return None
        if can_do(last, op.kind):
            reason = f"its rows of weights are no whole number of {last.granularity.split('-')[1]}"
        else:
            reason = _no_kernel(op.kind, last)
        return Leftover(op, f"{op.weights}: {reason}")

    def _matching(self, op: OpWidths) -> list[tuple[int, Rule]]:
        return [item for item in self._rules if item[1].matches(op.kind, op.scope)]

    def _counting(
        self, matching: Sequence[tuple[int, Rule]], op: OpWidths
    ) -> tuple[int, Rule] | tuple[None, None]:
        """The rule that counts: the last one that can be done for the op."""
        for index, rule in reversed(matching):
            in_blocks = not any(name in op.scope for name in self._undivided[index])
            if rule.weights == "float32" or (in_blocks and can_do(rule, op.kind)):
                return index, rule
        return None, None


def _because_of(op: OpWidths, index: int | None, rule: Rule) -> Leftover:
    """What the rule that counts has to do with it."""
    if rule.weights == "float32":
        reason = f"kept in float: {rule.reason}" if rule.reason else f"float32 by rule {index}"
        return Leftover(op, reason, "a recipe without that rule tries it")
    if rule.activations in ("int8", "int16") and op.kind not in WEIGHT_AT:
        return Leftover(op, "it lies between ops in float, where integers would only lose digits")
    if not op.weights:
        reason = "it multiplies two activations, neither of them a constant"
        return Leftover(op, reason, "choose int8-static, which has ranges for both")
    if rule.weights == op.weights:
        return Leftover(op, f"{op.weights} by rule {index}", "change that rule")
    if rule.activations == "float32" and not op.float_weights:
        reason = f"float activations by rule {index}, for which its weights are widened"
        return Leftover(op, reason, "give that rule other activations")
    return Leftover(
        op, "the quantizer left it and gives no reason", "report it, along with the file"
    )


def _without_kernel(op: OpWidths, rule: Rule) -> Leftover:
    if rule.activations in ("dynamic", "float32") and not op.weights:
        reason = "it has no weights, and without ranges nothing else is quantized"
        return Leftover(op, reason, "choose int8-static, which computes it too", asked=False)
    return Leftover(op, _no_kernel(op.kind, rule), _other_ways(op.kind, rule))


def _no_kernel(kind: str, rule: Rule) -> str:
    block = "" if rule.granularity == "channel" else f" {rule.granularity}"
    activations = "float" if rule.activations == "float32" else rule.activations
    return (
        f"ai-edge-quantizer has no {kind} of {rule.weights}{block} weights and {activations} "
        "activations"
    )


def _other_ways(kind: str, rule: Rule) -> str:
    """The widths that there are for this kind of op, to be asked for in its place."""
    others = (Rule("int8", activations) for activations in (rule.activations, "int8", "int16"))
    known = [
        f"int8 weights and {other.activations} activations"
        for other in dict.fromkeys(others)
        if can_do(other, kind)
    ]
    if known:
        return f"there is one of {' or of '.join(known)}"
    return f"accept it in float, or write the network without {kind}"
