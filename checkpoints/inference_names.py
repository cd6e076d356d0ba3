"""Names and versions of inference folders. They are for people: nothing is read off a name."""

import re
from collections.abc import Collection, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from chunkport.errors import UsageError

_VERSION = re.compile(r"v?(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")
_FIRST_VERSION = "v1.0"


def parse_version(version: str) -> tuple[int, ...]:
    """`v1.0`, `1.0` or `1.0.2` as two or three numbers.

    Raises:
        UsageError: it is none of these.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise UsageError(f"version: {version!r:.40} is not one; give two or three numbers: v1.0")
    return tuple(int(number) for number in match.groups() if number is not None)


def next_version(versions: Iterable[str]) -> str:
    """The minor version after the highest, `v1.0` where there is none."""
    found = [parse_version(version) for version in versions]
    if not found:
        return _FIRST_VERSION
    major, minor, *_ = max(found)
    return f"v{major}.{minor + 1}"


def descriptive_name(architecture: str, dataset: str, metric: str, value: float, day: date) -> str:
    """`BiLSTM_Attention_ECG_acc87_20250102`: the metric, from 0 to 1, in rounded per cent.

    Halves are rounded up, in the digits that a person sees: 0.285 is 29.

    Raises:
        UsageError: a value outside 0 to 1, or a part that is not letters, digits, `_` or `-`.
    """
    if not 0 <= value <= 1:
        raise UsageError(f"{metric}: is {value}; only a share from 0 to 1 can stand in a name")
    for part in (architecture, dataset, metric):
        if re.fullmatch(r"[\w-]+", part) is None:
            raise UsageError(f"name: {part!r:.80} has other than letters, digits, '_' and '-'")
    percent = (Decimal(repr(float(value))) * 100).to_integral_value(ROUND_HALF_UP)
    return f"{architecture}_{dataset}_{metric}{percent}_{day:%Y%m%d}"


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, or the first of `<name>_2`, `<name>_3`, ... that is not taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
