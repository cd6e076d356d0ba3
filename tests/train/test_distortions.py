import io

import numpy as np
import pytest
import torch
from PIL import Image

from train.distortions import DISTORTIONS, Distortion, distorted, jpeg, resized, rounded

BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}


@pytest.fixture
def pictures() -> torch.Tensor:
    """Smooth colour, (4, 3, 32, 32), far from black and white."""
    source = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 6, 6, generator=source)
    smooth = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic", align_corners=False)
    return (0.3 + 0.4 * smooth).clamp(0.2, 0.8)


@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda distortion: distortion.name)
def test_each_keeps_the_size_lets_gradients_pass_and_does_more_when_harder(
    distortion: Distortion, pictures: torch.Tensor
) -> None:
    changes = []
    for hard in (0.0, 0.5, 1.0):
        torch.manual_seed(3)
        given = pictures.clone().requires_grad_()
        harmed = distortion.apply(given, hard)
        assert harmed.shape == pictures.shape
        torch.autograd.backward(harmed.sum())
        assert given.grad is not None
        assert given.grad.abs().sum() > 0
        changes.append(float((harmed - pictures).abs().mean().detach()))
    if distortion.name == "nothing":
        assert changes == [0.0, 0.0, 0.0]
    else:
        assert changes[2] > 1e-3


def test_jpeg_is_what_pillow_makes_of_it(pictures: torch.Tensor) -> None:
    pixels = (pictures * 255).round().to(torch.uint8)
    harmed = jpeg(pixels / 255, 50)
    stream = io.BytesIO()
    Image.fromarray(pixels[1].permute(1, 2, 0).numpy()).save(stream, format="JPEG", quality=50)
    expected = np.asarray(Image.open(stream))
    assert np.array_equal((harmed[1] * 255).round().permute(1, 2, 0).numpy(), expected)


def test_jpegs_gradient_is_that_of_a_picture_left_alone(pictures: torch.Tensor) -> None:
    given = pictures.clone().requires_grad_()
    weights = torch.rand_like(pictures)
    torch.autograd.backward((jpeg(given, 40) * weights).sum())
    assert given.grad is not None
    assert torch.equal(given.grad, weights)


def test_resizing_is_the_detectors_own(pictures: torch.Tensor) -> None:
    from wrappers.detector_graph import resize_as_public

    assert torch.equal(resized(pictures, 20), resize_as_public(pictures, (20, 20)))


def test_a_crop_shows_a_part_enlarged() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    cropped = BY_NAME["crop"].apply(ramp, 1.0)
    assert float(cropped.max() - cropped.min()) == pytest.approx(0.88, abs=0.05)


def test_brightness_and_contrast_reach_both_ways() -> None:
    grey = torch.full((1, 3, 8, 8), 0.5)
    grey[..., :4] = 0.3
    darker, lighter = (BY_NAME["brightness"].apply(grey, hard) for hard in (0.0, 1.0))
    assert torch.allclose(darker, grey * 0.6)
    assert torch.allclose(lighter, grey * 1.4)
    flatter, steeper = (BY_NAME["contrast"].apply(grey, hard) for hard in (0.0, 1.0))
    for harmed, spread in ((flatter, 0.12), (steeper, 0.28)):
        assert float(harmed.max() - harmed.min()) == pytest.approx(spread)
        assert float(harmed.mean()) == pytest.approx(0.4)


def test_a_batch_gets_several_distortions_and_ends_as_bytes(pictures: torch.Tensor) -> None:
    many = pictures.repeat(8, 1, 1, 1)
    torch.manual_seed(0)
    harmed = distorted(many, groups=8)
    assert harmed.shape == many.shape
    assert torch.allclose(harmed * 255, (harmed * 255).round(), atol=1e-3)
    assert float(harmed.min()) >= 0
    assert float(harmed.max()) <= 1
    groups = torch.split(harmed, 4)
    changes = {round(float((group - pictures).abs().mean()), 6) for group in groups}
    assert len(changes) > 4
    torch.manual_seed(0)
    assert torch.equal(distorted(many, groups=8), harmed)


def test_more_groups_than_pictures_are_one_each(pictures: torch.Tensor) -> None:
    assert distorted(pictures, groups=99).shape == pictures.shape


def test_rounding_lets_gradients_pass(pictures: torch.Tensor) -> None:
    given = pictures.clone().requires_grad_()
    torch.autograd.backward(rounded(given).sum())
    assert given.grad is not None
    assert torch.equal(given.grad, torch.ones_like(given))
