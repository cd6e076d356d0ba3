"""Detectors of every kind through the real converter, judged against their networks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from convert.pipeline import convert_checkpoint
from convert.tflite import op_counts, read_flatbuffer
from verify.judge import judge
from verify.reference import compute_reference, reference_without_network
from verify.runtimes.litert import wholly_on_xnnpack
from verify.subject import identify
from wrappers.spec import BuildOptions

if TYPE_CHECKING:
    from convert.pipeline import Conversion

pytestmark = pytest.mark.integration

Case = Callable[[str], Any]
MODEL = "chunkyseal"
ALL = ("fp32", "fp16", "int8-dynamic")
NAMES = ("convnext_stride2", "convnext_stride4", "vit")


@pytest.fixture(scope="module", params=NAMES)
def conversion(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    named_detector_case: Case,
) -> "tuple[Path, Conversion]":
    """A small detector's checkpoint in chunks, and all that is made from it."""
    folder = tmp_path_factory.mktemp(request.param)
    checkpoint, card = named_detector_case(request.param).save(folder)
    options = BuildOptions(model_card=card.read_text() + "\n")
    return checkpoint, convert_checkpoint(
        checkpoint, MODEL, ALL, folder / "out", options=options, isolated=False
    )


def files_of(conversion: "Conversion") -> dict[str, Path]:
    return {file.precision: file.path for file in conversion.files}


def test_every_precision_passes_its_verdict(conversion: "tuple[Path, Conversion]") -> None:
    checkpoint, made = conversion
    subjects = [identify(path) for path in files_of(made).values()]
    reference = compute_reference(MODEL, checkpoint, samples=4, seed=0, options=subjects[0].options)
    for subject in subjects:
        verdict = judge(subject, reference, threads=1)
        assert verdict.passed, verdict
        assert verdict.complete


def test_the_float_file_has_every_op_on_xnnpack_and_four_axes_at_most(
    conversion: "tuple[Path, Conversion]",
) -> None:
    path = files_of(conversion[1])["fp32"]
    model = read_flatbuffer(path)
    assert wholly_on_xnnpack(path)
    assert "MIRROR_PAD" not in op_counts(model)
    assert max(len(t.shape) for t in model.subgraphs[0].tensors if t.shape is not None) <= 4


def test_every_linear_and_convolution_is_of_integers_and_still_all_on_xnnpack(
    conversion: "tuple[Path, Conversion]",
) -> None:
    path = files_of(conversion[1])["int8-dynamic"]
    model = read_flatbuffer(path)
    graph = model.subgraphs[0]
    from ai_edge_litert.tools import flatbuffer_utils

    kinds = {"FULLY_CONNECTED": 9, "CONV_2D": 9, "DEPTHWISE_CONV_2D": 0}  # INT8 and FLOAT32
    seen = set()
    for op in graph.operators:
        kind = flatbuffer_utils.opcode_to_name(model, op.opcodeIndex)
        if kind in kinds:
            seen.add(kind)
            assert graph.tensors[op.inputs[1]].type == kinds[kind], kind
    assert "FULLY_CONNECTED" in seen
    assert wholly_on_xnnpack(path)


@pytest.mark.parametrize("name", ["convnext_stride4", "vit"])
def test_a_file_that_resizes_by_itself_reads_large_pictures_as_the_public_detector_does(
    name: str, named_detector_case: Case, tmp_path: Path
) -> None:
    checkpoint, card = named_detector_case(name).save(tmp_path)
    options = BuildOptions(
        "nhwc", None, (150, 210), split_outputs=True, model_card=card.read_text() + "\n"
    )
    made = convert_checkpoint(
        checkpoint, MODEL, ALL[::2], tmp_path / "out", options=options, isolated=False
    )
    subject, whole_int8 = (identify(file.path) for file in made.files)
    assert subject.options == options
    reference = compute_reference(MODEL, checkpoint, samples=3, seed=0, options=subject.options)
    assert reference.inputs[0]["image"].shape == (1, 150, 210, 3)
    assert list(reference.outputs[0]) == ["detection", "message"]
    for item in (subject, whole_int8):
        verdict = judge(item, reference, threads=1)
        assert verdict.passed, verdict


def test_without_the_weights_a_file_is_run_and_the_comparison_is_told_to_be_missing(
    conversion: "tuple[Path, Conversion]",
) -> None:
    subject = identify(files_of(conversion[1])["fp32"])
    assert subject.card is not None
    reference = reference_without_network(subject.model, subject.card, samples=2, seed=0)
    ran: list[Any] = []
    verdict = judge(subject, reference, threads=1, on_outputs=ran.extend)
    results = {check.name: check.passed for check in verdict.checks}
    assert results["runs"] is results["range"] is results["repeats"] is True
    assert results["lineage"] is results["relative_l2"] is None
    assert verdict.passed
    assert not verdict.complete
    assert len(ran) == 2


def test_converting_does_not_change_the_network(named_detector_case: Case, tmp_path: Path) -> None:
    from convert.float_model import export
    from wrappers.detector_specs import CHUNKYSEAL

    case = named_detector_case("vit")
    checkpoint, card = case.save(tmp_path)
    spec = CHUNKYSEAL.configured(BuildOptions(model_card=card.read_text() + "\n"))
    network = spec.open_network(checkpoint)
    inputs = spec.make_samples(spec.contract(network), 1, 0)[0]
    before = spec.reference(network, inputs)["preds"]
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    image = torch.from_numpy(inputs["image"])
    export(spec.build_wrapper(network), {"image": image}, tmp_path / "a.tflite")
    assert np.array_equal(spec.reference(network, inputs)["preds"], before)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
