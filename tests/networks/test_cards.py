import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from chunkport.errors import BadInputError, UsageError
from networks.cards import ConvNextEncoder, VitEncoder, built_in_cards, load_card

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "checkpoint_path": "weights/tiny.pth",
    "args": {"nbits": 32, "img_size_proc": 128},
    "embedder": {"model": "unet", "params": {"whatever": 1}},
    "extractor": {
        "model": "convnext_tiny",
        "params": {
            "encoder": {"depths": [1, 1, 2, 1], "dims": [16, 32, 48, 64]},
            "pixel_decoder": {"upscale_stages": [1], "pixelwise": False, "nbits": 16},
        },
    },
}


def edited(path: str, value: Any, base: dict[str, Any] = TINY) -> dict[str, Any]:
    """A copy of a card with one value set, or removed where `value` is `...`."""
    card = copy.deepcopy(base)
    *sections, key = path.split(".")
    holder = card
    for section in sections:
        holder = holder[section]
    if value is ...:
        del holder[key]
    else:
        holder[key] = value
    return card


def vit_card() -> dict[str, Any]:
    path = ROOT / "networks" / "cards" / "videoseal-0.0.yaml"
    card: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return card


def test_built_in_cards_are_the_four_published_models_and_our_own() -> None:
    names = ("chunkyseal", "pixelseal", "tinyseal", "videoseal-0.0", "videoseal-1.0")
    assert built_in_cards() == names
    bits = {name: load_card(name).nbits for name in built_in_cards()}
    assert bits == {
        "chunkyseal": 1024, "pixelseal": 256, "tinyseal": 32, "videoseal-0.0": 96,
        "videoseal-1.0": 256,
    }  # fmt: skip
    assert load_card("videoseal_1.0") == load_card("videoseal-1.0")


def test_proportional_dims_grow_with_the_root_of_the_message_and_are_cut_to_integers() -> None:
    assert load_card("chunkyseal").encoder == ConvNextEncoder(
        depths=(3, 3, 27, 3), dims=(362, 724, 1448, 2896), stem_stride=2
    )
    narrow = load_card(edited("extractor.params.proportional_dim", value=True))
    assert isinstance(narrow.encoder, ConvNextEncoder)
    assert narrow.encoder.dims == (8, 16, 24, 32)


def test_a_card_reads_the_same_from_mapping_text_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # built-in cards must not be looked for here
    text = yaml.safe_dump(TINY)
    file = tmp_path / "tiny.yaml"
    file.write_text(text, encoding="utf-8")
    from_mapping, from_text, from_file = load_card(TINY), load_card(text), load_card(file)
    assert from_mapping == from_text
    assert from_file.source == str(file)
    assert load_card("tiny.yaml").encoder == from_file.encoder == from_mapping.encoder
    assert load_card(json.dumps(TINY)) == from_mapping
    assert from_mapping.nbits == 32  # of the message, not the 16 written under pixel_decoder
    assert from_mapping.image_size == 128
    assert from_mapping.checkpoint_path == "weights/tiny.pth"
    assert load_card("chunkyseal").nbits == 1024


def test_a_checkpoint_that_names_a_published_extractor_needs_no_card() -> None:
    args = {
        "nbits": 1024,
        "img_size_extractor": 256,
        "extractor_model": "convnext_sweep_3_prop_stride2",  # as old checkpoints call it
        "videowam_chunk_size": 16,
        "videowam_step_size": 2,
    }
    card = load_card({"args": yaml.safe_dump(args)})
    assert card.encoder == load_card("chunkyseal").encoder
    assert card.extractor == "convnext_chunky"
    assert (card.video_chunk_size, card.video_step_size) == (16, 2)
    assert load_card({"args": args}) == card
    transformer = load_card({"args": {**args, "nbits": 96, "extractor_model": "sam_small"}})
    assert transformer.encoder == load_card("videoseal-0.0").encoder


