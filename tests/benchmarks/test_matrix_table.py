"""The README's tables of precisions are what the precision table says, and are put in place."""

from pathlib import Path

import pytest

from benchmarks.matrix_cells import Cell
from benchmarks.matrix_table import BEGIN, END, as_markdown, cell_text, replace_table, tables_in
from chunkport.errors import UsageError
from convert.quantization.precision import PRECISIONS
from wrappers.registry import model_names

README = Path(__file__).parents[2] / "README.md"
NAMES = [f"`{row.name}`" for row in PRECISIONS]


def test_the_readme_has_the_precisions_in_their_order_and_every_model() -> None:
    told, *measured = tables_in(README)
    assert list(told) == ["precision", "---", *NAMES]
    assert list(told.values())[2:] == [[row.needs, row.purpose] for row in PRECISIONS]
    assert [next(iter(table)) for table in measured] == ["trained weights", "made weights"]
    headings = [model for table in measured for model in next(iter(table.values()))]
    assert sorted(headings) == model_names()
    for table in measured:
        assert list(table)[2:] == NAMES
        models, *rows = table.values()
        assert {len(row) for row in rows} == {len(models)}
        assert all(cell for row in rows for cell in row)  # none is empty


def test_tables_are_narrow_enough_to_be_seen_whole() -> None:
    """A page of GitHub shows about a hundred characters side by side."""
    for table in tables_in(README)[1:]:
        for name, row in table.items():
            longest = [max(map(len, cell.split("<br>"))) for cell in row]
            assert len(name) + sum(longest) < 100, name


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
    assert cell_text(cell, []) == "❌ 30.0%, 1.5x<br>33.3 dB, 14/16"


def test_reasons_are_numbered_once_each_below_the_table() -> None:
    cells = [
        Cell(model, row.name, "made", reason="no recipe" if row.name == "mixed" else "too slow")
        for model in ("a", "b")
        for row in PRECISIONS
    ]
    lines = as_markdown(cells)
    assert lines[-2:] == ["\n[1] too slow", "\n[2] no recipe"]
    assert "| `mixed` | [2] | [2] |" in lines


def test_the_table_takes_the_place_of_the_old_one_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    cells = [Cell("a", row.name, "made", reason="none") for row in PRECISIONS]
    replace_table(readme, as_markdown(cells))
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| precision |")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    told, measured = tables_in(readme)
    assert list(told) == ["precision", "---", *NAMES]
    assert list(measured) == ["made weights", "---", *NAMES]


def test_a_readme_without_a_place_for_it_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no table")
    with pytest.raises(UsageError, match="has no two lines"):
        replace_table(readme, ["| a |"])
    assert readme.read_text() == "no table"
