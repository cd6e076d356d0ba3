"""Typed reading of one section of a model card, with errors that name the file and the key."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from chunkport.errors import BadInputError


@dataclass(frozen=True)
class Section:
    """A mapping inside a card; `source` is the card's name and `path` leads to the section.

    Every method raises BadInputError where the card does not hold what is asked for.
    """

    source: str
    values: Mapping[str, Any]
    path: str = ""

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def section(self, key: str) -> "Section":
        """The mapping under `key`."""
        value = self._value(key, "a mapping")
        if not isinstance(value, Mapping):
            self.refuse(key, "a mapping")
        return Section(self.source, value, f"{self.path}{key}.")

    def integer(self, key: str, low: int, high: int | None = None) -> int:
        """The integer under `key`, from `low` to `high`."""
        wanted = f"an integer from {low} to {high}" if high else f"an integer of at least {low}"
        value = self._value(key, wanted)
        if not _is_integer(value) or value < low or (high is not None and value > high):
            self.refuse(key, wanted)
        return int(value)

    def integers(self, key: str, low: int, count: int | None = None) -> tuple[int, ...]:
        """The list of integers under `key`, each at least `low`; `count` of them if given."""
        wanted = f"a list of {f'{count} ' if count else ''}integers of at least {low}"
        value = self._value(key, wanted)
        if not isinstance(value, list | tuple) or (count is not None and len(value) != count):
            self.refuse(key, wanted)
        if not all(_is_integer(item) and item >= low for item in value):
            self.refuse(key, wanted)
        return tuple(value)

    def positive(self, key: str) -> float:
        """The positive number under `key`."""
        value = self._value(key, "a positive number")
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 < value < math.inf
        ):
            self.refuse(key, "a positive number")
        return float(value)

    def boolean(self, key: str) -> bool:
        """The truth value under `key`."""
        value = self._value(key, "true or false")
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def text(self, key: str) -> str:
        """The text under `key`."""
        value = self._value(key, "a text")
        if not isinstance(value, str):
            self.refuse(key, "a text")
        return value

    def check_fixed(self, key: str, only: object) -> None:
        """Refuse any value under `key` but `only`; the key may be absent."""
        if key in self and self.values[key] != only:
            self.refuse(key, f"{only!r}, the one value that is supported")

    def check_known(self, keys: Iterable[str]) -> None:
        """Refuse keys other than `keys`: one that is not understood may change the network."""
        known = sorted(keys)
        unknown = sorted(str(key) for key in self.values if key not in known)
        if unknown:
            where = f"{self.path}{unknown[0]}"
            raise BadInputError(
                f"{self.source}: key {where} is not known here; expected only {', '.join(known)}; "
                "remove it if it changes nothing"
            )

    def refuse(self, key: str, wanted: str) -> NoReturn:
        """Say that the value under `key` is not what was `wanted`."""
        raise BadInputError(
            f"{self.source}: key {self.path}{key}: expected {wanted}, "
            f"found {self.values.get(key)!r}; correct the card"
        )

    def _value(self, key: str, wanted: str) -> Any:
        if key not in self.values:
            raise BadInputError(
                f"{self.source}: key {self.path}{key} is missing; expected {wanted}; add it"
            )
        return self.values[key]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
