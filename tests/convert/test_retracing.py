"""Fewer retracings give the same file, op for op and bit for bit."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn

from convert.retracing import traced_no_more_than_needed
from convert.tflite import op_counts, read_flatbuffer
from verify.runtimes.litert import LiteRtSession


class Mixed(nn.Module):
    """What is broken up or rewritten on the way: norms, views, layouts, attention's products."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.LayerNorm(8)
        self.wide = nn.Linear(8, 16)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.depthwise(self.conv(image)).permute(0, 2, 3, 1)
        x = nn.functional.gelu(self.wide(self.norm(x))).reshape(1, 64, 16)
        x = (x @ x.transpose(1, 2)).softmax(-1) @ x
        return {"out": x.mean(1)}


def traces_of(module: nn.Module, inputs: dict[str, torch.Tensor], target: Path) -> int:
    """Convert; how often the graph was taken apart on the way."""
    import litert_torch
    from torch.export import ExportedProgram

    usual = ExportedProgram.run_decompositions
    with patch.object(
        ExportedProgram, "run_decompositions", autospec=True, side_effect=usual
    ) as spied:
        litert_torch.convert(module, sample_kwargs=inputs).export(str(target))
    return spied.call_count


@pytest.mark.integration
def test_the_file_computes_the_same_by_the_same_ops(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, inputs = Mixed().eval(), {"image": torch.rand(1, 3, 8, 8)}
    usual, quick = tmp_path / "usual.tflite", tmp_path / "quick.tflite"
    times = traces_of(module, inputs, usual)
    with traced_no_more_than_needed():
        fewer = traces_of(module, inputs, quick)
    assert fewer == 1 < times
    assert op_counts(read_flatbuffer(quick)) == op_counts(read_flatbuffer(usual))
    sample = {"image": inputs["image"].numpy()}
    one, other = (LiteRtSession(path, 1).run(sample)["out"] for path in (usual, quick))
    assert np.array_equal(one, other)
    with torch.inference_mode():
        expected = module(**inputs)["out"].numpy()
    assert np.abs(one - expected).max() < 1e-5
