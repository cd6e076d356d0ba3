"""What became of every op of a quantized file: what it computes in, and why where it is float."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chunkport.errors import ConversionError
from convert.quantization.leftovers import Explainer, Leftover
from convert.quantization.op_widths import OpWidths, op_widths
from convert.quantization.recipe import Recipe
from convert.tflite import read_flatbuffer

_SHOWN = 3  # layers of a kind that a refusal names; a detector has hundreds


@dataclass(frozen=True)
class Coverage:
    """The ops of one file.

    Attributes:
        ops: in the order in which they run.
        left: those that compute in float, or have weights in float.
        otherwise: those in integers, but in others than the last rule for them asks for.
    """

    ops: tuple[OpWidths, ...]
    left: tuple[Leftover, ...] = ()
    otherwise: tuple[Leftover, ...] = ()

    @property
    def computing(self) -> int:
        """How many ops compute something; moving values and changing their type is nothing."""
        return sum(op.role == "computes" for op in self.ops)

    @property
    def in_integers(self) -> int:
        """How many of these compute in integers."""
        return sum(op.role == "computes" and op.integers for op in self.ops)

    @property
    def missed(self) -> tuple[Leftover, ...]:
        """What the recipe is for, and is in float all the same."""
        return tuple(item for item in self.left if item.asked)

    def summary(self) -> dict[str, Any]:
        """Counts, and what was left by kind and reason: short enough for a card."""
        return {
            "computing": self.computing,
            "in_integers": self.in_integers,
            "left": counted(self.left),
            "otherwise": counted(self.otherwise),
        }

    def to_json(self) -> dict[str, Any]:
        """The summary, and every op with what is to be said of it."""
        said = {id(item.op): item for item in (*self.left, *self.otherwise)}
        rows = []
        for op in self.ops:
            item = said.get(id(op))
            words = {} if item is None else {"reason": item.reason, "remedy": item.remedy}
            rows.append({**asdict(op), **words})
        return {**self.summary(), "ops": rows}


def cover(path: Path, recipe: Recipe | None) -> Coverage:
    """What became of the ops of a file that was made by the recipe; None for float32.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(path)
    ops = tuple(op_widths(model))
    if recipe is None:
        return Coverage(ops)
    explainer = Explainer(model, recipe)
    computing = [op for op in ops if op.role == "computes"]
    return Coverage(
        ops,
        tuple(filter(None, map(explainer.left_in_float, computing))),
        tuple(filter(None, map(explainer.otherwise, computing))),
    )


def refuse_leftovers(coverage: Coverage, name: str) -> None:
    """Insist on a file that is integer wherever its recipe is for it.

    Raises:
        ConversionError: something was left in float; names the first layers of each reason.
    """
    if not coverage.missed:
        return
    alike: dict[tuple[str, str], list[OpWidths]] = {}
    for item in coverage.missed:
        alike.setdefault((item.reason, item.remedy), []).append(item.op)
    told = "; ".join(
        f"{_named(ops)}: {reason}{remedy and f' ({remedy})'}"
        for (reason, remedy), ops in alike.items()
    )
    if any(len(layers) > _SHOWN for ops in alike.values() for layers in _layers(ops).values()):
        told += ". Without --require-full, -v names every one"
    raise ConversionError(
        f"{name} leaves {len(coverage.missed)} of {coverage.computing} computing ops in float, so "
        f"--require-full writes nothing: {told}"
    )


def _named(ops: Sequence[OpWidths]) -> str:
    """The ops by kind, each with its first layers."""
    counts = Counter(op.kind for op in ops)
    told = []
    for kind, layers in _layers(ops).items():
        more = len(layers) - _SHOWN
        shown = [*layers[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        told.append(f"{counts[kind]} {kind} ({', '.join(shown)})")
    return ", ".join(told)


def _layers(ops: Sequence[OpWidths]) -> dict[str, list[str]]:
    """The layers that have ops of each kind, each once."""
    found: dict[str, dict[str, None]] = {}
    for op in ops:
        found.setdefault(op.kind, {})[op.layer] = None
    return {kind: list(layers) for kind, layers in found.items()}


def in_words(summary: Mapping[str, Any]) -> list[str]:
    """A line for each reason of a `Coverage.summary`, also after it went through a card."""
    return [
        f"{', '.join(f'{count} {kind}' for kind, count in group['ops'].items())}: {group['reason']}"
        for group in (*summary["left"], *summary["otherwise"])
    ]


def counted(items: Sequence[Leftover]) -> list[dict[str, Any]]:
    """Ops by kind for each reason, and whether the recipe is for them."""
    counts: dict[tuple[str, bool], Counter[str]] = {}
    for item in items:
        counts.setdefault((item.reason, item.asked), Counter())[item.op.kind] += 1
    return [
        {"reason": reason, "asked": asked, "ops": dict(kinds)}
        for (reason, asked), kinds in counts.items()
    ]
