"""What befalls a marked picture on its way: a suite of attacks on 8-bit RGB pictures.

They are what pictures meet in messengers, editors and screenshots, done by Pillow as those do it.
They share nothing with what a detector was trained against, so that they measure it and do not
repeat its lessons.
"""

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from chunkport.errors import UsageError

Pixels: TypeAlias = NDArray[np.uint8]  # (H, W, 3), RGB
Rng: TypeAlias = np.random.Generator
_SCREEN_BORDER = (32, 33, 36)  # a dark window around the picture
_MOST_CUT = 0.05  # of each side, by a careless screenshot


@dataclass(frozen=True)
class Attack:
    """One thing that is done to a picture; the generator decides what is left to chance in it.

    `meaning` says it in plain words. The result may have another size, as it has in life.
    """

    name: str
    meaning: str
    apply: Callable[[Image.Image, Rng], Image.Image]


def attacked(pixels: Pixels, attack: Attack, seed: int, number: int) -> Pixels:
    """The picture after the attack; the same seed and picture's number give the same bytes."""
    rng = np.random.default_rng((seed, number, zlib.crc32(attack.name.encode())))
    return np.array(attack.apply(Image.fromarray(pixels), rng))


def find_attack(name: str) -> Attack:
    """The attack of that name.

    Raises:
        UsageError: there is none.
    """
    for attack in ATTACKS:
        if attack.name == name:
            return attack
    names = ", ".join(attack.name for attack in ATTACKS)
    raise UsageError(f"unknown attack '{name}'; attacks: {names}")


def _nothing(picture: Image.Image, _rng: Rng) -> Image.Image:
    return picture


def _jpeg(picture: Image.Image, _rng: Rng, quality: int) -> Image.Image:
    stored = io.BytesIO()
    picture.save(stored, format="JPEG", quality=quality)
    return Image.open(stored).convert("RGB")


def _resize(picture: Image.Image, _rng: Rng, scale: float) -> Image.Image:
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _crop(picture: Image.Image, rng: Rng, kept: float) -> Image.Image:
    width, height = (max(1, round(side * kept)) for side in picture.size)
    left = int(rng.integers(picture.width - width + 1))
    top = int(rng.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def _rotate(picture: Image.Image, rng: Rng, degrees: float) -> Image.Image:
    turn = degrees if rng.random() < 0.5 else -degrees  # noqa: PLR2004 - as often to either side
    return picture.rotate(turn, Image.Resampling.BICUBIC)


def _blur(picture: Image.Image, _rng: Rng, sigma: float) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(sigma))


def _noise(picture: Image.Image, rng: Rng, sigma: float) -> Image.Image:
    noise = rng.normal(0, sigma * 255, (picture.height, picture.width, 3))
    noisy = np.asarray(picture, dtype=np.float64) + noise
    return Image.fromarray(noisy.round().clip(0, 255).astype(np.uint8))


def _brightness(picture: Image.Image, _rng: Rng, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def _contrast(picture: Image.Image, _rng: Rng, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(factor)


def _screenshot(picture: Image.Image, rng: Rng) -> Image.Image:
    """Smaller on a brighter screen, cut a little or with some of the window around it, as JPEG."""
    shown = _brightness(_resize(picture, rng, 0.8), rng, 1.05)
    if rng.random() < 0.5:  # noqa: PLR2004 - as often cut as framed
        taken = _crop(shown, rng, 1 - rng.uniform(0, _MOST_CUT))
    else:
        left, top, right, bottom = (
            round(side * rng.uniform(0, _MOST_CUT)) for side in (*shown.size, *shown.size)
        )
        size = (shown.width + left + right, shown.height + top + bottom)
        taken = Image.new("RGB", size, _SCREEN_BORDER)
        taken.paste(shown, (left, top))
    return _jpeg(taken, rng, 80)


ATTACKS = (
    Attack("none", "as it was marked, in 8 bits", _nothing),
    *(
        Attack(
            f"jpeg-{quality}",
            f"saved as JPEG of quality {quality}",
            partial(_jpeg, quality=quality),
        )
        for quality in (90, 70, 50)
    ),
    *(
        Attack(
            f"resize-{scale:g}",
            f"every side {scale:g} times as long",
            partial(_resize, scale=scale),
        )
        for scale in (0.5, 0.75, 1.5, 2)
    ),
    *(
        Attack(
            f"crop-{kept:g}",
            f"cut to {kept:.0%} of every side, anywhere",
            partial(_crop, kept=kept),
        )
        for kept in (0.9, 0.75)
    ),
    *(
        Attack(
            f"rotate-{degrees}",
            f"turned by {degrees} degrees, corners lost",
            partial(_rotate, degrees=degrees),
        )
        for degrees in (2, 5, 10)
    ),
    *(
        Attack(f"blur-{sigma}", f"blurred, sigma {sigma} pixels", partial(_blur, sigma=sigma))
        for sigma in (1, 2)
    ),
    *(
        Attack(
            f"noise-{sigma:g}", f"noise of {sigma:.0%} of the range", partial(_noise, sigma=sigma)
        )
        for sigma in (0.02, 0.05)
    ),
    *(
        Attack(
            f"brightness-{factor:g}",
            f"{factor:g} times as bright",
            partial(_brightness, factor=factor),
        )
        for factor in (0.7, 1.3)
    ),
    *(
        Attack(
            f"contrast-{factor:g}",
            f"{factor:g} times the contrast",
            partial(_contrast, factor=factor),
        )
        for factor in (0.7, 1.3)
    ),
    Attack("screenshot", "a screenshot: smaller, brighter, cut or framed, JPEG", _screenshot),
)
