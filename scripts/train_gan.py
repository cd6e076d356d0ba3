"""`chunkport train-gan`: train the fruit GAN and leave a chunked checkpoint after every epoch."""

from typing import Any

from scripts._gan_training import gan_options, train_by_flags
from scripts._options import chunkport_command
from scripts._output import Output


@chunkport_command("train-gan")
@gan_options()
def command(output: Output, profile: str, **flags: Any) -> None:
    """Train the GAN of 128x128 grayscale fruit.

    After every epoch models/latest_model.pth is replaced, in chunks where it is above the cap;
    training can be stopped at any time and resumed to the same result. best_model.pth,
    final_gan.pth and checkpoint_epoch_010.pth, ... are whole checkpoints too; models_index.json
    lists them, and inference/ holds the best and the final generator for use. While it trains,
    training.html shows how it goes and loads itself anew; training_history_live.png has the curves
    so far, and stats.jsonl a line for each epoch.
    """
    from train.gan_config import PROFILES

    train_by_flags(output, PROFILES[profile], **flags)


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
