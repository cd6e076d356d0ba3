"""No defect of the catalogue gets past the verdict, and each fails in the row that names it."""

from pathlib import Path

import pytest

from benchmarks.seeded_defects import DEFECTS, DETECTOR, GENERATOR, find_defects

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.mark.integration
def test_every_defect_is_caught_in_its_row(generator_checkpoint: Path, tmp_path: Path) -> None:
    checkpoints = {
        GENERATOR: generator_checkpoint,
        DETECTOR: SAMPLES / "tinyseal" / "full_model.pth",
    }
    findings = find_defects(DEFECTS, checkpoints, tmp_path / "files")
    assert len(findings) == sum(len(defect.precisions) for defect in DEFECTS)
    missed = [
        (finding.defect, finding.model, finding.precision, finding.rows)
        for finding in findings
        if not finding.caught
    ]
    assert missed == []
