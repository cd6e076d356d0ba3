"""The page of a training run: what it says in each state, read strictly."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chunkport.errors import UsageError
from verify.report import CommandLine
from verify.report.training import Said, StandingSign, State, TrainingPage
from verify.report.training_page import render_training, write_training_page

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made

HOSTILE = '<script>alert("1")</script>&'


def parsed(page: TrainingPage) -> ET.Element:
    return ET.fromstring(render_training(page))  # noqa: S314 - our own page


def refreshes(page: ET.Element) -> list[str | None]:
    return [it.get("content") for it in page.iter("meta") if it.get("http-equiv") == "refresh"]


def test_all_of_a_run_under_way_is_there(made: "Made", training: TrainingPage) -> None:
    page = parsed(training)
    header = made.text(page.find("body/header"))
    assert "35% Epoch 2 of 4, about 3 min left." in header
    facts = [made.text(it) for it in page.findall("body/header/dl/div/dd")]
    assert facts == ["12.5", "440.1 MB", "2025-01-18 14:30:45 UTC"]
    title = page.find("head/title")
    assert made.text(title) == "35%: train-gan, 4 epochs"
    assert [made.text(it) for it in page.findall(".//section[@id='signs']//li")] == [
        "✗ Failure mode-collapse: alike. Try another seed.",
        "! Warning D_loss near 0 after epoch 1",
        "Note 2 lines cut off. before epoch 1 was over",
    ]
    assert "discriminator 1.2 generator 0.8" in made.section(page, "curves")
    links = [it.get("href") for it in page.findall(".//section[@id='pictures']//a")]
    assert links == ["training_progress/2.png", "training_progress/1.png"]
    alternatives = [it.get("alt") for it in page.iter("img")]
    assert alternatives == ["Samples after epoch 2", "Samples after epoch 1"]
    assert "best_model.pth best 1 4 0.7 0.94 MB" in made.section(page, "checkpoints")
    assert training.commands[0].line in made.section(page, "commands")


@pytest.mark.parametrize(
    ("state", "headline", "conclusion"),
    [
        ("running", "35%", "Epoch 2 of 4, about 3 min left."),
        ("done", "Done", "All 4 epochs are trained."),
        ("interrupted", "Stopped", "Interrupted after 1 of 4 epochs."),
        ("failed", "Failed", "Broke off after 1 of 4 epochs."),
    ],
)
def test_it_loads_itself_anew_only_while_the_run_goes_on(
    made: "Made", training: TrainingPage, state: State, headline: str, conclusion: str
) -> None:
    page = parsed(replace(training, state=state, reason="no room" if state == "failed" else ""))
    assert made.text(page.find(".//h1")) == headline
    leads = [made.text(it) for it in page.findall("body/header/p[@class]")[1:]]
    assert leads[0] == conclusion
    assert ("no room" in leads) == (state == "failed")
    assert refreshes(page) == (["15"] if state == "running" else [])
    assert ("was killed" in made.text(page.find("body/footer"))) == (state == "running")


def test_a_run_that_has_just_begun_says_what_will_come(made: "Made") -> None:
    page = parsed(TrainingPage("train-gan", "fruit", "running", 4, 0.1, "just begun", "now", 15))
    for section, said in (
        ("signs", "Nothing to warn of so far."),
        ("curves", "They begin after the first epoch."),
        ("pictures", "The first are drawn after the first epoch."),
        ("checkpoints", "The first is saved after the first epoch."),
    ):
        assert said in made.section(page, section)


def test_what_a_run_says_cannot_become_part_of_the_page(
    made: "Made", training: TrainingPage
) -> None:
    page = parsed(
        replace(
            training,
            folder=HOSTILE,
            reason=HOSTILE,
            signs=(StandingSign(HOSTILE, good=True, sentence=HOSTILE, remedy=""),),
            said=(Said(HOSTILE, 1, warning=True),),
            commands=(CommandLine(HOSTILE, HOSTILE),),
        )
    )
    assert list(page.iter("script")) == []
    assert HOSTILE in made.section(page, "signs")


def test_it_fetches_nothing_and_runs_nothing(training: TrainingPage) -> None:
    text = render_training(training)
    assert "default-src 'none'" in text
    assert "<script" not in text
    assert all((it.get("src") or "").startswith("data:") for it in parsed(training).iter("img"))


def test_it_appears_whole_or_not_at_all(training: TrainingPage, tmp_path: Path) -> None:
    write_training_page(training, tmp_path / "training.html")
    assert [item.name for item in tmp_path.iterdir()] == ["training.html"]
    with pytest.raises(UsageError, match="no such folder"):
        write_training_page(training, tmp_path / "nowhere" / "training.html")
