"""Layers of real files, one of which holds a wrong weight."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convert.card import read_card, stamp
from convert.tflite import constants, read_flatbuffer, write_flatbuffer
from verify.judge import run_on_samples
from verify.reference import Reference, compute_reference
from verify.report.candidate import Candidate
from verify.report.examined import examine
from verify.runtimes.litert import LiteRtSession
from verify.subject import Subject, identify

pytestmark = pytest.mark.integration

Open = Callable[[Path], tuple[Subject, Candidate]]


@pytest.fixture(scope="module")
def reference(generator_checkpoint: Path) -> Reference:
    return compute_reference("gan-generator", generator_checkpoint, 2, 0)


@pytest.fixture
def opened(reference: Reference) -> Open:
    """A .tflite to what it is and what it answers."""

    def open_it(path: Path) -> tuple[Subject, Candidate]:
        subject = identify(path)
        outputs = run_on_samples(LiteRtSession(path, 1), reference.inputs, lambda: None)
        return subject, Candidate(path.name, subject.precision, outputs, path)

    return open_it


def test_the_layer_with_a_wrong_weight_is_named(
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    reference: Reference,
    opened: Open,
    tmp_path: Path,
) -> None:
    wrong = tmp_path / "wrong.tflite"
    model = read_flatbuffer(generator_tflites["fp32"])
    matrices = [it for it in constants(model) if it.values.ndim == 2]
    weight = max(matrices, key=lambda it: it.values.size)  # of the linear layer
    buffer = next(it for it in model.buffers if np.size(it.data) == weight.values.nbytes)
    values = weight.values.copy()
    values[0] *= -3
    buffer.data = values.view("u1").reshape(-1)
    write_flatbuffer(model, tmp_path / "changed.tflite")
    card = read_card(generator_tflites["fp32"])
    assert card is not None
    stamp(tmp_path / "changed.tflite", wrong, card)
    subject, candidate = opened(wrong)
    steps: list[str] = []
    (found,) = examine(
        [candidate],
        reference,
        [subject],
        generator_checkpoint,
        threads=1,
        on_step=steps.append,
    )
    assert steps == ["layers of wrong.tflite"]
    assert found.diagnosis is not None
    assert found.diagnosis.first is not None
    assert found.diagnosis.first.name == "fc"
    assert "weights" in found.diagnosis.first.departs


def test_what_cannot_be_examined_says_why(
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    reference: Reference,
    opened: Open,
) -> None:
    subject, candidate = opened(generator_tflites["fp32"])
    assert subject.card is not None
    plain = replace(subject, card=replace(subject.card, variant="plain"))
    given = [candidate], reference, [plain], generator_checkpoint
    (found,) = examine(*given, threads=1, on_step=lambda _step: None)
    assert found.diagnosis is None
    assert "was converted without the wrapper" in str(found.reason)
