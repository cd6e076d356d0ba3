"""`chunkport convert`, as a user runs it: what it makes, what it says, how it fails."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from chunkport.files import sha256_of
from convert.card import identify_checkpoint
from networks.gan import Discriminator

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
MODEL = ("--model", "gan-generator")


def test_the_command_makes_the_very_bytes_of_the_function_and_says_so_in_json(
    run_chunkport: Run,
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    asked = ("--precision", "fp32", "--precision", "fp16", "--precision", "int8")
    ended = run_chunkport(
        "convert", generator_checkpoint, *MODEL, *asked, "-o", out, "--format", "json"
    )
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert document["schema_version"] == 1
    assert document["command"] == "convert"
    assert document["checkpoint_sha256"] == identify_checkpoint(generator_checkpoint)["sha256"]
    assert document["weights_audited"] == 34
    assert [row["precision"] for row in document["files"]] == ["fp32", "fp16", "int8-dynamic"]
    for row in document["files"]:
        path = Path(row["path"])
        assert path.parent == out
        assert row["size_bytes"] == path.stat().st_size
        assert row["sha256"] == sha256_of(path)
        # The same checkpoint gives the same file, on every run.
        assert path.read_bytes() == generator_tflites[row["precision"]].read_bytes()
    assert document["next"].startswith(f"chunkport verify {out}")
    assert len(list(out.iterdir())) == 3


@pytest.fixture
def refused(run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path) -> Callable[..., str]:
    """`(exit_code, *flags, checkpoint=...)`: convert, which must fail and leave nothing behind.

    Gives back the one line that it says.
    """

    def run(exit_code: int, *flags: object, checkpoint: Path = generator_checkpoint) -> str:
        out = tmp_path / "out"
        ended = run_chunkport("convert", checkpoint, "-o", out, *(flags or MODEL))
        assert ended.returncode == exit_code, ended.stderr
        assert ended.stdout == ""
        lines = ended.stderr.splitlines()
        assert lines[-1].startswith("Error: ")
        assert "Traceback" not in ended.stderr
        assert not out.exists() or list(out.iterdir()) == []
        return lines[-1]

    return run


@pytest.fixture
def copied(generator_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the chunked checkpoint, to be damaged."""
    shutil.copytree(generator_checkpoint.parent, tmp_path / "copy")
    return tmp_path / "copy" / generator_checkpoint.name


def test_a_damaged_manifest_is_bad_input(refused: Callable[..., str], copied: Path) -> None:
    manifest = copied.with_suffix(".manifest.json")
    manifest.write_text(manifest.read_text().replace('"shape"', '"shapes"', 1))
    assert "best_model.manifest.json" in refused(5, checkpoint=copied)


def test_a_missing_chunk_is_bad_input(refused: Callable[..., str], copied: Path) -> None:
    copied.with_suffix(".chunk_001.pth").unlink()
    assert "best_model.chunk_001.pth" in refused(5, checkpoint=copied)


def test_a_flipped_bit_in_a_chunk_is_bad_input(refused: Callable[..., str], copied: Path) -> None:
    chunk = copied.with_suffix(".chunk_000.pth")
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    assert "best_model.chunk_000.pth: damaged" in refused(5, checkpoint=copied)