def test_global_blocks_and_windows_come_from_the_card() -> None:
    encoder = load_card(vit_card()).encoder
    assert isinstance(encoder, VitEncoder)
    assert (encoder.grid_size, encoder.window_size) == (16, 8)
    assert encoder.global_attn_indexes == (2, 5, 8, 11)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("args", ..., "key args is missing; expected a mapping"),
        ("args", "nbits: [", "key args: not valid YAML"),
        ("args.nbits", ..., "key args.nbits is missing; expected an integer of at least 1"),
        ("args.nbits", "256", "key args.nbits: expected an integer of at least 1, found '256'"),
        ("args.nbits", True, "key args.nbits: expected an integer"),
        ("args.nbits", 0, "key args.nbits: expected an integer of at least 1, found 0"),
        ("args.img_size_proc", ..., "key args.img_size_proc is missing"),
        ("args.img_size_proc", 63, "images of 63 pixels a side have 1 left"),
        ("args.img_size_proc", 2, "images of 2 pixels a side have 0 left"),
        ("args.videoseal_step_size", 0, "key args.videoseal_step_size: expected an integer"),
        ("checkpoint_path", 3, "key checkpoint_path: expected a text, found 3"),
        ("extractor", ..., "key args.extractor_model is missing"),
        ("extractor", [], r"key extractor: expected a mapping, found \[\]"),
        ("extractor.model", "resnet", "key extractor.model: expected convnext_... or sam_..."),
        ("extractor.params", {}, "key extractor.params.encoder is missing"),
        ("extractor.params.extra", 1, "key extractor.params.extra is not known here"),
        ("extractor.params.proportional_dim", 1, "proportional_dim: expected true or false"),
        ("extractor.params.encoder.depths", [3, 3, 9], "encoder.depths: expected a list of 4"),
        ("extractor.params.encoder.dims", [1, 2, 3, "4"], "encoder.dims: expected a list of 4"),
        ("extractor.params.encoder.stem_stride", 8, "stem_stride: expected an integer from 1 to 4"),
        ("extractor.params.encoder.in_chans", 1, "encoder.in_chans: expected 3"),
        ("extractor.params.encoder.kernel", 5, "encoder.kernel is not known here"),
        ("extractor.params.pixel_decoder.pixelwise", True, "pixelwise: expected False"),
        ("extractor.params.pixel_decoder.upscale_stages", [2], r"upscale_stages: expected \[1\]"),
    ],
)
def test_a_wrong_card_is_refused_with_its_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        load_card(edited(path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("use_rel_pos", ..., "use_rel_pos is missing; expected true or false"),
        ("use_abs_pos", False, "use_abs_pos: expected True"),
        ("img_size", 512, "img_size: expected 256, the image size under args"),
        ("patch_size", 15, r"patch_size: expected a divisor of img_size \(256\)"),
        ("num_heads", 7, r"num_heads: expected a divisor of embed_dim \(384\)"),
        ("mlp_ratio", -1, "mlp_ratio: expected a positive number"),
        ("global_attn_indexes", [2, 12], r"expected indexes below depth \(12\)"),
        ("global_attn_indexes", None, "global_attn_indexes: expected a list of integers"),
    ],
)
def test_a_wrong_transformer_is_refused_with_its_key(key: str, value: Any, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        load_card(edited(f"extractor.params.encoder.{key}", value, vit_card()))


def test_channels_that_a_short_message_would_leave_empty_are_refused() -> None:
    card = edited("extractor.params.proportional_dim", value=True)
    card["args"]["nbits"] = 1
    card["extractor"]["params"]["encoder"]["dims"] = [8, 16, 32, 64]
    with pytest.raises(BadInputError, match="dims: expected channels that stay above 0 for 1 bits"):
        load_card(card)


def test_an_extractor_without_parameters_must_be_a_published_one() -> None:
    assert load_card(edited("extractor.params", ...)).encoder == load_card("pixelseal").encoder
    with pytest.raises(BadInputError, match=r"extractor.model: expected one of convnext_chunky"):
        load_card(edited("extractor", {"model": "convnext_base"}))


def test_unreadable_files_are_refused_by_name(tmp_path: Path) -> None:
    binary = tmp_path / "card.yaml"
    binary.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(BadInputError, match=r"card.yaml: not readable as text"):
        load_card(binary)
    binary.write_text("args: [1\nextractor: {", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"card.yaml: not valid YAML"):
        load_card(binary)
    binary.write_text("just words", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"card.yaml: expected a mapping .* found str"):
        load_card(binary)


def test_a_card_cannot_make_objects(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    command = (
        f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{witness}]]"
    )
    with pytest.raises(BadInputError, match="not valid YAML"):
        load_card(f"args: {command}\nextractor: {{}}\n")
    assert not witness.exists()


def test_an_unknown_name_gets_the_choices_and_the_nearest_one() -> None:
    with pytest.raises(
        UsageError, match=r"neither a card file nor one of chunkyseal, .*"
    ) as caught:
        load_card("chunky_seal")
    assert str(caught.value).endswith("did you mean chunkyseal?")
    with pytest.raises(UsageError) as caught:
        load_card("qqqq.yaml")
    assert "did you mean" not in str(caught.value)


def test_reading_a_card_does_not_wait_for_torch() -> None:
    read = "import sys, networks.cards; networks.cards.load_card('chunkyseal')"
    code = f"{read}; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
