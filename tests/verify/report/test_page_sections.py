"""What each section of the page says of the values that it is given."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verify.benchmark_document import BenchmarkDocument
from verify.report.bit_sheet import BitSheet
from verify.report.contact_sheet import ContactSheet
from verify.runtime_agreement import Agreement

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made


def test_the_contact_sheet_states_its_amplification(made: "Made") -> None:
    said = made.section(made.parsed(made.full()), "pictures")
    assert "differences \N{MULTIPLICATION SIGN} 1,000 palest 0.002" in said
    assert "sample 18" in said
    assert "58.4 dB worst" in said


def test_a_sheet_without_pictures_or_messages_says_why(made: "Made") -> None:
    report = made.report(made.judged("a", made.passing, made.card()))
    sheet = ContactSheet("gan-generator", 32, 0, 2.0, reason="no file ran")
    bits = BitSheet("tinyseal", "marked pictures", reason="it holds no embedder")
    page = made.parsed(replace(report, sheets=(sheet,), bits=(bits,)))
    assert "no pictures to compare, because no file ran" in made.section(page, "pictures")
    assert "Nothing was read in marked pictures: it holds no embedder" in made.section(page, "bits")


def test_what_was_not_given_is_named_with_the_flag_that_gives_it(made: "Made") -> None:
    page = made.parsed(made.report(made.judged("a", made.passing, made.card())))
    assert "Not given: --benchmark shows" in made.section(page, "benchmark")


def test_bars_are_as_long_as_their_values(made: "Made") -> None:
    slow = made.row("PyTorch", "pytorch", size_bytes=4e6, latency_p50_ms=8.0, latency_p90_ms=10.0)
    fast = made.row("a", size_bytes=1e6, latency_p50_ms=2.0, latency_p90_ms=2.5)
    lost = replace(made.row("b", size_bytes=1e6), reason="the runtime refused it")
    benchmark = BenchmarkDocument({"cpu": "Example"}, (slow, fast, lost))
    file = made.judged("a", made.passing, made.card())
    page = made.parsed(made.report(file, benchmark=benchmark))
    latency, size = page.findall(".//figure")
    widths = {
        (item.attrib["class"], item.attrib["width"])
        for item in latency.iter("rect")
        if item.attrib["class"] != "track"
    }
    assert widths == {("baseline", "80.00%"), ("bar", "20.00%")}
    assert [line.attrib["x2"] for line in latency.iter("line")] == ["100.00%", "25.00%"]
    assert "the runtime refused it" in made.text(latency)
    assert "4.00 MB" in made.text(size)
    assert "Example" in made.section(page, "benchmark")


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
    page = made.parsed(report)
    words = [made.text(it) for it in page.findall(".//ul[@class='files']/li//*[@class='word']")]
    assert words == ["FAIL", "PASS"]
    shown = [
        [made.text(cell) for cell in row]
        for row in page.findall(".//section[@id='runtimes']//tbody/tr")
    ]
    assert [row[2] for row in shown] == [
        "compared with",
        "✓ agree 120 dB",
        "✗ DIFFER",
        "\N{EN DASH} not run",
    ]
    assert shown[1][3:] == ["1e-07", "1e-05", "2.5 ms", "1", ""]
    assert "far" in shown[2][1]
    assert "Chromium is not here" in shown[3][1]
    alone = made.section(made.parsed(made.report(*files)), "runtimes")
    assert alone == (
        "Runtimes Judged in LiteRT alone: --runtime all runs the files in every other runtime "
        "that is here, and compares."
    )


def test_flipped_bits_are_ringed_counted_and_listed(made: "Made") -> None:
    page = made.parsed(made.full())
    first = page.find(".//section[@id='bits']//ol[@class='readings']/li")
    assert first is not None
    network, flipping = first.findall(".//div[@class='strip']")
    assert "flipped" not in made.text(network)
    rings = [it for it in flipping.iter("rect") if it.attrib["class"] == "ring"]
    said = re.search(r"(\d+) of 32 flipped: bits? ", made.text(flipping))
    assert said is not None
    assert len(rings) == int(said[1]) > 0
    assert all("in PyTorch" in made.text(ring) for ring in rings)


def test_the_chain_says_whether_the_checkpoint_at_hand_is_the_one(made: "Made") -> None:
    page = made.parsed(made.full())
    mine, another = page.findall(".//section[@id='origin']/article")
    for sha in ("a0" * 32, "a1" * 32, "a" * 64, "f" * 64):
        assert made.text(mine).count(sha) == 1
    assert "✓ same as the one at hand, m/model.pth" in made.text(mine)
    assert made.text(another).count("✗ DIFFERS") == 3  # the checkpoint and its two files
    assert f"whose sha256 is {'a' * 64}" in made.text(another)
    assert "1 \N{MULTIPLICATION SIGN} 100" in made.text(mine)
    assert "no_card.tflite has no card" in made.section(page, "origin")


def test_risks_are_grouped_the_gravest_first_and_their_absence_is_told(made: "Made") -> None:
    page = made.parsed(made.full())
    risky, sound, lost = page.findall(".//section[@id='risks']/article")
    assert made.text(lost) == "other Not looked for: lost"
    rows = [[made.text(cell) for cell in row] for row in risky.findall("div//tbody/tr")]
    assert [row[2:] for row in rows] == [
        ["✗ WRONG", "2", "199,013", "65,504"],
        ["slow", "1", "", ""],
    ]
    assert rows[0][0] == "overflow #12 MEAN, detector.head.norm"
    assert "Exact rewrite: divide before the square" in rows[0][1]
    assert "✓ nothing found, on 4 samples" in made.text(sound)
    assert "delegate: not run, no Vulkan" in made.text(sound)
    assert "The outputs, rounded: psnr_db 80.5 dB." in made.text(sound)
    without = made.section(made.parsed(replace(made.full(), audits=())), "risks")
    assert "Not looked for: leave out --no-audit, or run chunkport audit." in without


def test_the_layer_that_departs_first_is_told_and_marked(made: "Made") -> None:
    page = made.parsed(made.full())
    found, other = page.findall(".//section[@id='layers']/article")
    assert "On sample 7. up2 departs first: its weights are not the checkpoint's." in made.text(
        found
    )
    rows = found.findall(".//tbody/tr")
    assert [row.attrib["class"] for row in rows] == ["", "failed", ""]
    assert [made.text(row[0]) for row in rows] == ["up1", "up2 first", "up3"]
    assert [made.text(cell) for cell in rows[1][1:]] == [
        *("deconv1, norm1", "m.chunk_001.pth"),
        *("< 0.001 %", "50 %", "1.2 %", "< 0.001 %", "1.2 %", "weights, conversion"),
    ]
    assert made.text(rows[2][2]) == "not known"
    assert "Not examined: it did not run" in made.text(other)
    without = made.section(made.parsed(replace(made.full(), examined=())), "layers")
    assert "those that fail are, and all of them with --per-layer" in without


def test_every_part_of_a_file_is_in_its_map_and_in_its_table(made: "Made") -> None:
    report = made.full()
    article = made.parsed(report).find(".//section[@id='inside']/article")
    assert article is not None
    rows = report.insides[0].bytes.rows
    (drawing,) = [it for it in article.iter("svg") if it.attrib.get("class") == "map"]
    titles = [made.text(it) for it in drawing.iter("title")]
    assert len(titles) == len(rows) == len(article.findall("details[1]//tbody/tr"))
    assert len(article.findall("details[2]/ol/li")) == len(report.insides[0].ops.ops)
