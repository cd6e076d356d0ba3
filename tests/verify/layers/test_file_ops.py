"""Ops, weights and inner tensors of real files."""

from pathlib import Path

import numpy as np
import pytest

from chunkport.errors import BadInputError
from convert.tflite import read_flatbuffer
from verify.layers.file_ops import expose, read_ops
from verify.runtimes.litert import LiteRtSession

pytestmark = pytest.mark.integration


def test_a_weight_is_its_ops_own_in_every_precision(generator_tflites: dict[str, Path]) -> None:
    ops = {name: read_ops(read_flatbuffer(path)) for name, path in generator_tflites.items()}
    exact = ops["fp32"]
    for name, bound in (("fp16", 1e-3), ("int8-dynamic", 0.02)):
        assert [op.kind for op in ops[name]] == [op.kind for op in exact]
        for op, right in zip(ops[name], exact, strict=True):
            assert len(op.weights) == len(right.weights)
            for weight, other in zip(op.weights, right.weights, strict=True):
                away = np.linalg.norm(weight.values - other.values)
                assert away <= bound * np.linalg.norm(other.values)


@pytest.mark.parametrize("xnnpack", [True, False])
def test_inner_tensors_are_given_beside_the_outputs(
    generator_tflites: dict[str, Path], tmp_path: Path, *, xnnpack: bool
) -> None:
    path = generator_tflites["fp32"]
    model = read_flatbuffer(path)
    chosen = [op for op in read_ops(model) if op.kind in ("FULLY_CONNECTED", "LEAKY_RELU")][:2]
    names = expose(model, chosen, tmp_path / "exposed.tflite")
    inputs = {"latent": np.random.default_rng(0).standard_normal((1, 100)).astype(np.float32)}
    given = LiteRtSession(tmp_path / "exposed.tflite", 1, xnnpack=xnnpack).run(inputs)
    linear, activated = (given[names[op.index]] for op in chosen)
    np.testing.assert_allclose(activated, np.where(linear > 0, linear, 0.2 * linear), rtol=1e-6)
    plain = LiteRtSession(path, 1, xnnpack=xnnpack).run(inputs)
    np.testing.assert_array_equal(given["image"], plain["image"])
    assert len(model.subgraphs[0].outputs) == len(model.signatureDefs[0].outputs) == 1


def test_a_file_without_a_signature_is_refused(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    model.signatureDefs = []
    with pytest.raises(BadInputError, match="has no signature"):
        expose(model, read_ops(model)[:1], tmp_path / "exposed.tflite")
