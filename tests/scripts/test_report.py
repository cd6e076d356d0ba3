import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from networks.gan import Generator

Run = Callable[..., CompletedProcess[str]]
_LARGEST = 2_000_000  # bytes of a page of three files
TINYSEAL = Path(__file__).resolve().parents[2] / "samples" / "tinyseal" / "full_model.pth"


def parsed(page: Path) -> ET.Element:
    return ET.parse(page).getroot()  # noqa: S314 - our own page


def test_an_existing_page_is_kept(run_chunkport: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("mine", encoding="utf-8")
    done = run_chunkport("report", "a.tflite", "--checkpoint", "model.pth", "-o", page)
    assert done.returncode == 2
    assert "already there; add --force to replace" in done.stderr
    assert page.read_text(encoding="utf-8") == "mine"


def test_a_bad_benchmark_is_refused_before_any_work(run_chunkport: Run, tmp_path: Path) -> None:
    benchmark = tmp_path / "benchmark.json"
    benchmark.write_text('{"command": "verify"}', encoding="utf-8")
    page = tmp_path / "report.html"
    flags = ["--checkpoint", "m.pth", "-o", page, "--benchmark", benchmark]
    done = run_chunkport("report", "a.tflite", *flags)
    assert done.returncode == 5
    assert f"{benchmark}: 'command' is not 'benchmark'" in done.stderr
    assert not page.exists()


@pytest.mark.integration
def test_the_page_tells_of_real_files(
    run_chunkport: Run,
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    page = tmp_path / "report.html"
    page.write_text("an older page", encoding="utf-8")
    files = list(generator_tflites.values())
    benchmark = tmp_path / "benchmark.json"
    contender = {"name": "a", "latency_p50_ms": 1.0}
    measured = {"schema_version": 2, "num_threads": [1, 2], "rounds": 3, "contenders": [contender]}
    benchmark.write_text(json.dumps({"command": "benchmark", **measured}), encoding="utf-8")
    flags = ["--checkpoint", generator_checkpoint, "--samples", 4, "--benchmark", benchmark]
    flags += ["--no-audit", "--runtime", "litert-builtin", "-o", page]
    done = run_chunkport("report", *files, *flags, "--force", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert document["size_bytes"] == page.stat().st_size < _LARGEST
    root = parsed(page)
    said = "".join(root.itertext())
    assert all(file.name in said for file in files)
    assert len(root.findall(".//table[@class='sheet columns-3']/tbody/tr")) >= 6
    chunks = sorted(generator_checkpoint.parent.glob("*.chunk_*"))
    assert len(chunks) >= 2
    assert all(chunk.name in said for chunk in chunks)
    commands = [item.text or "" for item in root.findall(".//section[@id='commands']//code")]
    assert [line.split()[1] for line in commands] == ["convert", "verify", "benchmark", "report"]
    assert "--num-threads 1 --num-threads 2 --rounds 3" in commands[2]
    assert "--runtime litert --runtime litert-builtin" in commands[1]
    assert "--no-audit" in commands[3]
    assert len(root.findall(".//section[@id='runtimes']//tbody/tr")) == 2 * len(files)
    assert "--precision fp32 --precision fp16 --precision int8-dynamic" in commands[0]
    assert f"--output-dir {files[0].parent}" in commands[0]
    parts = root.findall(".//section[@id='inside']/article")
    assert len(parts) == len(files)
    assert all("CONV_2D" in "".join(part.itertext()) for part in parts)
    assert said.count("DIFFERS") == 0
    assert len(root.findall(".//section[@id='bits']")) == 0


@pytest.mark.integration
def test_a_file_of_other_weights_fails_and_the_page_is_written_all_the_same(
    run_chunkport: Run,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    other = save_generator(make_generator(seed=1), tmp_path / "other.pth")
    page = tmp_path / "report.html"
    flags = ["--checkpoint", other, "--samples", 2, "-o", page]
    done = run_chunkport("report", generator_tflites["fp32"], *flags)
    assert done.returncode == 1, done.stderr
    assert "FAIL. 1 of 1 file failed" in done.stdout
    root = parsed(page)
    assert root.findtext(".//h1") == "FAIL"
    commands = [item.text or "" for item in root.findall(".//section[@id='commands']//code")]
    assert [line.split()[1] for line in commands] == ["verify", "report"]


@pytest.mark.integration
def test_the_page_of_a_detector_shows_what_was_read_in_marked_pictures(
    run_chunkport: Run, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    flags = ["--model", "tinyseal", "--precision", "int8", "--output-dir", tmp_path]
    assert run_chunkport("convert", TINYSEAL, *flags).returncode == 0
    (tflite,) = tmp_path.glob("*.tflite")
    page = tmp_path / "report.html"
    flags = ["--checkpoint", TINYSEAL, "--samples", 3, "--show-marked", 4, "-o", page]
    done = run_chunkport("report", tflite, *flags)
    assert done.returncode in {0, 1}, done.stderr  # of samples without a mark a clear bit may flip
    opened = open_page(page, offline=True)
    assert opened.console == []
    bits = opened.page.locator("#bits article")
    assert bits.count() == 2
    marked = bits.nth(0).locator(".readings > li")
    assert marked.count() == 4
    for place in range(4):
        name = marked.nth(place).locator(".read").inner_text()
        read = marked.nth(place).locator(".reader code").first.inner_text()
        right = int(name.split("PyTorch reads ")[1].split(" of 32")[0])
        said = int(name.split()[1].rstrip(","), 16)
        assert right == 32 - (said ^ int(read, 16)).bit_count()
        assert right > 26
    assert bits.nth(1).locator(".readings > li").count() == 3
    assert opened.page.locator("#pictures").count() == 0


@pytest.mark.integration
def test_without_an_embedder_the_page_says_why_no_picture_was_marked(
    run_chunkport: Run, tmp_path: Path
) -> None:
    alone = tmp_path / "detector.pth"
    assert run_chunkport("extract-detector-weights", TINYSEAL, "-o", alone).returncode == 0
    flags = ["--model", "tinyseal", "--precision", "fp32", "--output-dir", tmp_path]
    assert run_chunkport("convert", alone, *flags).returncode == 0
    (tflite,) = tmp_path.glob("*.tflite")
    page = tmp_path / "report.html"
    done = run_chunkport("report", tflite, "--checkpoint", alone, "--samples", 2, "-o", page)
    assert done.returncode == 0, done.stderr
    section = parsed(page).find(".//section[@id='bits']")
    assert section is not None
    assert "holds no watermark embedder" in "".join(section.itertext())
