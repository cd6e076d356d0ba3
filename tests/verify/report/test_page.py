import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from verify.benchmark_document import BenchmarkDocument
from verify.report import labels_of
from verify.report.bit_sheet import BitSheet
from verify.report.page import render, write_report
from verify.verdict import Figure, against_limit, measured, skipped
from wrappers.spec import at_most

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made

HOSTILE = '<script>alert("1")</script>&.tflite'


def cells_of(made: "Made", page: ET.Element, file: int) -> dict[str, list[str]]:
    """The checks of one file: the texts of a row's cells by the name of its check, in order."""
    rows = page.findall(f".//article[@id='file-{file}']//tbody/tr")
    return {made.text(row[0]): [made.text(cell) for cell in row[1:]] for row in rows}


def test_every_check_of_every_file_is_there_with_its_figures(made: "Made") -> None:
    page = made.parsed(made.full())
    first, second = cells_of(made, page, 1), cells_of(made, page, 2)
    assert first["psnr_db"][1:] == ["✓ pass", "58.94 dB", "≥ 35 dB", "23.94 dB", "58.94 dB"]
    assert first["max_abs_difference"][1:] == ["✓ pass", "0.25", "≤ 0.5", "0.25", "0.25"]
    assert second["worst_psnr_db"][1:] == ["✗ FAIL", "20.5 dB", "≥ 35 dB", "-14.5 dB", "20.5 dB"]
    assert second["range"][0] == "inside the range sample 3: 'image' holds NaN"


def test_checks_that_failed_come_first_and_those_that_merely_passed_last(made: "Made") -> None:
    page = made.parsed(made.full())
    assert list(cells_of(made, page, 2)) == ["worst_psnr_db", "range", "psnr_db"]
    article = page.find(".//article[@id='file-2']")
    assert article is not None
    assert made.text(article.find("details/summary")) == "✓ pass loads"
    assert made.text(article.find("details/ul/li")) == "loads opens in the runtime"


def test_checks_that_could_not_run_stand_with_the_reason_that_they_share(made: "Made") -> None:
    lost = [skipped(name, f"words of {name}", "no embedder") for name in ("one", "two")]
    other = skipped("three", "its words", "no digest")
    page = made.parsed(made.report(made.judged("a", (*made.passing, *lost, other), made.card())))
    article = page.find(".//article[@id='file-1']")
    assert article is not None
    summaries = [made.text(it) for it in article.findall("details/summary")]
    assert summaries[1:] == ["\N{EN DASH} not run one, two", "\N{EN DASH} not run three"]
    assert [made.text(it) for it in article.findall("p[@class='reason']")] == [
        "no embedder",
        "no digest",
    ]
    assert made.text(article.findall("details")[1].find("ul/li[2]")) == "two words of two"


def test_what_is_held_to_no_limit_or_to_one_set_by_hand_says_so(made: "Made") -> None:
    told = measured("bits", Figure("flips", informs="others have the limit"), 3, {}, "sample 2: 3")
    by_hand = replace(against_limit("d", "far", 0.1, at_most("d", 1)), limit_by_hand=True)
    page = made.parsed(made.report(made.judged("a", (told, by_hand), made.card())))
    rows = cells_of(made, page, 1)
    assert rows["bits"][:3] == ["flips worst: sample 2: 3 others have the limit", "no limit", "3"]
    assert rows["d"][3] == "≤ 1 *"
    assert "* set by hand, with --limit" in made.section(page, "checks")


@pytest.mark.parametrize(
    ("files", "headline", "conclusion"),
    [
        (["passing"], "PASS", "1 of 1 file agrees with PyTorch within the limits"),
        (["passing", "failing"], "FAIL", "1 of 2 files failed: 1.tflite"),
        (
            ["passing", "skipped"],
            "PASS",
            "2 of 2 files agree with PyTorch within the limits; some checks could not run",
        ),
    ],
)
def test_the_verdict_stands_first(
    made: "Made", files: list[str], headline: str, conclusion: str
) -> None:
    checks = {"passing": made.passing, "failing": made.failing, "skipped": made.failing[-1:]}
    named = [made.judged(f"{i}.tflite", checks[it], made.card()) for i, it in enumerate(files)]
    page = made.parsed(made.report(*named))
    assert made.text(page.find(".//h1")) == headline
    assert made.text(page.find(".//p[@class='lead']")) == conclusion + "."
    words = [made.text(item) for item in page.findall(".//ul[@class='files']/li//*[@class='word']")]
    assert words == ["PASS" if item.verdict.passed else "FAIL" for item in named]


