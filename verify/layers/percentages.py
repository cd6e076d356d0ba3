"""Relative distances for a person."""

_LEAST_SHOWN = 1e-5
_WHOLE = 0.1


def percent(share: float | None) -> str:
    """In percent, to two digits; what is less than rounding in float32 is said to be."""
    if share is None:
        return ""
    if share < _LEAST_SHOWN:
        return "< 0.001 %"
    return f"{100 * share:.0f} %" if share >= _WHOLE else f"{100 * share:.2g} %"
