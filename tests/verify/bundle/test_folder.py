import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import UsageError
from convert.card import read_card
from networks.gan import Generator
from verify.bundle.folder import Bundle, BundleRequest, refuse_to_overwrite, write_bundle
from verify.runtimes import programs
from verify.subject import identify

pytestmark = pytest.mark.integration

MakeBundle = Callable[..., Bundle]


def _index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "goldens" / "index.json").read_text())
    return found


def test_a_generators_goldens_are_pytorchs_outputs(
    generator_bundle: Path,
    make_generator: Callable[..., Generator],
) -> None:
    import torch

    index = _index(generator_bundle)
    assert index["expected"]["by"] == "pytorch"
    held = {limit["metric"] for limit in index["limits"]}
    assert {"max_abs_difference", "worst_psnr_db"} <= held
    assert {"psnr_db", "ssim", "kid_drift", "diversity"} <= set(index["left_to_verify"])
    assert held.isdisjoint(index["left_to_verify"])
    for golden in index["goldens"]:
        latent = np.fromfile(generator_bundle / golden["inputs"]["latent"], dtype="<f4")
        image = np.fromfile(generator_bundle / golden["outputs"]["image"], dtype="<f4")
        with torch.inference_mode():
            expected = make_generator(seed=0)(torch.from_numpy(latent[None]))
        assert np.array_equal(image, expected.numpy().ravel())
        with Image.open(generator_bundle / golden["preview"]) as preview:
            pixels = np.asarray(preview)
        assert np.abs(pixels.ravel() - (image + 1) * 127.5).max() < 0.51
        assert 0 < golden["measured"]["max_abs_difference"] <= index["limits"][0]["bound"]


def test_a_detectors_goldens_say_what_is_in_their_pictures(detector_bundle: Path) -> None:
    index = _index(detector_bundle)
    pictures = [golden for golden in index["goldens"] if golden["picture"]]
    assert len(pictures) == 4
    assert {golden["hidden"] for golden in pictures} == {"deadbeef"}
    assert [golden["message"]["hex"] for golden in pictures[:2]] == ["deadbeef"] * 2
    assert all(golden["message"]["confidence"] > 0 for golden in pictures[:2])
    assert all((detector_bundle / golden["picture"]).is_file() for golden in pictures)


def test_the_folder_is_named_and_described_truly(detector_bundle: Path) -> None:
    (model,) = detector_bundle.glob("*.tflite")
    assert model.name == "tinyseal_detector_128_int8_dynamic.tflite"
    card = read_card(model)
    assert card is not None
    assert json.loads((detector_bundle / "card.json").read_text()) == card.to_json()
    readme = (detector_bundle / "README.md").read_text()
    named = set(re.findall(r"`([\w/]+\.\w+|page/|litertjs/)`", readme))
    assert {"card.json", "preprocessing.json", "run_goldens.py", "page/"} <= named
    missing = {name for name in named if not (detector_bundle / name).exists()}
    assert missing == {"build.gradle"}  # of the reader's app
    assert (
        'writeFloat(floats(context, golden.getJSONObject("inputs").getString("image")))' in readme
    )


def test_the_readme_says_how_far_a_phone_may_be_off(
    generator_bundle: Path, detector_bundle: Path
) -> None:
    assert "No difference may be above 1e-05," in (generator_bundle / "README.md").read_text()
    index = _index(detector_bundle)
    largest = max(
        float(np.abs(np.fromfile(detector_bundle / golden["outputs"]["preds"], "<f4")).max())
        for golden in index["goldens"]
    )
    readme = (detector_bundle / "README.md").read_text()
    said = re.findall(r"No difference may be above ([\d.e-]+):", readme)
    assert float(said[0]) == pytest.approx(0.05 * largest, rel=0.01)


