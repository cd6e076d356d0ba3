"""What every reader finds in pictures that nobody marked.

As with attacks, pictures are taken one after the other and only sums are kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import UsageError
from verify.attack_survival import agreeing, check_lengths
from verify.attacks import Pixels
from verify.marked_pictures import random_message
from verify.message_readers import Reader
from verify.message_statistics import Interval, Threshold, most_by_chance, share_interval

_CONFIDENCE = 0.999  # one sound file in 1000 may miss the bound by chance


@dataclass(frozen=True)
class FalsePositives:
    """What one reader finds in pictures without a mark.

    Attributes:
        reader: its name.
        pictures: how many were read.
        false_positives: of them, those in which a message that was drawn at random was found.
        most_by_chance: the bound that chance keeps to at the threshold's exact rate, with
            `confidence`.
        bit_agreement: the share of bits that agreed; one half by chance.
        present: how many the detection logit takes for marked, and the interval of their share.
    """

    reader: str
    pictures: int
    false_positives: int
    most_by_chance: int
    confidence: float
    bit_agreement: float
    present: int
    present_interval: Interval

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


@dataclass
class _Tally:
    """Sums over the pictures that a reader has read."""

    pictures: int = 0
    matches: int = 0
    detected: int = 0
    present: int = 0


def measure_false_positives(
    clean: Iterable[Pixels],
    readers: Sequence[Reader],
    threshold: Threshold,
    seed: int,
    on_picture: Callable[[], None] = lambda: None,
) -> tuple[FalsePositives, ...]:
    """Let every reader look for a message in each clean picture, drawn at random for it.

    As the messages are drawn, their chance to be found is the threshold's exact rate for any
    detector; the detection logit has no such rate, and its share is measured.

    Raises:
        UsageError: there is no picture, or a reader's messages are of another length.
    """
    check_lengths(readers, threshold.nbits)
    tallies = [_Tally() for _reader in readers]
    for number, pixels in enumerate(clean):
        message = random_message(threshold.nbits, seed, number)
        for reader, tally in zip(readers, tallies, strict=True):
            found = reader.read(pixels)
            matches = agreeing(found.bits, message)
            tally.pictures += 1
            tally.matches += matches
            tally.detected += matches >= threshold.matches
            tally.present += found.confidence > 0
        on_picture()
    if not tallies[0].pictures:
        raise UsageError("there is no clean picture to look at; ask for one at least")
    return tuple(
        FalsePositives(
            reader=reader.name,
            pictures=tally.pictures,
            false_positives=tally.detected,
            most_by_chance=most_by_chance(
                tally.pictures, threshold.false_positive_rate, _CONFIDENCE
            ),
            confidence=_CONFIDENCE,
            bit_agreement=tally.matches / (tally.pictures * threshold.nbits),
            present=tally.present,
            present_interval=share_interval(tally.present, tally.pictures),
        )
        for reader, tally in zip(readers, tallies, strict=True)
    )
