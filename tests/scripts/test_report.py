import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from networks.gan import Generator

Run = Callable[..., CompletedProcess[str]]


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
    flags = ["--checkpoint", generator_checkpoint, "--samples", 4, "-o", page]
    done = run_chunkport("report", *files, *flags, "--force", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert document["size_bytes"] == page.stat().st_size
    root = parsed(page)
    said = "".join(root.itertext())
    assert all(file.name in said for file in files)
    assert len(root.findall(".//table[@class='sheet columns-3']/tbody/tr")) == 4
    chunks = sorted(generator_checkpoint.parent.glob("*.chunk_*"))
    assert len(chunks) >= 2
    assert all(chunk.name in said for chunk in chunks)
    commands = [item.text or "" for item in root.findall(".//section[@id='commands']//code")]
    assert [line.split()[1] for line in commands] == ["convert", "verify", "report"]
    assert "--precision fp32 --precision fp16 --precision int8-dynamic" in commands[0]
    assert f"--output-dir {files[0].parent}" in commands[0]


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
    assert "FAIL. 1 of 1 files failed" in done.stdout
    root = parsed(page)
    assert root.findtext(".//h1") == "FAIL"
    commands = [item.text or "" for item in root.findall(".//section[@id='commands']//code")]
    assert [line.split()[1] for line in commands] == ["verify", "report"]
