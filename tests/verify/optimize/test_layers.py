import re
from collections import Counter
from pathlib import Path

import pytest

from convert.quantization.op_widths import op_widths
from convert.quantization.recipe import Rule
from convert.tflite import read_flatbuffer
from verify.optimize.evaluation import Setting, make_file
from verify.optimize.layers import (
    FLOAT,
    Layer,
    all_float,
    find_layers,
    format_name,
    recipe_for,
    rounded_by_samples,
)
from wrappers.spec import BuildOptions


@pytest.fixture(scope="module")
def layers(generator_tflites: dict[str, Path]) -> tuple[Layer, ...]:
    return find_layers(generator_tflites["fp32"], slow_kernels=True)


@pytest.fixture(scope="module")
def detector_layers(tinyseal_tflites: dict[str, Path]) -> tuple[Layer, ...]:
    return find_layers(tinyseal_tflites["fp32"])


def test_every_layer_with_weights_is_found(layers: tuple[Layer, ...]) -> None:
    assert Counter(layer.op for layer in layers) == {"FULLY_CONNECTED": 1, "CONV_2D": 16}
    assert all(layer.formats[0] == FLOAT for layer in layers)


def test_a_pattern_finds_its_layer_alone(detector_layers: tuple[Layer, ...]) -> None:
    linear = [layer for layer in detector_layers if layer.op == "FULLY_CONNECTED"]
    for layer in linear:
        found = [other.name for other in linear if re.search(layer.pattern, f"{other.name};")]
        assert found == [layer.name]
    assert max(len(layer.pattern) for layer in linear) < 50  # they are kept in the card


def test_blocks_that_do_not_divide_a_row_are_no_choice(layers: tuple[Layer, ...]) -> None:
    first = layers[0]  # rows of 100
    assert {rule.granularity for rule in first.formats} == {"channel", "tensor"}


def test_what_has_no_fast_kernel_is_chosen_only_where_asked_for(
    layers: tuple[Layer, ...], generator_tflites: dict[str, Path]
) -> None:
    usual = find_layers(generator_tflites["fp32"])
    widths = {layer.op: {rule.weights for rule in layer.formats} for layer in usual}
    assert widths["CONV_2D"] == {"float32", "float16", "int8"}
    assert "int4" in widths["FULLY_CONNECTED"]
    convolutions = [layer for layer in layers if layer.op == "CONV_2D"]
    assert all("int4" in {rule.weights for rule in layer.formats} for layer in convolutions)


def test_small_kernels_are_chosen_together(detector_layers: tuple[Layer, ...]) -> None:
    depthwise = [layer for layer in detector_layers if layer.op == "DEPTHWISE_CONV_2D"]
    assert [layer.pattern for layer in depthwise] == [".*"]


def test_the_file_holds_what_was_assigned(
    layers: tuple[Layer, ...],
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    chosen = [layer.formats[place % 4] for place, layer in enumerate(layers)]
    assert {rule.weights for rule in chosen} == {"float32", "float16", "int8", "int4"}
    made = tmp_path / "made.tflite"
    setting = Setting(
        *(generator_tflites["fp32"], "gan-generator", generator_checkpoint, BuildOptions(), ()),
        samples=1,
        probes=1,
        seed=0,
        threads=1,
    )
    make_file(setting, recipe_for(layers, tuple(chosen)), made)
    ops = op_widths(read_flatbuffer(made))
    stored = {op.scope: op.weights.split()[0] for op in ops if op.weights}
    assert [stored[f"{layer.name};"] for layer in layers] == [rule.weights for rule in chosen]


def test_a_recipe_has_one_rule_for_layers_alike(layers: tuple[Layer, ...]) -> None:
    recipe = recipe_for(layers, all_float(layers))
    assert [(rule.op, rule.layer) for rule in recipe.rules[:2]] == [
        ("FULLY_CONNECTED", ".*"),
        ("CONV_2D", ".*"),
    ]
    other = (*all_float(layers)[:-2], Rule("int8"), Rule("int8"))
    assert len(recipe_for(layers, other).rules) == len(recipe.rules) + 1


def test_samples_choose_integers_with_a_scale_per_channel_alone(
    layers: tuple[Layer, ...],
) -> None:
    whole = (Rule("int4", granularity="tensor", algorithm="mse"), *all_float(layers)[1:])
    assert rounded_by_samples(layers, whole) == whole
    assert not recipe_for(layers, whole).bias_correction
    usual = (Rule("int4", algorithm="octav"), Rule("int8"), *all_float(layers)[2:])
    rounded = rounded_by_samples(layers, usual)
    assert [(rule.weights, rule.algorithm) for rule in rounded[:3]] == [
        ("int4", "gptq"),
        ("int8", "gptq"),
        ("float32", "min-max"),
    ]
    assert recipe_for(layers, rounded).bias_correction


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (FLOAT, "float32"),
        (Rule("int8"), "int8"),
        (Rule("int8", "float32"), "int8 widened"),
        (Rule("int4", granularity="block-32", algorithm="octav"), "int4 block-32 octav"),
    ],
)
def test_formats_are_told_in_few_words(rule: Rule, name: str) -> None:
    assert format_name(rule) == name
