"""The README's one table of precisions is what the precision table says, and is put in place."""

from pathlib import Path

import pytest

from benchmarks.matrix_cells import Cell
from benchmarks.matrix_table import BEGIN, END, as_markdown, cell_text, replace_table, table_in
from chunkport.errors import UsageError
from convert.quantization.precision import PRECISIONS
from wrappers.registry import model_names

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_has_the_precisions_of_the_table_in_their_order() -> None:
    heading, rule, *rows = table_in(README).items()
    assert heading[0] == "precision"
    assert [column.split(" ")[0] for column in heading[1][2:]] == model_names()
    assert set(rule[1]) == {"---"}
    told = [(name, needs, purpose) for name, (needs, purpose, *_) in rows]
    assert told == [(f"`{row.name}`", row.needs, row.purpose) for row in PRECISIONS]
    for name, (_needs, _purpose, *cells) in rows:
        assert len(cells) == len(model_names()), name
        assert all(cells), name  # none is empty


def test_a_cell_tells_size_speed_figure_ops_and_verdict() -> None:
    cell = Cell(
        *("m", "int8-dynamic", "made", 30, 0.3, 2.0, 1.5, 4.0),
        passed=False,
        failed=("psnr_db",),
        figure="psnr_db",
        value=33.333,
        computing=16,
        in_integers=14,
    )
    assert cell_text(cell, []) == "30.0%, 1.5x, 33.3 dB, 14/16, **fails**"


def test_reasons_are_numbered_once_each_below_the_table() -> None:
    cells = [
        Cell(model, row.name, "made", reason="no recipe" if row.name == "mixed" else "too slow")
        for model in ("a", "b")
        for row in PRECISIONS
    ]
    lines = as_markdown(cells)
    assert lines[-2:] == ["\n[1] too slow", "\n[2] no recipe"]
    assert next(line for line in lines if line.startswith("| `mixed`")).endswith("| [2] | [2] |")


def test_the_table_takes_the_place_of_the_old_one_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    cells = [Cell("a", row.name, "made", reason="none") for row in PRECISIONS]
    replace_table(readme, as_markdown(cells))
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| precision |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert list(table_in(readme)) == ["precision", "---", *(f"`{row.name}`" for row in PRECISIONS)]


def test_a_readme_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no table")
    with pytest.raises(UsageError, match="has no two lines"):
        replace_table(readme, ["| a |"])
    assert readme.read_text() == "no table"
