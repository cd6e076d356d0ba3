"""What to say of a name that is none of those there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence that asks for the nearest name, a blank before it; empty where none is near.

    Capital and small letters count as the same.
    """
    by_small_letters = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), by_small_letters, n=1)
    return f" Did you mean '{by_small_letters[near[0]]}'?" if near else ""
