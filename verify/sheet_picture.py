"""A contact sheet as one PNG, for a folder and not for a page."""

import base64
import io
import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from chunkport.files import make_folder, replacing
from verify.report.contact_sheet import Cell, ContactSheet
from verify.report.pictures import Picture

_GAP = 8  # pixels between pictures
_HEADING = 22  # one line above the columns
_CAPTION = 18  # one line below a picture
_FONT_SIZE = 12
_SMALLEST = 128  # pixels across, for the captions to have room
_INK, _WORST_INK = "#222222", "#b00020"


def write_sheet(sheet: ContactSheet, target: Path) -> None:
    """Write the network's pictures, each file's and the amplified differences, row by row.

    The worst of a file has its PSNR in red. The folder is made if it is missing, and a picture
    that is there is replaced.

    Raises:
        ValueError: the sheet has no rows.
        UsageError: the folder is not writable.
    """
    if not sheet.rows:
        raise ValueError(f"the sheet of {sheet.model} has no pictures: {sheet.reason}")
    first = sheet.rows[0].reference
    scale = max(1, math.ceil(_SMALLEST / first.width))
    across, down = first.width * scale, first.height * scale
    columns = 1 + 2 * len(sheet.columns)
    size = (
        columns * (across + _GAP) + _GAP,
        _HEADING + len(sheet.rows) * (down + _CAPTION + _GAP),
    )
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(_FONT_SIZE)

    def place(column: int, top: int, picture: Picture, caption: str, ink: str = _INK) -> None:
        left = _GAP + column * (across + _GAP)
        page.paste(_decoded(picture).resize((across, down), Image.Resampling.NEAREST), (left, top))
        draw.text((left, top + down + 2), caption, ink, font)

    draw.text((_GAP, 2), "PyTorch", _INK, font)
    for index, column in enumerate(sheet.columns):
        left = _GAP + (1 + 2 * index) * (across + _GAP)
        draw.text((left, 2), column.precision, _INK, font)
        draw.text((left + across + _GAP, 2), f"difference x {column.amplification:,}", _INK, font)
    for number, row in enumerate(sheet.rows):
        top = _HEADING + number * (down + _CAPTION + _GAP)
        place(0, top, row.reference, f"sample {row.sample}")
        for index, cell in enumerate(row.cells):
            ink = _WORST_INK if cell.worst else _INK
            place(1 + 2 * index, top, cell.picture, _said(cell), ink)
            place(2 + 2 * index, top, cell.difference, "")
    make_folder(target.parent)
    with replacing(target) as temporary:
        page.save(temporary, format="PNG")


def _said(cell: Cell) -> str:
    if math.isnan(cell.psnr_db):
        return "not finite"
    text = "equal" if math.isinf(cell.psnr_db) else f"{cell.psnr_db:.1f} dB"
    return f"{text}, its worst" if cell.worst else text


def _decoded(picture: Picture) -> Image.Image:
    data = base64.b64decode(picture.uri.partition(",")[2])
    return Image.open(io.BytesIO(data)).convert("RGB")
