"""Generated images side by side."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from networks.gan import Generator
from train.images import to_pixels
from train.samples import sample_grid, write_grid


def test_images_stand_in_rows_and_the_rest_is_white() -> None:
    generator = Generator(noise_dim=8, width=4).eval()
    latents = torch.randn(5, 8)
    grid = sample_grid(generator, latents, columns=3)
    with torch.no_grad():
        images = to_pixels(generator(latents))[:, 0].numpy()
    assert grid.shape == (256, 384)
    np.testing.assert_array_equal(grid[:128, 128:256], images[1])
    np.testing.assert_array_equal(grid[128:, :128], images[3])
    assert (grid[128:, 256:] == 255).all()


def test_sampling_leaves_the_generator_as_it_was() -> None:
    generator = Generator(noise_dim=8, width=4).train()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    sample_grid(generator, torch.randn(4, 8))
    assert generator.training
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())


def test_the_grid_is_written_as_png(tmp_path: Path) -> None:
    generator = Generator(noise_dim=8, width=4)
    latents = torch.randn(2, 8)
    path = tmp_path / "training_progress" / "epoch_001.png"
    write_grid(generator, latents, path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), sample_grid(generator, latents))
