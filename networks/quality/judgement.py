"""Judges sets of generated pictures beside real ones: each figure with its floor and ceilings.

The floor is what real pictures score that were held out. The ceilings are what these score when
they are spoilt. Between the two a figure has its meaning; all sets are taken at one size, since
some figures depend on it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import UsageError
from networks.fruit_classifier import FIT_ACCURACY
from networks.quality.copies import (
    NO_DISTANCE,
    Pair,
    Thumbnails,
    nearest_pairs,
    share_below,
    thumbnails,
    unusual,
)
from networks.quality.coverage import density_and_coverage
from networks.quality.damage import blurred, noisy
from networks.quality.diversity import distances, mean_distance, nearest_distances
from networks.quality.frechet import frechet_distance
from networks.quality.seen import Classifier, Seen, see, total_variation
from networks.quality.set_distance import paired_kid
from networks.quality.spectrum import checkerboard_share

Pictures = NDArray[np.uint8]
FEWEST = 32
_FEWEST_OF_A_CLASS = 8
_PAIRS = 8


@dataclass(frozen=True)
class RealPictures:
    """Real pictures (N, 1, 128, 128), with the class of each where it is known."""

    pictures: Pictures
    labels: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def chosen(self, places: NDArray[np.int64]) -> "RealPictures":
        """Those at these places."""
        labels = None if self.labels is None else tuple(self.labels[place] for place in places)
        return RealPictures(self.pictures[places], labels)


@dataclass(frozen=True)
class SetQuality:
    """What is found of one set of pictures; `networks.quality.figures` says what each means.

    Attributes:
        count: of its pictures.
        kid: with the ends of its 95 % interval.
        class_distance, confidence, class_shares: None where the classifier is not to be trusted.
        checkerboard: NaN where the pictures are all of one grey.
        pairs: the likeliest copies of a training picture, the likeliest first.
    """

    count: int
    kid: float
    kid_lowest: float
    kid_highest: float
    fid: float
    density: float
    coverage: float
    diversity: float
    repeated: float
    copied: float
    checkerboard: float
    class_distance: float | None
    confidence: float | None
    class_shares: Mapping[str, float] | None
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Judgement:
    """What is found of several sets of one size beside the same real pictures.

    Attributes:
        count: pictures of each set, and of the real ones that they are compared with.
        training: pictures among which copies were looked for.
        sets: by name, what was to be judged.
        floor: real pictures that were held out.
        ceilings: by name, spoilt ones; of one class there may be fewer.
        real_shares: of the classes among the real pictures, as the classifier takes them.
        accuracy: the classifier's, on held-out pictures; None where their classes are not known.
        classes_refused: why nothing is said of classes; None where something is.
        classifier_sha256: scores by another one do not compare.
    """

    count: int
    training: int
    sets: Mapping[str, SetQuality]
    floor: SetQuality
    ceilings: Mapping[str, SetQuality]
    real_shares: Mapping[str, float] | None
    accuracy: float | None
    classes_refused: str | None
    classifier_sha256: str


@dataclass(frozen=True)
class _Yardstick:
    """Of the real pictures, what every set is held against.

    Attributes:
        classes_count: whether the classifier is trusted with classes.
        real: what it sees in those that sets are compared with.
        training: all among which copies are looked for.
        apart: how much two real pictures differ on average.
        fellow, copy: what 1 in 20 held-out ones are nearer than, to another of them and to one
            training picture.
        checkerboard: the share of energy that real ones have there.
    """

    classifier: Classifier
    classes_count: bool
    real: Seen
    training: Thumbnails
    apart: float
    fellow: float
    copy: float
    checkerboard: float

    def judge(self, pictures: Pictures, places: NDArray[np.int64]) -> SetQuality:
        """The pictures at these places of a set."""
        chosen = pictures[places]
        seen, small = see(chosen, self.classifier.network), thumbnails(chosen)
        real = self.real.features
        kid = paired_kid(real[: len(chosen)], seen.features)
        density, coverage = density_and_coverage(real, seen.features)
        apart = distances(small)
        pairs = nearest_pairs(small, self.training)
        closeness = np.array([pair.closeness for pair in pairs])
        worst = (replace(it, generated=int(places[it.generated])) for it in pairs[:_PAIRS])
        return SetQuality(
            count=len(chosen),
            kid=kid.value,
            kid_lowest=kid.lowest,
            kid_highest=kid.highest,
            fid=frechet_distance(real, seen.features),
            density=density,
            coverage=coverage,
            diversity=mean_distance(apart) / self.apart,
            repeated=share_below(nearest_distances(apart), self.fellow),
            copied=share_below(closeness, self.copy),
            checkerboard=checkerboard_share(chosen) / self.checkerboard,
            class_distance=self._if_trusted(total_variation(seen.shares, self.real.shares)),
            confidence=self._if_trusted(seen.confidence),
            class_shares=self._if_trusted(_by_class(self.classifier, seen)),
            pairs=tuple(worst),
        )

    def _if_trusted(self, value: Any) -> Any:
        return value if self.classes_count else None


def judge_pictures(
    fakes: Mapping[str, Pictures],
    real: RealPictures,
    held_out: RealPictures,
    classifier: Classifier,
    *,
    untrained: Pictures | None = None,
    seed: int = 0,
    on_judged: Callable[[str], object] = lambda _name: None,
) -> Judgement:
    """Judge sets of pictures (N, 1, 128, 128) side by side, all by as many as the fewest are.

    Args:
        fakes: what to judge, by name.
        real: the pictures that a generator was trained on.
        held_out: real pictures that it was not trained on.
        classifier: sees the features.
        untrained: what such a generator draws before its training, for a ceiling.
        seed: of the choice where there are more, and of the noise of a ceiling.
        on_judged: is called with the name of each set once it is judged.

    Raises:
        UsageError: a set has fewer than 32 pictures, or the real ones are all the same.
    """
    sizes = {"held-out": len(held_out), "real": len(real)}
    sizes |= {name: len(pictures) for name, pictures in fakes.items()}
    if untrained is not None:
        sizes["untrained"] = len(untrained)
    fewest = min(sizes, key=sizes.__getitem__)
    count = sizes[fewest]
    if count < FEWEST:
        raise UsageError(f"{fewest}: {count} pictures are too few to judge; give {FEWEST} or more")
    unseen = held_out.chosen(_some(len(held_out), count, seed))
    of_unseen = see(unseen.pictures, classifier.network)
    accuracy = _accuracy(of_unseen, unseen.labels, classifier)
    refused = _refusal(accuracy, classifier)
    yardstick = _measure(real, unseen, classifier, count, seed, classes_count=refused is None)

    def judged(name: str, pictures: Pictures) -> SetQuality:
        found = yardstick.judge(pictures, _some(len(pictures), min(count, len(pictures)), seed))
        on_judged(name)
        return found

    spoilt = _spoilt(unseen, of_unseen, seed)
    if untrained is not None:
        spoilt["untrained"] = untrained
    return Judgement(
        count=count,
        training=len(real),
        sets={name: judged(name, pictures) for name, pictures in fakes.items()},
        floor=judged("real", held_out.pictures),
        ceilings={name: judged(name, pictures) for name, pictures in spoilt.items()},
        real_shares=None if refused else _by_class(classifier, yardstick.real),
        accuracy=accuracy,
        classes_refused=refused,
        classifier_sha256=classifier.sha256,
    )


def _some(available: int, count: int, seed: int) -> NDArray[np.int64]:
    """The places of so many, chosen by the seed alone: folders are sorted by class."""
    return np.random.default_rng(seed).permutation(available)[:count]


def _measure(
    real: RealPictures,
    unseen: RealPictures,
    classifier: Classifier,
    count: int,
    seed: int,
    *,
    classes_count: bool,
) -> _Yardstick:
    chosen = real.pictures[_some(len(real), count, seed)]
    training, of_unseen = thumbnails(real.pictures), thumbnails(unseen.pictures)
    closeness = [pair.closeness for pair in nearest_pairs(of_unseen, training)]
    apart = mean_distance(distances(thumbnails(chosen)))
    if apart < NO_DISTANCE:
        raise UsageError("the real pictures are all the same; name a folder of different ones")
    return _Yardstick(
        classifier=classifier,
        classes_count=classes_count,
        real=see(chosen, classifier.network),
        training=training,
        apart=apart,
        fellow=unusual(nearest_distances(distances(of_unseen))),
        copy=unusual(np.array(closeness)),
        checkerboard=checkerboard_share(chosen),
    )


def _spoilt(unseen: RealPictures, seen: Seen, seed: int) -> dict[str, Pictures]:
    """Held-out pictures with noise, blurred, and those alone that show the most frequent class."""
    pictures = unseen.pictures
    found = {"noise": noisy(pictures, seed), "blur": blurred(pictures)}
    labels = np.array(unseen.labels or seen.probabilities.argmax(axis=1))
    kinds, counts = np.unique(labels, return_counts=True)
    if len(kinds) > 1 and counts.max() >= _FEWEST_OF_A_CLASS:
        found["one class"] = pictures[labels == kinds[counts.argmax()]]
    return found


def _by_class(classifier: Classifier, seen: Seen) -> dict[str, float]:
    return dict(zip(classifier.classes, seen.shares.tolist(), strict=True))


def _accuracy(seen: Seen, labels: tuple[str, ...] | None, classifier: Classifier) -> float | None:
    if labels is None:
        return None
    names = [classifier.classes[place].casefold() for place in seen.probabilities.argmax(axis=1)]
    right = [name == label.casefold() for name, label in zip(names, labels, strict=True)]
    return float(np.mean(right))


def _refusal(accuracy: float | None, classifier: Classifier) -> str | None:
    if accuracy is None or accuracy >= FIT_ACCURACY:
        return None
    return (
        f"nothing is said of classes: the classifier, which knows {', '.join(classifier.classes)}, "
        f"is right about {accuracy:.1%} of the held-out pictures and not {FIT_ACCURACY:.0%}; train "
        "one on these pictures with train-classifier --data-dir"
    )
