import itertools
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from verify.benchmark_document import BenchmarkDocument
from verify.report import Report, labels_of
from verify.report.bit_sheet import BitSheet
from verify.report.contact_sheet import ContactSheet
from verify.report.page import render, write_report
from verify.runtime_agreement import Agreement
from verify.verdict import Figure, against_limit, measured, skipped
from wrappers.spec import at_most

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made

HOSTILE = '<script>alert("1")</script>&.tflite'


def parsed(report: Report) -> ET.Element:
    """The page read strictly: every element closed, every special character escaped."""
    return ET.fromstring(render(report))  # noqa: S314 - our own page


def text(element: ET.Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def section(page: ET.Element, name: str) -> str:
    return text(page.find(f".//section[@id='{name}']"))


def cells_of(page: ET.Element, file: int) -> dict[str, list[str]]:
    """The checks of one file: the texts of a row's cells by the name of its check, in order."""
    rows = page.findall(f".//article[@id='file-{file}']//tbody/tr")
    return {text(row[0]): [text(cell) for cell in row[1:]] for row in rows}


def test_every_check_of_every_file_is_there_with_its_figures(made: "Made") -> None:
    page = parsed(made.full())
    first, second = cells_of(page, 1), cells_of(page, 2)
    assert first["psnr_db"][1:] == ["✓ pass", "58.94 dB", "≥ 35 dB", "23.94 dB", "58.94 dB"]
    assert first["max_abs_difference"][1:] == ["✓ pass", "0.25", "≤ 0.5", "0.25", "0.25"]
    assert second["worst_psnr_db"][1:] == ["✗ FAIL", "20.5 dB", "≥ 35 dB", "-14.5 dB", "20.5 dB"]
    assert second["range"][0] == "inside the range sample 3: 'image' holds NaN"


def test_checks_that_failed_come_first_and_those_that_merely_passed_last(made: "Made") -> None:
    page = parsed(made.full())
    assert list(cells_of(page, 2)) == ["worst_psnr_db", "range", "psnr_db"]
    article = page.find(".//article[@id='file-2']")
    assert article is not None
    assert text(article.find("details/summary")) == "✓ pass loads"
    assert text(article.find("details/ul/li")) == "loads opens in the runtime"


def test_checks_that_could_not_run_stand_with_the_reason_that_they_share(made: "Made") -> None:
    lost = [skipped(name, f"words of {name}", "no embedder") for name in ("one", "two")]
    other = skipped("three", "its words", "no digest")
    page = parsed(made.report(made.judged("a", (*made.passing, *lost, other), made.card())))
    article = page.find(".//article[@id='file-1']")
    assert article is not None
    summaries = [text(it) for it in article.findall("details/summary")]
    assert summaries[1:] == ["\N{EN DASH} not run one, two", "\N{EN DASH} not run three"]
    assert [text(it) for it in article.findall("p[@class='reason']")] == [
        "no embedder",
        "no digest",
    ]
    assert text(article.findall("details")[1].find("ul/li[2]")) == "two words of two"


def test_what_is_held_to_no_limit_or_to_one_set_by_hand_says_so(made: "Made") -> None:
    told = measured("bits", Figure("flips", informs="others have the limit"), 3, {}, "sample 2: 3")
    by_hand = replace(against_limit("d", "far", 0.1, at_most("d", 1)), limit_by_hand=True)
    page = parsed(made.report(made.judged("a", (told, by_hand), made.card())))
    rows = cells_of(page, 1)
    assert rows["bits"][:3] == ["flips worst: sample 2: 3 others have the limit", "no limit", "3"]
    assert rows["d"][3] == "≤ 1 *"
    assert "* set by hand, with --limit" in section(page, "checks")


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
    page = parsed(made.report(*named))
    assert text(page.find(".//h1")) == headline
    assert text(page.find(".//p[@class='lead']")) == conclusion + "."
    words = [text(item) for item in page.findall(".//ul[@class='files']/li//*[@class='word']")]
    assert words == ["PASS" if item.verdict.passed else "FAIL" for item in named]


def test_what_failed_is_named_at_the_top(made: "Made") -> None:
    counts = [text(it) for it in parsed(made.full()).findall(".//*[@class='counts']")]
    assert counts[:2] == ["3 passed", "2 passed, 1 not run, 2 failed: worst_psnr_db, range"]


def test_names_are_escaped_wherever_they_stand(made: "Made") -> None:
    row = replace(made.row(HOSTILE), precision="<b>", reason="<i>why</i>")
    benchmark = BenchmarkDocument({"cpu": "<cpu>"}, (row,))
    report = replace(
        made.report(made.judged(HOSTILE, made.passing, made.card()), benchmark=benchmark),
        bits=(BitSheet(HOSTILE, HOSTILE, reason=HOSTILE),),
    )
    page = parsed(report)
    assert not list(page.iter("script"))
    assert not list(page.iter("i"))
    assert render(report).count("<script") == 0
    assert HOSTILE in text(page.find("./head/title"))
    assert HOSTILE.removesuffix(".tflite") in section(page, "benchmark")


def test_the_page_fetches_nothing_and_runs_nothing(made: "Made") -> None:
    source, page = render(made.full()), parsed(made.full())
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
    page = parsed(made.full())
    linked = [link.attrib["href"] for link in page.findall(".//nav/a")]
    assert linked == ["#" + item.attrib["id"] for item in page.findall("./body/main/section")]
    assert {"#bits", "#inside", "#origin"} < set(linked)


def test_the_page_can_be_heard(made: "Made") -> None:
    page = parsed(made.full())
    assert page.attrib["lang"] == "en"
    assert all(image.attrib["alt"] for image in page.iter("img"))
    drawings = [it for it in page.iter("svg") if it.attrib.get("role") == "img"]
    assert len(drawings) > 5
    assert all(it.attrib["aria-label"] for it in drawings)
    assert all(item.attrib.get("scope") in {"col", "row"} for item in page.iter("th"))
    assert all(text(table.find("caption")) for table in page.iter("table"))


def test_headings_skip_no_level_and_every_place_has_one_name(made: "Made") -> None:
    page = parsed(made.full())
    levels = [int(item.tag[1]) for item in page.iter() if re.fullmatch("h[1-6]", str(item.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    names = [item.attrib["id"] for item in page.iter() if "id" in item.attrib]
    assert len(names) == len(set(names))


def test_the_contact_sheet_states_its_amplification(made: "Made") -> None:
    said = section(parsed(made.full()), "pictures")
    assert "differences \N{MULTIPLICATION SIGN} 1,000 palest 0.002" in said
    assert "sample 18" in said
    assert "58.4 dB worst" in said


def test_a_sheet_without_pictures_or_messages_says_why(made: "Made") -> None:
    report = made.report(made.judged("a", made.passing, made.card()))
    sheet = ContactSheet("gan-generator", 32, 0, 2.0, reason="no file ran")
    bits = BitSheet("tinyseal", "marked pictures", reason="it holds no embedder")
    page = parsed(replace(report, sheets=(sheet,), bits=(bits,)))
    assert "no pictures to compare, because no file ran" in section(page, "pictures")
    assert "Nothing was read in marked pictures: it holds no embedder" in section(page, "bits")


def test_what_was_not_given_is_named_with_the_flag_that_gives_it(made: "Made") -> None:
    page = parsed(made.report(made.judged("a", made.passing, made.card())))
    assert "Not given: --benchmark shows" in section(page, "benchmark")


def test_bars_are_as_long_as_their_values(made: "Made") -> None:
    slow = made.row("PyTorch", "pytorch", size_bytes=4e6, latency_p50_ms=8.0, latency_p90_ms=10.0)
    fast = made.row("a", size_bytes=1e6, latency_p50_ms=2.0, latency_p90_ms=2.5)
    lost = replace(made.row("b", size_bytes=1e6), reason="the runtime refused it")
    benchmark = BenchmarkDocument({"cpu": "Example"}, (slow, fast, lost))
    file = made.judged("a", made.passing, made.card())
    page = parsed(made.report(file, benchmark=benchmark))
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
    assert "Example" in section(page, "benchmark")


def test_how_a_file_runs_elsewhere_is_told_and_fails_it_where_that_differs(made: "Made") -> None:
    files = made.judged("a.tflite", made.passing, made.card()), made.judged("b", made.passing, None)
    same = Agreement(Path("b"), "fp32", "node", "LiteRT.js in Node", threads=1, agrees=True)
    same = replace(same, largest_difference=1e-7, tolerance=1e-5, latency_p50_ms=2.5, psnr_db=120)
    rows = (
        replace(same, runtime="litert", tolerance=None, largest_difference=None),
        same,
        replace(same, path=Path("a.tflite"), agrees=False, largest_difference=0.1, reason="far"),
        replace(same, runtime="chromium", agrees=None, reason="Chromium is not here"),
    )
    report = replace(made.report(*files), agreements=rows)
    assert report.conclusion == "1 of 2 files failed: a.tflite"
    page = parsed(report)
    words = [text(it) for it in page.findall(".//ul[@class='files']/li//*[@class='word']")]
    assert words == ["FAIL", "PASS"]
    shown = [
        [text(cell) for cell in row] for row in page.findall(".//section[@id='runtimes']//tbody/tr")
    ]
    assert [row[2] for row in shown] == [
        "compared with",
        "✓ same 120 dB",
        "✗ DIFFER",
        "\N{EN DASH} not run",
    ]
    assert shown[1][3:] == ["1e-07", "1e-05", "2.5 ms", "1", ""]
    assert "far" in shown[2][1]
    assert "Chromium is not here" in shown[3][1]
    alone = section(parsed(made.report(*files)), "runtimes")
    assert alone == (
        "Runtimes Judged in LiteRT alone: --runtime all runs the files in every other runtime "
        "that is here, and compares."
    )


def test_flipped_bits_are_ringed_counted_and_listed(made: "Made") -> None:
    page = parsed(made.full())
    first = page.find(".//section[@id='bits']//ol[@class='readings']/li")
    assert first is not None
    network, flipping = first.findall(".//div[@class='strip']")
    assert "flipped" not in text(network)
    rings = [it for it in flipping.iter("rect") if it.attrib["class"] == "ring"]
    said = re.search(r"(\d+) of 32 flipped: bits? ", text(flipping))
    assert said is not None
    assert len(rings) == int(said[1]) > 0
    assert all("in PyTorch" in text(ring) for ring in rings)


def test_the_chain_says_whether_the_checkpoint_at_hand_is_the_one(made: "Made") -> None:
    page = parsed(made.full())
    mine, another = page.findall(".//section[@id='origin']/article")
    for sha in ("a0" * 32, "a1" * 32, "a" * 64, "f" * 64):
        assert text(mine).count(sha) == 1
    assert "✓ same as the one at hand, m/model.pth" in text(mine)
    assert text(another).count("✗ DIFFERS") == 3  # the checkpoint and its two files
    assert f"whose sha256 is {'a' * 64}" in text(another)
    assert "1 \N{MULTIPLICATION SIGN} 100" in text(mine)
    assert "no_card.tflite has no card" in section(page, "origin")


def test_risks_are_grouped_the_gravest_first_and_their_absence_is_told(made: "Made") -> None:
    page = parsed(made.full())
    risky, sound = page.findall(".//section[@id='risks']/article")
    rows = [[text(cell) for cell in row] for row in risky.findall("div//tbody/tr")]
    assert [row[2:] for row in rows] == [
        ["✗ WRONG", "2", "199,013", "65,504"],
        ["slow", "1", "", ""],
    ]
    assert rows[0][0] == "overflow #12 MEAN, detector.head.norm"
    assert "Exact rewrite: divide before the square" in rows[0][1]
    assert "✓ nothing found, on 4 samples" in text(sound)
    assert "delegate: not run, no Vulkan" in text(sound)
    assert "The outputs, rounded: psnr_db 80.5 dB." in text(sound)
    without = section(parsed(replace(made.full(), audits=())), "risks")
    assert "Not looked for: leave out --no-audit, or run chunkport audit." in without


def test_the_layer_that_departs_first_is_told_and_marked(made: "Made") -> None:
    page = parsed(made.full())
    found, other = page.findall(".//section[@id='layers']/article")
    assert "On sample 7. up2 departs first: its weights are not the checkpoint's." in text(found)
    rows = found.findall(".//tbody/tr")
    assert [row.attrib["class"] for row in rows] == ["", "failed", ""]
    assert [text(row[0]) for row in rows] == ["up1", "up2 first", "up3"]
    assert [text(cell) for cell in rows[1][1:]] == [
        *("deconv1, norm1", "m.chunk_001.pth"),
        *("< 0.001 %", "50 %", "1.2 %", "< 0.001 %", "1.2 %", "weights, conversion"),
    ]
    assert text(rows[2][2]) == "not known"
    assert "Not examined: it did not run" in text(other)
    without = section(parsed(replace(made.full(), examined=())), "layers")
    assert "those that fail are, and all of them with --per-layer" in without


def test_every_part_of_a_file_is_in_its_map_and_in_its_table(made: "Made") -> None:
    report = made.full()
    article = parsed(report).find(".//section[@id='inside']/article")
    assert article is not None
    rows = report.insides[0].bytes.rows
    (drawing,) = [it for it in article.iter("svg") if it.attrib.get("class") == "map"]
    titles = [text(it) for it in drawing.iter("title")]
    assert len(titles) == len(rows) == len(article.findall("details[1]//tbody/tr"))
    assert len(article.findall("details[2]/ol/li")) == len(report.insides[0].ops.ops)


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    paths = [Path("x/a.tflite"), Path("y/a.tflite"), Path("y/b.tflite")]
    assert labels_of(paths) == ["x/a.tflite", "y/a.tflite", "b.tflite"]


def test_the_same_values_give_the_same_bytes(made: "Made", tmp_path: Path) -> None:
    for name in ("one.html", "other.html"):
        write_report(made.full(), tmp_path / name)
    one, other = (tmp_path / "one.html").read_bytes(), (tmp_path / "other.html").read_bytes()
    assert one == other
    assert one.startswith(b"<!DOCTYPE html>")
