"""Original, marked and the difference between them, side by side for the eye."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from chunkport.files import make_folder, replacing
from networks.embedder import Embedder
from train.watermark_evaluation import HeldOut, mark

_SHOWN = 8
_GAIN = 10  # by which the difference is enlarged; grey is none
_GAP = 4  # white pixels between pictures


def write_strips(embedder: Embedder, held: HeldOut, path: Path) -> None:
    """Write rows of original, marked and ten times the difference around grey, as a PNG.

    Its folder is made if it is missing.
    """
    device = next(embedder.parameters()).device
    pictures = held.pictures[:_SHOWN].to(device, torch.float32) / 255
    with torch.inference_mode():
        marked = mark(embedder.eval(), pictures, held.messages[:_SHOWN].to(device))
    difference = (0.5 + _GAIN * (marked - pictures)).clamp(0, 1)
    columns = [
        (column * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        for column in (pictures, marked, difference)
    ]
    count, side = columns[0].shape[:2]
    step = side + _GAP
    # Two strips of three pictures to a row.
    rows = -(-count // 2)
    sheet = np.full((rows * step - _GAP, 6 * step - _GAP, 3), 255, dtype=np.uint8)
    for index in range(count):
        row, half = divmod(index, 2)
        for place, column in enumerate(columns):
            top, left = row * step, (3 * half + place) * step
            sheet[top : top + side, left : left + side] = column[index]
    make_folder(path.parent)
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
