"""TensorFlow's interpreter answers by name, as LiteRT's does."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from verify.runtimes import find_runtime
from verify.runtimes.litert import LiteRtSession

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed"),
]

LATENT = {"latent": np.ones((1, 100), np.float32)}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_it_answers_by_name_as_litert_does(
    generator_tflites: dict[str, Path], precision: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = generator_tflites[precision]
    expected = LiteRtSession(path, threads=1).run(LATENT)["image"]
    capfd.readouterr()
    with find_runtime("tensorflow").open(path, 1) as session:
        assert session.input_shapes() == {"latent": (1, 100)}
        answer = session.run(LATENT)["image"]
        assert len(session.time_runs(LATENT, 3)) == 3
    assert np.abs(answer - expected).max() < (0.03 if "int8" in precision else 1e-5)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    with (
        pytest.raises(ValueError, match="schema version"),
        find_runtime("tensorflow").open(path, 1),
    ):
        pytest.fail("it was opened")
