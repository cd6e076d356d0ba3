"""The table of precisions."""

import pytest

from chunkport.errors import UsageError
from convert.quantization.precision import (
    PRECISIONS,
    find_precision,
    precision_names,
    recipe_of,
    wholly_integer,
    with_integer_norms,
)
from convert.quantization.recipe import Recipe, Rule


def test_every_name_finds_its_row_and_no_two_rows_share_a_file_name() -> None:
    assert [find_precision(row.name) for row in PRECISIONS] == list(PRECISIONS)
    assert len({row.suffix for row in PRECISIONS}) == len(PRECISIONS)


def test_int8_alone_means_dynamic() -> None:
    assert find_precision("int8") is find_precision("int8-dynamic")


def test_only_float32_and_what_a_user_mixes_have_no_recipe() -> None:
    assert [row.name for row in PRECISIONS if row.recipe is None] == ["fp32", "mixed"]
    with pytest.raises(UsageError, match="'mixed' has no recipe: it needs a recipe"):
        recipe_of("mixed")


def test_every_precision_is_held_to_limits_that_models_state() -> None:
    assert {row.held_to for row in PRECISIONS} == {"fp32", "fp16", "int8-dynamic"}


def test_norms_that_are_rewritten_for_integers_are_integers_and_nothing_else_changes() -> None:
    rules = recipe_of("int8-static").rules
    changed = with_integer_norms(recipe_of("int8-static")).rules
    assert {rule.op for rule in set(rules) - set(changed)} >= {"MEAN", "MUL", "RSQRT", "DIV"}
    assert all(rule.weights == "float32" for rule in set(rules) - set(changed))
    assert set(changed) <= set(rules)
    dynamic = recipe_of("int8-dynamic")
    assert with_integer_norms(dynamic) == dynamic


@pytest.mark.parametrize(("wrong", "meant"), [("fp61", "fp16"), ("int8-dynamc", "int8-dynamic")])
def test_an_unknown_precision_is_refused_with_the_nearest_and_all_names(
    wrong: str, meant: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        find_precision(wrong)
    assert str(refusal.value) == (
        f"unknown precision '{wrong}'. Did you mean '{meant}'? "
        f"Precisions: {', '.join(precision_names())}"
    )


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UsageError, match=r"unknown precision 'zzz'\. Precisions: "):
        find_precision("zzz")


def test_what_fits_a_recipe_to_a_target_keeps_the_rest_of_it() -> None:
    own = Recipe((Rule("int8", "int8"), Rule("int4", algorithm="gptq")), bias_correction=True)
    assert with_integer_norms(own) == own
    assert wholly_integer(own).bias_correction
    assert wholly_integer(own).integer_io
