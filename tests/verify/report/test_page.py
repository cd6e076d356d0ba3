import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from convert.card import Card
from verify.benchmark_document import BenchmarkDocument, BenchmarkRow
from verify.contact_sheet import Cell, ContactSheet, Picture, SheetColumn, SheetRow
from verify.report import (
    CommandLine,
    JudgedFile,
    Report,
    figure,
    group_origins,
    labels_of,
    render,
    write_report,
)
from verify.verdict import Check, Verdict, against_limit, skipped, yes_or_no
from wrappers.spec import at_least, at_most

HOSTILE = '<script>alert("1")</script>&.tflite'
PICTURE = Picture("data:image/png;base64,AAAA", 128, 128)
NO_FIGURES = dict.fromkeys(
    (
        "size_bytes",
        "latency_p50_ms",
        "latency_p90_ms",
        "latency_min_ms",
        "peak_memory_bytes",
        "speed_vs_pytorch",
        "speed_vs_plain",
        "psnr_db",
    )
)
PASSING = (
    yes_or_no("loads", "opens in the runtime", None),
    against_limit("psnr_db", "over all pictures", 58.9382, at_least("psnr_db", 35)),
    against_limit("max_abs_difference", "largest", 0.25, at_most("max_abs_difference", 0.5)),
)
FAILING = (
    against_limit("psnr_db", "over all pictures", 20.5, at_least("psnr_db", 35)),
    yes_or_no("range", "inside the range", "sample 3: 'image' holds NaN"),
    skipped("ssim", "likeness of structure", "the file did not run"),
)


def card(precision: str = "fp32", weights: str = "a") -> Card:
    tensor = {
        "name": "latent",
        "shape": [1, 100],
        "layout": "features",
        "value_range": "N(0, 1)",
        "meaning": "noise",
        "dtype": "float32",
    }
    chunks = [{"name": f"m.chunk_{i:03}.pth", "sha256": f"{weights}{i}" * 32} for i in range(2)]
    return Card(
        model="gan-generator",
        precision=precision,
        variant="rewritten",
        contract={"inputs": [tensor], "outputs": [{**tensor, "name": "image"}]},
        checkpoint={"sha256": weights * 64, "files": chunks},
        tools={"torch": "2.13.0"},
    )


def judged(label: str, checks: tuple[Check, ...], of: Card | None) -> JudgedFile:
    precision = of.precision if of else "fp32"
    verdict = Verdict(Path(label), "gan-generator", precision, 8_146_008, "f" * 64, 32, 0, checks)
    return JudgedFile(label, verdict, of)


def a_report(*files: JudgedFile, benchmark: BenchmarkDocument | None = None) -> Report:
    columns = tuple(SheetColumn(it.label, it.verdict.precision, 1000) for it in files)
    cells = tuple(Cell(PICTURE, PICTURE, 58.4, worst=True) for _ in files)
    sheet = ContactSheet("gan-generator", 32, 0, 2.0, columns, (SheetRow(18, PICTURE, cells),))
    commands = (CommandLine("judge them", "chunkport verify 'a b.tflite'"),)
    return Report("m/model.pth", {"gan-generator": "fruit"}, files, (sheet,), benchmark, commands)


def parsed(report: Report) -> ET.Element:
    """The page read strictly: every element closed, every special character escaped."""
    return ET.fromstring(render(report))  # noqa: S314 - our own page


