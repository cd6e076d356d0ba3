"""The page's own comparisons, in Node, against those of the script in Python."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from verify.bundle.run_goldens import METRICS, OVER_ALL

pytestmark = pytest.mark.integration

RunNode = Callable[..., Any]
PROGRAM = """
const { compare, compareAll } = await load("goldens.js");
const { names, expected, found } = JSON.parse(readFileSync(`${folder}case.json`));
const limits = names.map((metric) => ({ metric, bound: 0, sense: "at_most", meaning: "" }));
const scales = { span: 2, largest: 3, norm: 4, bits_rms: 0.7 };
const index = { outputs: [{ name: "a" }, { name: "b" }], limits, scales };
const named = ([a, b]) => ({ a: Float32Array.from(a), b: Float32Array.from(b) });
const rows = compare(index, named(expected), named(found));
const all = compareAll(index, [...rows, ...rows.map((row) => ({ ...row, value: 2 * row.value }))]);
const said = (list) => list.map(({ value, passed }) => [value, passed]);
return [said(rows), said(all)];
"""


@pytest.mark.parametrize("fault", [0.0, 1e-6, 0.3, 5.0])
def test_every_metric_is_the_same_in_both(run_node: RunNode, tmp_path: Any, fault: float) -> None:
    rng = np.random.default_rng(4)
    expected = rng.standard_normal(33).astype(np.float32)
    found = (expected + fault * rng.standard_normal(33)).astype(np.float32)
    pairs = [[values[:1].tolist(), values[1:].tolist()] for values in (expected, found)]
    case = {"names": list(METRICS), "expected": pairs[0], "found": pairs[1]}
    (tmp_path / "case.json").write_text(json.dumps(case))
    rows, together = run_node(PROGRAM)
    scales = {"span": 2.0, "largest": 3.0, "norm": 4.0, "bits_rms": 0.7}
    of_each = {}
    for (value, passed), (name, measure) in zip(rows, METRICS.items(), strict=True):
        wanted = measure(expected.astype(np.float64), found.astype(np.float64), scales)
        of_each[name] = wanted
        assert (np.inf if value is None else value) == pytest.approx(wanted, rel=1e-9)
        assert passed == (None if name in OVER_ALL else wanted <= 0)
    for (value, passed), (name, over_all) in zip(together, OVER_ALL.items(), strict=True):
        wanted = over_all(np.array([of_each[name], 2 * of_each[name]]))
        assert value == pytest.approx(wanted, rel=1e-9)
        assert passed == (wanted <= 0)


def test_what_is_no_number_passes_no_limit(run_node: RunNode, tmp_path: Any) -> None:
    case = {"names": list(METRICS), "expected": [[1.0], [1.0, -1.0]], "found": [[1.0], [1.0, None]]}
    text = json.dumps(case)
    (tmp_path / "case.json").write_text(text)
    program = PROGRAM.replace("Float32Array.from(b)", "Float32Array.from(b, (x) => x ?? NaN)")
    rows, together = run_node(program)
    assert {passed for _, passed in rows} == {False, None}
    assert {passed for _, passed in together} == {False}
    scales = {"span": 2.0, "largest": 1.0, "norm": 1.0, "bits_rms": 1.0}
    for measure in METRICS.values():
        value = measure(np.array([1.0, 1.0, -1.0]), np.array([1.0, 1.0, np.nan]), scales)
        assert not value <= 0
        assert not value >= 0
