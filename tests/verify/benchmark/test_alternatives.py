"""Other ways to run the network are made, or come with the reason why not."""

from pathlib import Path

import numpy as np
import pytest

from convert import onnx_export
from verify.benchmark.alternatives import network_in_onnx_runtime, plain_conversions
from verify.benchmark.contenders import Original, opened

LATENT = {"latent": np.zeros((1, 100), np.float32)}


def test_onnx_that_is_not_installed_is_a_reason(
    generator_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "find_spec", lambda _name: None)
    original = Original("gan-generator", generator_checkpoint, LATENT)
    found = network_in_onnx_runtime(original, tmp_path)
    assert (found.runtime, found.path) == ("onnxruntime", None)
    assert found.reason is not None
    assert "pip install 'chunkport[onnx]'" in found.reason


def test_each_precision_that_cannot_be_had_has_its_own_reason(tmp_path: Path) -> None:
    original = Original("gan-generator", tmp_path / "absent.pth", LATENT)
    found = plain_conversions(original, ["fp32", "int8-dynamic"], tmp_path)
    assert [(item.name, item.precision) for item in found] == [
        ("plain fp32", "fp32"),
        ("plain int8-dynamic", "int8-dynamic"),
    ]
    assert all(item.reason and "absent.pth" in item.reason for item in found)


@pytest.mark.integration
def test_the_network_in_onnx_runtime_computes_what_the_network_does(
    generator_checkpoint: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    original = Original("gan-generator", generator_checkpoint, LATENT)
    found = network_in_onnx_runtime(original, tmp_path)
    assert found.reason is None
    spec = original.spec()
    network = spec.open_network(generator_checkpoint)
    answers = opened(found, original, 1)()
    assert isinstance(answers, dict)
    wanted = spec.reference(network, LATENT)
    np.testing.assert_allclose(answers["image"], wanted["image"], atol=1e-5)
