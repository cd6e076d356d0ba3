"""The runtime's own GPU delegate, with a driver where there is one, and without."""

from pathlib import Path

import numpy as np
import pytest

from verify.risks.delegate import run_on_delegate

pytestmark = pytest.mark.integration


def test_without_a_driver_the_reason_says_what_to_install(
    generator_tflites: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    monkeypatch.setenv("VK_DRIVER_FILES", str(tmp_path / "none.json"))
    latent = {"latent": np.zeros((1, 100), np.float32)}
    run = run_on_delegate(generator_tflites["fp32"], [latent], float32=True)
    assert run.adapter is None
    assert run.outputs is None
    assert "mesa-vulkan-drivers" in run.reason


def test_one_that_takes_too_long_is_stopped(generator_tflites: dict[str, Path]) -> None:
    latent = {"latent": np.zeros((1, 100), np.float32)}
    run = run_on_delegate(generator_tflites["fp32"], [latent], float32=True, seconds=0.1)
    assert run.outputs is None
    assert "not done after" in run.reason


def test_with_a_driver_it_answers_as_the_cpu_does(generator_tflites: dict[str, Path]) -> None:
    from verify.risks.plain_run import PlainRun

    path = generator_tflites["fp32"]
    latent = {"latent": np.random.default_rng(0).standard_normal((1, 100), np.float32)}
    run = run_on_delegate(path, [latent], float32=True)
    if run.adapter is None:
        pytest.skip(f"no GPU delegate here: {run.reason}")
    assert run.refused == ()
    assert run.outputs is not None
    np.testing.assert_allclose(
        run.outputs[0]["image"], PlainRun(path).run(latent)["image"], atol=1e-5
    )
