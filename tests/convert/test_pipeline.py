"""A whole conversion: what it leaves, what it promises about it, and what it leaves on failure."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from chunkport.errors import BadInputError, ConversionError, UsageError
from chunkport.files import sha256_of
from convert.card import identify_checkpoint, read_card
from convert.pipeline import Conversion, convert_checkpoint
from networks.gan import Generator
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import identify


def test_nothing_asked_for_is_a_mistake(generator_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no precision asked for"):
        convert_checkpoint(generator_checkpoint, "gan-generator", [], tmp_path)


def test_existing_files_are_named_before_any_work(tmp_path: Path) -> None:
    existing = tmp_path / "gan_generator_128_fp16.tflite"
    existing.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"fp16\.tflite: already there; add --force to replace"):
        convert_checkpoint(tmp_path / "absent.pth", "gan-generator", ["fp32", "fp16"], tmp_path)
    assert existing.read_bytes() == b"mine"


def test_a_checkpoint_that_is_not_there_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"absent\.pth"):
        convert_checkpoint(tmp_path / "absent.pth", "gan-generator", ["fp32"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_the_files_are_what_the_result_says_and_nothing_else_is_left(
    generator_conversion: Conversion,
) -> None:
    folder = generator_conversion.files[0].path.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "gan_generator_128_fp16.tflite",
        "gan_generator_128_fp32.tflite",
        "gan_generator_128_int8_dynamic.tflite",
    ]
    for file in generator_conversion.files:
        assert file.size_bytes == file.path.stat().st_size
        assert file.sha256 == sha256_of(file.path)
        assert not file.path.stat().st_mode & 0o111, "a model is no program"


@pytest.mark.integration
def test_a_generator_without_a_checkerboard_converts_and_passes(
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
    tmp_path: Path,
) -> None:
    """Its upsampling becomes 4x4 taps, as that of "transposed-4" is; so this is both."""
    network = make_generator(seed=0, upsampling="resize")
    checkpoint = save_generator(network, tmp_path / "model.pth")
    precisions = ["fp32", "fp16", "int8-dynamic"]
    made = convert_checkpoint(
        checkpoint, "gan-generator", precisions, tmp_path / "out", isolated=False
    )
    assert [file.precision for file in made.files] == precisions
    reference = compute_reference("gan-generator", checkpoint, 4, seed=0)
    verdicts = [judge(identify(file.path), reference, threads=1) for file in made.files]
    assert all(verdict.passed for verdict in verdicts)


@pytest.mark.integration
def test_every_file_carries_the_card_of_its_checkpoint(
    generator_conversion: Conversion, generator_checkpoint: Path
) -> None:
    identity = identify_checkpoint(generator_checkpoint)
    assert generator_conversion.checkpoint_sha256 == identity["sha256"]
    for file in generator_conversion.files:
        card = read_card(file.path)
        assert card is not None
        assert (card.model, card.precision, card.variant) == (
            "gan-generator",
            file.precision,
            "rewritten",
        )
        assert card.checkpoint == identity
        assert card.contract["inputs"][0]["name"] == "latent"
        assert card.tools["torch"].startswith("2.")


@pytest.mark.integration
def test_each_precision_takes_its_share_of_the_float32_file(
    generator_conversion: Conversion,
) -> None:
    sizes = {file.precision: file.size_bytes for file in generator_conversion.files}
    assert sizes["fp16"] / sizes["fp32"] == pytest.approx(0.5, abs=0.02)
    assert sizes["int8-dynamic"] / sizes["fp32"] == pytest.approx(0.25, abs=0.05)
    result = generator_conversion.float_result
    assert result.audit is not None
    assert result.audit.weight_bytes < sizes["fp32"] < 1.05 * result.audit.weight_bytes
    assert result.mended == ()


@pytest.mark.integration
def test_a_failure_after_the_float32_step_leaves_earlier_files_as_they_were(
    tmp_path: Path,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
) -> None:
    generator = make_generator(seed=0)
    with torch.no_grad():
        generator.deconv4.weight[0, 0, 0, 0] = 1e6  # float32 holds it, FP16 does not
    checkpoint = save_generator(generator, tmp_path / "checkpoint" / "large.pth")
    earlier = tmp_path / "out" / "gan_generator_128_fp32.tflite"
    earlier.parent.mkdir()
    earlier.write_bytes(b"of an earlier conversion")
    with pytest.raises(ConversionError, match=r"holds 1e\+06, beyond FP16's"):
        convert_checkpoint(
            checkpoint, "gan-generator", ["fp32", "fp16"], earlier.parent, force=True
        )
    assert list(earlier.parent.iterdir()) == [earlier]
    assert earlier.read_bytes() == b"of an earlier conversion"


@pytest.mark.integration
def test_a_plain_conversion_says_so_and_computes_the_same(
    generator_checkpoint: Path, tmp_path: Path
) -> None:
    conversion = convert_checkpoint(
        generator_checkpoint, "gan-generator", ["fp32"], tmp_path, variant="plain"
    )
    (file,) = conversion.files
    assert file.path.name == "gan_generator_128_plain_fp32.tflite"
    card = read_card(file.path)
    assert card is not None
    assert card.variant == "plain"
    assert conversion.float_result.audit is None
    reference = compute_reference("gan-generator", generator_checkpoint, samples=2, seed=0)
    assert judge(identify(file.path), reference, threads=1).passed
