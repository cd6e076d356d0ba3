"""The judge: every fault of a file shows in the row that is meant for it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from checkpoints import load_model_chunked
from chunkport.errors import BadInputError, UsageError
from convert.card import identify_checkpoint, read_card, stamp
from verify.judge import judge
from verify.reference import Reference, compute_reference
from verify.subject import Subject, identify
from verify.verdict import Verdict
from wrappers.gan_generator import load_network

if TYPE_CHECKING:
    from wrappers.spec import Arrays

ALL_CHECKS = [
    "integrity",
    "lineage",
    "weights",
    "loads",
    "signature",
    "runs",
    "range",
    "repeats",
    "max_abs_difference",
    "mean_abs_difference",
    "psnr_db",
    "worst_psnr_db",
    "ssim",
]

# A spec whose wrappers cannot be built: whoever needs only the network never asks for them.
_NO_WRAPPER = """
from dataclasses import replace

from wrappers.gan_generator import SPEC


def refuse(network):
    raise AssertionError("the reference went through a wrapper")


MINE = replace(SPEC, build_wrapper=refuse, build_plain=refuse)
"""


@pytest.fixture(scope="module")
def reference(generator_checkpoint: Path) -> Reference:
    return compute_reference("gan-generator", generator_checkpoint, samples=3, seed=5)


def outcome(verdict: Verdict, name: str) -> tuple[bool | None, str | None]:
    (check,) = [check for check in verdict.checks if check.name == name]
    return check.passed, check.reason


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if check.passed is False]


def test_the_reference_is_the_network_and_never_a_wrapper(
    generator_checkpoint: Path, reference: Reference, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(_NO_WRAPPER)
    own = compute_reference(f"{tmp_path}/own.py:MINE", generator_checkpoint, samples=3, seed=5)
    network = load_network(load_model_chunked(generator_checkpoint), "checkpoint")
    for item, output, other in zip(own.inputs, own.outputs, reference.outputs, strict=True):
        with torch.inference_mode():
            image = network(torch.from_numpy(item["latent"])).permute(0, 2, 3, 1)
        assert np.array_equal(output["image"], image)
        assert np.array_equal(output["image"], other["image"])
    assert own.checkpoint_sha256 == identify_checkpoint(generator_checkpoint)["sha256"]


def test_the_caller_is_told_of_every_sample(generator_checkpoint: Path) -> None:
    told: list[None] = []
    compute_reference(
        "gan-generator",
        generator_checkpoint,
        samples=4,
        seed=0,
        on_sample=lambda: told.append(None),
    )
    assert len(told) == 4


def test_a_file_that_does_not_load_fails_and_leaves_no_row_out(
    reference: Reference, tmp_path: Path
) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    verdict = judge(Subject(path, "gan-generator", "fp32", None), reference, threads=1)
    assert [check.name for check in verdict.checks] == ALL_CHECKS
    assert failed(verdict) == ["loads"]
    assert outcome(verdict, "lineage") == (None, "the file has no card")
    assert outcome(verdict, "ssim") == (None, "the file did not load")
    assert not verdict.passed


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_a_faithful_file_passes_every_check(
    reference: Reference, generator_tflites: dict[str, Path], precision: str
) -> None:
    verdict = judge(identify(generator_tflites[precision]), reference, threads=1)
    covered = ["coverage"] if precision == "int8-dynamic" else []
    expected = [*ALL_CHECKS[:3], *covered, *ALL_CHECKS[3:]]
    assert [check.name for check in verdict.checks] == expected
    assert failed(verdict) == []
    assert verdict.passed
    assert verdict.complete
    assert (verdict.model, verdict.precision) == ("gan-generator", precision)
    assert (verdict.samples, verdict.seed) == (3, 5)


@pytest.mark.integration
def test_figures_are_of_the_outputs_that_are_handed_on(
    reference: Reference, generator_tflites: dict[str, Path]
) -> None:
    handed: list[np.ndarray] = []
    verdict = judge(
        identify(generator_tflites["int8-dynamic"]),
        reference,
        threads=1,
        on_outputs=lambda outputs: handed.extend(np.asarray(item["image"]) for item in outputs),
    )
    worst = max(
        float(np.abs(one["image"] - other).max())
        for one, other in zip(reference.outputs, handed, strict=True)
    )
    (check,) = [check for check in verdict.checks if check.name == "max_abs_difference"]
    assert check.value == pytest.approx(worst, rel=1e-5)
    assert worst > 0.001


@pytest.mark.integration
def test_weights_of_another_training_fail_in_lineage_and_in_every_metric(
    generator_tflites: dict[str, Path],
    other_checkpoint: Path,
) -> None:
    reference = compute_reference("gan-generator", other_checkpoint, samples=3, seed=0)
    for path in generator_tflites.values():
        verdict = judge(identify(path), reference, threads=1)
        assert failed(verdict) == ["lineage", "weights", *ALL_CHECKS[8:]]


@pytest.mark.integration
def test_another_contract_fails_the_signature_and_says_what_was_expected(
    reference: Reference, generator_tflites: dict[str, Path]
) -> None:
    latent = reference.contract.inputs[0]
    other = replace(reference.contract, inputs=(replace(latent, name="noise"),))
    verdict = judge(
        identify(generator_tflites["fp32"]), replace(reference, contract=other), threads=1
    )
    assert outcome(verdict, "signature") == (
        False,
        "inputs are {'latent': (1, 100)}, expected {'noise': (1, 100)}",
    )
    assert outcome(verdict, "runs") == (None, "the signature differs")
    assert [check.name for check in verdict.checks] == ALL_CHECKS


@pytest.mark.integration
def test_outputs_beyond_the_span_fail_the_range(
    reference: Reference, generator_tflites: dict[str, Path]
) -> None:
    narrow = replace(reference, spec=replace(reference.spec, output_span=(-0.01, 0.01)))
    passed, reason = outcome(judge(identify(generator_tflites["fp32"]), narrow, threads=1), "range")
    assert passed is False
    assert reason is not None
    assert reason.startswith("sample 0: 'image' reaches from -")


@pytest.mark.integration
def test_nan_outputs_fail_the_range_and_every_metric(
    reference: Reference, generator_tflites: dict[str, Path]
) -> None:
    latents: list[Arrays] = [
        {"latent": np.full((1, 100), np.nan, np.float32)} for _ in reference.inputs
    ]
    verdict = judge(
        identify(generator_tflites["fp32"]), replace(reference, inputs=latents), threads=1
    )
    assert outcome(verdict, "range") == (False, "sample 0: 'image' holds NaN or infinity")
    assert outcome(verdict, "repeats") == (True, None)
    assert set(ALL_CHECKS[8:]) <= set(failed(verdict))


@pytest.mark.integration
def test_a_file_is_what_its_card_says_whatever_its_name(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "gan_generator_128_fp32.tflite"
    path.write_bytes(generator_tflites["int8-dynamic"].read_bytes())
    assert identify(path).precision == "int8-dynamic"
    assert identify(path, model="gan-generator", precision="int8").card is not None
    with pytest.raises(UsageError, match="its card says precision 'int8-dynamic', not 'fp32'"):
        identify(path, precision="fp32")
    own = tmp_path / "own.py"
    own.write_text(
        "from dataclasses import replace\n"
        "from wrappers.gan_generator import SPEC\n"
        "OTHER = replace(SPEC, name='detector')\n"
    )
    with pytest.raises(UsageError, match="its card says model 'gan-generator', not 'detector'"):
        identify(path, model=f"{own}:OTHER")


@pytest.mark.integration
def test_a_card_of_no_known_precision_cannot_escape_the_limits(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    card = read_card(generator_tflites["fp32"])
    assert card is not None
    path = tmp_path / "forged.tflite"
    stamp(generator_tflites["fp32"], path, replace(card, precision="fp99"))
    with pytest.raises(BadInputError, match="its card names the precision 'fp99'"):
        identify(path)
