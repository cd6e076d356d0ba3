"""What a file tells of its inputs, and noise that fits them."""

from pathlib import Path

import numpy as np
import pytest

from convert.calibration.file_inputs import draw_noise, input_shapes
from convert.tflite import read_flatbuffer

pytestmark = pytest.mark.integration


def test_noise_is_of_its_seed_and_fits_the_inputs(generator_tflites: dict[str, Path]) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    assert input_shapes(model) == {"latent": (1, 100)}
    first, second = draw_noise(model, 2, 7)
    assert first["latent"].shape == (1, 100)
    assert first["latent"].dtype == np.float32
    assert (first["latent"] != second["latent"]).all()
    assert (draw_noise(model, 1, 7)[0]["latent"] == first["latent"]).all()


def test_a_file_without_a_signature_names_its_tensors(generator_tflites: dict[str, Path]) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    model.signatureDefs = []
    assert input_shapes(model) == {"serving_default_latent": (1, 100)}
