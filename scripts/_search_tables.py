"""How `optimize` shows what it found: the layers' formats, and the candidates by size."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from convert.quantization.recipe import Rule
    from verify.optimize.optimization import Optimization
    from verify.optimize.outcome import Point
    from verify.optimize.search import Found

_LAYERS = (
    Column("pattern", "layer"),
    Column("op", "op"),
    Column("chosen", "chosen"),
    Column("saved_bytes", "saves bytes", right=True),
    Column("error", "error alone", number, right=True),
)
_CANDIDATES = (
    Column("label", "candidate"),
    Column("size_bytes", "size", lambda size: f"{size / 1e6:.3f} MB", right=True),
    Column("ratio_to_float", "of float32", lambda part: f"{part:.3f}x", right=True),
    Column("error", "error", number, right=True),
    Column("latency_p50_ms", "run, ms", number, right=True),
    Column("verdict", "verdict"),
)
_SHOWN_FAILURES = 2


def show_layers_chosen(output: Output, found: "Optimization") -> None:
    """The format of each layer in the file that is shipped; in the JSON every format's cost."""
    from verify.optimize.layers import format_name

    assignment = found.chosen.tried.assignment if found.chosen else None
    rows = []
    for place, layer, options in _measured(found.found):
        rule = assignment[place] if assignment else None
        taken = next((one for one in options if rule and _as_large(one.rule, rule)), None)
        rows.append(
            {
                "name": layer.name,
                "pattern": layer.pattern,
                "op": layer.op,
                "chosen": format_name(rule) if rule else None,
                "saved_bytes": taken.saved_bytes if taken else None,
                "error": taken.error if taken and taken.rule == rule else None,
                "formats": [
                    {
                        "format": format_name(one.rule),
                        "saved_bytes": one.saved_bytes,
                        "error": one.error,
                    }
                    for one in options
                ],
            }
        )
    if assignment:
        output.table("layers", "what each layer is stored as", _LAYERS, rows)
    else:
        output.fact("layers", rows)


def show_candidates(output: Output, found: "Optimization", float_bytes: int) -> None:
    """The candidates that nothing beats in both, and the precisions of the table, by size."""
    from verify.optimize.search import FROM_SEARCH

    shown = [
        point
        for point in found.points
        if point.best or point is found.chosen or point.tried.name != FROM_SEARCH
    ]
    rows = [
        {
            **point.to_json(),
            "label": _label(point, found),
            "ratio_to_float": point.tried.result.size_bytes / float_bytes,
            "verdict": _verdict(point),
        }
        for point in shown
    ]
    output.table(
        "front",
        "size against error: what nothing tried beats in both, and the precisions of the table",
        _CANDIDATES,
        rows,
    )


def _as_large(measured: "Rule", chosen: "Rule") -> bool:
    """Whether it is the format, or the same where samples chose the integers: as many bytes."""
    from convert.quantization.recipe import BY_SAMPLES

    if chosen.algorithm not in BY_SAMPLES:
        return measured == chosen
    return measured == replace(chosen, algorithm=measured.algorithm)


def _measured(found: "Found") -> list[tuple[int, Any, Any]]:
    """Place, layer and options of each layer; none where the search was stopped before."""
    pairs = zip(found.layers, found.sensitivity, strict=False)
    return [(place, layer, options) for place, (layer, options) in enumerate(pairs)]


def _label(point: "Point", found: "Optimization") -> str:
    return f"{point.tried.name}, shipped" if point is found.chosen else point.tried.name


def _verdict(point: "Point") -> str:
    result = point.tried.result
    if result.fault is not None:
        return result.fault
    if result.passed:
        return "pass, but not on fresh samples" if point.confirmed is False else "pass"
    failed = [str(row["name"]) for row in result.failed_rows]
    more = f" and {len(failed) - _SHOWN_FAILURES} more" if len(failed) > _SHOWN_FAILURES else ""
    return f"FAIL: {', '.join(failed[:_SHOWN_FAILURES])}{more}"
