"""Generated images side by side in one picture."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from chunkport.files import make_folder, replacing
from chunkport.picture_grid import picture_grid
from networks.gan import Generator
from train.images import to_pixels


def sample_grid(generator: Generator, latents: torch.Tensor, columns: int = 8) -> NDArray[np.uint8]:
    """Images of `latents` (N, noise_dim) in rows of `columns`, as (H, W) uint8.

    The generator runs as it ships, on its running statistics, and is left in its former mode.
    """
    was_training = generator.training
    generator.eval()
    with torch.no_grad():
        images = to_pixels(generator(latents)).cpu().numpy()[:, 0]
    generator.train(was_training)
    return picture_grid(images, columns)


def write_grid(generator: Generator, latents: torch.Tensor, path: Path) -> None:
    """Write `sample_grid` as a PNG; its folder is made if it is missing."""
    make_folder(path.parent)
    grid = sample_grid(generator, latents)
    with replacing(path) as temporary:
        Image.fromarray(grid).save(temporary, format="PNG")
