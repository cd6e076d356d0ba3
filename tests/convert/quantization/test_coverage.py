"""What became of each op is told from the file, and why from the recipe and the quantizer."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from chunkport.errors import ConversionError
from convert.float_model import export
from convert.quantization.coverage import Coverage, cover, refuse_leftovers
from convert.quantization.precision import recipe_of
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe, Rule

pytestmark = pytest.mark.integration


class Various(nn.Module):
    """One op of each sort: with weights, without, with a constant, with two activations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.gain = nn.Parameter(torch.linspace(0.5, 2, 8).reshape(8, 1, 1))
        self.wide = nn.Linear(64, 24)
        self.odd = nn.Linear(24, 5)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = nn.functional.leaky_relu(self.conv(image), 0.2)
        x = self.depthwise(x) * self.gain
        x = x.flatten(2)
        x = torch.matmul(x, x.transpose(1, 2)).flatten(1)
        return {"scores": self.odd(torch.tanh(self.wide(x)))}


@pytest.fixture(scope="module")
def float_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("various") / "fp32.tflite"
    export(Various().eval(), {"image": torch.rand(1, 3, 8, 8)}, path)
    return path


Make = Callable[..., Coverage]


@pytest.fixture
def make(float_model: Path, tmp_path: Path) -> Make:
    """Quantize by rules, and tell what came of it."""

    def made(*rules: Rule) -> Coverage:
        recipe, target = Recipe(rules), tmp_path / "made.tflite"
        quantize(float_model, recipe, target)
        return cover(target, recipe)

    return made


def _told(coverage: Coverage) -> dict[str, tuple[str, str, str, bool]]:
    """What each op that computes is said to be, by its layer and kind."""
    return {
        f"{op.layer} {op.kind}": (op.weights, op.activations, op.role, op.integers)
        for op in coverage.ops
        if op.role == "computes"
    }


def test_dynamic_int8_computes_what_has_weights_in_integers(make: Make) -> None:
    coverage = make(*_rules("int8-dynamic"))
    dynamic = ("int8 per channel", "dynamic int8", "computes", True)
    assert _told(coverage) == {
        "conv CONV_2D": dynamic,
        "(outermost) LEAKY_RELU": ("", "float", "computes", False),
        "depthwise DEPTHWISE_CONV_2D": ("float32", "float", "computes", False),
        "(outermost) FULLY_CONNECTED": ("", "float", "computes", False),
        "wide FULLY_CONNECTED": dynamic,
        "(outermost) TANH": ("", "float", "computes", False),
        "odd FULLY_CONNECTED": dynamic,
    }
    assert (coverage.in_integers, coverage.computing) == (3, 7)


def test_every_op_in_float_has_its_reason(make: Make) -> None:
    coverage = make(*_rules("int8-dynamic"))
    assert [(group["ops"], group["asked"]) for group in coverage.summary()["left"]] == [
        ({"LEAKY_RELU": 1, "TANH": 1}, False),
        ({"DEPTHWISE_CONV_2D": 1}, True),
        ({"FULLY_CONNECTED": 1}, True),
    ]
    no_weights, by_rule, product = (group["reason"] for group in coverage.summary()["left"])
    assert "no weights" in no_weights
    assert by_rule.startswith("kept in float: XNNPACK has no such kernel")
    assert "two activations" in product


def test_moving_values_is_no_computing(make: Make) -> None:
    coverage = make(Rule("int8"))
    moved = {op.kind for op in coverage.ops if op.role == "moves"}
    assert moved == {"TRANSPOSE", "RESHAPE"}
    assert not moved & {item.op.kind for item in coverage.left}


def test_what_the_quantizer_has_no_kernel_for_is_told_with_what_there_is(make: Make) -> None:
    coverage = make(Rule("int4"))
    (depthwise,) = (item for item in coverage.left if item.op.kind == "DEPTHWISE_CONV_2D")
    assert depthwise.reason == (
        "ai-edge-quantizer has no DEPTHWISE_CONV_2D of int4 weights and dynamic activations"
    )
    assert depthwise.remedy.startswith("there is one of int8 weights and dynamic activations")


