"""What can make one checkpoint of a GAN run better than another."""

from collections.abc import Mapping

from train.run import Criterion

WARM_UP = 0.1
"""The part of the epochs that say nothing yet."""
KNOWS_BY = 0.05
"""How far D(real) is above D(fake), at least, where the discriminator does more than guess."""

CRITERIA = {
    "kid": Criterion("kid", "min", distance=True),
    "d-fake": Criterion("D_fake_distance", "min", distance=True),
    "d-loss": Criterion("D_loss", "max"),
    "g-loss": Criterion("G_loss", "min"),
}
"""By name. `kid` compares what ships with the real pictures; see `train.gan_evaluation`.

The others look at the discriminator, none at the pictures: they tell a run that has gone astray
from one that has not, and say little about which of two good generators is better. `d-fake` is the
distance of D(fake) from 0.5, at which the discriminator can only guess. An untrained one guesses
too, so it counts only after a tenth of the epochs and while D(real) is above D(fake) by 0.05. The
losses are the epoch's means as they are.
"""


def d_fake_distance(figures: Mapping[str, float], epoch: int, epochs: int) -> dict[str, float]:
    """The distance of D(fake) from 0.5 where it says anything, as one metric or none."""
    warm = epoch > WARM_UP * epochs
    if warm and figures["D_real"] - figures["D_fake"] >= KNOWS_BY:
        return {"D_fake_distance": abs(figures["D_fake"] - 0.5)}
    return {}
