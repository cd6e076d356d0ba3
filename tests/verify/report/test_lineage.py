from pathlib import Path
from typing import Any

import pytest

from convert.card import Card
from verify.report import JudgedFile
from verify.report.lineage import trace
from verify.verdict import Verdict

SHAS = ["a" * 64, "b" * 64]


def checkpoint(*shas: str, whole: str = "c" * 64) -> dict[str, Any]:
    files = [{"name": f"m.chunk_{n:03}.pth", "sha256": sha} for n, sha in enumerate(shas)]
    return {"sha256": whole, "files": files}


def judged(label: str, precision: str = "fp32", variant: str = "rewritten") -> JudgedFile:
    card = Card(
        model="gan-generator",
        precision=precision,
        variant=variant,
        contract={"inputs": [], "outputs": []},
        checkpoint=checkpoint(*SHAS),
        tools={"torch": "2.13.0", "ai-edge-quantizer": "0.10.0"},
    )
    verdict = Verdict(Path(label), "gan-generator", precision, 10, label * 64, 4, 0, ())
    return JudgedFile(label, verdict, card)


def test_files_of_one_origin_are_one_chain() -> None:
    files = [judged("d"), judged("e", "int8-dynamic"), judged("f", variant="plain")]
    first, second = trace(files, checkpoint(*SHAS))
    assert [step.label for step in first.files] == ["d", "e"]
    assert [step.label for step in second.files] == ["f"]
    assert first.files[0].sha256 == "d" * 64


def test_each_step_names_the_tools_that_made_it() -> None:
    (chain,) = trace([judged("d"), judged("e", "int8-dynamic")], checkpoint(*SHAS))
    assert chain.float_tools == "torch 2.13.0"
    assert [step.tools for step in chain.files] == ["", "ai-edge-quantizer 0.10.0"]


@pytest.mark.parametrize(
    ("at_hand", "same", "each"),
    [
        (checkpoint(*SHAS), True, [True, True]),
        (checkpoint("a" * 64, "d" * 64, whole="e" * 64), False, [True, False]),
        (checkpoint("a" * 64, whole="a" * 64), False, [True, False]),
        (checkpoint(*reversed(SHAS), whole="e" * 64), False, [False, False]),
    ],
)
def test_the_checkpoint_at_hand_is_compared_file_by_file(
    at_hand: dict[str, Any], same: bool, each: list[bool]
) -> None:
    (chain,) = trace([judged("d")], at_hand)
    assert chain.same is same
    assert [entry.same for entry in chain.weights] == each


def test_a_renamed_checkpoint_is_the_same() -> None:
    renamed = checkpoint(*SHAS)
    for entry in renamed["files"]:
        entry["name"] = f"other_{entry['name']}"
    (chain,) = trace([judged("d")], renamed)
    assert [entry.same for entry in chain.weights] == [True, True]


def test_a_file_without_a_card_has_no_chain() -> None:
    file = judged("d")
    assert trace([JudgedFile("d", file.verdict, None)], checkpoint(*SHAS)) == ()
