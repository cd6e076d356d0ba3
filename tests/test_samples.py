"""The trained watermark that is shipped: whole, fit for its task, and telling how it was made."""

import json
from pathlib import Path

from checkpoints import load_model_chunked
from networks.cards import load_card
from networks.embedder_card import embedder_card
from train.picture_files import seed_of
from train.scenes import render_scene
from train.watermark_config import PROFILES, WatermarkConfig
from verify.attack_survival import measure_survival
from verify.attacks import find_attack
from verify.marked_pictures import marked_pictures
from verify.message_readers import network_reader
from verify.message_statistics import matches_needed
from wrappers.detector_intake import load_embedder_network

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "tinyseal"
WEIGHTS = SAMPLE / "full_model.pth"
_UNSEEN = 1 << 25


def test_it_is_small_and_in_chunks() -> None:
    chunks = sorted(SAMPLE.glob("full_model.chunk_*.pth"))
    assert len(chunks) > 1
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 6 * 2**20


def test_it_is_what_its_cards_say() -> None:
    values = load_model_chunked(WEIGHTS)
    built_in = load_card("tinyseal")
    for card in (load_card(values), load_card(SAMPLE / "config.json")):
        assert (card.nbits, card.image_size) == (built_in.nbits, built_in.image_size)
        assert card.encoder == built_in.encoder
    assert embedder_card(values, "sample") == load_embedder_network(WEIGHTS).card


def test_it_tells_how_it_was_made() -> None:
    told = json.loads((SAMPLE / "training_metadata.json").read_text())
    made = dict(told["hyperparameters"])
    provenance = {key: made.pop(key) for key in ("command", "data", "pictures")}
    assert provenance["command"].startswith("chunkport train-watermark --profile standard")
    assert WatermarkConfig.from_dict(made) == PROFILES["standard"].config
    assert told["metrics"]["bit_accuracy"] > 0.99
    assert told["metrics"]["psnr_db"] > 38


def test_it_reads_what_it_hides() -> None:
    pictures = (render_scene(seed_of(0, _UNSEEN + number), 160) for number in range(12))
    marked = marked_pictures(load_embedder_network(WEIGHTS), pictures, seed=3)
    survivals, seen = measure_survival(
        marked,
        [network_reader(WEIGHTS)],
        matches_needed(32, 1e-6),
        seed=0,
        attacks=[find_attack(name) for name in ("none", "jpeg-70", "resize-0.5")],
    )
    accuracy = {survival.attack: survival.bit_accuracy for survival in survivals}
    assert accuracy["none"] > 0.97
    assert min(accuracy.values()) > 0.93
    assert seen is not None
    assert seen.psnr_mean_db > 38