def test_a_missing_checkpoint_is_bad_input(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "absent.pth" in refused(5, checkpoint=tmp_path / "absent.pth")


def saved(contents: dict[str, Any], path: Path) -> Path:
    torch.save(contents, path)
    return path


def test_a_checkpoint_of_another_model_is_bad_input(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    state = Discriminator(width=2).state_dict()
    other = saved({"discriminator_state_dict": state}, tmp_path / "other.pth")
    line = refused(5, checkpoint=other)
    assert "it holds discriminator_state_dict. Is it a checkpoint of another model?" in line


def test_nan_weights_are_bad_input_and_named(
    refused: Callable[..., str], generator_checkpoint: Path, tmp_path: Path
) -> None:
    contents = load_model_chunked(generator_checkpoint)
    contents["generator_state_dict"]["bn2.bias"][3] = float("nan")
    line = refused(5, checkpoint=saved(contents, tmp_path / "diverged.pth"))
    assert "'bn2.bias' holds 1 NaN or infinite of 16 values" in line


def test_an_unknown_precision_names_the_nearest(refused: Callable[..., str]) -> None:
    line = refused(2, *MODEL, "--precision", "int8-dynamc")
    assert "unknown precision 'int8-dynamc'. Did you mean 'int8-dynamic'?" in line


def test_an_unknown_model_names_the_nearest(refused: Callable[..., str]) -> None:
    line = refused(2, "--model", "gan_generator")
    assert "unknown model 'gan_generator'. Did you mean 'gan-generator'?" in line


def test_the_model_is_named_once(refused: Callable[..., str]) -> None:
    assert "either --model (" in refused(2, "--force")
    line = refused(2, *MODEL, "--spec", "own.py:SPEC")
    assert "not both --model gan-generator and --spec own.py:SPEC" in line


def test_a_folder_that_cannot_be_made_is_a_mistake(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    ended = run_chunkport("convert", generator_checkpoint, *MODEL, "-o", tmp_path / "file" / "out")
    assert ended.returncode == 2
    assert "file/out: cannot be created (Not a directory); choose another" in ended.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_is_a_mistake(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    assert "not writable; choose another folder" in refused(2)


def test_existing_files_are_kept_without_force(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    existing = tmp_path / "gan_generator_128_fp32.tflite"
    existing.write_text("mine")
    ended = run_chunkport("convert", generator_checkpoint, *MODEL, "-o", tmp_path)
    assert ended.returncode == 2
    assert "fp32.tflite: already there; add --force to replace" in ended.stderr
    assert existing.read_text() == "mine"


def test_an_error_is_told_in_json_too(run_chunkport: Run, tmp_path: Path) -> None:
    ended = run_chunkport("convert", tmp_path / "absent.pth", *MODEL, "--format", "json")
    document = json.loads(ended.stdout)
    assert ended.returncode == document["error"]["exit_code"] == 5
    assert document["error"]["type"] == "BadInputError"
    assert "absent.pth" in document["error"]["message"]


_OWN_MODEL = '''
"""A convolution of one's own, converted faithfully as RIGHT and faultily as WRONG."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from checkpoints import load_model_chunked
from wrappers.intake import load_strictly, state_dict_in
from wrappers.spec import Contract, ModelSpec, TensorSpec, at_most


class Sharpener(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image):
        return torch.sigmoid(self.conv(image))


class Wrapper(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image):
        return {"sharp": self.network(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)}


class FaultyWrapper(Wrapper):
    def forward(self, image):
        return super().forward(image.flip(1))


def open_network(path):
    state = state_dict_in(load_model_chunked(path), "sharpener", str(path))
    return load_strictly(Sharpener(), state, str(path))


def contract(network):
    size = (1, 16, 16, 3)
    return Contract(
        inputs=(TensorSpec("image", size, "nhwc", "[0, 1]", "a picture"),),
        outputs=(TensorSpec("sharp", size, "nhwc", "[0, 1]", "the same, sharper"),),
    )


def make_samples(contract, count, seed):
    rng = np.random.default_rng(seed)
    return [
        {item.name: rng.random(item.shape, dtype=np.float32) for item in contract.inputs}
        for _ in range(count)
    ]


def reference(network, inputs):
    with torch.inference_mode():
        image = torch.from_numpy(inputs["image"]).permute(0, 3, 1, 2)
        return {"sharp": network(image).permute(0, 2, 3, 1).numpy()}


RIGHT = ModelSpec(
    name="sharpener",
    file_stem="sharpener",
    summary="sharpens",
    open_network=open_network,
    build_wrapper=Wrapper,
    build_plain=Wrapper,
    contract=contract,
    make_samples=make_samples,
    reference=reference,
    metrics=("max_abs_difference",),
    output_span=(0.0, 1.0),
    limits={"fp32": (at_most("max_abs_difference", 1e-5),)},
)
WRONG = replace(RIGHT, file_stem="faulty_sharpener", build_wrapper=FaultyWrapper)
'''


def test_a_model_of_ones_own_is_converted_and_a_wrong_rewrite_of_it_shows(
    run_chunkport: Run, tmp_path: Path
) -> None:
    own = tmp_path / "own_model.py"
    own.write_text(_OWN_MODEL)
    torch.manual_seed(0)
    weights = {"conv.weight": torch.randn(3, 3, 3, 3), "conv.bias": torch.randn(3)}
    checkpoint = saved({"sharpener": weights}, tmp_path / "sharpener.pth")
    for name, stem, exit_code in (("RIGHT", "sharpener", 0), ("WRONG", "faulty_sharpener", 1)):
        ended = run_chunkport("convert", checkpoint, "--spec", f"{own}:{name}")
        assert ended.returncode == 0, ended.stderr
        assert "All 2 weights are in the float32 file, bit for bit." in ended.stdout
        tflite = tmp_path / f"{stem}_fp32.tflite"
        assert f"Next: chunkport verify {tflite.name}" in ended.stdout
        ended = run_chunkport("verify", tflite, "--checkpoint", checkpoint)
        assert ended.returncode == 2
        assert "'sharpener', which is not registered; name its spec with --spec" in ended.stderr
        own_spec = ("--spec", f"{own}:{name}")
        ended = run_chunkport("verify", tflite, "--checkpoint", checkpoint, *own_spec)
        assert ended.returncode == exit_code, ended.stderr
        assert ("FAILED: " if exit_code else "PASSED: 1 of 1 files") in ended.stdout
