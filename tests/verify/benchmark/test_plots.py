"""The plots are drawn from the document alone, and hold a mark for each contender."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from verify.benchmark.plots import draw_plots, plot_paths
from verify.benchmark_document import parse_benchmark

COMMON = {"runtime": "litert", "variant": "rewritten"}


def timing(name: str, threads: int, p50: float | None) -> dict[str, Any]:
    return {
        **COMMON,
        "name": name,
        "num_threads": threads,
        "size_bytes": 4_000_000,
        "latency_p50_ms": p50,
        "latency_p90_ms": None if p50 is None else 2 * p50,
    }


def form(name: str, **sizes: int) -> dict[str, Any]:
    return {
        **COMMON,
        "name": name,
        "size_bytes": sum(sizes.values()) + 1000,
        "bytes_by_op_kind": sizes,
        "bytes_of_the_rest": {"structure": 1000},
    }


def drawn(folder: Path, *names: str) -> list[Path]:
    document = {
        "schema_version": 2,
        "command": "benchmark",
        "contenders": [timing(name, threads, 3.0) for threads in (1, 2) for name in names]
        + [timing("refused", 1, None)],
        "forms": [form(name, CONV_2D=3_000_000, ADD=10) for name in names],
    }
    return draw_plots(parse_benchmark(document, "here"), "a model", folder)


def test_three_pictures_are_drawn_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "plots"
    paths = drawn(folder, "fp32")
    assert paths == plot_paths(folder)
    assert sorted(folder.iterdir()) == sorted(paths)
    before = [path.read_bytes() for path in paths]
    assert drawn(folder, "fp32", "int8") == paths
    assert all(old != path.read_bytes() for old, path in zip(before, paths, strict=True))


def test_more_contenders_make_a_taller_picture_that_is_not_blank(tmp_path: Path) -> None:
    few = Image.open(drawn(tmp_path / "few", "a")[0])
    many = Image.open(drawn(tmp_path / "many", *"abcdefgh")[0])
    assert many.height > few.height
    assert many.width == few.width
    colours = {tuple(colour) for colour in np.asarray(many.convert("RGB")).reshape(-1, 3)[::7]}
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # one for each number of threads
