from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chunkport.errors import ConversionError, MissingDependencyError, UsageError
from convert import onnx_export
from verify.exported import export_network
from wrappers.spec import BuildOptions

BRANCHING = """
import numpy as np, torch
from torch import nn
from wrappers.spec import Contract, ModelSpec, TensorSpec, at_most

class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
    def forward(self, x):
        return x * self.weight if x.sum() > 0 else x * self.weight * 2

def contract(network):
    item = TensorSpec("x", (1, 3), "features", "any", "numbers")
    return Contract((item,), (item,))

def samples(contract, count, seed):
    return [{"x": np.full((1, 3), sign, np.float32)} for sign in (1, -1)]

def reference(network, inputs):
    with torch.inference_mode():
        return {"x": network(torch.from_numpy(inputs["x"])).numpy()}

SPEC = ModelSpec("branching", "branching", "", lambda path: Branching().eval(), None, None,
    contract, samples, reference, ("max_abs_difference",), (-9, 9),
    {"fp32": (at_most("max_abs_difference", 1e-5),)})
"""


def latents(noise_dim: int = 100) -> torch.Tensor:
    return torch.randn(1, noise_dim, generator=torch.Generator().manual_seed(1))


@pytest.mark.integration
def test_onnx_computes_what_the_network_computes(
    tmp_path: Path, generator_checkpoint: Path, make_generator: Callable[..., nn.Module]
) -> None:
    import onnxruntime

    target = tmp_path / "g.onnx"
    exported = export_network(generator_checkpoint, "gan-generator", "onnx", target)
    assert exported.files == (target,)
    assert list(tmp_path.iterdir()) == [target]
    assert all(check.passed for check in exported.checks)
    session = onnxruntime.InferenceSession(target)
    (image,) = session.run(["image"], {"latent": latents().numpy()})
    with torch.inference_mode():
        expected = make_generator(seed=0)(latents()).numpy()
    np.testing.assert_allclose(image, expected, atol=1e-5)


@pytest.mark.integration
def test_torchscript_computes_what_the_network_computes(
    tmp_path: Path, generator_checkpoint: Path, make_generator: Callable[..., nn.Module]
) -> None:
    target = tmp_path / "g.pt"
    export_network(generator_checkpoint, "gan-generator", "torchscript", target)
    with torch.inference_mode():
        image = torch.jit.load(str(target))(latents())  # type: ignore[no-untyped-call]  # no types
        assert torch.equal(image, make_generator(seed=0)(latents()))


@pytest.mark.integration
@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_detectors_of_each_kind(tmp_path: Path, detector_case: Any, form: Any) -> None:
    checkpoint, card = detector_case.save(tmp_path)
    target = tmp_path / f"d.{form}"
    exported = export_network(
        checkpoint,
        "chunkyseal",
        form,
        target,
        options=BuildOptions(model_card=card.read_text()),
    )
    assert {check.name for check in exported.checks if check.passed} >= {"relative_l2"}
    assert exported.size_bytes > 10_000


@pytest.mark.integration
def test_weights_above_the_limit_of_one_file_lie_beside_it(
    tmp_path: Path, generator_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "g.onnx"
    monkeypatch.setattr(onnx_export, "_LARGEST_IN_ONE_FILE", 1_000)
    exported = export_network(generator_checkpoint, "gan-generator", "onnx", target)
    assert exported.files == (target, tmp_path / "g.onnx.data")
    monkeypatch.undo()
    again = export_network(generator_checkpoint, "gan-generator", "onnx", target, force=True)
    assert again.files == (target,)
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_computes_something_else_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text(BRANCHING)
    with pytest.raises(ConversionError, match=r"not written: .*max_abs_difference 1\)"):
        export_network(
            tmp_path / "m.pth", f"{tmp_path / 'my.py'}:SPEC", "torchscript", tmp_path / "m.pt"
        )
    assert not [path for path in tmp_path.iterdir() if "m.pt" in path.name]


def test_what_is_there_is_replaced_only_by_force(
    tmp_path: Path, generator_checkpoint: Path
) -> None:
    target = tmp_path / "g.pt"
    target.write_text("precious")
    with pytest.raises(UsageError, match="already there; add --force"):
        export_network(generator_checkpoint, "gan-generator", "torchscript", target)
    assert target.read_text() == "precious"
    export_network(generator_checkpoint, "gan-generator", "torchscript", target, force=True)
    assert target.stat().st_size > 100_000


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "_NEEDED", ("onnx", "onnx_that_is_not_there"))
    with pytest.raises(MissingDependencyError, match="needs onnx_that_is_not_there; pip install"):
        export_network(tmp_path / "m.pth", "gan-generator", "onnx", tmp_path / "m.onnx")
