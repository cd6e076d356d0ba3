"""What becomes of a generator's rows when what it draws is harmed in one way or another."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from networks.fruit_features import features_sha256
from networks.gan import Generator
from train.fruits import FRUITS, render_fruit
from verify.limits import limits_for
from verify.trials import Drawn, Exam, TrialChoices, TrialSetting
from verify.trials.generated_pictures import LATENTS, TRIAL
from verify.verdict import Check
from wrappers.gan_generator import SPEC
from wrappers.spec import Contract, Limit, ModelSpec, TensorSpec

if TYPE_CHECKING:
    from wrappers.spec import Arrays

Harm = Callable[["Drawing", "Arrays"], "Arrays"]
STRICTEST, LOOSEST = "fp32", "int8-dynamic"


@dataclass(frozen=True)
class Orchard:
    """The best of generators: latent number n is the n-th of its pictures, (N, 128, 128, 1)."""

    pictures: NDArray[np.float32]
    noise_dim: int = 1


def _picked(orchard: Orchard, inputs: "Arrays") -> "Arrays":
    return {"image": orchard.pictures[int(inputs["latent"][0, 0])][None]}


def _numbered(_contract: Contract, count: int, _seed: int) -> "list[Arrays]":
    return [{"latent": np.full((1, 1), number, np.float32)} for number in range(count)]


ORCHARD = replace(SPEC, make_samples=_numbered, reference=_picked)


class Drawing:
    """A session that draws as the network does, and then does some harm to it."""

    init_ms = 0.0

    def __init__(self, network: Any, harm: Harm, spec: ModelSpec = ORCHARD) -> None:
        self.network, self.harm, self.spec = network, harm, spec
        self.runs = 0

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"latent": (1, self.network.noise_dim)}

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"image": (1, 128, 128, 1)}

    def run(self, inputs: "Arrays") -> "Arrays":
        self.runs += 1
        return self.harm(self, self.spec.reference(self.network, inputs))

    def time_runs(self, inputs: "Arrays", runs: int) -> list[float]:
        raise NotImplementedError(f"{runs} times {list(inputs)}")


def nothing(_drawing: Drawing, outputs: "Arrays") -> "Arrays":
    return outputs


def noise(size: float) -> Harm:
    def harm(drawing: Drawing, outputs: "Arrays") -> "Arrays":
        rng = np.random.default_rng(drawing.runs)
        image = outputs["image"]
        added = size * rng.standard_normal(image.shape)
        return {"image": np.clip(image + added, -1, 1).astype(np.float32)}

    return harm


def blurred(_drawing: Drawing, outputs: "Arrays") -> "Arrays":
    return {"image": ndimage.gaussian_filter(outputs["image"], (0, 1, 1, 0))}


def always_the_first(kept: int) -> Harm:
    """The first picture in place of all after so many."""
    first: dict[str, Any] = {}

    def harm(drawing: Drawing, outputs: "Arrays") -> "Arrays":
        first.setdefault("outputs", outputs)
        kept_so_far: Arrays = outputs if drawing.runs <= kept else first["outputs"]
        return kept_so_far

    return harm


def one_black(_drawing: Drawing, outputs: "Arrays") -> "Arrays":
    return {"image": np.full_like(outputs["image"], -1)} if _drawing.runs == 18 else outputs


@pytest.fixture(scope="module")
def orchard() -> Orchard:
    """256 pictures: each of 64 fruits as it is, mirrored, moved, and both."""
    drawn = [render_fruit(kind, seed) for seed in range(13) for kind in FRUITS][:64]
    fruit = np.stack(drawn).astype(np.float32)[..., None] / 127.5 - 1
    mirrored = fruit[:, :, ::-1]
    moved = [np.roll(pictures, 3, axis=1) for pictures in (fruit, mirrored)]
    return Orchard(np.concatenate([fruit, mirrored, *moved]))


def prepared(network: Any, spec: ModelSpec) -> Exam:
    setting = TrialSetting(spec, spec.contract(network), network, Path("m.pth"), seed=0)
    exam = TRIAL.prepare(setting)
    assert not isinstance(exam, str)
    return exam


@pytest.fixture(scope="module")
def exam(orchard: Orchard) -> Exam:
    return prepared(orchard, ORCHARD)


def rows(exam: Exam, session: Any, precision: str = STRICTEST) -> dict[str, Check]:
    return {check.name: check for check in exam(session, limits_for(SPEC, precision))}


def failed(checks: Mapping[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.passed is False}


def test_the_same_pictures_pass_every_row(exam: Exam, orchard: Orchard) -> None:
    checks = rows(exam, Drawing(orchard, nothing), STRICTEST)
    assert list(checks) == list(TRIAL.rows(TrialChoices()))
    assert all(check.passed for check in checks.values())
    assert checks["kid_drift"].value == 0
    assert checks["diversity"].value == pytest.approx(1)
    assert checks["distinct_pictures"].value == 1


def test_every_latent_is_drawn_from(exam: Exam, orchard: Orchard) -> None:
    session = Drawing(orchard, nothing)
    rows(exam, session)
    assert session.runs == LATENTS


def test_one_picture_over_and_over_is_not_diverse(exam: Exam, orchard: Orchard) -> None:
    checks = rows(exam, Drawing(orchard, always_the_first(0)), LOOSEST)
    assert {"diversity", "distinct_pictures"} <= failed(checks)
    assert checks["diversity"].value == pytest.approx(0, abs=1e-6)
    assert checks["distinct_pictures"].value == 0


def test_a_few_repeated_pictures_are_found(exam: Exam, orchard: Orchard) -> None:
    checks = rows(exam, Drawing(orchard, always_the_first(LATENTS - 6)), LOOSEST)
    assert "distinct_pictures" in failed(checks)
    assert checks["distinct_pictures"].value == 1 - 7 / LATENTS  # six more, and the first itself
    assert checks["distinct_pictures"].worst == "sample 0: as another's"


def test_one_bad_picture_is_found_and_named(exam: Exam, orchard: Orchard) -> None:
    checks = rows(exam, Drawing(orchard, one_black), LOOSEST)
    assert {"worst_latent_psnr_db", "worst_latent_ssim"} <= failed(checks)
    assert "p5_latent_psnr_db" not in failed(checks)
    assert (checks["worst_latent_psnr_db"].worst or "").startswith("sample 17: ")
    assert (checks["worst_latent_ssim"].worst or "").startswith("sample 17: ")


@pytest.mark.parametrize("harm", [noise(0.1), blurred])
def test_noise_and_blur_fail_in_more_ways_than_one(
    exam: Exam, orchard: Orchard, harm: Harm
) -> None:
    checks = rows(exam, Drawing(orchard, harm), LOOSEST)
    assert {"worst_latent_psnr_db", "p5_latent_psnr_db", "kid_drift"} <= failed(checks)


def with_int8_weights(network: Generator) -> Generator:
    """The same with the weights of its layers rounded to 255 levels, one scale to a tensor."""
    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for weight in (it for it in rounded.parameters() if it.dim() > 1):
            step = weight.abs().max() / 127
            weight.copy_((weight / step).round() * step)
    return rounded


def test_rounded_weights_are_no_alarm(make_generator: Callable[..., Generator]) -> None:
    network = make_generator(seed=5, width=4)
    session = Drawing(with_int8_weights(network), nothing, SPEC)
    checks = rows(prepared(network, SPEC), session, LOOSEST)
    assert failed(checks) == set()
    assert (checks["worst_latent_psnr_db"].value or 0) < 80  # they do change the pictures


def test_pictures_that_hardly_differ_may_be_rounded_all_the_same() -> None:
    """As of a generator before its training, whose pictures are all but one."""
    torch.manual_seed(0)
    network = Generator(width=4).eval()
    with torch.no_grad():
        network.fc.weight *= 0.1
    session = Drawing(with_int8_weights(network), nothing, SPEC)
    assert failed(rows(prepared(network, SPEC), session, LOOSEST)) == set()


def test_a_generator_of_one_picture_has_no_diversity_to_lose(orchard: Orchard) -> None:
    alike = Orchard(np.repeat(orchard.pictures[:1], LATENTS, axis=0))
    checks = rows(prepared(alike, ORCHARD), Drawing(alike, nothing))
    for name in ("diversity", "distinct_pictures"):
        assert checks[name].passed is None
        assert "PyTorch itself draws one picture from every latent" in (checks[name].reason or "")
    assert failed(checks) == set()


def test_a_drift_in_features_of_fruit_says_little_of_what_is_none(orchard: Orchard) -> None:
    """Unless somebody wants it to."""
    negative = Orchard(-orchard.pictures)
    exam = prepared(negative, ORCHARD)
    drift = rows(exam, Drawing(negative, noise(0.05)), LOOSEST)["kid_drift"]
    assert drift.informs
    assert drift.reason == (
        "PyTorch's own pictures are unlike any fruit, so that features of fruit say little"
    )
    by_hand = {"kid_drift": Limit("kid_drift", 1e-6, "at_most", by_hand=True)}
    held = {check.name: check for check in exam(Drawing(negative, noise(0.05)), by_hand)}
    assert held["kid_drift"].passed is False


def test_pictures_that_are_no_numbers_fail(exam: Exam, orchard: Orchard) -> None:
    def broken(_drawing: Drawing, outputs: "Arrays") -> "Arrays":
        return {"image": np.full_like(outputs["image"], np.nan)}

    checks = rows(exam, Drawing(orchard, broken))
    assert set(checks) - failed(checks) == {"kid_floor"}


def test_a_drift_says_its_interval_and_whose_features_it_is_in(
    exam: Exam, orchard: Orchard
) -> None:
    said = rows(exam, Drawing(orchard, noise(0.02)))["kid_drift"]
    assert said.interval is not None
    assert 0 < said.interval.low < said.interval.high == said.value
    words = (said.detail or "").split()
    assert said.interval.low < float(words[1]) < said.interval.high
    assert words[-1] == features_sha256()[:12]


def test_a_generator_of_other_pictures_is_judged_without_features(orchard: Orchard) -> None:
    coloured = TensorSpec("image", (1, 64, 64, 3), "nhwc", "[-1, 1]", "a picture")

    def contract(network: Any) -> Contract:
        return replace(SPEC.contract(network), outputs=(coloured,))

    smaller = Orchard(np.repeat(orchard.pictures[:, ::2, ::2], 3, axis=3))
    exam = prepared(smaller, replace(ORCHARD, contract=contract))
    checks = rows(exam, Drawing(smaller, nothing))
    assert failed(checks) == set()
    assert {name for name, check in checks.items() if check.passed is None} == {
        "kid_drift", "kid_floor",
    }  # fmt: skip
    assert checks["kid_drift"].reason == (
        "its features are of grey 128 x 128 pictures, and these are 64 x 64 x 3"
    )


def test_a_model_that_draws_nothing_is_not_tried(orchard: Orchard) -> None:
    logits = TensorSpec("logits", (1, 5), "features", "any", "scores")
    contract = replace(SPEC.contract(orchard), outputs=(logits,))
    setting = TrialSetting(ORCHARD, contract, orchard, Path("m.pth"), seed=0)
    assert TRIAL.prepare(setting) == "the output 'logits' is no picture"


def test_what_was_drawn_can_be_shown(orchard: Orchard) -> None:
    shown: list[Drawn] = []
    setting = TrialSetting(
        *(ORCHARD, SPEC.contract(orchard), orchard, Path("m.pth"), 0), on_drawn=shown.append
    )
    exam = TRIAL.prepare(setting)
    assert not isinstance(exam, str)
    rows(exam, Drawing(orchard, one_black))
    (drawn,) = shown
    assert len(drawn.inputs) == len(drawn.expected) == len(drawn.actual) == LATENTS
    assert np.array_equal(drawn.expected[17]["image"][0], orchard.pictures[17])
    assert (drawn.actual[17]["image"] == -1).all()
