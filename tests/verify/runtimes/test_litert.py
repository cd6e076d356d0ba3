"""The LiteRT session speaks in names and shapes."""

from pathlib import Path

import numpy as np
import pytest

from verify.runtimes.litert import LiteRtSession


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    with pytest.raises(ValueError, match="Flatbuffer"):
        LiteRtSession(path, threads=1)


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_inputs_and_outputs_are_float_and_named_in_every_precision(
    generator_tflites: dict[str, Path], precision: str
) -> None:
    session = LiteRtSession(generator_tflites[precision], threads=1)
    assert session.input_shapes() == {"latent": (1, 100)}
    assert session.output_shapes() == {"image": (1, 128, 128, 1)}
    image = session.run({"latent": np.zeros((1, 100), np.float32)})["image"]
    assert image.dtype == np.float32


@pytest.mark.integration
def test_an_answer_stays_when_the_next_is_computed(generator_tflites: dict[str, Path]) -> None:
    session = LiteRtSession(generator_tflites["fp32"], threads=1)
    first = session.run({"latent": np.zeros((1, 100), np.float32)})["image"]
    kept = first.copy()
    second = session.run({"latent": np.ones((1, 100), np.float32)})["image"]
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_without_xnnpack_it_computes_the_same_by_other_kernels(
    generator_tflites: dict[str, Path], precision: str
) -> None:
    path, latent = generator_tflites[precision], {"latent": np.ones((1, 100), np.float32)}
    delegated = LiteRtSession(path, threads=1).run(latent)["image"]
    own = LiteRtSession(path, threads=1, xnnpack=False).run(latent)["image"]
    assert not np.array_equal(own, delegated)
    assert np.abs(own - delegated).max() < (0.1 if precision == "int8-dynamic" else 1e-5)


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["int8-static", "int16x8"])
def test_integers_that_go_in_and_out_are_the_files_own_affair(
    generator_integers: dict[str, Path], generator_tflites: dict[str, Path], precision: str
) -> None:
    latent = np.random.default_rng(0).standard_normal((1, 100)).astype(np.float32)
    session = LiteRtSession(generator_integers[precision], threads=1)
    given = session.run({"latent": latent})["image"]
    exact = LiteRtSession(generator_tflites["fp32"], threads=1).run({"latent": latent})["image"]
    assert given.dtype == np.float32
    assert np.abs(given - exact).mean() < 0.1
    assert len(session.time_runs({"latent": latent}, 2)) == 2
