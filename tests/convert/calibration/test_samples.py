"""Samples come from a folder or are drawn; what fits no input is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import BadInputError, UsageError
from convert.calibration.samples import CalibrationChoice, find_samples
from networks.gan import Generator
from wrappers.gan_generator import SPEC, contract
from wrappers.registry import find_spec
from wrappers.spec import Contract, TensorSpec

_SHAPES = {"latent": (1, 4)}
_CONTRACT = contract(Generator(noise_dim=4, width=8))


def test_samples_are_drawn_by_seed() -> None:
    choices = [CalibrationChoice(samples=3, seed=seed) for seed in (1, 1, 2)]
    one, same, other = (find_samples(choice, _SHAPES, SPEC, _CONTRACT) for choice in choices)
    drawn = [[item["latent"] for item in samples.read()] for samples in (one, same, other)]
    assert (one.source, one.count, one.seed) == ("drawn", 3, 1)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_arrays_are_read_alone_or_by_name_with_and_without_their_first_axis(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(4, dtype=np.float64))
    np.savez(tmp_path / "b.npz", latent=np.ones((1, 4), np.int64))
    samples = find_samples(CalibrationChoice(tmp_path), _SHAPES)
    assert (samples.source, samples.count, samples.folder) == ("arrays", 2, tmp_path.name)
    first, second = (item["latent"] for item in samples.read())
    np.testing.assert_array_equal(first, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(second, [[1, 1, 1, 1]])
    assert first.dtype == second.dtype == np.float32
    assert find_samples(CalibrationChoice(tmp_path, samples=1), _SHAPES).count == 1


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"other": np.zeros((1, 4))}, "holds other; expected an array for each input: latent"),
        ({"latent": np.zeros((2, 4))}, r"float64 \(2, 4\); expected float32 \(1, 4\)"),
        ({"latent": np.array([["a"] * 4])}, r"<U1 \(1, 4\); expected float32"),
        ({"latent": np.array([[0, 1, np.nan, 2]])}, "values that are not finite"),
    ],
)
def test_arrays_that_fit_no_input_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], told: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]  # numpy's own stub
    samples = find_samples(CalibrationChoice(tmp_path), _SHAPES)
    with pytest.raises(BadInputError, match=told):
        list(samples.read())


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04 cut"])
def test_files_that_are_no_arrays_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BadInputError, match=r"a\.npz: is no array file"):
        list(find_samples(CalibrationChoice(tmp_path), _SHAPES).read())


def test_one_array_is_not_enough_for_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 4)))
    samples = find_samples(CalibrationChoice(tmp_path), {**_SHAPES, "label": (1, 2)})
    with pytest.raises(BadInputError, match=r"has 2 inputs; give \.npz files with label, latent"):
        list(samples.read())


def test_pictures_are_read_as_the_model_sees_them(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "red.png")
    spec = find_spec("tinyseal")
    image = TensorSpec("image", (1, 3, 16, 16), "nchw", "[0, 1]", "a picture")
    built = Contract((image,), ())
    samples = find_samples(CalibrationChoice(tmp_path), {"image": image.shape}, spec, built)
    assert samples.source == "pictures"
    (red,) = samples.read()
    np.testing.assert_allclose(red["image"][0, :, 8, 8], [1, 0, 0])


def test_what_nobody_can_read_or_draw_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(
        UsageError,
        match=r"holds no \.npy or \.npz file, and model 'gan-generator' takes no pictures",
    ):
        find_samples(CalibrationChoice(tmp_path), _SHAPES, SPEC, _CONTRACT)
    with pytest.raises(UsageError, match="of unknown origin takes no pictures"):
        find_samples(CalibrationChoice(tmp_path), _SHAPES)
    with pytest.raises(UsageError, match="nobody can draw samples"):
        find_samples(CalibrationChoice(), _SHAPES)
    with pytest.raises(UsageError, match="is no folder"):
        find_samples(CalibrationChoice(tmp_path / "absent"), _SHAPES)
