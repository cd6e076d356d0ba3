import json
import math
from pathlib import Path
from typing import Any

import pytest

from chunkport.errors import BadInputError
from verify.benchmark_document import read_benchmark

ROW = {
    "name": "a.tflite",
    "precision": "fp32",
    "variant": "rewritten",
    "runtime": "litert",
    "size_bytes": 100,
    "latency_p50_ms": 1.5,
    "latency_p90_ms": 2,
    "psnr_db": math.inf,
    "speed_vs_plain": None,
    "reason": "no plain file",
}


def document(**changes: Any) -> dict[str, Any]:
    whole = {
        "schema_version": 1,
        "command": "benchmark",
        "rounds": 20,
        "machine": {"cpu": "Example", "cores": 8},
        "contenders": [ROW],
    }
    return {**whole, **changes}


def written(folder: Path, content: object) -> Path:
    path = folder / "benchmark.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_document_is_read_whole(tmp_path: Path) -> None:
    found = read_benchmark(written(tmp_path, document()))
    assert found.circumstances == {"cpu": "Example", "cores": "8", "rounds": "20"}
    (row,) = found.rows
    assert (row.name, row.precision, row.variant) == ("a.tflite", "fp32", "rewritten")
    assert (row.runtime, row.reason) == ("litert", "no plain file")
    assert row.figures["latency_p50_ms"] == 1.5
    assert row.figures["psnr_db"] == math.inf
    assert row.figures["speed_vs_plain"] is None
    assert row.figures["peak_memory_bytes"] is None


FORM = {
    "name": "a.tflite",
    "precision": "fp32",
    "size_bytes": 100,
    "ops": 3,
    "share_of_ops_on_xnnpack": 1.0,
    "ops_left": {},
    "bytes_by_op_kind": {"CONV_2D": 90},
}


def second(**changes: Any) -> dict[str, Any]:
    rows = [{**ROW, "num_threads": threads, "share_of_sgemm": 0.5} for threads in (1, 2)]
    sgemm = [{"num_threads": 1, "gflop_per_s": 60.0, "round_spread": None}]
    whole = {"schema_version": 2, "num_threads": [1, 2], "contenders": rows, "forms": [FORM]}
    return document(**whole, sgemm=sgemm, round_spread=0.04, **changes)


def test_a_document_with_several_numbers_of_threads_is_read(tmp_path: Path) -> None:
    found = read_benchmark(written(tmp_path, second()))
    assert found.circumstances["num threads"] == "1, 2"
    assert [row.label for row in found.rows] == ["a.tflite, 1 thread", "a.tflite, 2 threads"]
    assert [row.figures["num_threads"] for row in found.rows] == [1, 2]
    assert found.rows[0].figures["share_of_sgemm"] == 0.5
    (form,) = found.forms
    assert (form.name, form.figures["ops"], form.figures["psnr_db"]) == ("a.tflite", 3, None)
    assert form.counts["bytes_by_op_kind"] == {"CONV_2D": 90}
    assert form.counts["bytes_by_module"] == {}
    assert found.sgemm[0]["gflop_per_s"] == 60
    assert found.noise == 0.04


def test_one_number_of_threads_is_not_told_in_each_row(tmp_path: Path) -> None:
    changed = {**second(), "contenders": [{**ROW, "num_threads": 4}]}
    (row,) = read_benchmark(written(tmp_path, changed)).rows
    assert row.label == "a.tflite"


def test_a_document_of_the_first_version_has_no_forms(tmp_path: Path) -> None:
    found = read_benchmark(written(tmp_path, document()))
    assert (found.forms, found.sgemm, found.noise) == ((), (), None)
    assert found.rows[0].label == "a.tflite"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "'command' is not 'benchmark'"),
        (document(command="verify"), "'command' is not 'benchmark'"),
        (document(schema_version=3), "'schema_version' is 3, expected 2"),
        (document(machine="mine"), "'machine' is not an object"),
        (document(contenders=[]), "'contenders' is not a list with entries"),
        (document(contenders=["a"]), "contenders[0] is not an object"),
        (document(contenders=[ROW, {}]), "contenders[1].name is not a text"),
        (
            document(contenders=[{**ROW, "size_bytes": "big"}]),
            "contenders[0].size_bytes is 'big', expected a number or null",
        ),
        (document(contenders=[{**ROW, "size_bytes": True}]), "size_bytes is True"),
        (document(contenders=[{**ROW, "size_bytes": -1}]), "size_bytes is -1"),
        (document(contenders=[{**ROW, "latency_p50_ms": math.inf}]), "latency_p50_ms is inf"),
        (document(contenders=[{**ROW, "psnr_db": math.nan}]), "psnr_db is nan"),
        (document(contenders=[{**ROW, "variant": 3}]), "variant is 3, expected a text or null"),
        (document(forms="none"), "'forms' is not a list"),
        (document(forms=[{**FORM, "ops": "many"}]), "forms[0].ops is 'many', expected a number"),
        (document(forms=[{**FORM, "ops_left": 2}]), "forms[0].ops_left is 2, expected an object"),
        (
            document(forms=[{**FORM, "bytes_by_op_kind": {"ADD": 0.5}}]),
            "forms[0].bytes_by_op_kind.ADD is 0.5, expected a whole number or null",
        ),
        (document(sgemm=[3]), "sgemm[0] is not an object"),
        (document(round_spread=-1), "round_spread is -1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, content: object, told: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BadInputError) as caught:
        read_benchmark(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)
    assert "make it with chunkport benchmark" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00"])
def test_what_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "benchmark.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="not JSON"):
        read_benchmark(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read"):
        read_benchmark(tmp_path / "none.json")
