"""Pictures of a generator are those of its network, whatever it comes in; the seed decides them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints import save_model_chunked
from chunkport.errors import BadInputError
from convert.card import read_card, stamp
from networks.gan import Generator
from verify.generated_pictures import generate_pictures, untrained_pictures

Make = Callable[..., Generator]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, make_generator: Make) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.pth"
    generator = make_generator(seed=0, width=2, noise_dim=8)
    return save_model_chunked(generator.state_dict(), path, announce=lambda _message: None).path


def test_they_are_what_the_network_draws_in_whole_levels(tiny: Path, make_generator: Make) -> None:
    counted: list[int] = []
    found = generate_pictures(tiny, 40, 3, counted.append)
    assert (found.shape, found.dtype.name, sum(counted)) == ((40, 1, 128, 128), "uint8", 40)
    latents = torch.from_numpy(np.random.default_rng(3).standard_normal((40, 8), dtype=np.float32))
    with torch.inference_mode():
        images = make_generator(seed=0, width=2, noise_dim=8)(latents).numpy()
    assert np.abs(found - (images.astype(np.float64) + 1) * 127.5).max() < 0.501


def test_the_seed_decides_them_and_fewer_are_the_first_of_more(tiny: Path) -> None:
    found = generate_pictures(tiny, 5, 0)
    assert np.array_equal(found, generate_pictures(tiny, 5, 0))
    assert not np.array_equal(found, generate_pictures(tiny, 5, 1))
    fewer = generate_pictures(tiny, 3, 0).astype(int)
    assert np.abs(fewer - found[:3]).max() <= 1  # sums of other batches may round otherwise


def test_an_inference_folder_is_its_weights(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "full_model.pth").write_bytes(tiny.read_bytes())
    assert np.array_equal(generate_pictures(tmp_path, 3, 0), generate_pictures(tiny, 3, 0))


def test_an_untrained_generator_is_not_the_trained_one_and_the_seed_decides_it(tiny: Path) -> None:
    before = torch.get_rng_state()
    found = untrained_pictures(tiny, 4, 0)
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(found, untrained_pictures(tiny, 4, 0))
    assert not np.array_equal(found, untrained_pictures(tiny, 4, 1))
    assert len(untrained_pictures(tiny, 1, 10**30)) == 1
    trained = generate_pictures(tiny, 4, 0)
    assert found.shape == trained.shape
    assert found.std() < trained.std()


def test_what_draws_no_pictures_is_named(tinyseal_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="generator_state_dict"):
        generate_pictures(tinyseal_checkpoint, 1, 0)
    with pytest.raises(BadInputError, match=r"absent\.tflite: there is no such file"):
        generate_pictures(tmp_path / "absent.tflite", 1, 0)


@pytest.mark.integration
def test_files_draw_from_the_same_latents(
    generator_checkpoint: Path, generator_tflites: dict[str, Path]
) -> None:
    expected = generate_pictures(generator_checkpoint, 4, 5).astype(float)
    others = generate_pictures(generator_checkpoint, 4, 6)
    for precision, part in (("fp32", 0.01), ("int8-dynamic", 0.5)):
        drawn = generate_pictures(generator_tflites[precision], 4, 5)
        assert np.abs(drawn - expected).mean() < part * np.abs(others - expected).mean()


@pytest.mark.integration
def test_a_file_that_is_no_generator_by_its_card_is_refused(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    card = read_card(generator_tflites["fp32"])
    assert card is not None
    other = tmp_path / "other.tflite"
    stamp(generator_tflites["fp32"], other, replace(card, model="tinyseal"))
    with pytest.raises(BadInputError, match="is of model 'tinyseal', which draws no pictures"):
        generate_pictures(other, 1, 0)
