from dataclasses import replace
from pathlib import Path

import pytest

from verify.report.audited import audit
from verify.report.candidate import Candidate
from verify.subject import identify

pytestmark = pytest.mark.integration


def test_files_are_audited_on_samples_of_their_model(
    generator_checkpoint: Path, generator_tflites: dict[str, Path]
) -> None:
    path = generator_tflites["fp16"]
    candidate = Candidate("the file", "fp16", [], path)
    steps: list[str] = []
    given = [candidate], [identify(path)], generator_checkpoint
    (found,) = audit(*given, seed=3, on_step=steps.append)
    assert steps == ["risks of the file"]
    assert found.label == "the file"
    assert found.audit is not None
    assert found.audit.path == path
    assert "'gan-generator', seed 3" in found.audit.inputs


def test_what_cannot_be_audited_says_why(
    generator_checkpoint: Path, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    subject = identify(generator_tflites["fp32"])
    gone = tmp_path / "gone.tflite"
    candidate = Candidate("gone", "fp32", [], gone)
    given = [candidate], [replace(subject, path=gone)], generator_checkpoint
    (found,) = audit(*given, seed=0, on_step=lambda _step: None)
    assert found.audit is None
    assert found.reason == f"{gone}: there is no such file"
