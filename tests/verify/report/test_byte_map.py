import pytest

from verify.report.byte_map import make_byte_map
from verify.weight_map import WeightMap, WeightPart


def part(path: str, size: int, dtype: str = "FLOAT32", op: str = "CONV_2D") -> WeightPart:
    module = tuple(path.split(".")) if path else ()
    return WeightPart(path, module, op, dtype, size, 0, tensors=1)


WEIGHTS = WeightMap(
    size_bytes=10_000,
    parts=(
        part("net.body.conv", 5_000, "INT8"),
        part("net.body.conv", 1_000),
        part("net.body.norm", 500, op="MUL"),
        part("net.head", 2_400, op="FULLY_CONNECTED"),
        part("net.head", 100, op="ADD"),
    ),
    rest={"metadata": 700, "tensor names": 200, "structure": 100},
)


def test_every_byte_has_its_row_and_its_area() -> None:
    found = make_byte_map(WEIGHTS)
    assert sum(row.size_bytes for row in found.rows) == WEIGHTS.size_bytes
    areas = [tile.rectangle.width * tile.rectangle.height / 100 for tile in found.tiles]
    assert sum(areas) == pytest.approx(100)
    by_title = {tile.title: area for tile, area in zip(found.tiles, areas, strict=True)}
    title = "net.body.conv: 5.0\N{NO-BREAK SPACE}kB, 50.0% of the file, INT8"
    assert by_title[title] == pytest.approx(50)


def test_a_modules_constants_of_one_dtype_are_one_row_the_largest_first() -> None:
    rows = [
        (row.path, row.dtype, row.op_kinds, row.size_bytes) for row in make_byte_map(WEIGHTS).rows
    ]
    assert rows[0] == ("net.body.conv", "INT8", "CONV_2D", 5_000)
    assert rows[1] == ("net.head", "FLOAT32", "FULLY_CONNECTED, ADD", 2_500)
    assert ("net.body.conv", "FLOAT32", "CONV_2D", 1_000) in rows
    assert rows[-1][0] == "net.body.norm"


def test_outlines_are_of_the_first_modules_that_differ() -> None:
    groups = make_byte_map(WEIGHTS).groups
    sizes = sorted(group.width * group.height / 100 for group in groups)
    assert sizes == pytest.approx([25, 65])  # net.head and net.body, not net


def test_how_bytes_are_stored_is_told() -> None:
    kinds = make_byte_map(WEIGHTS).kinds
    assert [(kind, name) for kind, name, _ in kinds] == [
        ("int8", "int8"),
        ("float32", "float32"),
        ("none", "rest: card, names, structure"),
    ]
    assert kinds[0][2] == "5.0\N{NO-BREAK SPACE}kB"


def test_labels_fit_and_are_never_mere_numbers() -> None:
    parts = tuple(part(f"encoder.{n}.0", 10**6 // (n + 1) ** 3) for n in range(12))
    total = sum(it.size_bytes for it in parts)
    found = make_byte_map(WeightMap(total, parts, {}))
    labels = [tile.label for tile in found.tiles]
    assert labels[0] == ("encoder.0.0",)
    assert () in labels  # of a tile too small for one
    assert all(any(map(str.isalpha, "".join(label))) for label in labels if label)


def test_the_outermost_module_has_a_name() -> None:
    rows = make_byte_map(WeightMap(10, (part("", 10),), {})).rows
    assert rows[0].path == "(outermost)"
