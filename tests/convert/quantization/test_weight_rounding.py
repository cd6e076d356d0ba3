"""Files whose integers are chosen by samples are nearer to the float model, and say so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chunkport.errors import UsageError
from convert.audit import find_weights
from convert.calibration.samples import CalibrationChoice
from convert.card import Card, read_card
from convert.quantization.derivation import derive
from convert.quantization.recipe import Recipe, Rule
from convert.quantization.weight_rounding import samples_to_round_by
from convert.stored.weight_origins import rounding_of
from convert.tflite import op_kind, read_flatbuffer
from verify.runtimes.litert import LiteRtSession
from wrappers.gan_generator import SPEC

pytestmark = pytest.mark.integration

NEAREST = Recipe((Rule("int8"), Rule("int4", layer="fc;|up1")))
CHOSEN = replace(
    NEAREST,
    rules=tuple(replace(rule, algorithm="gptq") for rule in NEAREST.rules),
    bias_correction=True,
)
_SAMPLES = CalibrationChoice(samples=128, seed=7)


def _made(float_model: Path, recipe: Recipe, target: Path) -> Path:
    card = read_card(float_model)
    assert card is not None
    samples = samples_to_round_by(float_model, _SAMPLES, "gan-generator")
    own = replace(card, precision="mixed", recipe=recipe.to_json())
    derive(float_model, "mixed", recipe, target, own, samples=samples)
    return target


def _error(float_model: Path, path: Path) -> float:
    """Mean square against the float file, on other samples than those it was made by."""
    drawn = samples_to_round_by(
        float_model, CalibrationChoice(samples=24, seed=99), "gan-generator"
    )
    sessions = [LiteRtSession(each, 1) for each in (float_model, path)]
    errors = []
    for sample in drawn.read():
        exact, given = (session.run(sample)["image"] for session in sessions)
        errors.append(np.square(given - exact).mean())
    return float(np.mean(errors))


def test_chosen_integers_lose_less_and_the_card_tells_by_what(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    float_model = generator_tflites["fp32"]
    nearest = _made(float_model, NEAREST, tmp_path / "nearest.tflite")
    chosen = _made(float_model, CHOSEN, tmp_path / "chosen.tflite")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chosen.tflite", "nearest.tflite"]
    assert _error(float_model, chosen) < 0.7 * _error(float_model, nearest)
    cards = [read_card(path) for path in (nearest, chosen)]
    assert isinstance(cards[0], Card)
    assert isinstance(cards[1], Card)
    assert cards[0].rounding == {}
    assert cards[1].rounding == {
        "algorithms": ["gptq"],
        "bias_correction": True,
        "source": "drawn",
        "folder": None,
        "count": 128,
        "seed": 7,
    }
    widths = [
        [tensor.type for tensor in read_flatbuffer(path).subgraphs[0].tensors]
        for path in (nearest, chosen)
    ]
    assert widths[0] == widths[1]


def test_the_same_samples_give_the_same_bytes(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    first, second = (
        _made(generator_tflites["fp32"], CHOSEN, tmp_path / name).read_bytes() for name in "ab"
    )
    assert first == second


def test_biases_stay_where_their_correction_is_not_asked_for(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    float_model = generator_tflites["fp32"]
    kept = _made(float_model, replace(CHOSEN, bias_correction=False), tmp_path / "kept.tflite")
    moved = _made(float_model, CHOSEN, tmp_path / "moved.tflite")
    assert _biases(kept) == _biases(float_model)
    assert _biases(moved) != _biases(float_model)


def test_every_weight_is_found_again_and_none_of_another_checkpoint(
    generator_tflites: dict[str, Path],
    generator_checkpoint: Path,
    other_checkpoint: Path,
    tmp_path: Path,
) -> None:
    path = _made(generator_tflites["fp32"], CHOSEN, tmp_path / "chosen.tflite")
    card = read_card(path)
    assert card is not None
    ours, others = (
        find_weights(
            SPEC.build_wrapper(SPEC.open_network(checkpoint)), path, rounding=rounding_of(card)
        )
        for checkpoint in (generator_checkpoint, other_checkpoint)
    )
    assert ours.lost == ()
    # The tail has biases of zeros, which are the same in every checkpoint.
    assert len(others.lost) == others.looked_for - 3


def test_without_samples_it_is_refused(generator_tflites: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"chooses integers by samples.*--calibration-dir"):
        derive(generator_tflites["fp32"], "mixed", CHOSEN, tmp_path / "a.tflite", None)


def _biases(path: Path) -> list[bytes]:
    model = read_flatbuffer(path)
    subgraph = model.subgraphs[0]
    ops = [op for op in subgraph.operators if op_kind(model, op) in ("CONV_2D", "FULLY_CONNECTED")]
    return [bytes(model.buffers[subgraph.tensors[op.inputs[2]].buffer].data) for op in ops]
