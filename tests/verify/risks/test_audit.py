"""Planted risks, each found by the right part in the right words; and none in a clean model."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from convert.card import Card, stamp
from convert.float_model import export
from verify.risks.audit import audit_file
from verify.risks.findings import RiskAudit, grouped
from wrappers.registry import find_spec

PLANTED = Path(__file__).parent / "planted.py"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RiskAudit]:
    """Convert a planted model and audit its file, without the delegate: not all have a driver."""
    folder = tmp_path_factory.mktemp("planted")

    @functools.cache
    def audit(name: str) -> RiskAudit:
        place = f"{PLANTED}:{name}"
        spec = find_spec(place)
        network = spec.open_network(folder)
        contract = spec.contract(network)
        bare, path = folder / "bare.tflite", folder / f"{name}.tflite"
        export(network, {it.name: torch.zeros(it.shape) for it in contract.inputs}, bare)
        card = Card(spec.name, "fp32", "rewritten", contract.to_json(), {"sha256": ""}, {})
        stamp(bare, path, card)
        return audit_file(path, model=place, samples=2, use_delegate=False)

    return audit


@pytest.mark.parametrize(
    ("name", "kind", "op", "said"),
    [
        ("OVERFLOW", "overflow", "MUL", ("which float16 cannot hold", "power of two")),
        (
            "SUM_OF_SQUARES",
            "sum_overflow",
            "SUM",
            ("sum of squares over 65536 terms", "before the"),
        ),
        ("LONG_MEAN", "sum_overflow", "MEAN", ("sum over 65536 terms", "over one axis and then")),
        ("FIVE_AXES", "rank_above_4", "RESHAPE", ("has 5 axes", "within 4 axes")),
        ("EXPAND", "refused_op", "BROADCAST_TO", ("issue 9191", "leave the size 1")),
        ("INDEXED", "refused_op", "GATHER_ND", ("issue 5197", "slices")),
        ("ROWS_OF_CONSTANTS", "constant_rank", "ADD", ("answers wrongly", "four axes")),
    ],
)
def test_what_is_planted_is_found(
    audited: Callable[[str], RiskAudit], name: str, kind: str, op: str, said: tuple[str, str]
) -> None:
    audit = audited(name)
    assert not audit.passed
    found = [item for item in audit.findings if item.kind == kind and item.op.endswith(f" {op}")]
    assert found, [(item.kind, item.op) for item in audit.findings]
    assert said[0] in found[0].explanation
    assert said[1] in found[0].rewrite
    if kind.endswith("overflow"):
        assert found[0].value is not None
        assert found[0].value > 65504 == found[0].limit
        assert found[0].sample in (0, 1)


@pytest.mark.parametrize("name", ["OVERFLOW", "SUM_OF_SQUARES", "LONG_MEAN"])
def test_what_overflows_fails_the_verdict_in_float16(
    audited: Callable[[str], RiskAudit], name: str
) -> None:
    ((check,),) = audited(name).float16.values()
    assert check.name == "relative_l2"
    assert check.passed is False


@pytest.mark.parametrize("name", ["CLEAN", "MEAN_IN_PARTS"])
def test_a_clean_model_has_no_finding(audited: Callable[[str], RiskAudit], name: str) -> None:
    audit = audited(name)
    assert audit.findings == ()
    assert audit.passed
    ((check,),) = audit.float16.values()
    assert check.passed
    assert check.value is not None
    assert 0 < check.value < 1e-3  # it was rounded, and to no more than float16


def test_an_audit_goes_into_json_whole(audited: Callable[[str], RiskAudit]) -> None:
    audit = audited("EXPAND")
    document = audit.to_json()
    assert document["passed"] is False
    assert document["findings"][0]["kind"] == "refused_op"
    assert {part["name"] for part in document["parts"]} >= {
        "rules for ops and shapes", "the analyzer of ai-edge-litert", "values on samples",
    }  # fmt: skip
    assert all(part["note"] for part in document["parts"])


def test_findings_of_one_kind_are_told_by_the_worst(
    audited: Callable[[str], RiskAudit],
) -> None:
    audit = audited("OVERFLOW")
    groups = grouped(audit.findings)
    assert sum(group.count for group in groups) == len(audit.findings)
    assert [group.worst.severity for group in groups] == ["wrong"] * len(groups)
