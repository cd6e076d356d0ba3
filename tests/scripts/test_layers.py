"""`chunkport verify --per-layer`, as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from convert.card import examine, write_with_card
from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer
from scripts._layers import _common_module

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def verify(run_chunkport: Run, generator_checkpoint: Path) -> Run:
    """`chunkport verify --per-layer ARGUMENTS...` on few samples."""

    def run(*arguments: object) -> CompletedProcess[str]:
        given = ("--checkpoint", generator_checkpoint, "--samples", "2", "--num-threads", "1")
        return run_chunkport("verify", "--per-layer", *arguments, *given)

    return run


@pytest.fixture
def doubled(generator_tflites: dict[str, Path], tmp_path: Path) -> Path:
    """The int8 file, one scale of which is twice what it should be."""
    model = read_flatbuffer(generator_tflites["int8-dynamic"])
    graph = model.subgraphs[0]
    layers = [op for op in graph.operators if op_kind(model, op) == "CONV_2D"]
    given = graph.tensors[layers[4].inputs[1]].quantization
    given.scale = 2 * np.asarray(given.scale)
    card = examine(generator_tflites["int8-dynamic"]).card
    assert card is not None
    write_with_card(model, tmp_path / "doubled.tflite", card)  # sealed: wrong, and not damaged
    return tmp_path / "doubled.tflite"


def test_a_person_sees_every_layer_and_the_first_that_departs(
    verify: Run, generator_tflites: dict[str, Path], doubled: Path
) -> None:
    ended = verify(doubled, generator_tflites["fp32"])
    assert ended.returncode == 1, ended.stderr
    assert f"{doubled}  layer by layer, sample " in ended.stdout
    (row,) = [
        line for line in ended.stdout.splitlines() if line.strip().startswith("up2.phases.0 ")
        and "first: weights" in line
    ]  # fmt: skip
    assert "deconv2, bn2" in row
    assert "chunk_00" in row
    assert "up2.phases.0 departs first: the values of up2.phases.0.weight are 2 times" in (
        ended.stdout
    )
    assert "gan_generator_128_fp32.tflite holds them right" in ended.stdout
    assert "No layer departs: wrapper, file and delegate" in ended.stdout


def test_the_json_holds_every_layer(
    verify: Run, generator_tflites: dict[str, Path], doubled: Path
) -> None:
    exact = generator_tflites["fp32"]
    ended = verify(exact, doubled, "--format", "json")
    assert ended.returncode == 1, ended.stderr
    sound, wrong = json.loads(ended.stdout, parse_constant=pytest.fail)["layers"]
    assert sound["first_departure"] is None
    assert wrong["first_departure"] == "up2.phases.0"
    assert wrong["departs_by"] == ["weights", "quantization"]
    assert wrong["float_file"] == str(exact)
    assert len(sound["layers"]) == len(wrong["layers"]) == 18
    (departed,) = [layer for layer in wrong["layers"] if layer["departs"]]
    assert departed["network"] == ["deconv2", "bn2"]
    assert departed["wrong_weights"][0]["name"] == "up2.phases.0.weight"


def test_a_passing_file_passes_with_it(verify: Run, generator_tflites: dict[str, Path]) -> None:
    ended = verify(generator_tflites["fp32"])
    assert ended.returncode == 0, ended.stderr
    assert "No layer departs" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("Next: ")


def test_of_a_damaged_file_the_weights_are_examined(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    content = bytearray(generator_tflites["fp32"].read_bytes())
    model = read_flatbuffer(generator_tflites["fp32"])
    (weight,) = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if "up2/" in tensor.name.decode() and tensor.name.decode().endswith("Conv2d_2")
    ]
    place = bytes(content).find(bytes(np.asarray(model.buffers[weight.buffer].data)))
    content[place + 401] ^= 4
    (tmp_path / "damaged.tflite").write_bytes(content)
    ended = verify(tmp_path / "damaged.tflite")
    assert ended.returncode == 1, ended.stderr
    assert "its weights alone are examined" in ended.stderr
    assert "up2.phases.2 departs first: the values of up2.phases.2.weight differ in 1 of" in (
        ended.stdout
    )


def test_what_cannot_be_examined_is_said_with_the_verdict(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    model.subgraphs[0].operators = model.subgraphs[0].operators[:1]
    model.subgraphs[0].operators[0].inputs = [0, -1, -1]
    write_flatbuffer(model, tmp_path / "broken.tflite")
    ended = verify(tmp_path / "broken.tflite")
    assert ended.returncode == 1, ended.stderr
    assert "its layers were not examined: " in ended.stderr
    assert "none of its layers is one of the wrapper's" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_module_that_all_names_share_is_told_once() -> None:
    assert _common_module(["a.b.c", "a.b.d", "a.bc"]) == "a."
    assert _common_module(["a.b.c", "a.b.d"]) == "a.b."
    assert _common_module(["fc", "up1.phases.0"]) == ""
    assert _common_module([]) == ""