def text(element: ET.Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def cells_of(page: ET.Element, file: int) -> dict[str, list[str]]:
    """The checks of one file: the texts of a row's cells by the name of its check."""
    rows = page.findall(f".//article[@id='file-{file}']//tbody/tr")
    return {text(row[0]): [text(cell) for cell in row[1:]] for row in rows}


def test_every_check_of_every_file_is_there_with_its_figures() -> None:
    page = parsed(a_report(judged("a", PASSING, card()), judged("b", FAILING, card("fp16"))))
    first, second = cells_of(page, 1), cells_of(page, 2)
    assert first["loads"] == ["opens in the runtime", "✓ pass", "", "", "", ""]
    assert first["psnr_db"][1:] == ["✓ pass", "58.94 dB", "≥ 35 dB", "23.94 dB", "58.94 dB"]
    assert first["max_abs_difference"][1:] == ["✓ pass", "0.25", "≤ 0.5", "0.25", "0.25"]
    assert second["psnr_db"][1:] == ["✗ FAIL", "20.5 dB", "≥ 35 dB", "-14.5 dB", "20.5 dB"]
    assert second["range"][0] == "inside the range sample 3: 'image' holds NaN"
    assert second["ssim"][:2] == [
        "likeness of structure the file did not run",
        "\N{EN DASH} not run",
    ]


@pytest.mark.parametrize(
    ("files", "headline", "conclusion"),
    [
        ([PASSING], "PASS", "1 of 1 files agree with PyTorch within the limits"),
        ([PASSING, FAILING], "FAIL", "1 of 2 files failed: 1.tflite"),
        (
            [PASSING, FAILING[2:]],
            "PASS",
            "2 of 2 files agree with PyTorch within the limits; some checks could not run",
        ),
    ],
)
def test_the_verdict_stands_first(
    files: list[tuple[Check, ...]], headline: str, conclusion: str
) -> None:
    named = [judged(f"{i}.tflite", checks, card()) for i, checks in enumerate(files)]
    page = parsed(a_report(*named))
    assert text(page.find(".//h1")) == headline
    assert text(page.find(".//p[@class='lead']")) == conclusion + "."
    words = [text(item) for item in page.findall(".//ul[@class='files']/li//*[@class='word']")]
    assert words == ["PASS" if item.verdict.passed else "FAIL" for item in named]


def test_names_are_escaped_wherever_they_stand() -> None:
    row = BenchmarkRow(HOSTILE, "<b>", "plain", "litert", {**NO_FIGURES}, "<i>why</i>")
    benchmark = BenchmarkDocument({"cpu": "<cpu>"}, (row,))
    report = a_report(judged(HOSTILE, PASSING, card()), benchmark=benchmark)
    page = parsed(report)
    assert not list(page.iter("script"))
    assert not list(page.iter("i"))
    assert render(report).count("<script") == 0
    assert HOSTILE in text(page.find("./head/title"))
    assert HOSTILE in text(page.find(".//section[@id='benchmark']"))


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    report = a_report(judged("a", PASSING, card()), judged("b", PASSING, None))
    source, page = render(report), parsed(report)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", source)
    assert {item.tag for item in page.iter()}.isdisjoint({"script", "link", "iframe", "object"})
    sources = {value for item in page.iter() for key, value in item.items() if key == "src"}
    assert sources == {PICTURE.uri}
    targets = {value for item in page.iter() for key, value in item.items() if key == "href"}
    assert all(target.startswith("#") for target in targets)
    assert targets <= {"#" + item.attrib["id"] for item in page.iter() if "id" in item.attrib}
    policy = page.find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.attrib["content"].startswith("default-src 'none'")


def test_the_page_can_be_heard() -> None:
    page = parsed(a_report(judged("a", PASSING, card())))
    assert page.attrib["lang"] == "en"
    assert all(image.attrib["alt"] for image in page.iter("img"))
    assert all(item.attrib.get("scope") in {"col", "row"} for item in page.iter("th"))
    assert all(text(table.find("caption")) for table in page.iter("table"))


def test_the_contact_sheet_states_its_amplification() -> None:
    section = parsed(a_report(judged("a", PASSING, card()))).find(".//section[@id='pictures']")
    assert "differences \N{MULTIPLICATION SIGN} 1,000 palest 0.002" in text(section)
    assert "sample 18" in text(section)
    assert "58.4 dB worst" in text(section)


def test_a_sheet_without_pictures_says_why() -> None:
    report = a_report(judged("a", PASSING, card()))
    sheet = ContactSheet("gan-generator", 32, 0, 2.0, reason="no file ran")
    plain = Report(report.checkpoint, report.models, report.files, (sheet,), None, ())
    section = parsed(plain).find(".//section[@id='pictures']")
    assert "no pictures to compare, because no file ran" in text(section)


def test_bars_are_as_long_as_their_values() -> None:
    slow = {**NO_FIGURES, "size_bytes": 4e6, "latency_p50_ms": 8.0, "latency_p90_ms": 10.0}
    fast = {**NO_FIGURES, "size_bytes": 1e6, "latency_p50_ms": 2.0, "latency_p90_ms": 2.5}
    lost = {**NO_FIGURES, "size_bytes": 1e6}
    benchmark = BenchmarkDocument(
        {"cpu": "Example"},
        (
            BenchmarkRow("PyTorch", "fp32", "network", "pytorch", slow, None),
            BenchmarkRow("a", "int8-dynamic", "rewritten", "litert", fast, None),
            BenchmarkRow("b", "fp32", "plain", "litert", lost, "the runtime refused it"),
        ),
    )
    page = parsed(a_report(judged("a", PASSING, card()), benchmark=benchmark))
    latency, size = page.findall(".//figure")
    widths = {
        (item.attrib["class"], item.attrib["width"])
        for item in latency.iter("rect")
        if item.attrib["class"] != "track"
    }
    assert widths == {("baseline", "80.00%"), ("bar", "20.00%")}
    assert [line.attrib["x2"] for line in latency.iter("line")] == ["100.00%", "25.00%"]
    assert "the runtime refused it" in text(latency)
    assert "4.00 MB" in text(size)
    assert "Example" in text(page.find(".//section[@id='benchmark']"))


def test_what_files_have_in_common_stands_once() -> None:
    files = (
        judged("a", PASSING, card("fp32")),
        judged("b", PASSING, card("fp16")),
        judged("c", PASSING, card("fp16", weights="b")),
        judged("d", PASSING, None),
    )
    assert [origin.labels for origin in group_origins(files)] == [("a", "b"), ("c",)]
    section = text(parsed(a_report(*files)).find(".//section[@id='origin']"))
    for sha in ("a0" * 32, "a1" * 32, "b1" * 32, "a" * 64):
        assert section.count(sha) == 1
    assert "1 \N{MULTIPLICATION SIGN} 100" in section
    assert "torch2.13.0" in section
    assert "d has no card" in section


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("x/a.tflite"), Path("y/a.tflite"), Path("y/b.tflite")]
    assert labels_of(paths) == ["x/a.tflite", "y/a.tflite", "b.tflite"]


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (None, "", ""),
        (float("inf"), "psnr_db", "∞ dB"),
        (float("nan"), "", "nan"),
        (0.00012345, "", "0.0001234"),
        (12345.6, "", "12,346"),
        (7.71, "latency_p50_ms", "7.71 ms"),
    ],
)
def test_figures_carry_the_unit_of_their_name(value: float | None, name: str, shown: str) -> None:
    assert figure(value, name).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.html", "other.html"):
        write_report(a_report(judged("a", PASSING, card())), tmp_path / name)
    one, other = (tmp_path / "one.html").read_bytes(), (tmp_path / "other.html").read_bytes()
    assert one == other
    assert one.startswith(b"<!DOCTYPE html>")