def test_the_page_allows_its_own_scripts_alone(generator_bundle: Path) -> None:
    page = (generator_bundle / "index.html").read_text()
    policy = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_without_a_checkpoint_it_says_whose_outputs_are_expected(
    make_bundle: MakeBundle, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    bundle = make_bundle(generator_tflites["fp16"], None, tmp_path / "own", page=False)
    assert bundle.passed
    expected = _index(bundle.folder)["expected"]
    assert expected["by"] == "litert"
    assert "not that the conversion was right" in (bundle.folder / "README.md").read_text()


def test_a_model_of_ones_own_needs_one_limit_that_few_inputs_can_hold(
    generator_tflites: dict[str, Path], generator_checkpoint: Path, tmp_path: Path
) -> None:
    spec = tmp_path / "mine.py"
    lines = [
        "from dataclasses import replace",
        "from wrappers.gan_generator import SPEC as GAN",
        "from wrappers.spec import at_least, at_most",
        "ONE = replace(GAN, limits={'fp32': (at_most('mean_abs_difference', 1e-6),)})",
        "NONE = replace(GAN, limits={'fp32': (at_least('ssim', 0.9),)})",
    ]
    spec.write_text("\n".join(lines))
    subject = identify(generator_tflites["fp32"])
    card = subject.card
    assert card is not None

    def make(name: str) -> Bundle:
        mine = replace(subject, model=f"{spec}:{name}")
        request = BundleRequest(mine, card, generator_checkpoint, 2, 0, [], page=False)
        return write_bundle(request, tmp_path / name, force=False, on_sample=lambda: None)

    assert [row.check for row in make("ONE").rows] == ["sha256", "mean_abs_difference"]
    with pytest.raises(UsageError, match="no limit for fp32 that can be held for few inputs"):
        make("NONE")
    assert not (tmp_path / "NONE").exists()


def test_without_a_page_nothing_of_litert_js_is_needed(
    make_bundle: MakeBundle,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(programs.LITERT_JS_VARIABLE, str(tmp_path / "nowhere"))
    bundle = make_bundle(generator_tflites["fp32"], None, tmp_path / "bare", page=False)
    assert not {"index.html", "page", "litertjs"} & {path.name for path in bundle.folder.iterdir()}
    with pytest.raises(UsageError, match=programs.LITERT_JS_VARIABLE):
        make_bundle(generator_tflites["fp32"], None, tmp_path / "full")
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


def test_integers_that_go_in_and_out_are_told_and_no_floats_are_written_into_them(
    make_bundle: MakeBundle,
    generator_integers: dict[str, Path],
    generator_checkpoint: Path,
    tmp_path: Path,
) -> None:
    file = generator_integers["int8-static"]
    folder = make_bundle(file, generator_checkpoint, tmp_path / "bundle").folder
    (latent,), (image,) = _index(folder)["inputs"], _index(folder)["outputs"]
    assert (latent["dtype"], image["dtype"]) == ("int8", "int8")
    assert not (folder / "index.html").exists()
    told = (folder / "README.md").read_text()
    assert f"| `latent` | int8 | {latent['scale']} | {latent['zero_point']} |" in told
    assert "writeFloat" not in told
    assert "this model's inputs or outputs are int8" in told


def test_a_model_of_other_weights_leaves_nothing_on_the_disk(
    make_bundle: MakeBundle,
    other_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    bundle = make_bundle(
        generator_tflites["fp32"], other_checkpoint, tmp_path / "bundle", page=False
    )
    assert not bundle.passed
    assert {row.check for row in bundle.rows if not row.passed} >= {"max_abs_difference"}
    assert list(tmp_path.iterdir()) == []


def test_only_a_bundle_is_replaced_and_only_if_asked(
    generator_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="add --force"):
        refuse_to_overwrite(generator_bundle, force=False)
    refuse_to_overwrite(generator_bundle, force=True)
    (tmp_path / "holiday.txt").touch()
    with pytest.raises(UsageError, match="is no bundle, and is not replaced"):
        refuse_to_overwrite(tmp_path, force=True)
