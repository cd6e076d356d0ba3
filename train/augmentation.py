"""What a discriminator sees of an image, changed at random so that it cannot learn it by heart.

DiffAugment (Zhao et al. 2020): real images and generated ones are changed alike, and in ways that
gradients pass through, so that the generator does not learn to draw the changes. Of its colours
grayscale has brightness and contrast. Strengths are the published ones.
"""

from collections.abc import Callable, Sequence

import torch

_SHIFT = 1 / 8  # of the size, at most
_CUT = 1 / 2  # of the size
_BRIGHTER = 0.5  # of half the range, at most
_CONTRAST = (0.5, 1.5)


def _shifted(images: torch.Tensor, axis: int) -> torch.Tensor:
    """Each image moved along an axis; what comes in is 0, the middle of the range."""
    size = images.shape[axis]
    most = round(_SHIFT * size)
    shifts = torch.randint(-most, most + 1, (len(images), 1), device=images.device)
    source = torch.arange(size, device=images.device) - shifts
    shape = [len(images), 1, 1, 1]
    shape[axis] = size
    inside = ((source >= 0) & (source < size)).view(shape)
    index = source.clamp(0, size - 1).view(shape).expand_as(images)
    return images.gather(axis, index) * inside


def _translated(images: torch.Tensor) -> torch.Tensor:
    return _shifted(_shifted(images, 2), 3)


def _with_cutout(images: torch.Tensor) -> torch.Tensor:
    """A square of each, anywhere and partly outside, becomes 0."""
    sides = []
    for size in images.shape[2:]:
        length = round(_CUT * size)
        first = torch.randint(0, size + 1, (len(images), 1), device=images.device) - length // 2
        place = torch.arange(size, device=images.device)
        sides.append((place >= first) & (place < first + length))
    rows, columns = sides
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _one_each(images: torch.Tensor, lowest: float, highest: float) -> torch.Tensor:
    drawn = torch.rand(len(images), 1, 1, 1, device=images.device, dtype=images.dtype)
    return lowest + (highest - lowest) * drawn


def _brightened(images: torch.Tensor) -> torch.Tensor:
    return images + _one_each(images, -_BRIGHTER, _BRIGHTER)


def _with_contrast(images: torch.Tensor) -> torch.Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _one_each(images, *_CONTRAST)


AUGMENTATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "brightness": _brightened,
    "contrast": _with_contrast,
    "translation": _translated,
    "cutout": _with_cutout,
}
"""By name, in the order in which they are applied."""


def augmented(images: torch.Tensor, kinds: Sequence[str]) -> torch.Tensor:
    """Images (B, 1, H, W) in [-1, 1], each changed by all these kinds, by draws of its own.

    Draws from PyTorch's global random numbers; without any kind it draws none.
    """
    for kind, change in AUGMENTATIONS.items():
        if kind in kinds:
            images = change(images)
    return images
