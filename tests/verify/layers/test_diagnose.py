"""Files that are wrong in one layer, each found with its layer, its step and its chunk."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from checkpoints import load_model_chunked, save_model_chunked
from chunkport.errors import BadInputError, UsageError
from convert.pipeline import convert_checkpoint
from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer
from verify.layers.diagnose import diagnose, worst_sample
from verify.layers.diagnosis import Diagnosis
from verify.subject import identify
from wrappers.gan_generator import open_network
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions
from wrappers.subpixel import SubpixelConvTranspose2d

if TYPE_CHECKING:
    from convert.pipeline import Conversion

pytestmark = pytest.mark.integration

Changed = Callable[[Path, int, Callable[[Any, Any], None]], Path]


@pytest.fixture
def detector_conversion(
    named_detector_case: Callable[[str], Any], tmp_path: Path
) -> "Callable[[str], tuple[Path, Conversion]]":
    """The name of a small detector to its checkpoint in chunks, and its fp32 and int8 files."""

    def convert(name: str) -> "tuple[Path, Conversion]":
        checkpoint, card = named_detector_case(name).save(tmp_path)
        options = BuildOptions(model_card=card.read_text() + "\n")
        made = convert_checkpoint(
            *(checkpoint, "chunkyseal", ["fp32", "int8"], tmp_path / "out"),
            options=options,
            isolated=False,
        )
        return checkpoint, made

    return convert


def examined(path: Path, checkpoint: Path, spec: str | None = None, **more: Any) -> Diagnosis:
    """Of a file with a card, on one sample."""
    subject = identify(path, spec, damaged_too=True)
    model = find_spec(subject.model, subject.options)
    contract = model.contract(model.open_network(checkpoint))
    (sample,) = model.make_samples(contract, 1, 0)
    return diagnose(subject, checkpoint, sample, **more)


def departing(found: Diagnosis) -> dict[str, tuple[str, ...]]:
    return {layer.name: layer.departs for layer in found.layers if layer.departs}


def stored_values(model: Any, tensor: Any, dtype: str) -> NDArray[Any]:
    """A constant's own numbers, to be changed in place."""
    buffer = model.buffers[tensor.buffer]
    buffer.data = np.array(buffer.data, dtype=np.uint8)
    return np.asarray(buffer.data.view(dtype))


def flip_bit(number: int) -> Callable[[Any, Any], None]:
    def flip(model: Any, tensor: Any) -> None:
        stored_values(model, tensor, "u4")[100] ^= np.uint32(1 << number)

    return flip


def double_scale(_model: Any, tensor: Any) -> None:
    tensor.quantization.scale = 2 * np.asarray(tensor.quantization.scale)


