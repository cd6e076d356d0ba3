from pathlib import Path

import pytest

from verify.report.audited import audit
from verify.report.candidate import Candidate
from verify.subject import identify


@pytest.mark.integration
def test_files_are_audited_on_samples_of_their_model(
    generator_checkpoint: Path, generator_tflites: dict[str, Path]
) -> None:
    path = generator_tflites["fp16"]
    candidate = Candidate("the file", "fp16", [], path)
    steps: list[str] = []
    given = [candidate], [identify(path)], generator_checkpoint
    (found,) = audit(*given, seed=3, on_step=steps.append)
    assert steps == ["risks of the file"]
    assert (found.label, found.audit.path) == ("the file", path)
    assert "'gan-generator', seed 3" in found.audit.inputs
