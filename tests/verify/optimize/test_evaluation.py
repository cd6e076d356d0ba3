import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from convert.pipeline import convert_checkpoint
from convert.quantization.precision import recipe_of
from convert.quantization.recipe import Recipe, Rule
from verify.optimize.evaluation import (
    Candidate,
    Result,
    Setting,
    evaluate,
    key_of,
    make_file,
)
from verify.optimize.layers import find_layers, recipe_for, rounded_by_samples
from wrappers.spec import BuildOptions, at_least

INT8, INT4 = (Recipe((Rule(weights),)) for weights in ("int8", "int4"))


@pytest.fixture(scope="module")
def setting(generator_checkpoint: Path, generator_tflites: dict[str, Path]) -> Setting:
    return Setting(
        *(generator_tflites["fp32"], "gan-generator", generator_checkpoint, BuildOptions(), ()),
        samples=2,
        probes=2,
        seed=0,
        threads=1,
    )


def test_a_candidate_is_made_and_measured(setting: Setting) -> None:
    one, other = (evaluate(setting, Candidate(recipe, judged=False)) for recipe in (INT8, INT4))
    assert one.size_bytes > other.size_bytes > other.bare_bytes > 0
    assert 0 < one.error < other.error < 1
    assert not one.checks
    assert not one.passed  # nobody asked


@pytest.mark.integration
def test_a_judged_one_has_every_row_of_its_verdict(setting: Setting) -> None:
    result = evaluate(setting, Candidate(recipe_of("fp16"), judged=True))
    assert result.passed
    assert {"integrity", "weights", "psnr_db", "kid_drift"} <= {
        row["name"] for row in result.checks
    }
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


@pytest.mark.integration
def test_integers_chosen_by_samples_are_those_that_convert_chooses(
    setting: Setting, tmp_path: Path
) -> None:
    layers = find_layers(setting.float_model)
    int8 = (Rule("int8"),) * len(layers)
    first = rounded_by_samples(layers, int8)[:1]  # of all of them it takes minutes
    recipe = recipe_for(layers, (*first, *int8[1:]))
    assert recipe.rounded_by_samples
    made = tmp_path / "made.tflite"
    make_file(setting, recipe, made)
    conversion = convert_checkpoint(
        *(setting.checkpoint, setting.model, (), tmp_path / "again"), recipe=recipe, isolated=False
    )
    (again,) = conversion.files
    assert again.path.read_bytes() == made.read_bytes()
    make_file(setting, recipe_for(layers, int8), made)
    assert again.path.read_bytes() != made.read_bytes()


def test_one_that_cannot_be_made_is_a_result_too(setting: Setting) -> None:
    nowhere = Recipe((Rule("int4", op="TANH"),))
    result = evaluate(setting, Candidate(nowhere, judged=True))
    assert result.fault
    assert math.isinf(result.error)
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_what_it_is_given_can_be_sent_to_another_process(setting: Setting) -> None:
    candidate = Candidate(INT8, judged=False)
    assert pickle.loads(pickle.dumps((setting, candidate))) == (setting, candidate)  # noqa: S301 - our own bytes


def test_a_key_is_of_all_that_decides_a_result(setting: Setting) -> None:
    judged = Candidate(INT8, judged=True)
    keys = {
        key_of(setting, judged),
        key_of(setting, Candidate(INT4, judged=True)),
        key_of(setting, Candidate(INT8, judged=False)),
        key_of(replace(setting, seed=1), judged),
        key_of(replace(setting, limits=(at_least("psnr_db", 40),)), judged),
    }
    assert len(keys) == 5
    assert key_of(replace(setting, threads=2), judged) in keys  # the runtime gives the same