def test_blocks_where_there_are_none_are_told(make: Make) -> None:
    coverage = make(Rule("int4"), Rule("int4", granularity="block-32"))
    stored = {layer: weights for layer, (weights, *_) in _told(coverage).items()}
    assert stored["wide FULLY_CONNECTED"] == "int4 block-32"
    assert stored["odd FULLY_CONNECTED"] == "int4 per channel"
    reasons = {item.op.layer: item.reason for item in coverage.otherwise}
    assert reasons.keys() == {"conv", "odd"}
    assert "has no CONV_2D of int4 block-32" in reasons["conv"]
    assert "rows of weights are no whole number of 32" in reasons["odd"]


def test_integers_that_are_widened_first_do_not_compute(make: Make) -> None:
    coverage = make(Rule("int8", "float32"))
    told = _told(coverage)
    assert told["wide FULLY_CONNECTED"] == ("int8 per channel", "float", "computes", False)
    assert coverage.in_integers == 0
    assert {item.op.layer for item in coverage.left if "widened" in item.reason} == {
        *("conv", "depthwise", "wide", "odd")
    }


def test_each_rule_that_keeps_something_is_named_by_its_number(make: Make) -> None:
    coverage = make(
        Rule("int8"),
        Rule("float32", "float32", layer="Linear_wide"),
        Rule("float16", "float32", layer="Linear_odd|output"),
    )
    reasons = {item.op.layer: item.reason for item in coverage.missed}
    assert reasons["wide"] == "float32 by rule 1"
    assert reasons["odd"] == "float16 by rule 2"


def test_an_op_that_no_rule_is_for_is_told(make: Make) -> None:
    coverage = make(Rule("int8", layer="Linear_wide"))
    assert coverage.in_integers == 1
    assert {item.reason for item in coverage.left} == {"no rule of the recipe is for it"}


def test_float16_leaves_nothing_where_every_weight_is_float16(make: Make) -> None:
    coverage = make(*_rules("fp16"))
    assert not coverage.left
    assert {weights for weights, *_ in _told(coverage).values()} == {"float16", ""}


def test_a_full_file_is_insisted_on(make: Make) -> None:
    coverage = make(Rule("int8"))
    with pytest.raises(ConversionError) as refused:
        refuse_leftovers(coverage, "mixed")
    said = str(refused.value)
    assert said.startswith("mixed leaves 1 of 7 computing ops in float")
    assert "1 FULLY_CONNECTED ((outermost)): it multiplies two activations" in said
    assert "choose int8-static" in said


def test_a_refusal_names_the_first_layers_and_how_to_have_all(make: Make) -> None:
    coverage = make(Rule("int8"))
    (missed,) = coverage.missed
    many = [replace(missed, op=replace(missed.op, layer=f"block.{n}")) for n in range(50)]
    with pytest.raises(ConversionError) as refused:
        refuse_leftovers(replace(coverage, left=tuple(many)), "mixed")
    said = str(refused.value)
    assert "50 FULLY_CONNECTED (block.0, block.1, block.2, and 47 more): it multiplies" in said
    assert said.endswith("Without --require-full, -v names every one")


def test_the_json_has_every_op_and_the_card_only_counts(make: Make) -> None:
    coverage = make(*_rules("int8-dynamic"))
    document = json.loads(json.dumps(coverage.to_json()))
    assert len(document["ops"]) == len(coverage.ops)
    told = [op for op in document["ops"] if "reason" in op]
    assert len(told) == len(coverage.left)
    assert len(json.dumps(coverage.summary())) < 500


def _rules(precision: str) -> tuple[Rule, ...]:
    return recipe_of(precision).rules
