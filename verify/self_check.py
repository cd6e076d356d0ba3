"""A tiny network taken all the way, as proof that an installation works.

Run as a program, so that a broken package can fail, or die, in whatever way it will: the last line
of stdout is then the result, or the last line of stderr the reason.
"""

import json
import tempfile
from pathlib import Path

import torch
from torch import nn

from chunkport.errors import ConversionError
from convert.float_model import export
from convert.quantization.precision import recipe_of
from convert.quantization.quantize import quantize
from verify.runtimes.litert import LiteRtSession

# The greatest distance from PyTorch, of outputs around 1: rounding, and some room for other CPUs.
_LIMITS = {"fp32": 1e-5, "fp16": 1e-2, "int8-dynamic": 0.1, "int4-dynamic": 0.5}


class TinyNetwork(nn.Module):
    """One convolution and one linear layer: (1, 3, 8, 8) to (1, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3)
        self.linear = nn.Linear(8 * 6 * 6, 4)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores of an image."""
        return {"scores": self.linear(torch.relu(self.conv(image)).flatten(1))}


def largest_errors(folder: Path) -> dict[str, float]:
    """Convert the network in `folder`, run every precision, and compare it with PyTorch.

    Returns:
        By precision, the largest absolute difference between the two.

    Raises:
        ConversionError: a tool refused, or a result is further off than rounding explains.
    """
    torch.manual_seed(0)
    network = TinyNetwork().eval()
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        expected = network(image)["scores"].numpy()
    float_model = folder / "fp32.tflite"
    export(network, {"image": image}, float_model)
    errors = {}
    for name, limit in _LIMITS.items():
        model = folder / f"{name}.tflite"
        if model != float_model:
            quantize(float_model, recipe_of(name), model)
        actual = LiteRtSession(model, threads=1).run({"image": image.numpy()})["scores"]
        errors[name] = float(abs(actual - expected).max())
        if not errors[name] <= limit:  # NaN is no less wrong
            raise ConversionError(
                f"{name} is {errors[name]:.3g} off, at most {limit:g} can be rounding; "
                "install the versions in constraints.txt"
            )
    return errors


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(largest_errors(Path(scratch))))  # noqa: T201 - the result
