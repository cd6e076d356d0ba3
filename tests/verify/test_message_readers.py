"""Readers of messages: the network, and real conversions of it in every form, agree."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional

from chunkport.errors import BadInputError, UsageError
from verify.message_readers import network_reader, open_reader, tflite_reader
from wrappers.detector_intake import load_detector_network
from wrappers.spec import BuildOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import DetectorCase

PIXELS = np.random.default_rng(0).integers(0, 256, (150, 90, 3), dtype=np.uint8)


def test_the_network_reads_what_it_gives_for_the_resized_picture(tinyseal_checkpoint: Path) -> None:
    network = load_detector_network(tinyseal_checkpoint)
    image = torch.from_numpy(PIXELS).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        logits = network(
            functional.interpolate(image, (128, 128), mode="bilinear", antialias=True)
        )[0]
    reader = network_reader(tinyseal_checkpoint)
    found = reader.read(PIXELS)
    assert (reader.name, reader.nbits, reader.card) == ("PyTorch", 32, None)
    assert found.confidence == pytest.approx(float(logits[0]), abs=1e-5)
    assert found.bits == tuple(int(logit > 0) for logit in logits[1:])
    assert 0 < found.ones < 32


def test_a_detector_alone_is_read_by_its_card(
    named_detector_case: "Callable[[str], DetectorCase]", tmp_path: Path
) -> None:
    path, card = named_detector_case("vit").save(tmp_path)
    with pytest.raises(BadInputError, match="does not say which detector it holds"):
        open_reader(path)
    reader = open_reader(path, card)
    assert len(reader.read(PIXELS).bits) == reader.nbits
    with pytest.raises(UsageError, match="neither a card file nor one of"):
        open_reader(path, "tinyseel")


def test_what_is_no_tflite_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"nothing of the kind")
    with pytest.raises(BadInputError, match=r"a\.tflite: is not a \.tflite file"):
        open_reader(tmp_path / "a.tflite")


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [BuildOptions(), BuildOptions(layout="nhwc", source_size=(150, 90), split_outputs=True)],
    ids=["as trained", "nhwc, resized inside, split"],
)
def test_a_conversion_reads_as_the_network_does(
    tinyseal_checkpoint: Path, tmp_path: Path, options: BuildOptions
) -> None:
    from convert.pipeline import convert_checkpoint

    conversion = convert_checkpoint(
        tinyseal_checkpoint, "tinyseal", ["fp32"], tmp_path, options=options, isolated=False
    )
    (file,) = conversion.files
    reader, network = tflite_reader(file.path, threads=1), network_reader(tinyseal_checkpoint)
    assert (reader.name, reader.nbits) == (file.path.name, 32)
    assert reader.card is not None
    assert json.dumps(reader.card.options) == json.dumps(options.to_json())
    for pixels in (PIXELS, PIXELS[:100, :90], PIXELS[:40]):
        found, expected = reader.read(pixels), network.read(pixels)
        if pixels is PIXELS or options.source_size is None:
            assert found.bits == expected.bits
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)
        else:  # resized twice
            assert sum(a != b for a, b in zip(found.bits, expected.bits, strict=True)) < 10


@pytest.mark.integration
def test_a_file_that_reads_no_messages_is_refused(generator_tflites: dict[str, Path]) -> None:
    with pytest.raises(BadInputError, match="is of model 'gan-generator', which reads no messages"):
        tflite_reader(generator_tflites["fp32"])
