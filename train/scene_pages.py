"""Layers with writing: captions, printed pages, tables, charts and the windows of a screen."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from train.scene_textures import Picture, Rng, chance, log_uniform, palette
from train.scene_views import land, leaves

_GLYPHS = np.array(list("aaaabcddeeeeeefghhiiiiklllmnnnoooopqrrrsssttttuuvwxyz" * 3
                        + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;-()/&%$#@!?+=*"))  # fmt: skip
_SMALLEST = 6  # pixels; what is smaller is no writing any more

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]


@lru_cache(maxsize=64)
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(height)


def _height(rng: Rng, low: float, high: float) -> int:
    """A height of letters in pixels, in steps, so that fonts are loaded only once."""
    return int(max(_SMALLEST, 2 ** (round(4 * np.log2(log_uniform(rng, low, high))) / 4)))


def _words(rng: Rng, letters: int) -> str:
    """Random glyphs with a space after every few."""
    glyphs = rng.choice(_GLYPHS, max(1, letters))
    glyphs[rng.random(len(glyphs)) < 0.15] = " "  # noqa: PLR2004 - a share
    return "".join(glyphs.tolist())


def _colours(rng: Rng, count: int) -> list[Colour]:
    return [(int(r), int(g), int(b)) for r, g, b in palette(rng, count) * 255]


def _paper_and_ink(rng: Rng) -> tuple[Colour, Colour]:
    """Dark on light or light on dark, tinted or not, of strong contrast or of little."""
    tints = palette(rng, 2) if chance(rng, 0.5) else np.array([[1, 1, 1], [0, 0, 0]])
    light = 255 - rng.uniform(0, 50) * (1 - tints[0])
    dark = rng.uniform(0, 130) * tints[1]
    pair = [(int(r), int(g), int(b)) for r, g, b in (light, dark)]
    return (pair[1], pair[0]) if chance(rng, 0.35) else (pair[0], pair[1])


def _write_lines(draw: ImageDraw.ImageDraw, rng: Rng, box: Box, height: int, ink: Colour) -> None:
    """Fill a box with lines of writing, aligned left, centred or each as it falls."""
    left, top, right, bottom = box
    gap = height * rng.uniform(1.05, 1.8)
    ragged = rng.choice([0.0, 0.1, 0.6])
    for line in range(max(1, int((bottom - top) / gap))):
        width = (right - left) * (1 - ragged * rng.random())
        letters = min(int(width / (0.55 * height)), 60)
        draw.text((left, top + line * gap), _words(rng, letters), fill=ink, font=_font(height))


def _table(draw: ImageDraw.ImageDraw, rng: Rng, box: Box, ink: Colour, fill: Colour) -> None:
    """Rows and columns with lines between them and a figure in most cells."""
    left, top, right, bottom = box
    rows, columns = int(rng.integers(2, 7)), int(rng.integers(2, 5))
    across, down = (right - left) / columns, (bottom - top) / rows
    draw.rectangle((left, top, right, top + down), fill=fill)
    for row in range(rows + 1):
        draw.line((left, top + row * down, right, top + row * down), fill=ink)
    if chance(rng, 0.6):
        for column in range(columns + 1):
            draw.line((left + column * across, top, left + column * across, bottom), fill=ink)
    height = max(_SMALLEST, min(int(down * 0.6), 14))
    for row, column in np.ndindex(rows, columns):
        corner = (left + column * across + 2, top + row * down + 1)
        cell = _words(rng, int(across / height * rng.uniform(0.3, 1.5)))
        draw.text(corner, cell, fill=ink, font=_font(height))


def _chart(draw: ImageDraw.ImageDraw, rng: Rng, box: Box, ink: Colour) -> None:
    """Bars or curves above an axis."""
    left, top, right, bottom = box
    colours = _colours(rng, 4)
    draw.line((left, top, left, bottom, right, bottom), fill=ink)
    if chance(rng, 0.5):
        count = int(rng.integers(3, 14))
        step = (right - left) / count
        for bar, share in enumerate(rng.random(count).tolist()):
            x = left + bar * step
            y = bottom - share * (bottom - top)
            draw.rectangle((x + 1, y, max(x + 1, x + 0.8 * step), bottom), fill=colours[bar % 4])
        return
    for colour in colours[: rng.integers(1, 5)]:
        shares = np.clip(0.5 + np.cumsum(rng.normal(0, 0.1, 24)), 0, 1)
        heights = bottom - shares * (bottom - top)
        points = np.column_stack([np.linspace(left, right, 24), heights]).ravel().tolist()
        draw.line(points, fill=colour, width=int(rng.integers(1, 4)))


def _photo(canvas: Image.Image, rng: Rng, box: Box) -> None:
    """A small picture, square, in the upper left of a box."""
    left, top, right, bottom = box
    side = min(right - left, bottom - top)
    view = (land if chance(rng, 0.5) else leaves)(rng, side)
    canvas.paste(Image.fromarray((view.clip(0, 1) * 255).astype(np.uint8)), (left, top))


def _fill(canvas: Image.Image, rng: Rng, box: Box, paper: Colour, ink: Colour) -> None:
    """Put writing, a table, a chart or a photograph into a box."""
    left, top, right, bottom = box
    if right - left < 16 or bottom - top < 10:  # noqa: PLR2004 - too small for anything
        return
    draw = ImageDraw.Draw(canvas)
    if chance(rng, 0.5):
        _write_lines(draw, rng, box, _height(rng, 7, 16), ink)
    elif chance(rng, 0.3):
        middle = tuple((2 * p + i) // 3 for p, i in zip(paper, ink, strict=True))
        _table(draw, rng, box, ink, (middle[0], middle[1], middle[2]))
    elif chance(rng, 0.45):
        _chart(draw, rng, box, ink)
    else:
        _photo(canvas, rng, box)


def _as_picture(canvas: Image.Image) -> Picture:
    return np.asarray(canvas, dtype=np.float32) / 255


def writing(rng: Rng, size: int) -> Picture:
    """A page of nothing but writing, of any size, perhaps askew."""
    paper, ink = _paper_and_ink(rng)
    canvas = Image.new("RGB", (size, size), paper)
    height = _height(rng, 8, size / 3)
    margin = int(rng.integers(0, max(1, size // 10)))
    box = (margin, margin, size - margin, size)
    _write_lines(ImageDraw.Draw(canvas), rng, box, height, ink)
    if chance(rng, 0.3):
        askew = float(rng.normal(0, 12))
        canvas = canvas.rotate(askew, Image.Resampling.BILINEAR, fillcolor=paper)
    return _as_picture(canvas)


def page(rng: Rng, size: int) -> Picture:
    """A printed page: a heading, then blocks in one or two columns."""
    paper, ink = _paper_and_ink(rng)
    canvas = Image.new("RGB", (size, size), paper)
    draw = ImageDraw.Draw(canvas)
    margin = max(2, size // int(rng.integers(10, 40)))
    height = _height(rng, 11, max(12, size / 6))
    title = _words(rng, int(1.6 * size / height))
    draw.text((margin, margin), title, fill=_colours(rng, 1)[0], font=_font(height))
    top = margin + int(height * 1.5)
    columns, rows = int(rng.integers(1, 3)), int(rng.integers(1, 4))
    wide, tall = (size - margin) // columns, max(1, (size - top) // rows)
    for row, column in np.ndindex(rows, columns):
        left, upper = margin + column * wide, top + row * tall
        box = (left, upper, left + wide - margin, upper + tall - margin)
        _fill(canvas, rng, box, paper, ink)
    return _as_picture(canvas)


def screen(rng: Rng, size: int) -> Picture:
    """Windows over a background, with title bars, buttons and something in each."""
    canvas = Image.new("RGB", (size, size), _colours(rng, 1)[0])
    if chance(rng, 0.4):
        _photo(canvas, rng, (0, 0, size, size))
    for _ in range(rng.integers(1, 4)):
        paper, ink = _paper_and_ink(rng)
        bar, accent = _colours(rng, 2)
        left, top = (rng.uniform(-0.1, 0.5, 2) * size).astype(int).tolist()
        right, bottom = (np.array([left, top]) + rng.uniform(0.3, 1, 2) * size).astype(int).tolist()
        draw = ImageDraw.Draw(canvas)
        round_corner = int(rng.integers(0, 7))
        draw.rounded_rectangle((left, top, right, bottom), round_corner, fill=paper, outline=ink)
        thick = int(rng.integers(7, 18))
        draw.rectangle((left, top + round_corner, right, top + thick), fill=bar)
        name = _words(rng, (right - left) // 12)
        draw.text((left + 4, top), name, fill=ink, font=_font(max(_SMALLEST, thick - 4)))
        for button in range(3):
            x = right - 6 - button * thick * 0.7
            draw.circle((x, top + thick / 2), thick * 0.22, fill=accent)
        middle = left + int((right - left) * rng.uniform(0, 0.5))
        body = top + thick + 4
        _fill(canvas, rng, (left + 3, body, middle - 3, bottom - 4), paper, ink)
        _fill(canvas, rng, (middle + 3, body, right - 3, bottom - 4), paper, ink)
        draw = ImageDraw.Draw(canvas)
        button_box = (right - 34, bottom - 14, right - 4, bottom - 3)
        draw.rounded_rectangle(button_box, 3, fill=accent, outline=ink)
    return _as_picture(canvas)


def with_caption(picture: Picture, rng: Rng) -> Picture:
    """The picture with a word or a line across it somewhere, as on a poster or in a film."""
    size = len(picture)
    canvas = Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    height = _height(rng, 8, max(9, size / 3))
    words = _words(rng, int(rng.integers(2, 16)))
    corner = (float(rng.uniform(-0.1, 0.6)) * size, float(rng.uniform(0, 0.9)) * size)
    ink, outline = _colours(rng, 2)
    stroke = int(rng.integers(1, 3)) if chance(rng, 0.3) else 0
    draw.text(corner, words, ink, _font(height), stroke_width=stroke, stroke_fill=outline)
    return _as_picture(canvas)


PAGES: tuple[Callable[[Rng, int], Picture], ...] = (writing, page, screen)
