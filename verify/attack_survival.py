"""How much of the marks every reader still reads after each attack.

Pictures are taken one after the other and only sums are kept, so that memory does not grow with
their number.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import UsageError
from verify.attacks import ATTACKS, Attack, attacked
from verify.marked_pictures import Bits, MarkedPicture, Visibility, visibility
from verify.message_readers import Reader
from verify.message_statistics import Interval, Threshold, bit_interval, share_interval
from wrappers.spec import Message


@dataclass(frozen=True)
class Survival:
    """What one reader reads after one attack.

    Attributes:
        attack: its name; `meaning` says it in plain words.
        reader: its name.
        pictures: how many were read.
        bit_accuracy: the share of bits that are read right, with its interval.
        recovered: the share of pictures whose whole message is read right, with its interval.
        detected: the share of pictures of which enough bits are right for the threshold.
        present: the share of pictures that the detection logit takes for marked.
        bits_unlike_reference: bits that are read otherwise than by the first reader.
    """

    attack: str
    meaning: str
    reader: str
    pictures: int
    bit_accuracy: float
    bit_accuracy_interval: Interval
    recovered: float
    recovered_interval: Interval
    detected: float
    present: float
    bits_unlike_reference: int

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class MarkVisibility:
    """PSNR and SSIM of the marks in 8 bits, over all pictures."""

    pictures: int
    psnr_min_db: float
    psnr_mean_db: float
    ssim_min: float
    ssim_mean: float

    def to_json(self) -> dict[str, Any]:
        """The values as plain JSON values."""
        return asdict(self)


@dataclass
class _Marks:
    """The sums and the least values over the marks seen so far."""

    pictures: int = 0
    psnr_min: float = math.inf
    psnr_sum: float = 0
    ssim_min: float = math.inf
    ssim_sum: float = 0

    def add(self, mark: Visibility) -> None:
        self.pictures += 1
        self.psnr_min = min(self.psnr_min, mark.psnr_db)
        self.psnr_sum += mark.psnr_db
        self.ssim_min = min(self.ssim_min, mark.ssim)
        self.ssim_sum += mark.ssim

    def visibility(self) -> MarkVisibility | None:
        if not self.pictures:
            return None
        return MarkVisibility(
            self.pictures,
            self.psnr_min,
            self.psnr_sum / self.pictures,
            self.ssim_min,
            self.ssim_sum / self.pictures,
        )


@dataclass
class _Tally:
    """Sums over the pictures that a reader has read after an attack."""

    pictures: int = 0
    matches: int = 0
    squares: int = 0
    recovered: int = 0
    detected: int = 0
    present: int = 0
    unlike: int = 0

    def add(self, found: Message, message: Bits, reference: Bits, threshold: Threshold) -> None:
        matches = agreeing(found.bits, message)
        self.pictures += 1
        self.matches += matches
        self.squares += matches**2
        self.recovered += matches == len(message)
        self.detected += matches >= threshold.matches
        self.present += found.confidence > 0
        self.unlike += len(reference) - agreeing(found.bits, reference)

    def survival(self, attack: Attack, reader: Reader) -> Survival:
        return Survival(
            attack=attack.name,
            meaning=attack.meaning,
            reader=reader.name,
            pictures=self.pictures,
            bit_accuracy=self.matches / (self.pictures * reader.nbits),
            bit_accuracy_interval=bit_interval(
                self.pictures, reader.nbits, self.matches, self.squares, self.recovered
            ),
            recovered=self.recovered / self.pictures,
            recovered_interval=share_interval(self.recovered, self.pictures),
            detected=self.detected / self.pictures,
            present=self.present / self.pictures,
            bits_unlike_reference=self.unlike,
        )


def measure_survival(
    marked: Iterable[MarkedPicture],
    readers: Sequence[Reader],
    threshold: Threshold,
    seed: int,
    on_picture: Callable[[], None] = lambda: None,
    *,
    attacks: Sequence[Attack] = ATTACKS,
) -> tuple[tuple[Survival, ...], MarkVisibility | None]:
    """Attack every picture and let every reader read it; the first reader is the reference.

    The second value is None where the pictures come without their originals.

    Raises:
        UsageError: there is no picture, or a reader's messages are of another length.
    """
    tallies = [[_Tally() for _reader in readers] for _attack in attacks]
    marks = _Marks()
    for number, picture in enumerate(marked):
        check_lengths(readers, len(picture.message))
        if picture.original is not None:
            marks.add(visibility(picture.original, picture.pixels))
        for attack, row in zip(attacks, tallies, strict=True):
            pixels = attacked(picture.pixels, attack, seed, number)
            found = [reader.read(pixels) for reader in readers]
            for tally, message in zip(row, found, strict=True):
                tally.add(message, picture.message, found[0].bits, threshold)
        on_picture()
    if not tallies[0][0].pictures:
        raise UsageError("there is no picture to attack; ask for one at least")
    survivals = tuple(
        tally.survival(attack, reader)
        for attack, row in zip(attacks, tallies, strict=True)
        for reader, tally in zip(readers, row, strict=True)
    )
    return survivals, marks.visibility()


def check_lengths(readers: Sequence[Reader], nbits: int) -> None:
    """Refuse readers of other messages.

    Raises:
        UsageError: a reader's messages have another number of bits.
    """
    for reader in readers:
        if reader.nbits != nbits:
            raise UsageError(
                f"{reader.name}: reads messages of {reader.nbits} bits, and the marks say "
                f"{nbits}; name files of the same model"
            )


def agreeing(bits: Bits, message: Bits) -> int:
    """How many bits are the same, place by place."""
    return sum(one == other for one, other in zip(bits, message, strict=True))