def test_what_failed_is_named_at_the_top(made: "Made") -> None:
    counts = [made.text(it) for it in made.parsed(made.full()).findall(".//*[@class='counts']")]
    assert counts[:2] == ["3 passed", "2 passed, 1 not run, 2 failed: worst_psnr_db, range"]


def test_names_are_escaped_wherever_they_stand(made: "Made") -> None:
    row = replace(made.row(HOSTILE), precision="<b>", reason="<i>why</i>")
    benchmark = BenchmarkDocument({"cpu": "<cpu>"}, (row,))
    report = replace(
        made.report(made.judged(HOSTILE, made.passing, made.card()), benchmark=benchmark),
        bits=(BitSheet(HOSTILE, HOSTILE, reason=HOSTILE),),
    )
    page = made.parsed(report)
    assert not list(page.iter("script"))
    assert not list(page.iter("i"))
    assert render(report).count("<script") == 0
    assert HOSTILE in made.text(page.find("./head/title"))
    assert HOSTILE.removesuffix(".tflite") in made.section(page, "benchmark")


def test_the_page_fetches_nothing_and_runs_nothing(made: "Made") -> None:
    source, page = render(made.full()), made.parsed(made.full())
    source = re.sub(r"base64,[\w+/=]+", "", source)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", source)
    assert {item.tag for item in page.iter()}.isdisjoint({"script", "link", "iframe", "object"})
    sources = {value for item in page.iter() for key, value in item.items() if key == "src"}
    assert all(source.startswith(("data:image/png;", "data:image/jpeg;")) for source in sources)
    targets = {value for item in page.iter() for key, value in item.items() if key == "href"}
    assert all(target.startswith("#") for target in targets)
    assert targets <= {"#" + item.attrib["id"] for item in page.iter() if "id" in item.attrib}
    policy = page.find(".//meta[@http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert policy.attrib["content"].startswith("default-src 'none'")


def test_every_section_can_be_reached_from_the_top(made: "Made") -> None:
    page = made.parsed(made.full())
    linked = [link.attrib["href"] for link in page.findall(".//nav/a")]
    assert linked == ["#" + item.attrib["id"] for item in page.findall("./body/main/section")]
    assert {"#bits", "#inside", "#origin"} < set(linked)


def test_the_page_can_be_heard(made: "Made") -> None:
    page = made.parsed(made.full())
    assert page.attrib["lang"] == "en"
    assert all(image.attrib["alt"] for image in page.iter("img"))
    drawings = [it for it in page.iter("svg") if it.attrib.get("role") == "img"]
    assert len(drawings) > 5
    assert all(it.attrib["aria-label"] for it in drawings)
    assert all(item.attrib.get("scope") in {"col", "row"} for item in page.iter("th"))
    assert all(made.text(table.find("caption")) for table in page.iter("table"))


def test_headings_skip_no_level_and_every_place_has_one_name(made: "Made") -> None:
    page = made.parsed(made.full())
    levels = [int(item.tag[1]) for item in page.iter() if re.fullmatch("h[1-6]", str(item.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    names = [item.attrib["id"] for item in page.iter() if "id" in item.attrib]
    assert len(names) == len(set(names))


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("x/a.tflite"), Path("y/a.tflite"), Path("y/b.tflite")]
    assert labels_of(paths) == ["x/a.tflite", "y/a.tflite", "b.tflite"]


def test_the_same_values_give_the_same_bytes(made: "Made", tmp_path: Path) -> None:
    for name in ("one.html", "other.html"):
        write_report(made.full(), tmp_path / name)
    one, other = (tmp_path / "one.html").read_bytes(), (tmp_path / "other.html").read_bytes()
    assert one == other
    assert one.startswith(b"<!DOCTYPE html>")
