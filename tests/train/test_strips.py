from pathlib import Path

import numpy as np
import torch
from PIL import Image

from networks.embedder import Embedder
from networks.embedder_card import EmbedderCard
from train.strips import write_strips
from train.watermark_evaluation import HeldOut

CARD = EmbedderCard(nbits=4, image_size=32, channels=8, depth=1, tile=4, psnr_db=30.0)


def test_rows_show_original_marked_and_ten_times_the_difference(tmp_path: Path) -> None:
    torch.manual_seed(0)
    embedder = Embedder(CARD)
    pictures = torch.randint(100, 150, (3, 3, 32, 32), dtype=torch.uint8)
    messages = torch.randint(0, 2, (3, 4)).float()
    write_strips(embedder, HeldOut(pictures, messages), tmp_path / "new" / "strips.png")

    sheet = np.asarray(Image.open(tmp_path / "new" / "strips.png")).astype(int)
    step = 36
    assert sheet.shape == (2 * step - 4, 6 * step - 4, 3)
    for index, (row, half) in enumerate(((0, 0), (0, 1), (1, 0))):
        shown = [sheet[row * step :, (3 * half + place) * step :][:32, :32] for place in range(3)]
        assert np.array_equal(shown[0], pictures[index].permute(1, 2, 0).numpy())
        change = shown[1] - shown[0]
        assert 4 < np.sqrt(np.mean(change**2)) < 12  # 30 dB are 8 of 255
        assert np.allclose(shown[2], np.clip(127.5 + 10.0 * change, 0, 255), atol=1)
    assert (sheet[step:, 3 * step :] == 255).all()


def test_the_embedder_may_be_in_training(tmp_path: Path) -> None:
    embedder = Embedder(CARD).train()
    held = HeldOut(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.zeros(1, 4))
    write_strips(embedder, held, tmp_path / "strips.png")
    assert (tmp_path / "strips.png").is_file()
