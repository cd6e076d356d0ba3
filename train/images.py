"""Training images from a folder: pictures of any size and colour, as one tensor in grey."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chunkport.errors import BadInputError, UsageError
from networks.gan import IMAGE_SIZE
from train.held_out import held_out_indices
from train.image_folders import UNLABELLED, Classes, ImageFolder, find_images
from train.picture_files import open_picture

_AT_ONCE = 32  # pictures that a thread reads before it says so


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

    It is turned as its EXIF orientation says, and transparent parts become white. What is not
    square is fitted in whole, between strips of its background.

    Raises:
        BadInputError: the file is not an image, is damaged, or is too large to be one.
    """
    picture = open_picture(path, upright=True, shorter_side=2 * IMAGE_SIZE)
    try:
        gray = picture.convert("L")
        fitted = ImageOps.pad(
            gray, (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS, _background(gray)
        )
    except ValueError as error:
        size = "x".join(map(str, picture.size))
        raise BadInputError(
            f"{path}: a picture of {size} pixels, {picture.mode}, cannot be made one of "
            f"{IMAGE_SIZE}x{IMAGE_SIZE} in grey ({error}); remove or replace it"
        ) from error
    return np.asarray(fitted, dtype=np.uint8)


def _background(gray: Image.Image) -> int:
    """What is mostly in the corners: a fruit that fills its picture still leaves these free."""
    pixels = np.asarray(gray)
    rows, columns = (max(1, side // 16) for side in pixels.shape)
    ends = np.concatenate([pixels[:rows], pixels[-rows:]])
    return int(np.median(np.concatenate([ends[:, :columns], ends[:, -columns:]])))


def load_images(folder: Path, only: str | None = None) -> ImageSet:
    """All images of a folder to train on, or of the one class `only`, as `find_images` finds them.

    Raises:
        UsageError: there is no such folder or class, or no image in it.
        BadInputError: a file cannot be read; the message names it.
    """
    found = find_images(folder, only)
    return read_images(found.root, found.training)


def read_images(
    root: Path,
    classes: Classes,
    advance: Callable[[int], None] | None = None,
    on_bad_file: Callable[[BadInputError], None] | None = None,
) -> ImageSet:
    """Pictures of these classes, by as many threads as PyTorch has.

    `advance` is called with how many more were read. `on_bad_file` is called for each that cannot
    be read, which is then left out.

    Raises:
        BadInputError: a file cannot be read and there is no `on_bad_file`, or none of a class can.
    """
    names = [name for paths in classes.values() for name in paths]
    labels = [label for label, paths in enumerate(classes.values()) for _ in paths]
    images = torch.empty((len(names), 1, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8)
    pixels = images.numpy()

    def read(start: int) -> dict[int, BadInputError]:
        bad = {}
        for index in range(start, min(start + _AT_ONCE, len(names))):
            try:
                pixels[index, 0] = read_image(root / names[index])
            except BadInputError as error:
                bad[index] = error
        return bad

    bad: dict[int, BadInputError] = {}
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        starts = range(0, len(names), _AT_ONCE)
        try:
            for start, worse in zip(starts, threads.map(read, starts), strict=True):
                bad |= worse
                for error in worse.values():
                    if on_bad_file is None:
                        raise error
                    on_bad_file(error)
                if advance is not None:
                    advance(min(_AT_ONCE, len(names) - start))
        finally:
            threads.shutdown(cancel_futures=True)
    good = [index for index in range(len(names)) if index not in bad]
    there = {labels[index] for index in good}
    for label, name in enumerate(classes):
        if label not in there:
            raise BadInputError(f"{root}: none of the pictures of {name} can be read; replace them")
    for place, index in enumerate(good[: len(good) if bad else 0]):
        pixels[place] = pixels[index]
    return ImageSet(
        images=images[: len(good)],
        labels=torch.tensor([labels[index] for index in good]),
        classes=tuple(classes),
        names=tuple(names[index] for index in good),
    )


def read_both_halves(
    found: ImageFolder,
    share: float,
    advance: Callable[[int], None] | None = None,
    on_bad_file: Callable[[BadInputError], None] | None = None,
) -> tuple[ImageSet, ImageSet]:
    """The images to train on and those held out: the folder's own half, or about `share` of each.

    Raises:
        UsageError: as `split_held_out`; or the folder has no classes, or its own half lacks one.
        BadInputError: as `read_images`.
    """
    if UNLABELLED in found.training:
        raise UsageError(
            f"{found.root}: its pictures stand in no folders of their kinds; put them into some, "
            "as Apple/1.jpg and Pear/1.jpg"
        )
    lacking = [name for name, paths in found.held_out.items() if not paths]
    if lacking:
        raise UsageError(
            f"{found.root}: the held-out half lacks pictures of {', '.join(lacking)}; add some, or "
            "name the folder of the training half alone, of which a part is then held out"
        )
    training = read_images(found.root, found.training, advance, on_bad_file)
    if not found.held_out:
        return split_held_out(training, share)
    return training, read_images(found.root, found.held_out, advance, on_bad_file)


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
