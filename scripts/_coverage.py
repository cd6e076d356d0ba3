"""How commands show what became of a file's ops."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scripts._output import Column, Output

if TYPE_CHECKING:
    from convert.quantization.coverage import Coverage
    from convert.quantization.leftovers import Leftover

_BY_REASON = (
    Column("precision", "precision"),
    Column("state", ""),
    Column("ops", "ops"),
    Column("reason", "why"),
)
_EACH = (*_BY_REASON[:3], Column("layer", "layer"), *_BY_REASON[3:], Column("remedy", "or else"))


def ops_in_integers(coverage: "Coverage | None") -> str:
    """How many of the ops that compute do so in integers; of a float file there is none to tell."""
    if coverage is None or not any(op.weights.startswith("int") for op in coverage.ops):
        return "-"
    return f"{coverage.in_integers} of {coverage.computing} ops"


def show_leftovers(output: Output, files: "Sequence[tuple[str, Coverage | None]]") -> None:
    """What the files, by precision, have in float or otherwise than asked; each op under -v."""
    covered = [(name, found) for name, found in files if found is not None]
    rows = [
        {"precision": name, "state": state, **row}
        for name, found in covered
        for state, items in (("in float", found.left), ("other integers", found.otherwise))
        for row in (_each(items) if output.verbose else _by_reason(items))
    ]
    if rows:
        title = "Ops in float, or in other integers than were asked for"
        output.table(None, title, _EACH if output.verbose else _BY_REASON, rows)


def _by_reason(items: "Sequence[Leftover]") -> Iterator[dict[str, Any]]:
    from convert.quantization.coverage import counted

    for group in counted(items):
        ops = ", ".join(f"{count} {kind}" for kind, count in group["ops"].items())
        yield {"ops": ops, "reason": group["reason"]}


def _each(items: "Sequence[Leftover]") -> Iterator[dict[str, Any]]:
    for item in items:
        yield {
            "ops": item.op.kind,
            "layer": item.op.layer,
            "reason": item.reason,
            "remedy": item.remedy,
        }
