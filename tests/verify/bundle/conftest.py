from collections.abc import Callable
from pathlib import Path

import pytest

from verify.bundle.folder import Bundle, BundleRequest, write_bundle
from verify.bundle.pictures import made_pictures
from verify.marked_pictures import mark_pixels, parse_message
from verify.subject import identify
from wrappers.detector_intake import load_embedder_network
from wrappers.spec import Contract

SAMPLE = Path(__file__).parents[3] / "samples" / "tinyseal" / "full_model.pth"
MESSAGE = "deadbeef"

MakeBundle = Callable[..., Bundle]


@pytest.fixture(scope="session")
def make_bundle() -> MakeBundle:
    """`(tflite, checkpoint, folder, page=True)` to a bundle, its pictures saying `deadbeef`."""

    def make(tflite: Path, checkpoint: Path | None, folder: Path, *, page: bool = True) -> Bundle:
        subject = identify(tflite)
        assert subject.card is not None
        pictures = []
        if subject.model == "tinyseal":
            from train.scenes import render_scene

            embedder, bits = load_embedder_network(SAMPLE), parse_message(MESSAGE, 32)
            pictures = made_pictures(
                Contract.from_json(subject.card.contract),
                lambda number, side: render_scene(10_000 + number, side),
                lambda pixels: mark_pixels(embedder, pixels, bits),
                bits,
            )
        request = BundleRequest(subject, subject.card, checkpoint, 2, 0, pictures, page)
        return write_bundle(request, folder, force=False, on_sample=lambda: None)

    return make


@pytest.fixture(scope="session")
def generator_bundle(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: MakeBundle,
    generator_tflites: dict[str, Path],
    generator_checkpoint: Path,
    litert_js: Path,
) -> Path:
    """The small generator's fp32; copy it before changing it."""
    assert litert_js
    folder = tmp_path_factory.mktemp("bundles") / "generator"
    bundle = make_bundle(generator_tflites["fp32"], generator_checkpoint, folder)
    assert bundle.passed
    return bundle.folder


@pytest.fixture(scope="session")
def detector_bundle(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: MakeBundle,
    tinyseal_tflite: Path,
    litert_js: Path,
) -> Path:
    """TinySeal's int8; copy it before changing it."""
    assert litert_js
    folder = tmp_path_factory.mktemp("bundles") / "detector"
    bundle = make_bundle(tinyseal_tflite, SAMPLE, folder)
    assert bundle.passed
    return bundle.folder
