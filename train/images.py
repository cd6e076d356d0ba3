"""Training images from a folder: one subfolder per class, any size and colour, as one tensor."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError
from networks.gan import IMAGE_SIZE
from train.held_out import held_out_indices
from train.picture_files import open_picture

_ENDINGS = {".png", ".jpg", ".jpeg"}
_REMEDY = "draw some with train-gan --profile demo, or name another folder with --data-dir"


@dataclass(frozen=True)
class ImageSet:
    """Grayscale images (N, 1, 128, 128) uint8 with a label each, (N,) int64, into `classes`.

    `names` are their paths within the folder. A run that trains on it gets batches of images and
    labels.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.images.device

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[chosen], self.labels[chosen]

    def to(self, device: str, /) -> "ImageSet":
        """The same on another device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def subset(self, indices: list[int]) -> "ImageSet":
        """Those at these places, of the same classes."""
        names = tuple(self.names[index] for index in indices)
        images, labels = self[torch.tensor(indices)]
        return replace(self, images=images, labels=labels, names=names)


def to_unit_range(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 from 0 to 255 -> float32 from -1 to 1, the range that the networks work in."""
    return pixels.to(torch.float32) / 127.5 - 1


def to_pixels(images: torch.Tensor) -> torch.Tensor:
    """Float from -1 to 1 -> uint8 from 0 to 255, rounded."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def read_image(path: Path) -> NDArray[np.uint8]:
    """One image of any size and colour as its luminance (ITU-R 601), (128, 128) uint8.

    Transparent parts become white.

    Raises:
        BadInputError: the file is not an image, is damaged, or is too large to be one.
    """
    gray = open_picture(path).convert("L")
    if gray.size != (IMAGE_SIZE, IMAGE_SIZE):
        gray = gray.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(gray, dtype=np.uint8)


def load_images(folder: Path, only: str | None = None) -> ImageSet:
    """All PNG and JPEG files of `folder/CLASS/`, or of the one class `only`, in sorted order.

    Raises:
        UsageError: there is no such folder or class, or no image in it.
        BadInputError: a file cannot be read; the message names it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; {_REMEDY}")
    paths_by_class = {
        entry.name: sorted(path for path in entry.iterdir() if path.suffix.lower() in _ENDINGS)
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    paths_by_class = {name: paths for name, paths in paths_by_class.items() if paths}
    if not paths_by_class:
        raise UsageError(f"{folder}: no images in any subfolder of it; {_REMEDY}")
    if only is not None:
        if only not in paths_by_class:
            meant, known = did_you_mean(only, paths_by_class), ", ".join(paths_by_class)
            raise UsageError(f"{folder}: no images of class {only}.{meant} Choose one of {known}")
        paths_by_class = {only: paths_by_class[only]}
    pixels = [read_image(path) for paths in paths_by_class.values() for path in paths]
    labels = [label for label, paths in enumerate(paths_by_class.values()) for _ in paths]
    return ImageSet(
        images=torch.from_numpy(np.stack(pixels)).unsqueeze(1),
        labels=torch.tensor(labels),
        classes=tuple(paths_by_class),
        names=tuple(
            f"{name}/{path.name}" for name, paths in paths_by_class.items() for path in paths
        ),
    )


def split_held_out(loaded: ImageSet, share: float) -> tuple[ImageSet, ImageSet]:
    """The images to train on and those held out, about `share` of each class.

    Raises:
        UsageError: as `held_out_indices`, for a class that has one image alone.
    """
    training: list[int] = []
    held_out: list[int] = []
    for label, name in enumerate(loaded.classes):
        places = (loaded.labels == label).nonzero()[:, 0].tolist()
        try:
            sides = held_out_indices([loaded.names[place] for place in places], share)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from error
        for side, chosen in zip((training, held_out), sides, strict=True):
            side += [places[index] for index in chosen]
    return loaded.subset(training), loaded.subset(held_out)
