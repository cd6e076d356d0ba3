"""The precision matrix as the README shows it, between two comments: narrow tables, made in one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.matrix_cells import Cell
from chunkport.errors import UsageError
from chunkport.files import replacing
from convert.quantization.precision import PRECISIONS

BEGIN = "<!-- made by: python -m benchmarks.precision_matrix --readme README.md -->"
END = "<!-- end of the precisions -->"
_FIGURES = {
    "psnr_db": "{:.1f} dB",
    "bit_accuracy_none": "{:.2%} of bits",
    "relative_l2": "{:.2g} off",
}
_SIGNS = {True: "✅ ", False: "❌ ", None: ""}


def as_markdown(cells: Sequence[Cell]) -> list[str]:
    """What the precisions are for; a table of the trained models, one of the others; the reasons.

    Each has a line for each precision, in the order of the precision table.
    """
    by_place = {(cell.model, cell.precision): cell for cell in cells}
    reasons: list[str] = []
    lines = _table(
        ["precision", "needs", "is for"], [[row.needs, row.purpose] for row in PRECISIONS]
    )
    for weights in sorted({cell.weights for cell in cells}, reverse=True):
        models = list(dict.fromkeys(cell.model for cell in cells if cell.weights == weights))
        lines += [
            "",
            *_table(
                [f"{weights} weights", *models],
                [
                    [cell_text(by_place[model, row.name], reasons) for model in models]
                    for row in PRECISIONS
                ],
            ),
        ]
    return lines + [f"\n[{place}] {reason}" for place, reason in enumerate(reasons, 1)]


def cell_text(cell: Cell, reasons: list[str]) -> str:
    """What a reader sees of a cell; a reason goes to the end of the list, its number here."""
    beside_float: list[str] = []
    kept: list[str] = []
    if cell.precision == "fp32":
        if cell.size_bytes is not None:
            beside_float.append(f"{cell.size_bytes / 1e6:.3g} MB")
    else:
        if cell.size_vs_fp32 is not None:
            beside_float.append(f"{cell.size_vs_fp32:.1%}")
        if cell.speed_vs_fp32 is not None:
            beside_float.append(f"{cell.speed_vs_fp32:.2g}x")
    if cell.figure is not None and cell.value is not None:
        kept.append(_FIGURES[cell.figure].format(cell.value))
    if cell.in_integers:
        kept.append(f"{cell.in_integers}/{cell.computing}")
    if cell.reason is not None:
        if cell.reason not in reasons:
            reasons.append(cell.reason)
        kept.append(f"[{reasons.index(cell.reason) + 1}]")
    lines = [", ".join(line) for line in (beside_float, kept) if line]
    return _SIGNS[cell.passed] + "<br>".join(lines)


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


def tables_in(readme: Path) -> list[Mapping[str, list[str]]]:
    """The tables that a README holds: what stands in each row, by its first column."""
    text = readme.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    tables: list[Mapping[str, list[str]]] = []
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if lines:
            rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
            tables.append({first: rest for first, *rest in rows})
    return tables


def _table(heading: Sequence[str], by_precision: Sequence[Sequence[str]]) -> list[str]:
    rows = [
        [f"`{row.name}`", *values] for row, values in zip(PRECISIONS, by_precision, strict=True)
    ]
    return [_line(heading), _line(["---"] * len(heading)), *map(_line, rows)]


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"
