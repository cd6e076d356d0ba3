"""Values as JSON can hold them."""

import math
from collections.abc import Mapping
from typing import Any


def without_infinities(value: Any) -> Any:
    """The value with null for infinities and NaN, which JSON does not have; tuples become lists."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_infinities(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_infinities(item) for item in value]
    return value
