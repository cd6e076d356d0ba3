"""`chunkport verify`, as a user runs it: verdicts, exit codes, and files that are not sound."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from convert.card import read_card, write_with_card
from convert.tflite import read_flatbuffer, write_flatbuffer
from verify.trials import TrialChoices
from verify.trials.generated_pictures import TRIAL

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
QUICK = ("--samples", "2", "--num-threads", "1")
METRICS = ["max_abs_difference", "mean_abs_difference", "psnr_db", "worst_psnr_db", "ssim"]
OF_PICTURES = [*TRIAL.rows(TrialChoices())]


@pytest.fixture
def verify(run_chunkport: Run, generator_checkpoint: Path) -> Run:
    """`chunkport verify ARGUMENTS... --checkpoint generator_checkpoint` on few samples."""

    def run(*arguments: object, checkpoint: Path = generator_checkpoint) -> CompletedProcess[str]:
        return run_chunkport("verify", *arguments, "--checkpoint", checkpoint, *QUICK)

    return run


def failed_checks(ended: CompletedProcess[str]) -> list[str]:
    """The names of the failed checks in the JSON of one file."""
    document: dict[str, Any] = json.loads(ended.stdout, parse_constant=pytest.fail)
    (file,) = document["files"]
    assert document["passed"] is file["passed"] is False
    return [row["name"] for row in file["checks"] if row["passed"] is False]


def test_all_precisions_pass_for_a_person(verify: Run, generator_tflites: dict[str, Path]) -> None:
    ended = verify(*generator_tflites.values())
    assert ended.returncode == 0, ended.stderr
    for precision, path in generator_tflites.items():
        assert f"{path}  {precision}, 2 samples, seed 0" in ended.stdout
    for name in METRICS:  # once for each file, and once with what it means
        assert ended.stdout.count(f"  {name} ") == 4
    assert "FAIL" not in ended.stdout
    lines = ended.stdout.splitlines()
    assert "PASSED: 3 of 3 files" in lines
    assert lines[-1].startswith("Next: chunkport benchmark ")


def test_the_json_holds_what_the_table_holds(
    verify: Run, generator_tflites: dict[str, Path]
) -> None:
    ended = verify(*generator_tflites.values(), "--format", "json", "--strict", "--seed", "7")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert (document["schema_version"], document["command"]) == (1, "verify")
    assert document["passed"] is True
    schema = json.loads((files("verify") / "verdict.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(document)
    assert [file["precision"] for file in document["files"]] == list(generator_tflites)
    for file in document["files"]:
        assert (file["samples"], file["seed"]) == (2, 7)
        assert all(row["passed"] for row in file["checks"])
        measured = {row["name"]: row for row in file["checks"] if row["value"] is not None}
        assert list(measured) == [*METRICS, *OF_PICTURES]
        for row in measured.values():
            if row["limit"] is not None:
                assert row["margin"] == pytest.approx(abs(row["limit"] - row["value"]))


def test_a_file_of_another_training_fails(
    verify: Run,
    generator_tflites: dict[str, Path],
    other_checkpoint: Path,
) -> None:
    ended = verify(generator_tflites["fp32"], "--format", "json", checkpoint=other_checkpoint)
    assert ended.returncode == 1
    failed = failed_checks(ended)
    assert failed[: 2 + len(METRICS)] == ["lineage", "weights", *METRICS]
    assert {"worst_latent_psnr_db", "p5_latent_psnr_db", "worst_latent_ssim"} <= set(failed)


def test_tampered_weights_fail_though_the_card_is_whole(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    model = read_flatbuffer(generator_tflites["fp32"])
    largest = max(model.buffers, key=lambda item: 0 if item.data is None else len(item.data))
    weights = np.array(largest.data, dtype=np.uint8).view(np.float32)
    weights[::5] *= -1
    largest.data = weights.view(np.uint8)
    path = tmp_path / "tampered.tflite"
    card = read_card(generator_tflites["fp32"])
    assert card is not None
    write_with_card(model, path, card)
    ended = verify(path, "--format", "json")
    assert ended.returncode == 1
    assert failed_checks(ended)[: 1 + len(METRICS)] == ["weights", *METRICS]
    assert f"FAILED: {path}" in verify(generator_tflites["fp16"], path).stdout


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _content: b"PK\x03\x04 this is no model", "is not a .tflite file"),
        (lambda content: content[:200], "is damaged or cut short"),
        (lambda _content: b"", "is not a .tflite file"),
    ],
    ids=["another kind", "its beginning", "empty"],
)
def test_what_is_no_whole_tflite_is_bad_input(
    verify: Run,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
    message: str,
) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damage(generator_tflites["fp32"].read_bytes()))
    ended = verify(path)
    assert ended.returncode == 5
    assert f"Error: {path}: {message}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-40000] + bytes([content[-40000] ^ 1]) + content[-39999:],
    ],
    ids=["all but a byte", "half", "one bit flipped"],
)
def test_the_least_damage_fails_the_integrity_and_nothing_is_loaded(
    verify: Run,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
    change: Callable[[bytes], bytes],
) -> None:
    path = tmp_path / "damaged.tflite"
    path.write_bytes(change(generator_tflites["fp32"].read_bytes()))
    ended = verify(path, "--format", "json")
    assert ended.returncode == 1
    assert failed_checks(ended) == ["integrity"]
    (file,) = json.loads(ended.stdout)["files"]
    rows = {row["name"]: row for row in file["checks"]}
    assert "its bytes are not those that were written" in rows["integrity"]["reason"]
    assert rows["loads"]["reason"] == "a damaged file is not loaded"
    assert "Traceback" not in ended.stderr


def test_a_missing_file_is_bad_input(verify: Run, tmp_path: Path) -> None:
    ended = verify(tmp_path / "absent.tflite")
    assert ended.returncode == 5
    assert "absent.tflite: there is no such file" in ended.stderr


@pytest.fixture
def without_card(generator_tflites: dict[str, Path], tmp_path: Path) -> Path:
    model = read_flatbuffer(generator_tflites["fp32"])
    (entry,) = [item for item in model.metadata if item.name == b"chunkport_card.json"]
    model.metadata.remove(entry)
    model.buffers[entry.buffer].data = None
    path = tmp_path / "bare.tflite"
    write_flatbuffer(model, path)
    return path


def test_a_file_without_a_card_must_be_introduced(verify: Run, without_card: Path) -> None:
    ended = verify(without_card)
    assert ended.returncode == 5
    assert "has no chunkport card; say what it is with --model and --precision" in ended.stderr


def test_its_lineage_is_skipped_with_the_reason_and_counts_only_when_strict(
    verify: Run, without_card: Path
) -> None:
    introduced = (without_card, "--model", "gan-generator", "--precision", "fp32")
    ended = verify(*introduced)
    assert ended.returncode == 0, ended.stderr
    for name in ("integrity", "lineage"):
        lines = ended.stdout.splitlines()
        (place,) = [at for at, line in enumerate(lines) if line.split()[:2] == [name, "skipped"]]
        assert "the file has no card" in lines[place + 1]
    assert verify(*introduced, "--strict").returncode == 3


def test_contradicting_the_card_is_a_mistake(
    verify: Run, generator_tflites: dict[str, Path]
) -> None:
    ended = verify(generator_tflites["fp16"], "--precision", "fp32")
    assert ended.returncode == 2
    assert "its card says precision 'fp16', not 'fp32'" in ended.stderr


def test_a_damaged_checkpoint_is_bad_input(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "broken.pth").write_bytes(b"not a checkpoint")
    ended = verify(generator_tflites["fp32"], checkpoint=tmp_path / "broken.pth")
    assert ended.returncode == 5
    assert "broken.pth" in ended.stderr


def test_a_limit_by_hand_decides_and_is_told(
    verify: Run, generator_tflites: dict[str, Path]
) -> None:
    strict = verify(generator_tflites["int8-dynamic"], "--limit", "psnr_db=90")
    assert strict.returncode == 1
    (first,) = [line for line in strict.stdout.splitlines() if "FAIL " in line and "psnr" in line]
    assert ">= 90" in first
    assert "limit set by --limit" in strict.stdout
    lines = [line.split() for line in strict.stdout.splitlines() if line.startswith("  ")]
    names = [words[0] for words in lines if words and words[0] in ("psnr_db", "integrity")]
    assert names[:2] == ["psnr_db", "integrity"]  # what failed comes first
    unknown = verify(generator_tflites["int8-dynamic"], "--limit", "psnr=90")
    assert unknown.returncode == 2
    assert "did you mean 'psnr_db'?" in unknown.stderr


def test_a_verdict_is_the_baseline_of_the_next(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    earlier, path = tmp_path / "verdict.json", generator_tflites["fp32"]
    first = verify(path, "--output", earlier, "--latency")
    assert first.returncode == 0
    assert re.search(rf"{path.name}  fp32, .*, median run [0-9.e-]+ ms\n", first.stdout)
    document = json.loads(earlier.read_text(), parse_constant=pytest.fail)
    assert document["files"][0]["latency_p50_ms"] > 0
    refused = verify(path, "--output", earlier)
    assert refused.returncode == 2
    assert "already there; add --force" in refused.stderr
    assert verify(path, "--seed", -1).returncode == 2

    same = verify(path, "--baseline", earlier, "--format", "json")
    assert same.returncode == 0, same.stderr
    rows = {row["name"]: row for row in json.loads(same.stdout)["files"][0]["checks"]}
    assert rows["baseline_psnr_db"]["detail"] == "as the baseline"
    assert rows["baseline_latency_p50_ms"]["reason"] == "not measured; add --latency"

    document["files"][0]["size_bytes"] //= 2
    document["files"][0]["latency_p50_ms"] /= 1000
    earlier.write_text(json.dumps(document))
    worse = verify(path, "--baseline", earlier, "--latency", "--format", "json")
    assert worse.returncode == 1
    assert failed_checks(worse) == ["baseline_size_bytes", "baseline_latency_p50_ms"]
    assert verify(path, "--baseline", path).returncode == 5


def test_marks_are_for_models_that_read_them(
    verify: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    ended = verify(generator_tflites["fp32"], "--attacks", "jpeg-50")
    assert ended.returncode == 2
    assert "are for watermark detectors" in ended.stderr
    ended = verify(generator_tflites["fp32"], "--marked", tmp_path)
    assert ended.returncode == 2
    assert "--message what they say; give both" in ended.stderr
