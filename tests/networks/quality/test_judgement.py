"""The figures are judged themselves: each gets worse, step by step, where pictures do."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from chunkport.errors import UsageError
from networks.quality.damage import blurred, noisy
from networks.quality.figures import FIGURES
from networks.quality.judgement import Judgement, RealPictures, SetQuality, judge_pictures
from networks.quality.seen import shipped_classifier
from train.fruits import FRUITS

Pictures = NDArray[np.uint8]
FEW_KINDS, REPEATS, MIXED = "kinds", "repeats", "copies"


def repeated(pictures: Pictures, kept: int) -> Pictures:
    """The first so many, over and over, as many in all."""
    return pictures[np.arange(len(pictures)) % kept]


def worsened(unseen: RealPictures, real: RealPictures) -> dict[str, Pictures]:
    """By name and step, the pictures worse at each step."""
    pictures = unseen.pictures
    kinds = np.arange(len(pictures)) % len(FRUITS)
    sets = {f"noise {step}": noisy(pictures, 1, 8.0 * step) for step in range(4)}
    sets |= {f"blur {step}": blurred(pictures, 0.8 * step) for step in range(4)}
    for step in range(len(FRUITS)):
        kept = pictures[kinds < len(FRUITS) - step]
        sets[f"{FEW_KINDS} {step}"] = kept[np.arange(len(pictures)) % len(kept)]
    sets |= {f"{REPEATS} {step}": repeated(pictures, 120 // 4**step) for step in range(4)}
    for step in range(4):
        mixed = pictures.copy()
        mixed[: 40 * step] = real.pictures[: 40 * step]
        sets[f"{MIXED} {step}"] = mixed
    return sets


@pytest.fixture(scope="module")
def judgement(real_fruit: RealPictures, unseen_fruit: RealPictures) -> Judgement:
    sets = worsened(unseen_fruit, real_fruit)
    grey = np.full_like(real_fruit.pictures, 128)
    classifier = shipped_classifier()
    return judge_pictures(sets, real_fruit, unseen_fruit, classifier, untrained=grey)


def figures(quality: SetQuality) -> dict[str, float]:
    """Its numbers, which runs of PyTorch may differ in by rounding."""
    return {figure.name: getattr(quality, figure.name) for figure in FIGURES}


def alike(one: SetQuality, other: SetQuality) -> bool:
    return figures(one) == pytest.approx(figures(other), rel=1e-4, abs=1e-6)


def steps(judgement: Judgement, name: str) -> list[SetQuality]:
    return [found for key, found in judgement.sets.items() if key.split()[0] == name]


@pytest.mark.parametrize(
    ("harm", "rising", "falling"),
    [
        ("noise", "kid fid class_distance checkerboard", "density coverage"),
        ("blur", "kid fid", "density coverage checkerboard"),
        (FEW_KINDS, "kid fid class_distance", "coverage"),
        (REPEATS, "kid fid repeated", "coverage diversity"),
        (MIXED, "copied", ""),
    ],
)
def test_more_harm_is_worse(judgement: Judgement, harm: str, rising: str, falling: str) -> None:
    found = steps(judgement, harm)
    assert len(found) >= 4
    for names, sign in ((rising, 1), (falling, -1)):
        for name in names.split():
            values = [sign * getattr(one, name) for one in found]
            assert all(before <= after for before, after in pairwise(values)), (name, values)
            assert values[-1] > values[0], name


def test_the_floor_is_what_unharmed_pictures_score(judgement: Judgement) -> None:
    for harm in ("noise", "blur", FEW_KINDS, REPEATS, MIXED):
        assert alike(steps(judgement, harm)[0], judgement.floor)
    floor = judgement.floor
    assert floor.kid_lowest <= 0 <= floor.kid_highest or abs(floor.kid) < 0.05
    assert (floor.copied, floor.repeated) == (0.05, 0.05)
    for name in ("density", "diversity", "checkerboard"):
        assert getattr(floor, name) == pytest.approx(1, abs=0.15), name


def test_ceilings_are_far_from_the_floor(judgement: Judgement) -> None:
    assert list(judgement.ceilings) == ["noise", "blur", "one class", "untrained"]
    for name, found in judgement.ceilings.items():
        assert found.kid > max(10 * abs(judgement.floor.kid), 0.3), name
        assert found.coverage < 0.5, name
    assert judgement.ceilings["one class"].count == 24
    assert np.isnan(judgement.ceilings["untrained"].checkerboard)
    assert judgement.ceilings["untrained"].repeated == 1


def test_copies_are_pairs_of_the_same_picture(
    judgement: Judgement, real_fruit: RealPictures
) -> None:
    copied = judgement.sets[f"{MIXED} 3"]
    assert copied.copied == 1
    assert all(pair.generated == pair.real and pair.closeness < 1e-4 for pair in copied.pairs)
    assert judgement.training == len(real_fruit)


def test_classes_are_told(judgement: Judgement) -> None:
    assert judgement.accuracy == 1
    assert judgement.real_shares == pytest.approx(dict.fromkeys(FRUITS, 0.2))
    one = judgement.sets[f"{FEW_KINDS} 4"]
    assert one.class_shares == pytest.approx({kind: float(kind == "Apple") for kind in FRUITS})
    assert one.class_distance == pytest.approx(0.8)


def test_every_figure_is_explained_and_finite_for_pictures(judgement: Judgement) -> None:
    for figure in FIGURES:
        assert np.isfinite(getattr(judgement.floor, figure.name)), figure.name
        assert len(figure.explanation) > 20
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_the_seed_decides_all(real_fruit: RealPictures, unseen_fruit: RealPictures) -> None:
    fakes = {"fakes": noisy(unseen_fruit.pictures, 0)[:60]}
    judged = [
        judge_pictures(fakes, real_fruit, unseen_fruit, shipped_classifier(), seed=seed)
        for seed in (3, 3, 4)
    ]
    first, again, other = (it.sets["fakes"] for it in judged)
    assert alike(first, again)
    assert not alike(first, other)  # it chooses others of the 120 real ones
    assert judged[0].count == first.count == judged[0].floor.count == 60


def test_nothing_is_said_of_classes_that_the_classifier_does_not_know(
    real_fruit: RealPictures, unseen_fruit: RealPictures
) -> None:
    assert unseen_fruit.labels is not None
    few, many = (
        RealPictures(unseen_fruit.pictures, ("Kiwi",) * count + unseen_fruit.labels[count:])
        for count in (1, 10)
    )
    found = judge_pictures({"a": real_fruit.pictures}, real_fruit, many, shipped_classifier())
    assert found.accuracy == pytest.approx(110 / 120)
    assert found.classes_refused is not None
    assert "which knows Apple, Banana, Orange, Pear, Strawberry, is right about 91.7%" in (
        found.classes_refused
    )
    assert "not 95%" in found.classes_refused
    one = found.sets["a"]
    assert (one.class_shares, one.class_distance, one.confidence) == (None, None, None)
    assert found.real_shares is None
    assert np.isfinite(one.kid)
    nearly = judge_pictures({"a": real_fruit.pictures}, real_fruit, few, shipped_classifier())
    assert nearly.classes_refused is None


def test_pictures_without_classes_are_judged_all_the_same(unseen_fruit: RealPictures) -> None:
    bare = RealPictures(unseen_fruit.pictures)
    found = judge_pictures({"a": unseen_fruit.pictures}, bare, bare, shipped_classifier())
    assert (found.accuracy, found.classes_refused) == (None, None)
    assert "one class" in found.ceilings


def test_too_few_and_too_alike_are_refused(unseen_fruit: RealPictures) -> None:
    with pytest.raises(UsageError, match="mine: 31 pictures are too few to judge; give 32 or more"):
        judge_pictures(
            {"mine": unseen_fruit.pictures[:31]}, unseen_fruit, unseen_fruit, shipped_classifier()
        )
    same = RealPictures(np.repeat(unseen_fruit.pictures[:1], 40, axis=0))
    with pytest.raises(UsageError, match="the real pictures are all the same"):
        judge_pictures({"mine": unseen_fruit.pictures}, same, unseen_fruit, shipped_classifier())
    few = unseen_fruit.chosen(np.arange(20))
    with pytest.raises(UsageError, match="held-out: 20 pictures are too few"):
        judge_pictures({"mine": few.pictures}, unseen_fruit, few, shipped_classifier())
