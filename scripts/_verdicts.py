"""How commands show verdicts, and the messages that a detector reads in pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from verify.reference import Reference
    from verify.verdict import Check, Verdict
    from wrappers.spec import Arrays

_MARKS = {True: "pass", False: "FAIL", None: "skipped"}
_SENSES = {"at_most": "<=", "at_least": ">=", None: ""}
_BITS_SHOWN = 32


def _limit(row: Mapping[str, Any]) -> str:
    return "" if row["limit"] is None else f"{_SENSES[row['sense']]} {number(row['limit'])}"


_CHECKS = (
    Column("name", "check"),
    Column("passed", "", lambda passed: _MARKS[passed]),
    Column("value", "value", number, right=True),
    Column("limit_text", "limit", right=True),
    Column("margin", "margin", number, right=True),
    Column("passing_limit", "would pass at", number, right=True),
    Column("meaning", "in plain words"),
)
_MESSAGES = (
    Column("picture", "picture"),
    Column("read_by", "read by"),
    Column("confidence", "confidence", lambda value: f"{value:.6f}", right=True),
    Column("ones", "1 bits", right=True),
    Column("bits", f"first {_BITS_SHOWN} bits", lambda bits: bits[:_BITS_SHOWN]),
    Column("hex", "message"),
)


def show_verdict(output: Output, verdict: "Verdict") -> None:
    """The checks of one file as a table, and in the JSON under `files`."""
    document = verdict.to_json()
    title = f"{verdict.path}  {verdict.precision}, {verdict.samples} samples, seed {verdict.seed}"
    show_checks(output, None, title, verdict.checks)
    output.fact("files", [*output.document().get("files", []), document])


def show_checks(output: Output, key: str | None, title: str, checks: "Sequence[Check]") -> None:
    """Checks as a table, and in the JSON under `key`, unless it is None."""
    rows = [
        {**row, "limit_text": _limit(row), "meaning": row["reason"] or row["explanation"]}
        for row in map(asdict, checks)
    ]
    output.table(key, title, _CHECKS, rows)


def show_messages(
    output: Output,
    reference: "Reference",
    outputs: "Mapping[str, Sequence[Arrays]]",
    made: Mapping[str, int] | None = None,
) -> None:
    """What the network and each file read in the user's pictures, one under the other.

    Args:
        output: where to.
        reference: the network's answers.
        outputs: by file, its answers to all inputs of the reference.
        made: samples to show as well, by what to call them.
    """
    read = reference.spec.read_message
    first = len(reference.inputs) - len(reference.pictures)
    shown = {str(picture): first + place for place, picture in enumerate(reference.pictures)}
    shown |= made or {}
    if read is None or not shown:
        return
    readers = {"PyTorch": reference.outputs} if reference.outputs else {}
    rows = []
    for picture, place in shown.items():
        for reader, answers in {**readers, **outputs}.items():
            message = read(answers[place])
            rows.append(
                {
                    "picture": picture,
                    "read_by": reader,
                    "confidence": message.confidence,
                    "ones": f"{message.ones}/{len(message.bits)}",
                    "bits": "".join(map(str, message.bits)),
                    "hex": message.hex,
                }
            )
    output.table("messages", "messages read in the pictures", _MESSAGES, rows)
