"""A detector on marks: what a file reads otherwise than PyTorch shows, and nothing else does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from checkpoints import load_model_chunked, save_model_chunked
from chunkport.errors import UsageError
from verify.marked_pictures import mark_pixels, random_message, write_message
from verify.trials import Exam, TrialChoices, TrialSetting
from verify.trials.watermark import TRIAL
from verify.verdict import Check, Limits
from wrappers.detector_intake import load_embedder_network
from wrappers.detector_pictures import draw_pixels
from wrappers.registry import find_spec
from wrappers.spec import at_least

if TYPE_CHECKING:
    from wrappers.spec import Arrays

CHECKPOINT = Path(__file__).parents[3] / "samples" / "tinyseal" / "full_model.pth"
SPEC = find_spec("tinyseal")
LIMITS = {limit.metric: limit for limit in SPEC.limits["int8-dynamic"]}
CHOICES = TrialChoices(attacks=("none", "blur-2"))


class Answering:
    """A session that answers as PyTorch does, but for what is changed in its logits."""

    init_ms = 0.0

    def __init__(self, setting: TrialSetting, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self.setting, self.change = setting, change

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def run(self, inputs: "Arrays") -> "Arrays":
        exact = SPEC.reference(self.setting.network, inputs)
        return {"preds": self.change(np.array(exact["preds"]))}

    def time_runs(self, inputs: "Arrays", runs: int) -> list[float]:
        raise NotImplementedError(f"nobody times it: {runs} of {list(inputs)}")


def setting_of(checkpoint: Path, choices: TrialChoices = CHOICES) -> TrialSetting:
    network = SPEC.open_network(checkpoint)
    return TrialSetting(SPEC, SPEC.contract(network), network, checkpoint, 0, (), choices)


@pytest.fixture(scope="module")
def setting() -> TrialSetting:
    return setting_of(CHECKPOINT)


@pytest.fixture(scope="module")
def judged(setting: TrialSetting) -> Callable[..., dict[str, Check]]:
    """`(change, limits=LIMITS)`, what is done to the logits, to the rows by name."""
    exam = TRIAL.prepare(setting)
    assert not isinstance(exam, str)

    def rows(
        change: Callable[[np.ndarray], np.ndarray], limits: Limits = LIMITS
    ) -> dict[str, Check]:
        return {check.name: check for check in exam(Answering(setting, change), limits)}

    return rows


@pytest.fixture(scope="module")
def detector_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = load_model_chunked(CHECKPOINT)
    kept = {key: value for key, value in whole["model"].items() if key.startswith("detector.")}
    path = tmp_path_factory.mktemp("detector") / "detector.pth"
    described = {key: whole[key] for key in ("args", "extractor")}
    return save_model_chunked(
        {**described, "model": kept}, path, announce=lambda _message: None
    ).path


def test_a_faithful_file_loses_nothing(judged: Callable[..., dict[str, Check]]) -> None:
    rows = judged(lambda logits: logits)
    assert list(rows) == list(TRIAL.rows(CHOICES))
    assert all(check.passed for check in rows.values())
    for name in ("marked_bits_flipped", "accuracy_loss", "false_positives"):
        assert rows[name].value == 0
    accuracy = rows["bit_accuracy_none"]
    assert accuracy.informs
    assert accuracy.value is not None
    assert accuracy.value > 0.95
    assert accuracy.detail == f"PyTorch reads {accuracy.value:.2%}"
    assert accuracy.interval is not None
    assert accuracy.interval.low < accuracy.value < accuracy.interval.high


def test_one_bit_read_otherwise_shows_by_its_share(
    judged: Callable[..., dict[str, Check]],
) -> None:
    def flip(logits: np.ndarray) -> np.ndarray:
        logits[0, 7] *= -1
        return logits

    rows = judged(flip)
    flipped, loss = rows["marked_bits_flipped"], rows["accuracy_loss"]
    assert flipped.value == pytest.approx(1 / 32)
    assert flipped.passed is False
    assert flipped.worst == "drawn picture 0 after none: 1 of 32 bits"
    assert loss.value == pytest.approx(1 / 32, rel=0.1)
    assert loss.passed is False


def test_a_file_that_says_the_same_of_every_picture_loses_half(
    judged: Callable[..., dict[str, Check]],
) -> None:
    said = np.array([[5.0] + [1.0, -1.0] * 16], dtype=np.float32)
    rows = judged(lambda _logits: said)
    assert rows["accuracy_loss"].value == pytest.approx(0.47, abs=0.05)
    assert rows["accuracy_loss"].passed is False
    assert rows["bit_accuracy_none"].value == pytest.approx(0.5, abs=0.05)


def test_a_limit_of_a_user_holds_the_accuracy_itself(
    judged: Callable[..., dict[str, Check]],
) -> None:
    accuracy = judged(lambda logits: logits, {"bit_accuracy_none": at_least("", 1)})[
        "bit_accuracy_none"
    ]
    assert accuracy.passed is False
    assert accuracy.margin is not None
    assert -0.05 < accuracy.margin < 0


def test_pictures_of_the_user_are_marked_before_drawn_ones(
    setting: TrialSetting, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(draw_pixels(1, 100, 3)[0]).save(photo)
    few = TrialChoices(attacks=("none",))
    exam = TRIAL.prepare(replace(setting, pictures=(photo,), choices=few))
    assert not isinstance(exam, str)
    (flipped, *_) = exam(Answering(setting, lambda logits: -logits), LIMITS)
    assert flipped.worst == "photo.png after none: 32 of 32 bits"


def test_without_an_embedder_it_says_which_flags_let_it_run(detector_alone: Path) -> None:
    reason = TRIAL.prepare(setting_of(detector_alone))
    assert isinstance(reason, str)
    assert "holds no embedder" in reason
    assert "--marked DIR --message HEX" in reason


@pytest.fixture(scope="module")
def marked_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> TrialChoices:
    folder = tmp_path_factory.mktemp("marked")
    message = random_message(32, 5)
    embedder = load_embedder_network(CHECKPOINT)
    for number, pixels in enumerate(draw_pixels(3, 160, 9)):
        marked = mark_pixels(embedder, pixels, message)
        Image.fromarray(marked).save(folder / f"marked_{number}.png")
    return TrialChoices(("none",), tuple(sorted(folder.iterdir())), write_message(message))


def test_marks_made_elsewhere_are_read_by_a_detector_alone(
    detector_alone: Path, marked_elsewhere: TrialChoices
) -> None:
    setting = setting_of(detector_alone, marked_elsewhere)
    exam: Exam | str = TRIAL.prepare(setting)
    assert not isinstance(exam, str)
    rows = {check.name: check for check in exam(Answering(setting, lambda it: -it), LIMITS)}
    assert (rows["marked_bits_flipped"].worst or "").startswith("marked_0.png after none: 32 of 32")
    assert rows["bit_accuracy_none"].value == pytest.approx(0, abs=0.1)


def test_two_bits_of_few_are_no_failure_and_three_are(
    detector_alone: Path, marked_elsewhere: TrialChoices
) -> None:
    setting = setting_of(
        detector_alone, replace(marked_elsewhere, marked=marked_elsewhere.marked[:1])
    )
    exam = TRIAL.prepare(setting)
    assert not isinstance(exam, str)
    for bits, passed in ((2, True), (3, False)):

        def flip(logits: np.ndarray, bits: int = bits) -> np.ndarray:
            logits[0, 1 : 1 + bits] *= -1
            return logits

        rows = {check.name: check for check in exam(Answering(setting, flip), LIMITS)}
        assert rows["marked_bits_flipped"].value == bits / 32
        assert rows["marked_bits_flipped"].limit == 2 / 32
        assert rows["marked_bits_flipped"].passed is passed


def test_a_message_of_another_length_is_refused(
    detector_alone: Path, marked_elsewhere: TrialChoices
) -> None:
    with pytest.raises(UsageError, match="have 32 bits"):
        TRIAL.prepare(setting_of(detector_alone, replace(marked_elsewhere, message="beef")))


@pytest.mark.parametrize("precision", SPEC.limits)
def test_every_row_of_a_detector_has_a_limit_in_every_precision_or_says_why(precision: str) -> None:
    held = {limit.metric for limit in SPEC.limits[precision]} | {"false_positives"}  # by chance
    rows = TRIAL.rows(TrialChoices())
    assert [name for name, row in rows.items() if name not in held and row.informs is None] == []
