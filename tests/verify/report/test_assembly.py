"""The whole way from real files to a report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from networks.gan import Generator
from verify.report.assembly import Request, assemble
from verify.runtime_agreement import choose_runtimes
from verify.subject import identify

pytestmark = pytest.mark.integration


@pytest.fixture
def request_of_two(generator_checkpoint: Path, generator_tflites: dict[str, Path]) -> Request:
    """A page of the float32 and the int8 file, without what takes long."""
    return Request(
        checkpoint=generator_checkpoint,
        subjects=[identify(generator_tflites[it]) for it in ("fp32", "int8-dynamic")],
        samples=2,
        seed=0,
        threads=1,
        audit=False,
    )


def test_files_that_pass_are_shown_with_the_worst_of_all_that_they_drew(
    request_of_two: Request,
) -> None:
    steps: list[str] = []
    report = assemble(request_of_two, steps.append)
    assert report.passed, report.conclusion
    (sheet,) = report.sheets
    assert sheet.samples == 256
    assert [column.precision for column in sheet.columns] == ["fp32", "int8-dynamic"]
    assert [inside.ops.kinds[0].weights for inside in report.insides] == [
        *("float32", "int8 per channel"),
    ]
    assert [inside.ops.coverage for inside in report.insides] == ["", "17 of 28"]
    assert report.insides[1].ops.left[0].startswith("7 LEAKY_RELU, 3 ADD, 1 TANH: ")
    assert all(not inside.delegation.left for inside in report.insides)
    (chain,) = report.chains
    assert chain.same
    left_out = (report.examined, report.audits, report.bits, report.agreements)
    assert left_out == ((), (), (), ())
    assert steps[0] == "gan-generator"


def test_files_that_fail_are_examined_and_others_only_if_asked(
    request_of_two: Request,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
    tmp_path: Path,
) -> None:
    other = save_generator(make_generator(seed=1), tmp_path / "other.pth")
    wrong = replace(request_of_two, checkpoint=other, subjects=request_of_two.subjects[:1])
    report = assemble(wrong)
    (examined,) = report.examined
    assert examined.label == report.failed[0].label
    assert examined.diagnosis is not None
    assert examined.diagnosis.first is not None
    assert not report.chains[0].same
    assert assemble(replace(wrong, per_layer=False)).examined == ()


def test_a_file_that_is_not_as_it_was_written_fails_and_is_not_looked_into(
    request_of_two: Request, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.tflite"
    content = bytearray(request_of_two.subjects[0].path.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    subject = identify(damaged, damaged_too=True)
    report = assemble(replace(request_of_two, subjects=[subject]))
    assert not report.passed
    assert report.insides == ()
    assert report.sheets[0].reason == "no file ran"


def test_other_runtimes_are_beside(request_of_two: Request) -> None:
    chosen = choose_runtimes(["litert-builtin"])
    report = assemble(replace(request_of_two, runtimes=chosen))
    assert [row.runtime for row in report.agreements] == ["litert", "litert-builtin"] * 2
    assert all(row.agrees for row in report.agreements)


def test_a_detector_reads_the_marks_of_its_own_embedder(
    tinyseal_checkpoint: Path, tmp_path: Path
) -> None:
    from convert.pipeline import convert_checkpoint

    made = convert_checkpoint(tinyseal_checkpoint, "tinyseal", ["fp32"], tmp_path, isolated=False)
    scene = np.random.default_rng(0).integers(0, 256, (160, 96, 3), dtype=np.uint8)
    request = Request(
        checkpoint=tinyseal_checkpoint,
        subjects=[identify(made.files[0].path)],
        samples=2,
        seed=0,
        threads=1,
        scenes=lambda: [scene, scene],
        audit=False,
        per_layer=False,
    )
    marked, plain = assemble(request).bits
    assert marked.tallies[0].pictures == plain.tallies[0].pictures == 2
    assert {row.name[:5] for row in marked.rows} == {"says "}
    assert {row.name for row in plain.rows} == {"sample 0", "sample 1"}
    assert len({row.name.split()[1] for row in marked.rows}) == 2  # a message for each
