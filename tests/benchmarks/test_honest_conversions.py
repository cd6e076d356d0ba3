"""Files without a defect are not refused; the whole count of them is judged by hand."""

from pathlib import Path

import pytest

from benchmarks.honest_conversions import PRECISIONS, convert_all, honest_networks, judge_all
from convert.isolation import run_isolated


@pytest.mark.integration
def test_no_honest_file_of_any_model_is_refused(tmp_path: Path) -> None:
    networks = list(honest_networks(1))
    run_isolated(convert_all, networks, tmp_path)
    rows = judge_all(networks, tmp_path)
    assert sum(row["files"] for row in rows) == len(PRECISIONS) * len(networks)
    assert [row["rows"] for row in rows if row["refused"]] == []
