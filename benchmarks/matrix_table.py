"""The precision matrix as the README's one table, between two comments in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.matrix_cells import Cell
from chunkport.errors import UsageError
from chunkport.files import replacing
from convert.quantization.precision import PRECISIONS

BEGIN = "<!-- made by: python -m benchmarks.precision_matrix --readme README.md -->"
END = "<!-- end of the precisions -->"
_FIXED = ("precision", "needs", "is for")
_FIGURES = {
    "psnr_db": "{:.1f} dB",
    "bit_accuracy_none": "{:.2%} of bits",
    "relative_l2": "{:.2g} off",
}


def as_markdown(cells: Sequence[Cell]) -> list[str]:
    """A line for each precision, in the table's order; a column for each model; the reasons."""
    models = list(dict.fromkeys(cell.model for cell in cells))
    by_place = {(cell.model, cell.precision): cell for cell in cells}
    reasons: list[str] = []
    lines = [
        _line([*_FIXED, *(_heading(by_place[model, "fp32"]) for model in models)]),
        _line(["---"] * (len(_FIXED) + len(models))),
    ]
    for row in PRECISIONS:
        shown = [cell_text(by_place[model, row.name], reasons) for model in models]
        lines.append(_line([f"`{row.name}`", row.needs, row.purpose, *shown]))
    return lines + [f"\n[{place}] {reason}" for place, reason in enumerate(reasons, 1)]


def cell_text(cell: Cell, reasons: list[str]) -> str:
    """What a reader sees of a cell; a reason goes to the end of the list, its number here."""
    parts = []
    if cell.size_vs_fp32 is not None and cell.precision != "fp32":
        parts.append(f"{cell.size_vs_fp32:.1%}")
    if cell.speed_vs_fp32 is not None and cell.precision != "fp32":
        parts.append(f"{cell.speed_vs_fp32:.2g}x")
    if cell.figure is not None and cell.value is not None:
        parts.append(_FIGURES[cell.figure].format(cell.value))
    if cell.in_integers:
        parts.append(f"{cell.in_integers}/{cell.computing}")
    if cell.passed is False:
        parts.append("**fails**")
    if cell.reason is not None:
        if cell.reason not in reasons:
            reasons.append(cell.reason)
        parts.append(f"[{reasons.index(cell.reason) + 1}]")
    return ", ".join(parts)


def replace_table(readme: Path, lines: Sequence[str]) -> None:
    """Put the lines between the two comments, in place of what is there.

    Raises:
        UsageError: the file has no such comments.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{readme}: has no two lines '{BEGIN}' and '{END}' to put the table in")
    with replacing(readme) as temporary:
        made = "\n".join(lines)
        temporary.write_text(f"{before}{begin}\n\n{made}\n\n{end}{after}", encoding="utf-8")


def table_in(readme: Path) -> Mapping[str, list[str]]:
    """The rows of the table that a README holds: what stands in each, by its first column."""
    text = readme.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {first: rest for first, *rest in rows}


def _heading(float_cell: Cell) -> str:
    size = float_cell.size_bytes
    of_size = "" if size is None else f", {size / 1e6:.3g} MB"
    return f"{float_cell.model} ({float_cell.weights}{of_size})"


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
