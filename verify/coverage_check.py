"""Whether as many ops compute in integers as a file's card says, and which do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convert.quantization.coverage import in_words
from convert.quantization.op_widths import op_widths
from convert.tflite import read_flatbuffer
from verify.subject import Subject
from verify.verdict import Check

_EXPLANATION = "as many ops compute in integers as its card says, and the rest has its reason"


def check_coverage(subject: Subject) -> Iterator[Check]:
    """The row of a file whose card tells of coverage; none of another."""
    if subject.card is not None and subject.card.coverage:
        yield _check(subject.path, subject.card.coverage)


def _check(path: Path, told: dict[str, Any]) -> Check:
    computing = [op for op in op_widths(read_flatbuffer(path)) if op.role == "computes"]
    found = sum(op.integers for op in computing), len(computing)
    try:
        said, words = (told["in_integers"], told["computing"]), in_words(told)
    except (LookupError, TypeError, AttributeError) as error:
        return Check("coverage", passed=False, explanation=_EXPLANATION, reason=f"no {error}")
    fault = None
    if said != found:
        fault = f"its card says {said[0]} of {said[1]} ops, and it is {found[0]} of {found[1]}"
    detail = "; ".join([f"{found[0]} of {found[1]} ops compute in integers", *words])
    return Check("coverage", not fault, _EXPLANATION, reason=fault, detail=detail)
