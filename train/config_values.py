"""What the tasks' configs share: being read back from what a checkpoint holds."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chunkport.errors import BadInputError


def refuse_other_values(config: type, values: Mapping[str, Any]) -> None:
    """Refuse values that are not just the fields of the config, a dataclass.

    Raises:
        BadInputError: one is missing or unknown.
    """
    expected = {field.name for field in fields(config)}
    if odd := sorted(expected ^ set(values)):
        raise BadInputError(f"config: missing or unknown {', '.join(odd)}; train anew")
