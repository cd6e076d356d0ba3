"""Numbers as the page shows them."""

import math

_INTEGER_DIGITS = 4
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_SENSES = {"at_most": "\N{LESS-THAN OR EQUAL TO}", "at_least": "\N{GREATER-THAN OR EQUAL TO}"}
_PER_CENT, _LEAST_SHARE = 100, 0.1
_KILO, _MEGA = 1e3, 1e6


def figure(value: float | None, name: str = "") -> str:
    """A number to four digits, with the unit that its name ends in; nothing for None."""
    if value is None:
        return ""
    if math.isinf(value):
        text = "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    elif abs(value) >= 10**_INTEGER_DIGITS:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    unit = {"_db": "dB", "_ms": "ms"}.get(name[-3:])
    return f"{text}{_NO_BREAK_SPACE}{unit}" if unit else text


def megabytes(size_bytes: float | None) -> str:
    """Bytes as decimal megabytes, as phones and app stores count them; nothing for None."""
    return "" if size_bytes is None else f"{size_bytes / _MEGA:,.2f}{_NO_BREAK_SPACE}MB"


def some_bytes(size_bytes: int) -> str:
    """Bytes of a part of a file, in the decimal unit that suits them."""
    if size_bytes >= _MEGA:
        return megabytes(size_bytes)
    if size_bytes >= _KILO:
        return f"{size_bytes / _KILO:.1f}{_NO_BREAK_SPACE}kB"
    return f"{size_bytes}{_NO_BREAK_SPACE}B"


def share(part: float, whole: float) -> str:
    """A part of a whole, in per cent."""
    percent = _PER_CENT * part / whole if whole else 0.0
    if 0 < percent < _LEAST_SHARE:
        return f"<{_NO_BREAK_SPACE}{_LEAST_SHARE}%"
    return f"{percent:.1f}%"


def part(value: float | None) -> str:
    """A part of 1 in per cent, which says 100% only of all; nothing for None."""
    if value is None:
        return ""
    percent = math.floor(10 * _PER_CENT * value) / 10
    return f"{percent:,.0f}%" if percent >= 10 * _PER_CENT else f"{percent:.4g}%"


def times(value: float | None) -> str:
    """A ratio of speeds; nothing for None."""
    return "" if value is None else f"{value:.2f}{_NO_BREAK_SPACE}\N{MULTIPLICATION SIGN}"


def shape(sizes: tuple[int, ...]) -> str:
    """The sizes of a tensor."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, sizes))


def sense(name: str) -> str:
    """Which side of a limit passes."""
    return _SENSES[name]


def short(name: str) -> str:
    """A contender's name without the ending that says nothing."""
    return name.replace(".tflite", "")


def duration(seconds: float) -> str:
    """A length of time, as coarse as one would say it."""
    minutes = round(seconds / 60)
    if seconds < 90:  # noqa: PLR2004 - up to which seconds say more than a minute
        return f"{seconds:.0f}{_NO_BREAK_SPACE}s"
    if minutes < 90:  # noqa: PLR2004 - likewise minutes
        return f"{minutes}{_NO_BREAK_SPACE}min"
    return f"{minutes // 60}{_NO_BREAK_SPACE}h {minutes % 60}{_NO_BREAK_SPACE}min"
