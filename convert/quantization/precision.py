"""The precisions a model can be shipped in, as data: one row each."""

from dataclasses import dataclass, replace

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError
from convert.quantization.recipe import Recipe, Rule


@dataclass(frozen=True)
class Precision:
    """How a .tflite stores and computes its numbers.

    Attributes:
        name: as given to `--precision` and written into the card.
        suffix: the end of its file names.
        recipe: how it is made from the float32 file; None for that file itself, and for "mixed",
            whose recipe is given with `--recipe`.
        needs: what must be at hand to make it.
        purpose: what it is for, in one line.
        weight_bytes: bytes per weight that it aims at.
        held_to: the precision whose limits judge it where a model has none for it alone.
        spares_layers: whether layers that 8 bits would not serve get rules of their own, once
            calibration has shown which.
    """

    name: str
    suffix: str
    recipe: Recipe | None
    needs: str
    purpose: str
    weight_bytes: float
    held_to: str
    spares_layers: bool = False


# XNNPACK has no depthwise convolution with float inputs and integer weights, and LiteRT cannot
# prepare such a product of two activations.
_NO_DYNAMIC_KERNEL = (
    Rule(
        "float32",
        "float32",
        op="DEPTHWISE_CONV_2D",
        reason="XNNPACK has no such kernel for integer weights and float activations",
    ),
    Rule(
        "float32",
        "float32",
        op="BATCH_MATMUL",
        reason="LiteRT cannot prepare a product of two activations so",
    ),
)
# The pictures' resize is no layer that was trained, and in INT8 it would change a picture by more
# than one step of a byte. Names of tensors hold their module's class.
_EXACT_RESIZE = Rule(
    "float32",
    "float32",
    layer="AntialiasedResize",
    reason="the resize of the pictures stays exact",
)
_DYNAMIC = (Rule("int8"), *_NO_DYNAMIC_KERNEL)
# A convolution in 4 bits has no kernel of XNNPACK: in LiteRT's own it takes 50 times as long.
_INT4 = Rule("int4", op="FULLY_CONNECTED")
# What norms are made of, in LayerNorm and in a ConvNeXt's response norm. A variance of quiet pixels
# becomes 0 by the scale of loud ones: with these in 16 bits TinySeal's logits are 10% off (relative
# L2), in float 1.5%.
_NORMS_IN_FLOAT = tuple(
    Rule(
        "float32",
        "float32",
        op=kind,
        reason="of a norm, whose squares span more than one scale can hold",
    )
    for kind in (
        *("MEAN", "SUM", "SQUARED_DIFFERENCE", "SUB", "MUL"),
        *("RSQRT", "SQRT", "DIV"),
    )
)

PRECISIONS = (
    Precision(
        name="fp32",
        suffix="fp32",
        recipe=None,
        needs="nothing",
        purpose="the reference",
        weight_bytes=4,
        held_to="fp32",
    ),
    Precision(
        name="fp16",
        suffix="fp16",
        recipe=Recipe((Rule("float16", "float32"), _EXACT_RESIZE)),
        needs="nothing",
        purpose="half the file, for phone GPUs; on CPUs as fast as fp32, in browsers far slower",
        weight_bytes=2,
        held_to="fp16",
    ),
    Precision(
        name="int8-dynamic",
        suffix="int8_dynamic",
        recipe=Recipe((*_DYNAMIC, _EXACT_RESIZE)),
        needs="nothing",
        purpose="a quarter of the file, the fastest on CPUs and in browsers; float inputs, outputs",
        weight_bytes=1,
        held_to="int8-dynamic",
    ),
    Precision(
        name="int8-static",
        suffix="int8_static",
        recipe=Recipe((Rule("int8", "int8"), *_NORMS_IN_FLOAT, _EXACT_RESIZE)),
        needs="samples to calibrate on",
        purpose="activations in 8 bits too, by measured ranges; for NPUs with --integer-io",
        weight_bytes=1,
        held_to="int8-dynamic",
        spares_layers=True,
    ),
    Precision(
        name="int16x8",
        suffix="int16x8",
        recipe=Recipe((Rule("int8", "int16"), *_NORMS_IN_FLOAT, _EXACT_RESIZE)),
        needs="samples to calibrate on",
        purpose="NPUs, where 8 bits are too few; XNNPACK has no such kernels: very slow on CPUs",
        weight_bytes=1,
        held_to="int8-dynamic",
    ),
    Precision(
        name="int4-dynamic",
        suffix="int4_dynamic",
        recipe=Recipe((*_DYNAMIC, _INT4, _EXACT_RESIZE)),
        needs="nothing",
        purpose="fully connected layers in an eighth, the rest as int8; where the model bears it",
        weight_bytes=0.5,
        held_to="int8-dynamic",
    ),
    Precision(
        name="int4-block32",
        suffix="int4_block32",
        recipe=Recipe(
            (
                *_DYNAMIC,
                _INT4,
                Rule("int4", granularity="block-32", op="FULLY_CONNECTED"),
                _EXACT_RESIZE,
            )
        ),
        needs="nothing",
        purpose="as int4-dynamic, with a scale for every 32 weights of a fully connected layer",
        weight_bytes=0.5625,
        held_to="int8-dynamic",
    ),
    Precision(
        name="mixed",
        suffix="mixed",
        recipe=None,
        needs="a recipe, such as `chunkport optimize` finds",
        purpose="the smallest file that still passes",
        weight_bytes=0.7,
        held_to="int8-dynamic",
    ),
)
_ALIASES = {"int8": "int8-dynamic"}


def wholly_integer(recipe: Recipe) -> Recipe:
    """The recipe for an NPU: integer inputs and outputs, and 16 bits where it keeps floats."""
    rules = (
        rule
        if rule.activations in ("int8", "int16")
        else Rule("int8", "int16", layer=rule.layer, op=rule.op)
        for rule in recipe.rules
    )
    return replace(recipe, rules=tuple(rules), integer_io=True)


def with_integer_norms(recipe: Recipe) -> Recipe:
    """The recipe for a model whose norms are rewritten so that 8 bits are enough for them."""
    rules = tuple(rule for rule in recipe.rules if rule not in _NORMS_IN_FLOAT)
    return replace(recipe, rules=rules)


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
    meant = did_you_mean(name, precision_names())
    raise UsageError(
        f"unknown precision '{name}'.{meant} Precisions: {', '.join(precision_names())}"
    )


def recipe_of(name: str) -> Recipe:
    """How that precision is made from the float32 file.

    Raises:
        UsageError: there is no such precision, or it has no recipe of its own.
    """
    row = find_precision(name)
    if row.recipe is None:
        raise UsageError(f"precision '{row.name}' has no recipe: it needs {row.needs}")
    return row.recipe
