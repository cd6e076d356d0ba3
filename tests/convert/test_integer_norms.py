"""A detector built for an NPU computes its norms in 8 bits, and better than one that is not."""

from pathlib import Path

import pytest

from convert.pipeline import convert_checkpoint
from convert.quantization.precision import recipe_of, with_integer_norms
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify
from wrappers.spec import BuildOptions, Target

pytestmark = pytest.mark.integration

MODEL = "tinyseal"
CHECKPOINT = Path(__file__).parents[2] / "samples" / "tinyseal" / "full_model.pth"
IN_NORMS = ("MEAN", "SUM", "SUB", "MUL", "RSQRT", "SQRT", "DIV")
EVERYTHING = with_integer_norms(recipe_of("int8-static"))


def relative_l2(path: Path, target: Target | None) -> float:
    options = BuildOptions(target=target)
    reference = compute_reference(MODEL, CHECKPOINT, samples=4, seed=0, options=options)
    (check,) = (
        check
        for check in judge(identify(path), reference, threads=1).checks
        if check.name == "relative_l2"
    )
    assert check.value is not None
    return check.value


def test_norms_in_8_bits_lose_less_where_they_were_rewritten_for_it(tmp_path: Path) -> None:
    options = BuildOptions(target="npu")
    static = convert_checkpoint(
        CHECKPOINT, MODEL, ["int8-static"], tmp_path, options=options, isolated=False
    ).files[0]
    assert static.coverage is not None
    in_float = {op.kind for op in static.coverage.ops if op.role == "computes" and not op.integers}
    assert in_float.isdisjoint(IN_NORMS)
    plain = convert_checkpoint(
        CHECKPOINT, MODEL, [], tmp_path, recipe=EVERYTHING, isolated=False
    ).files[0]
    assert relative_l2(static.path, "npu") < 0.8 * relative_l2(plain.path, None)
