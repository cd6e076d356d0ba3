"""The trained generators that are shipped: whole, drawing fruit, and telling how they were made."""

import json
from pathlib import Path

import numpy as np
import pytest

from networks.quality.seen import see, shipped_classifier
from networks.quality.set_distance import paired_kid
from train.fruits import render_fruit
from train.gan_config import PROFILES, GanConfig
from train.picture_files import seed_of
from verify.generated_pictures import generate_pictures, untrained_pictures

SAMPLES = Path(__file__).parents[1] / "samples"
PROVENANCE = ("command", "data", "weights", "measured", "revision")
_UNSEEN = 1 << 25
_COUNT = 100


@pytest.mark.parametrize(("profile", "most_mb"), [("demo", 2.5), ("standard", 8.5)])
def test_it_is_small_and_in_chunks(profile: str, most_mb: float) -> None:
    folder = SAMPLES / f"gan-{profile}"
    assert len(list(folder.glob("full_model.chunk_*.pth"))) > 1
    assert sum(path.stat().st_size for path in folder.iterdir()) < most_mb * 1e6


@pytest.mark.parametrize("profile", ["demo", "standard"])
def test_it_tells_how_it_was_made(profile: str) -> None:
    told = json.loads((SAMPLES / f"gan-{profile}" / "training_metadata.json").read_text())
    made = dict(told["hyperparameters"])
    provenance = {key: made.pop(key) for key in PROVENANCE}
    assert provenance["command"].startswith(f"chunkport train-gan --profile {profile}")
    recipe = PROFILES[profile].config
    assert GanConfig.from_dict(made).width == recipe.width
    assert GanConfig.from_dict(made).noise_dim == recipe.noise_dim
    unseen, drawn = (told["metrics"][key] for key in ("kid_of_unseen_real_pictures", "kid"))
    assert unseen < drawn < 1 < told["metrics"]["kid_untrained"]


@pytest.mark.parametrize("profile", ["demo", "standard"])
def test_it_draws_fruit(profile: str) -> None:
    checkpoint = SAMPLES / f"gan-{profile}" / "full_model.pth"
    classes = PROFILES[profile].classes
    real = np.stack(
        [
            render_fruit(classes[number % len(classes)], seed_of(0, _UNSEEN + number))
            for number in range(_COUNT)
        ]
    )[:, None]
    network = shipped_classifier().network
    of_real, of_drawn, of_untrained = (
        see(pictures, network)
        for pictures in (
            real,
            generate_pictures(checkpoint, _COUNT, seed=1),
            untrained_pictures(checkpoint, _COUNT, seed=1),
        )
    )
    drawn = paired_kid(of_real.features, of_drawn.features)
    untrained = paired_kid(of_real.features, of_untrained.features)
    assert drawn.value < 1.5  # of 100 pictures, whose standard error is about 0.25
    assert untrained.value > 4
    assert of_drawn.confidence > 0.85
