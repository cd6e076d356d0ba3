"""A rule that is for nothing in the model is told, with what it may have meant."""

from pathlib import Path

import pytest

from chunkport.errors import UsageError
from convert.quantization.precision import PRECISIONS, wholly_integer
from convert.quantization.recipe import Recipe, Rule
from convert.quantization.recipe_fit import refuse_unmatched

pytestmark = pytest.mark.integration


@pytest.fixture
def float_model(generator_tflites: dict[str, Path]) -> Path:
    return generator_tflites["fp32"]


def test_a_layer_that_is_not_there_is_told_with_the_near_ones(float_model: Path) -> None:
    recipe = Recipe((Rule("int8"), Rule("int4", layer="Linaer_fc")))
    with pytest.raises(UsageError, match=r"rule 1 .*'Linaer_fc' .* no op; near .* Linear_fc"):
        refuse_unmatched(recipe, float_model)


def test_an_op_that_is_not_there_is_told_with_those_that_are(float_model: Path) -> None:
    recipe = Recipe((Rule("int8", op="CONV_2d"),))
    with pytest.raises(UsageError, match=r"rule 0 .* no op 'CONV_2d'. Did you mean 'CONV_2D'\?"):
        refuse_unmatched(recipe, float_model)


def test_a_layer_without_such_an_op_is_told(float_model: Path) -> None:
    recipe = Recipe((Rule("int8", op="CONV_2D", layer="Linear_fc"),))
    with pytest.raises(UsageError, match="in the name of no CONV_2D"):
        refuse_unmatched(recipe, float_model)


def test_the_tables_own_rules_are_for_every_model(float_model: Path) -> None:
    for row in PRECISIONS:
        if row.recipe:
            refuse_unmatched(row.recipe, float_model)
            refuse_unmatched(wholly_integer(row.recipe), float_model)
