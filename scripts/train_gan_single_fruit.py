"""`chunkport train-gan-single-fruit`: train the GAN on one kind of fruit."""

from typing import Any

import click

from scripts._gan_training import gan_options, train_by_flags
from scripts._options import chunkport_command
from scripts._output import Output


def _folder_of_the_fruit() -> str:
    fruit: str = click.get_current_context().params["fruit"]
    return fruit.lower().replace(" ", "_")


@chunkport_command("train-gan-single-fruit")
@click.option(
    "--fruit",
    metavar="NAME",
    required=True,
    is_eager=True,  # known before the folder that is called after it
    help="Apple, Banana, Orange, Pear or Strawberry; of your own pictures, a folder's name.",
)
@gan_options(output_dir=_folder_of_the_fruit, shown_dir="the fruit's name in small letters")
def command(output: Output, fruit: str, profile: str, **flags: Any) -> None:
    """Train the GAN on pictures of one kind, as train-gan does on all.

    One kind is easier than five: fruit shows after fewer steps. What is left is as train-gan leaves
    it, in a folder of the fruit's own (apple/models/ and so on), so that no run is in another's
    way.
    """
    from train.gan_config import PROFILES

    train_by_flags(output, PROFILES[profile], only=fruit, **flags)


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
