"""The GAN's recipe as flags of a command."""

from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from scripts._options import grouped_option

if TYPE_CHECKING:
    from train.gan_config import GanConfig

_BETAS = ("beta1", "beta2")
_training = partial(grouped_option, "Training")
_networks = partial(grouped_option, "Networks")
_optimisers = partial(grouped_option, "Optimisers")
_lessons = partial(grouped_option, "What the discriminator learns")
RECIPE = (
    _training("--epochs", type=int, help="Passes over the pictures, in all."),
    _training("--batch-size", type=int, help="Pictures per step."),
    _training("--sample-every", type=int, help="Epochs between sample pictures."),
    _training(
        "--evaluate-every", type=int, help="Epochs between comparisons with the real pictures."
    ),
    _training("--seed", type=int, help="Of the weights, the order and the drawn pictures."),
    _training(
        "--mixed-precision",
        type=click.Choice(["no", "bf16", "fp16"]),
        help="bf16: convolutions in bfloat16, faster where the processor has it; fp16: in float16, "
        "on a GPU.",
    ),
    _training(
        "--accumulate",
        type=int,
        help="Parts that a step computes its batch in, one by one, for less memory.",
    ),
    _networks("--noise-dim", type=int, help="Numbers in a latent."),
    _networks("--width", type=int, help="Channels next to the image; 64 is the published size."),
    _networks(
        "--upsampling",
        type=click.Choice(["transposed", "transposed-4", "resize"]),
        help="How the generator doubles sizes: 5x5 transposed as published; 4x4; or enlarging and "
        "then 3x3, which makes no checkerboard.",
    ),
    _networks("--initial-std", type=float, help="Deviation of the starting weights, at width 64."),
    _networks(
        "--average-decay",
        type=float,
        help="How slowly the shipped average follows the generator; 0 ships it as it is.",
    ),
    _optimisers("--learning-rate", type=float, help="Adam's, for both networks."),
    _optimisers(
        "--discriminator-rate", type=float, help="The discriminator's own, where it is another."
    ),
    _optimisers("--beta1", type=float, help="Adam's decay of its first moment."),
    _optimisers("--beta2", type=float, help="Adam's decay of its second moment."),
    _optimisers(
        "--clip-gradients", type=float, help="The largest norm of each network's gradient; 0: any."
    ),
    _lessons("--loss", type=click.Choice(["bce", "hinge"]), help="bce as published, or hinge."),
    _lessons(
        "--real-label", type=float, help="What is asked of the discriminator for a real picture."
    ),
    _lessons(
        "--diffaugment",
        help="Change all that the discriminator sees, for few pictures: of brightness, contrast, "
        "translation and cutout, joined by commas; or none.",
    ),
    _lessons(
        "--spectral-norm/--no-spectral-norm",
        default=None,
        help="Bound how much each layer of the discriminator can stretch its input.",
    ),
    _lessons(
        "--r1-gamma",
        type=float,
        help="How strongly to keep the discriminator flat around real pictures; 0: not.",
    ),
    _lessons("--r1-every", type=int, help="Steps from one such penalty to the next."),
    _lessons("--dropout", type=float, help="Share of outputs that the discriminator drops."),
    _lessons(
        "--input-noise",
        type=float,
        help="Deviation of fading noise on what the discriminator sees.",
    ),
    _lessons("--input-noise-steps", type=int, help="Steps until that noise is gone."),
)
"""The names of these flags are those of the fields of `train.gan_config.GanConfig`, but for Adam's
two betas."""


def recipe_by_flags(config: "GanConfig", flags: dict[str, Any]) -> "GanConfig":
    """The config as the flags of `RECIPE`, which are taken out of `flags`, change it.

    None leaves a value as it is. A learning rate is that of both networks unless the other has its
    own, and the hinge loss goes without a label.

    Raises:
        UsageError: a value is not allowed.
    """
    names = {field.name for field in fields(config)} | {*_BETAS}
    taken = {name: flags.pop(name) for name in names & flags.keys()}
    given = {name: value for name, value in taken.items() if value is not None}
    betas = zip(_BETAS, config.betas, strict=True)
    given["betas"] = tuple(given.pop(name, before) for name, before in betas)
    if "learning_rate" in given:
        given.setdefault("discriminator_rate", given["learning_rate"])
    if given.get("loss") == "hinge":
        given.setdefault("real_label", 1.0)
    if "diffaugment" in given:
        kinds = dict.fromkeys(kind.strip() for kind in given["diffaugment"].split(","))
        given["diffaugment"] = tuple(kind for kind in kinds if kind not in {"", "none"})
    return replace(config, **given)
