"""Figures far above what they are elsewhere mark a layer, and nothing else does."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from verify.layers.comparison import Comparison
from verify.layers.conclusion import conclude
from verify.layers.diagnosis import Diagnosis
from verify.layers.judgement import Origins, find_bounds, judge_layers
from verify.layers.rewriting import RewriteFinding
from verify.layers.stored_weights import WeightFinding

AGREES = RewriteFinding((), {"image": 1e-7}, None, None)
ORIGINS = Origins(
    {f"{name}.weight": (f"net_{name}.weight",) for name in "abcd"},
    [f"net_{name}.weight" for name in "abcd"],
    {f"net_{name}.weight": (f"m.chunk_00{place}.pth",) for place, name in enumerate("abcd")},
)
WRONG = WeightFinding("c.weight", "constant", 100, 100, 0.3, "are 30 % away from the right ones")


def layers(
    *, quantization: float | None = 0.01, delegate: float = 0.008, conversion: float = 1e-7
) -> list[Comparison]:
    return [
        Comparison(
            name,
            (f"{name}.weight",),
            "CONV_2D",
            f"tensor_{name}",
            ("PAD", "CONV_2D"),
            inherited=0.02,
            wrong_in_float=() if quantization else None,
            conversion=conversion,
            quantization=quantization,
            delegate=delegate,
        )
        for name in "abcd"
    ]


def judged(
    found: Sequence[Comparison],
    precision: str = "int8-dynamic",
    origins: Origins = ORIGINS,
    float_file: str | None = "m_fp32.tflite",
) -> Diagnosis:
    bounds = find_bounds(precision, found)
    diagnosis = Diagnosis(
        path=Path("m.tflite"),
        precision=precision,
        sample=3,
        float_file=float_file,
        float_made_anew=False,
        ran=True,
        layers=tuple(judge_layers(found, bounds, origins, AGREES)),
        rewriting=AGREES,
        bounds=bounds,
    )
    return replace(diagnosis, conclusion=conclude(diagnosis))


def test_even_errors_mark_no_layer() -> None:
    found = judged(layers())
    assert found.first is None
    assert found.conclusion.startswith("No layer departs")
    assert "Of int8-dynamic's rounding the most is made in a (1 %)" in found.conclusion


def test_errors_that_are_large_everywhere_are_the_precisions_own() -> None:
    assert judged(layers(quantization=0.15)).first is None


@pytest.mark.parametrize(
    ("step", "value", "said"),
    [
        ("conversion", 0.2, "the conversion went wrong after b, in PAD, CONV_2D"),
        ("quantization", 0.9, "int8-dynamic is 90 % away from float32 on the same input"),
        ("delegate", 0.9, "with XNNPACK it is 90 % away from the interpreter's own kernels"),
        ("delegate", float("inf"), "with XNNPACK it is inf % away"),
        ("delegate", float("nan"), "with XNNPACK it is nan % away"),
    ],
)
def test_the_layer_that_stands_out_is_named_with_its_step(
    step: str, value: float, said: str
) -> None:
    found = layers()
    found[2] = replace(found[2], **{step: value})  # type: ignore[arg-type]  # all are floats
    diagnosis = judged(found)
    assert diagnosis.first is not None
    assert (diagnosis.first.name, diagnosis.first.departs) == ("c", (step,))
    assert said in diagnosis.conclusion
    assert "It stands for the network's net_c in m.chunk_002.pth." in diagnosis.conclusion


def test_a_float_file_is_held_to_closer_bounds() -> None:
    found = layers(quantization=None, delegate=1e-7)
    found[1] = replace(found[1], delegate=2e-3)
    first = judged(found, "fp32").first
    assert first is not None
    assert first.departs == ("delegate",)


def test_weights_that_a_join_explains_are_no_departure() -> None:
    found = layers(quantization=None, delegate=1e-7)
    found[2] = replace(found[2], wrong=(WRONG,))
    assert judged(found, "fp32").first is None  # what the layer gives is right


def test_weights_that_change_what_the_layer_gives_are() -> None:
    found = layers(quantization=None, delegate=1e-7)
    found[2] = replace(found[2], conversion=0.3, wrong=(WRONG,))
    diagnosis = judged(found, "fp32", float_file=None)
    assert diagnosis.conclusion == (
        "c departs first: the values of c.weight are 30 % away from the right ones. They are made "
        "of net_c.weight in m.chunk_002.pth."
    )


def test_weights_that_round_no_right_ones_are_wrong_however_little() -> None:
    found = layers()
    found[2] = replace(found[2], wrong=(WRONG,))
    diagnosis = judged(found)
    assert diagnosis.first is not None
    assert diagnosis.first.departs == ("weights",)
    assert "m_fp32.tflite holds them right" in diagnosis.conclusion


def test_most_layers_wrong_is_another_checkpoint() -> None:
    found = [
        replace(layer, conversion=0.3, wrong=(WRONG,), wrong_in_float=(WRONG,))
        for layer in layers()
    ]
    assert "the file was made from another one" in judged(found).conclusion


def test_what_is_not_known_is_said() -> None:
    found = layers()
    found[2] = replace(found[2], delegate=0.9)
    diagnosis = judged(found, origins=Origins(None, (), {}))
    assert diagnosis.first is not None
    assert diagnosis.first.tensors is diagnosis.first.files is None
    assert "is made of is not known" in diagnosis.conclusion


def test_the_json_holds_no_infinity() -> None:
    found = layers()
    found[2] = replace(found[2], delegate=float("inf"))
    document = judged(found).to_json()
    assert document["first_departure"] == "c"
    assert document["layers"][2]["delegate"] is None
