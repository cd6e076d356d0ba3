"""How commands show verdicts, and the messages that a detector reads in pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from verify.reference import Reference
    from verify.verdict import Check, Verdict
    from wrappers.spec import Arrays

_MARKS = {True: "pass", False: "FAIL", None: "skipped"}
_SENSES = {"at_most": "<=", "at_least": ">="}
_BITS_SHOWN = 32
_CHECKS = (
    Column("shown", "check"),
    Column("mark", ""),
    Column("value", "value", number, right=True),
    Column("limit_text", "limit", right=True),
    Column("margin", "margin", number, right=True),
    Column("passing_limit", "would pass at", number, right=True),
)
_WORDS = (Column("name", "check"), Column("words", "in plain words"))
_MESSAGES = (
    Column("picture", "picture"),
    Column("read_by", "read by"),
    Column("confidence", "confidence", lambda value: f"{value:.6f}", right=True),
    Column("ones", "1 bits", right=True),
    Column("bits", f"first {_BITS_SHOWN} bits", lambda bits: bits[:_BITS_SHOWN]),
    Column("hex", "message"),
)


def show_verdicts(output: Output, verdicts: "Sequence[Verdict]") -> None:
    """The checks of each file as a table, and in the JSON under `files`; what they mean below."""
    for verdict in verdicts:
        result = "PASS" if verdict.passed else "FAIL"
        samples = f"{verdict.samples} samples, seed {verdict.seed}"
        if verdict.latency_p50_ms is not None:
            samples += f", median run {number(verdict.latency_p50_ms)} ms"
        _show_rows(
            output, f"{result}  {verdict.path}  {verdict.precision}, {samples}", verdict.checks
        )
    output.fact("files", [verdict.to_json() for verdict in verdicts])
    _show_words(output, [check for verdict in verdicts for check in verdict.checks])


def show_checks(output: Output, key: str | None, title: str, checks: "Sequence[Check]") -> None:
    """Checks as a table, and in the JSON under `key`, unless it is None; what they mean below."""
    if key is not None:
        output.fact(key, [asdict(check) for check in checks])
    _show_rows(output, title, checks)
    _show_words(output, checks)


def _show_rows(output: Output, title: str, checks: "Sequence[Check]") -> None:
    """The failed ones first."""
    rows = []
    for check in sorted(checks, key=lambda check: check.passed is not False):
        note = "; ".join(_notes(check))
        limit = "" if check.sense is None else f"{_SENSES[check.sense]} {number(check.limit)}"
        rows.append(
            {
                **asdict(check),
                "shown": f"{check.name}\n  {note}" if note else check.name,
                "mark": "info" if check.informs else _MARKS[check.passed],
                "limit_text": limit,
            }
        )
    output.table(None, title, _CHECKS, rows)


def _notes(check: "Check") -> "Iterator[str]":
    """What is to be known of this file's row, beyond its numbers."""
    if check.passed is False:
        yield check.explanation
    if check.reason and not check.informs:
        yield check.reason
    if check.limit_by_hand:
        yield "limit set by --limit"
    if check.detail:
        yield check.detail
    if check.interval and check.interval.low < check.interval.high:
        yield f"95% interval {number(check.interval.low)} to {number(check.interval.high)}"
    if check.worst and check.value:
        yield f"worst: {check.worst}"


def _show_words(output: Output, checks: "Sequence[Check]") -> None:
    """One line of plain words for every row, however many files have it."""
    words: dict[str, str] = {}
    for check in checks:
        free = f" (no limit: {check.reason})" if check.informs else ""
        words.setdefault(check.name, f"{check.explanation}{free}")
    rows = [{"name": name, "words": text} for name, text in words.items()]
    output.table(None, "what the checks mean", _WORDS, rows)


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
