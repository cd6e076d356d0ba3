"""What a detector is for: reading marks, also in pictures that something befell, and only there.

The marks are made with the checkpoint's own embedder, or were made elsewhere. What the network
reads is computed once; each file is then held to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from checkpoints.lazy import open_checkpoint
from chunkport.errors import BadInputError
from verify.attack_survival import measure_survival
from verify.attacks import Attack, Pixels, find_attack
from verify.false_positives import measure_false_positives
from verify.marked_pictures import MarkedPicture, marked_pictures, parse_message, read_pixels
from verify.message_readers import Reader, reader_of
from verify.message_statistics import Threshold, matches_needed, mean_interval
from verify.survival_checks import MEANINGS
from verify.trials import Exam, Trial, TrialChoices, TrialSetting
from verify.verdict import Check, Figure, Limits, measured
from wrappers.detector_intake import load_embedder_network
from wrappers.detector_pictures import draw_pixels
from wrappers.detector_weights import holds_embedder
from wrappers.spec import Message, at_most

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from verify.runtimes import Session
    from wrappers.spec import Arrays

_PICTURES = 32
_SIDE = 192  # pixels of a drawn picture
_FEW_BITS = 2
_FALSE_POSITIVE_RATE = 1e-6
_USUAL = ("none", "jpeg-70", "resize-0.5", "blur-1", "screenshot")
_BY_TRAINING = "training sets it; what a file loses of it is held to that of accuracy_loss"
_NO_MARKS = (
    "the checkpoint holds no embedder to mark pictures with; give marked ones to chunkport verify, "
    "as --marked DIR --message HEX"
)


def figures_for(attacks: Sequence[Attack]) -> Mapping[str, Figure]:
    """The rows of the trial, by name."""
    return {
        "marked_bits_flipped": Figure(
            "share of the bits of marked pictures that are read otherwise than by PyTorch"
        ),
        "accuracy_loss": Figure(MEANINGS["accuracy_loss"]),
        "false_positives": Figure(MEANINGS["false_positives"]),
        **{
            f"bit_accuracy_{attack.name}": Figure(
                f"share of the bits read right in marked pictures, {attack.meaning}",
                "at_least",
                informs=_BY_TRAINING,
            )
            for attack in attacks
        },
    }


def _attacks(choices: TrialChoices) -> Sequence[Attack]:
    return [find_attack(name) for name in choices.attacks or _USUAL]


@dataclass(frozen=True)
class _Marks:
    """What every file is asked to read, and what PyTorch reads there.

    Attributes:
        names: what to call each marked picture.
        pictures: the marked ones, each to be read after every attack in turn.
        clean: pictures without a mark.
        exact: PyTorch's messages in the marked ones, in the order in which they are read.
        exact_clean: likewise in the clean ones.
    """

    attacks: Sequence[Attack]
    threshold: Threshold
    seed: int
    names: Sequence[str]
    pictures: Sequence[MarkedPicture]
    clean: Sequence[Pixels]
    exact: Sequence[Message]
    exact_clean: Sequence[Message]


def _prepare(setting: TrialSetting) -> Exam | str:
    """Mark the pictures and let the network read them.

    Raises:
        UsageError: the marks are of another length than the detector's messages.
        BadInputError: a picture cannot be read.
    """
    spec, say = setting.spec, setting.spec.read_message
    if say is None:
        return f"model '{spec.name}' reads no messages"
    if not setting.choices.marked and not holds_embedder(open_checkpoint(setting.checkpoint)):
        return _NO_MARKS
    setting.on_note("marking pictures")
    network = reader_of("PyTorch", setting.contract, say, partial(spec.reference, setting.network))
    drawn = draw_pixels(_PICTURES, _SIDE, setting.seed)
    marked = _marked(setting, network.nbits, drawn)
    if isinstance(marked, str):
        return marked
    names, pictures = marked
    attacks = _attacks(setting.choices)
    threshold = matches_needed(network.nbits, max(_FALSE_POSITIVE_RATE, 2.0**-network.nbits))
    clean = drawn if setting.choices.marked else [_unmarked(picture) for picture in pictures]
    pictures = [replace(picture, original=None) for picture in pictures]
    exact, exact_clean = _kept(network), _kept(network)
    setting.on_note("reading marks in PyTorch")
    measure_survival(pictures, [exact.reader], threshold, setting.seed, attacks=attacks)
    measure_false_positives(clean, [exact_clean.reader], threshold, setting.seed)
    marks = _Marks(
        *(attacks, threshold, setting.seed, names, pictures, clean),
        exact=exact.answers,
        exact_clean=exact_clean.answers,
    )
    return partial(_examine, marks, partial(reader_of, "file", setting.contract, say))


def _marked(
    setting: TrialSetting, nbits: int, drawn: Sequence[Pixels]
) -> tuple[list[str], list[MarkedPicture]] | str:
    """Pictures with marks and their names, or why there are none."""
    elsewhere = setting.choices.marked
    if elsewhere:
        bits = parse_message(setting.choices.message or "", nbits)
        pictures = [MarkedPicture(read_pixels(path), bits) for path in elsewhere]
        return [path.name for path in elsewhere], pictures
    try:
        embedder = load_embedder_network(setting.checkpoint)
    except BadInputError as error:
        return f"the embedder cannot mark pictures: {error}"
    if embedder.card.nbits != nbits:
        return f"the embedder writes {embedder.card.nbits} bits, and the detector reads {nbits}"
    own = [(path.name, read_pixels(path)) for path in setting.pictures[:_PICTURES]]
    rest = drawn[: _PICTURES - len(own)]
    named = own + [(f"drawn picture {number}", pixels) for number, pixels in enumerate(rest)]
    pixels_only = [pixels for _name, pixels in named]
    return [name for name, _ in named], [*marked_pictures(embedder, pixels_only, setting.seed)]


def _unmarked(picture: MarkedPicture) -> Pixels:
    assert picture.original is not None  # it was marked here
    return picture.original


@dataclass(frozen=True)
class _Kept:
    """A reader, and all that it has read, in order."""

    reader: Reader
    answers: list[Message]


def _kept(reader: Reader) -> _Kept:
    answers: list[Message] = []

    def read(pixels: Pixels) -> Message:
        answers.append(reader.read(pixels))
        return answers[-1]

    return _Kept(replace(reader, read=read), answers)


def _again(answers: Sequence[Message]) -> Reader:
    """PyTorch once more, asked the same in the same order."""
    said = iter(answers)
    return Reader("PyTorch", len(answers[0].bits), lambda _pixels: next(said))


def _examine(
    marks: _Marks,
    reader_with: "Callable[[Callable[[Arrays], Arrays]], Reader]",
    session: "Session",
    limits: Limits,
) -> Iterator[Check]:
    figures = figures_for(marks.attacks)
    file = _kept(reader_with(session.run))
    survivals, _ = measure_survival(
        *(marks.pictures, [_again(marks.exact), file.reader], marks.threshold, marks.seed),
        attacks=marks.attacks,
    )
    found, exact = (_bits(read, len(marks.attacks)) for read in (file.answers, marks.exact))
    asked = {"marked_bits_flipped": exact.size, "accuracy_loss": exact[:, 0].size}
    limits = _not_below_bits(limits, asked)
    flipped = (found != exact).sum(axis=2)  # (pictures, attacks)
    picture, attack = divmod(int(flipped.argmax()), len(marks.attacks))
    yield measured(
        "marked_bits_flipped",
        figures["marked_bits_flipped"],
        float(flipped.sum() / exact.size),
        limits,
        f"{marks.names[picture]} after {marks.attacks[attack].name}: {flipped[picture, attack]} of "
        f"{exact.shape[2]} bits",
    )
    said = np.array([picture.message for picture in marks.pictures])[:, None]
    losses = ((exact == said).mean(axis=2) - (found == said).mean(axis=2)).T
    worst = int(losses.mean(axis=1).argmax())
    loss = measured(
        "accuracy_loss",
        figures["accuracy_loss"],
        float(losses[worst].mean()),
        limits,
        f"after {marks.attacks[worst].name}",
    )
    yield replace(loss, interval=mean_interval(losses[worst]))
    yield _false_positives(marks, reader_with(session.run), figures, limits)
    for before, after in zip(survivals[::2], survivals[1::2], strict=True):
        name = f"bit_accuracy_{after.attack}"
        accuracy = measured(name, figures[name], after.bit_accuracy, limits)
        yield replace(
            accuracy,
            interval=after.bit_accuracy_interval,
            detail=f"PyTorch reads {before.bit_accuracy:.2%}",
        )


def _not_below_bits(limits: Limits, asked: Mapping[str, int]) -> Limits:
    """The model's limits, but never less than a few of the bits asked for: so few prove nothing."""
    widened = {
        name: replace(limits[name], bound=max(limits[name].bound, _FEW_BITS / bits))
        for name, bits in asked.items()
        if name in limits and not limits[name].by_hand
    }
    return {**limits, **widened}


def _bits(answers: Sequence[Message], attacks: int) -> "NDArray[np.int64]":
    """(pictures, attacks, nbits)."""
    return np.array([answer.bits for answer in answers]).reshape(-1, attacks, len(answers[0].bits))


def _false_positives(
    marks: _Marks, reader: Reader, figures: Mapping[str, Figure], limits: Limits
) -> Check:
    readers = [_again(marks.exact_clean), reader]
    _, found = measure_false_positives(marks.clean, readers, marks.threshold, marks.seed)
    by_chance = {"false_positives": at_most("false_positives", found.most_by_chance)}
    check = measured(
        "false_positives", figures["false_positives"], found.false_positives, by_chance | {**limits}
    )
    return replace(check, detail=f"in {found.pictures} pictures")


TRIAL = Trial("watermark", lambda choices: figures_for(_attacks(choices)), _prepare)
