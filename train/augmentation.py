"""What a discriminator sees of an image, changed at random so that it cannot learn it by heart.

DiffAugment (Zhao et al. 2020): real images and generated ones are changed alike, and in ways that
gradients pass through, so that the generator does not learn to draw the changes. Of its colours
grayscale has brightness and contrast. Strengths are the published ones.
"""

from collections.abc import Callable, Sequence

import torch

from train.processes import ALONE, Processes

_SHIFT = 1 / 8  # of the size, at most
_CUT = 1 / 2  # of the size
_BRIGHTER = 0.5  # of half the range, at most
_CONTRAST = (0.5, 1.5)


def _whole_numbers(images: torch.Tensor, processes: Processes, highest: int) -> torch.Tensor:
    """One of 0 to `highest` for each image, (B, 1)."""
    return processes.drawn(
        len(images), lambda rows: torch.randint(highest + 1, (rows, 1), device=images.device)
    )


def _shifted(images: torch.Tensor, processes: Processes, axis: int) -> torch.Tensor:
    """Each image moved along an axis; what comes in is 0, the middle of the range."""
    size = images.shape[axis]
    most = round(_SHIFT * size)
    shifts = _whole_numbers(images, processes, 2 * most) - most
    source = torch.arange(size, device=images.device) - shifts
    shape = [len(images), 1, 1, 1]
    shape[axis] = size
    inside = ((source >= 0) & (source < size)).view(shape)
    index = source.clamp(0, size - 1).view(shape).expand_as(images)
    return images.gather(axis, index) * inside


def _translated(images: torch.Tensor, processes: Processes) -> torch.Tensor:
    return _shifted(_shifted(images, processes, 2), processes, 3)


def _with_cutout(images: torch.Tensor, processes: Processes) -> torch.Tensor:
    """A square of each, anywhere and partly outside, becomes 0."""
    sides = []
    for size in images.shape[2:]:
        length = round(_CUT * size)
        first = _whole_numbers(images, processes, size) - length // 2
        place = torch.arange(size, device=images.device)
        sides.append((place >= first) & (place < first + length))
    rows, columns = sides
    return images * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _one_each(
    images: torch.Tensor, processes: Processes, lowest: float, highest: float
) -> torch.Tensor:
    drawn = processes.drawn(
        len(images),
        lambda rows: torch.rand(rows, 1, 1, 1, device=images.device, dtype=images.dtype),
    )
    return lowest + (highest - lowest) * drawn


def _brightened(images: torch.Tensor, processes: Processes) -> torch.Tensor:
    return images + _one_each(images, processes, -_BRIGHTER, _BRIGHTER)


def _with_contrast(images: torch.Tensor, processes: Processes) -> torch.Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * _one_each(images, processes, *_CONTRAST)


AUGMENTATIONS: dict[str, Callable[[torch.Tensor, Processes], torch.Tensor]] = {
    "brightness": _brightened,
    "contrast": _with_contrast,
    "translation": _translated,
    "cutout": _with_cutout,
}
"""By name, in the order in which they are applied."""


def augmented(
    images: torch.Tensor, kinds: Sequence[str], processes: Processes = ALONE
) -> torch.Tensor:
    """Images (B, 1, H, W) in [-1, 1], each changed by all these kinds, by draws of its own.

    Draws from PyTorch's global random numbers, for the whole batch where `images` are a process's
    share of one; without any kind it draws none.
    """
    for kind, change in AUGMENTATIONS.items():
        if kind in kinds:
            images = change(images, processes)
    return images
