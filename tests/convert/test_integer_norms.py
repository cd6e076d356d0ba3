"""A detector built for an NPU computes in 8 bits throughout, and better than one that is not."""

from pathlib import Path

import pytest

from convert.op_widths import op_widths
from convert.pipeline import convert_checkpoint
from convert.precision import recipe_of, with_integer_norms
from convert.requantize import quantize_file
from convert.tflite import read_flatbuffer
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify
from wrappers.spec import BuildOptions, Target

pytestmark = pytest.mark.integration

MODEL = "tinyseal"
CHECKPOINT = Path(__file__).parents[2] / "samples" / "tinyseal" / "full_model.pth"
EVERYTHING = with_integer_norms(recipe_of("int8-static"))


def relative_l2(path: Path, target: Target | None) -> float:
    options = BuildOptions(target=target)
    reference = compute_reference(MODEL, CHECKPOINT, samples=8, seed=0, options=options)
    (check,) = (
        check
        for check in judge(identify(path), reference, threads=1).checks
        if check.name == "relative_l2"
    )
    assert check.value is not None
    return check.value


def test_norms_in_8_bits_lose_less_where_they_were_rewritten_for_it(tmp_path: Path) -> None:
    rewritten = convert_checkpoint(
        CHECKPOINT, MODEL, ["int8-static", "fp32"], tmp_path, options=BuildOptions(target="npu")
    )
    static, floats = rewritten.files
    assert static.coverage is not None
    assert static.coverage.in_integers == static.coverage.computing
    plain = convert_checkpoint(CHECKPOINT, MODEL, [], tmp_path, recipe=EVERYTHING).files[0]
    assert relative_l2(static.path, "npu") < 0.8 * relative_l2(plain.path, None)

    (again,), _ = quantize_file(floats.path, ["int8-static"], tmp_path / "again", model=MODEL)
    widths = [op_widths(read_flatbuffer(path)) for path in (again.path, static.path)]
    assert widths[0] == widths[1]
