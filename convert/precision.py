"""The precisions a model can be shipped in, as data: one row each."""

import difflib
from dataclasses import dataclass

from chunkport.errors import UsageError


@dataclass(frozen=True)
class Precision:
    """How a .tflite stores and computes its numbers.

    Attributes:
        name: as given to `--precision` and written into the card.
        suffix: the end of its file names.
        recipe: the ai-edge-quantizer recipe that makes it from the float32 file; None for that
            file itself, "float_casting" for FP16.
        needs: what must be at hand to make it.
        purpose: what it is for, in one line.
        weight_bytes: bytes per weight that it aims at.
        float_ops: ops, by their TFLite names, that the recipe leaves as they are.
    """

    name: str
    suffix: str
    recipe: str | None
    needs: str
    purpose: str
    weight_bytes: float
    float_ops: tuple[str, ...] = ()


PRECISIONS = (
    Precision(
        name="fp32",
        suffix="fp32",
        recipe=None,
        needs="nothing",
        purpose="the reference",
        weight_bytes=4,
    ),
    Precision(
        name="fp16",
        suffix="fp16",
        recipe="float_casting",
        needs="nothing",
        purpose="half the file, for phone GPUs; on CPUs as fast as fp32, in browsers far slower",
        weight_bytes=2,
    ),
    Precision(
        name="int8-dynamic",
        suffix="int8_dynamic",
        recipe="dynamic_wi8_afp32",
        needs="nothing",
        purpose="a quarter of the file, the fastest on CPUs and in browsers; float inputs, outputs",
        weight_bytes=1,
        # XNNPACK has no depthwise convolution with float inputs and integer weights, and LiteRT
        # cannot prepare such a product of two activations.
        float_ops=("DEPTHWISE_CONV_2D", "BATCH_MATMUL"),
    ),
)
_ALIASES = {"int8": "int8-dynamic"}


def precision_names() -> list[str]:
    """The names that `--precision` takes, aliases last."""
    return [row.name for row in PRECISIONS] + list(_ALIASES)


def find_precision(name: str) -> Precision:
    """The row of that name or alias.

    Raises:
        UsageError: there is none; never a fallback.
    """
    wanted = _ALIASES.get(name, name)
    for row in PRECISIONS:
        if row.name == wanted:
            return row
    near = difflib.get_close_matches(name, precision_names(), n=1)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    raise UsageError(
        f"unknown precision '{name}'.{meant} Precisions: {', '.join(precision_names())}"
    )