def test_honest_files_depart_nowhere(
    generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    exact = generator_tflites["fp32"]
    for precision, path in generator_tflites.items():
        found = examined(path, generator_checkpoint, float_file=exact)
        assert departing(found) == {}
        assert found.conclusion.startswith("No layer departs")
        *inner, output = found.layers
        assert len(inner) == 1 + 4 * 4
        assert output.name == "output image"
        assert all(layer.op and layer.files for layer in inner)
        assert max(layer.conversion or 0 for layer in found.layers) < 1e-5
        rounding = [layer.quantization for layer in inner]
        if precision == "fp32":
            assert rounding == [None] * len(inner)
            assert 0 < max(layer.delegate or 0 for layer in inner) < 1e-5
        else:
            assert min(value or 0 for value in rounding) > 1e-5


@pytest.mark.parametrize("bit", [30, 22, 0])
def test_one_flipped_bit_of_a_weight(
    changed: Changed, generator_tflites: dict[str, Path], generator_checkpoint: Path, bit: int
) -> None:
    path = changed(generator_tflites["fp32"], 6, flip_bit(bit))
    found = examined(path, generator_checkpoint)
    assert list(departing(found)) == ["up2.phases.1"]
    (wrong,) = found.layers[6].wrong_weights
    assert (wrong.name, wrong.wrong) == ("up2.phases.1.weight", 1)
    assert found.layers[6].network == ("deconv2", "bn2")
    assert "deconv2.weight, bn2.weight, bn2.running_var in best_model.chunk_" in found.conclusion


def test_an_int8_scale_off_by_2(
    changed: Changed, generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    path = changed(generator_tflites["int8-dynamic"], 9, double_scale)
    found = examined(path, generator_checkpoint, float_file=generator_tflites["fp32"])
    assert departing(found) == {"up3.phases.0": ("weights", "quantization")}
    assert "the values of up3.phases.0.weight are 2 times the right ones" in found.conclusion
    assert "gan_generator_128_fp32.tflite holds them right" in found.conclusion


def test_one_weight_in_place_of_another(
    changed: Changed, generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    def collapse(model: Any, tensor: Any) -> None:
        (other,) = [
            item
            for item in model.subgraphs[0].tensors
            if "up2/" in item.name.decode() and item.name.decode().endswith("Conv2d_2")
        ]
        tensor.buffer = other.buffer

    found = examined(
        changed(generator_tflites["fp32"], 6, collapse), generator_checkpoint, threads=2
    )
    assert list(departing(found)) == ["up2.phases.1"]
    assert "up2.phases.1.weight are those of up2.phases.2.weight" in found.conclusion


def test_an_op_that_computes_something_else(
    generator_tflites: dict[str, Path], generator_checkpoint: Path, tmp_path: Path
) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    activations = [op for op in model.subgraphs[0].operators if op_kind(model, op) == "LEAKY_RELU"]
    activations[2].builtinOptions.alpha = 0.02
    write_flatbuffer(model, tmp_path / "wrong.tflite")
    found = examined(tmp_path / "wrong.tflite", generator_checkpoint)
    assert departing(found) == {f"up3.phases.{n}": ("conversion",) for n in range(4)}
    assert "the conversion went wrong after up2.phases.3, in CONCATENATION" in found.conclusion
    assert "LEAKY_RELU" in found.conclusion


@pytest.fixture
def newer_checkpoint(generator_checkpoint: Path, tmp_path: Path) -> Path:
    """The same, but for one layer that has been trained on."""
    torch.manual_seed(0)
    newer = load_model_chunked(generator_checkpoint)
    weight = newer["generator_state_dict"]["deconv2.weight"]
    weight += 0.01 * torch.randn_like(weight)
    return save_model_chunked(newer, tmp_path / "newer.pth", announce=lambda _message: None).path


@pytest.mark.parametrize(
    ("precision", "sibling", "told"),
    [
        ("fp32", False, "newer.pth. Wrong, too: up2.phases.1"),
        ("fp16", True, "gan_generator_128_fp32.tflite holds them wrong, too: it was not quantiz"),
        ("int8-dynamic", True, "holds them wrong, too: it was not quantization."),
        ("int8-dynamic", False, "A float32 file made anew holds them right: it was quantization"),
    ],
)
def test_stale_weights_in_one_layer(
    generator_tflites: dict[str, Path],
    newer_checkpoint: Path,
    precision: str,
    sibling: bool,
    told: str,
) -> None:
    exact = generator_tflites["fp32"] if sibling else None
    found = examined(generator_tflites[precision], newer_checkpoint, float_file=exact)
    assert list(departing(found)) == [f"up2.phases.{n}" for n in range(4)]
    assert found.first is not None
    assert found.first.departs[0] == "weights"
    assert (found.first.network, found.first.files) == (("deconv2", "bn2"), ("newer.pth",))
    assert "up2.phases.0.weight are " in found.conclusion
    assert told in found.conclusion


def test_a_norm_left_out_of_one_layer(
    changed: Changed, generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    network = open_network(generator_checkpoint)
    assert isinstance(network.deconv3, nn.ConvTranspose2d)
    phase = SubpixelConvTranspose2d(network.deconv3).phases[0]
    assert isinstance(phase.weight, torch.Tensor)
    unfolded = phase.weight.permute(0, 2, 3, 1).contiguous().numpy().reshape(-1)

    def leave_out(model: Any, tensor: Any) -> None:
        stored_values(model, tensor, "f4")[:] = unfolded

    path = changed(generator_tflites["fp32"], 9, leave_out)
    found = examined(path, generator_checkpoint)
    assert departing(found) == {"up3.phases.0": ("weights", "conversion")}
    assert "the right ones times a factor for each output channel" in found.conclusion
    assert found.first is not None
    assert found.first.network == ("deconv3", "bn3")


@pytest.mark.parametrize(
    ("name", "layer", "network"),
    [
        ("convnext_stride2", "detector.encoder.2.linear", "convnext.downsample_layers.1.1"),
        ("vit", "detector.blocks.0.lin1.linear", "image_encoder.blocks.0.mlp.lin1"),
    ],
)
def test_detectors_say_it_in_their_own_names(
    changed: Changed,
    detector_conversion: "Callable[[str], tuple[Path, Conversion]]",
    name: str,
    layer: str,
    network: str,
) -> None:
    checkpoint, made = detector_conversion(name)
    exact, rounded = (file.path for file in made.files)
    for path in (exact, rounded):
        found = examined(path, checkpoint, float_file=exact)
        assert departing(found) == {}
        assert all(row.op for row in found.layers[:-1])
    for path in (changed(exact, 6, flip_bit(30)), changed(rounded, 6, double_scale)):
        found = examined(path, checkpoint, float_file=exact)
        assert list(departing(found)) == [layer]
        assert found.first is not None
        assert found.first.network is not None
        assert found.first.network[-1] == network
        assert "detector.chunk_00" in found.conclusion


def test_a_model_of_ones_own(own: Any, changed: Changed, tmp_path: Path) -> None:
    made = convert_checkpoint(own.checkpoint, own.spec, ["fp32", "int8"], tmp_path)
    exact, rounded = (file.path for file in made.files)
    found = examined(rounded, own.checkpoint, own.spec, float_file=exact)
    assert departing(found) == {}
    names = {layer.name: layer.network for layer in found.layers}
    assert names["net.norm"] == ("norm",)
    assert names["net.gain"] == ("gain",)
    assert names["net.up.piece.phases.3"] == ("up",)
    found = examined(changed(exact, 2, flip_bit(30)), own.checkpoint, own.spec)
    assert list(departing(found)) == ["net.up.piece.phases.1"]
    assert "up.weight in own.pth" in found.conclusion


def test_a_file_without_the_wrapper_is_refused(
    generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    subject = identify(generator_tflites["fp32"])
    assert subject.card is not None
    plain = replace(subject, card=replace(subject.card, variant="plain"))
    with pytest.raises(UsageError, match="was converted without the wrapper"):
        diagnose(plain, generator_checkpoint, {})


def test_a_file_of_another_model_is_refused(generator_tflites: dict[str, Path], own: Any) -> None:
    spec = find_spec(own.spec)
    contract = spec.contract(spec.open_network(own.checkpoint))
    subject = identify(generator_tflites["fp32"])
    other = replace(subject, model=own.spec, card=None)
    with pytest.raises(BadInputError, match="none of its layers is one of the wrapper's"):
        diagnose(other, own.checkpoint, spec.make_samples(contract, 1, 0)[0])


def test_the_worst_sample_is_the_one_to_look_at() -> None:
    right = [{"y": np.ones((1, 2), np.float32)} for _ in range(3)]
    given = [{"y": np.array([[1, 1 + off]], np.float32)} for off in (0.1, 0.5, 0.2)]
    assert worst_sample(right, given) == 1
    given[2]["y"][0, 0] = np.nan
    assert worst_sample(right, given) == 2
