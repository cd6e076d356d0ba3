"""Recipes as values and as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkport.errors import UsageError
from convert.quantization.precision import PRECISIONS
from convert.quantization.recipe import BY_SAMPLES, CHOICES, Recipe, Rule

RULES = st.builds(
    Rule,
    weights=st.sampled_from(["int8", "int4"]),
    activations=st.sampled_from(CHOICES["activations"]),
    granularity=st.sampled_from(CHOICES["granularity"]),
    algorithm=st.sampled_from(sorted({*CHOICES["algorithm"]} - {*BY_SAMPLES})),
    layer=st.sampled_from([".*", "up1", "stage.[0-3]"]),
    op=st.sampled_from(["*", "CONV_2D"]),
) | st.builds(
    Rule,
    weights=st.sampled_from(["int8", "int4"]),
    activations=st.sampled_from(["dynamic", "float32"]),
    algorithm=st.sampled_from(BY_SAMPLES),
)


@given(
    st.builds(
        Recipe,
        st.lists(RULES, min_size=1).map(tuple),
        integer_io=st.booleans(),
        bias_correction=st.booleans(),
    ).filter(lambda recipe: recipe.calibrated or not recipe.integer_io)
)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_every_precision_s_recipe_survives_json() -> None:
    for row in PRECISIONS:
        if row.recipe:
            assert Recipe.from_json(row.recipe.to_json()) == row.recipe


@pytest.mark.parametrize(
    "others",
    [{"weights": "float16"}, {"activations": "int8"}, {"granularity": "block-32"}],
    ids=["fractions", "measured activations", "blocks"],
)
def test_choosing_by_samples_is_for_channels_of_integers_alone(others: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="is for int8 or int4 weights with a scale per channel"):
        Rule(**{"weights": "int4", "algorithm": "gptq", **others})


def test_only_what_looks_at_activations_is_calibrated() -> None:
    calibrated = [row.name for row in PRECISIONS if row.recipe and row.recipe.calibrated]
    assert calibrated == ["int8-static", "int16x8"]
    assert Recipe((Rule("int4", algorithm="gptq"),)).rounded_by_samples


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "r.json: is no recipe: it has no list of 'rules'"),
        ({"rules": {}}, "r.json: is no recipe"),
        ({"rules": [], "schema_version": 9}, "its schema_version is 9, and 1 is what is known"),
        ({"rules": [], "schema_version": 1, "rule": 2}, "'rule' is not known; did you mean 'rules"),
        ({"rules": [{}], "schema_version": 1}, "r.json: rule 0: has no 'weights'"),
        (
            {"rules": [{"weights": "int8"}, {"weights": "int5"}], "schema_version": 1},
            r"rule 1: weights of a rule cannot be 'int5'\. Did you mean 'int",
        ),
        (
            {"rules": [{"weights": "int8", "layers": "a"}], "schema_version": 1},
            "rule 0: 'layers' is not known; did you mean 'layer'",
        ),
        ({"rules": [{"weights": "int8", "op": 3}], "schema_version": 1}, "'op' is not a text"),
        (
            {"rules": [{"weights": "int8", "layer": "("}], "schema_version": 1},
            r"rule 0: layer '\(' of a rule is no regular expression",
        ),
        ({"rules": [], "schema_version": 1}, "r.json: 'rules' is empty; add one"),
        (
            {"rules": [{"weights": "int8"}], "schema_version": 1, "bias_correction": "no"},
            "r.json: 'bias_correction' is 'no'; expected true or false",
        ),
        (
            {"rules": [{"weights": "int8"}], "schema_version": 1, "integer_io": True},
            "r.json: 'integer_io' needs ranges",
        ),
        (
            {"rules": [{"weights": "float16", "activations": "int8"}], "schema_version": 1},
            "an op that computes in integers has integer weights",
        ),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_place(values: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe.from_json(values, "r.json")
