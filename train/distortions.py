"""What happens to marked pictures between the embedder and the detector, in training.

Each takes pictures (B, 3, S, S) in [0, 1] and a place in its range, from 0 to 1, mostly from the
mildest to the hardest, and gives pictures of the same size that gradients pass through. They are no
reference: what a mark survives is measured by verify's attacks, which share no code with these.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

_BLUR_REACH = 4  # pixels; more than twice the widest blur's sigma


@dataclass(frozen=True)
class Distortion:
    """One kind of harm, and how often it is drawn relative to the others."""

    name: str
    apply: Callable[[torch.Tensor, float], torch.Tensor]
    share: int


def resized(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 3, H, W) -> (B, 3, size, size), as detectors resize what they look at."""
    if tuple(pictures.shape[2:]) == (size, size):
        return pictures
    return functional.interpolate(
        pictures, (size, size), mode="bilinear", align_corners=False, antialias=True
    )


def straight_through(exact: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """The values of `exact` with the gradient of `pictures`, for steps that have none."""
    return pictures + (exact - pictures).detach()


def rounded(pictures: torch.Tensor) -> torch.Tensor:
    """Rounded to bytes, as every picture that is stored; gradients pass as if it were not."""
    return straight_through((pictures * 255).round() / 255, pictures)


def jpeg(pictures: torch.Tensor, quality: int) -> torch.Tensor:
    """Through Pillow's JPEG and back; gradients pass as if it changed nothing."""
    pixels = (pictures.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    decoded = []
    for picture in pixels.permute(0, 2, 3, 1).cpu().numpy():
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, format="JPEG", quality=quality)
        with Image.open(stream) as image:
            decoded.append(np.asarray(image))
    stored = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).to(pictures)
    return straight_through(stored / 255, pictures)


def _nothing(pictures: torch.Tensor, _hard: float) -> torch.Tensor:
    return pictures


def _jpeg(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """Qualities from 95 down to 45."""
    return jpeg(pictures, round(95 - 50 * hard))


def _resize(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """To 1.6 down to 0.45 times the size, and back."""
    size = pictures.shape[-1]
    return resized(resized(pictures, round(size * (1.6 - 1.15 * hard))), size)


def _crop(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """A square of 100 down to 88 % of the sides, anywhere, enlarged again."""
    size = pictures.shape[-1]
    side = round(size * (1 - 0.12 * hard))
    top, left = (int(torch.randint(size - side + 1, ())) for _ in range(2))
    return resized(pictures[:, :, top : top + side, left : left + side], size)


def _rotate(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """Up to 4 degrees to either side; what turns in from outside repeats the border."""
    angle = (4 * hard if torch.rand(()) < 0.5 else -4 * hard) * torch.pi / 180  # noqa: PLR2004 - either side as often
    turn = torch.tensor([angle]).cos().item(), torch.tensor([angle]).sin().item()
    matrix = pictures.new_tensor([[turn[0], -turn[1], 0], [turn[1], turn[0], 0]])
    grid = functional.affine_grid(
        matrix.expand(len(pictures), 2, 3), list(pictures.shape), align_corners=False
    )
    return functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def _blur(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """A Gaussian of sigma 0.3 up to 1.6 pixels."""
    sigma = 0.3 + 1.3 * hard
    places = torch.arange(-_BLUR_REACH, _BLUR_REACH + 1, device=pictures.device)
    bell = torch.exp(-(places.to(pictures.dtype) ** 2) / (2 * sigma**2))
    bell = (bell / bell.sum()).expand(3, 1, 1, -1)
    wide = functional.pad(pictures, (_BLUR_REACH,) * 4, mode="reflect")
    across = functional.conv2d(wide, bell, groups=3)
    return functional.conv2d(across, bell.transpose(2, 3), groups=3)


def _noise(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """Gaussian, up to 5 % of the range."""
    return pictures + 0.05 * hard * torch.randn_like(pictures)


def _brightness(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """0.6 to 1.4 times as bright; half way it changes nothing."""
    return pictures * (0.6 + 0.8 * hard)


def _contrast(pictures: torch.Tensor, hard: float) -> torch.Tensor:
    """0.6 to 1.4 times the contrast around each picture's mean; half way it changes nothing."""
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (pictures - mean) * (0.6 + 0.8 * hard)


DISTORTIONS = (
    Distortion("nothing", _nothing, 1),
    Distortion("jpeg", _jpeg, 3),
    Distortion("resize", _resize, 2),
    Distortion("crop", _crop, 2),
    Distortion("rotate", _rotate, 1),
    Distortion("blur", _blur, 1),
    Distortion("noise", _noise, 1),
    Distortion("brightness", _brightness, 1),
    Distortion("contrast", _contrast, 1),
)


def distorted(pictures: torch.Tensor, groups: int, hardest: float = 1.0) -> torch.Tensor:
    """The batch in so many groups, each under a distortion drawn for it, rounded to bytes.

    The place in its range is drawn too, up to `hardest`. Numbers are drawn from PyTorch's own
    generator.
    """
    shares = torch.tensor([float(distortion.share) for distortion in DISTORTIONS])
    groups = min(groups, len(pictures))
    harmed = []
    for group in pictures.chunk(groups):
        distortion = DISTORTIONS[int(torch.multinomial(shares, 1))]
        harmed.append(distortion.apply(group, hardest * float(torch.rand(()))))
    return rounded(torch.cat(harmed).clamp(0, 1))
