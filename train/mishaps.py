"""What goes wrong beside a run, such as a picture that cannot be drawn, does not stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def tolerated(failure: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Announce an exception from within the block as `failure` and its reason, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - what is beside the run is worth less than the run
        reason = " ".join(str(error).split()) or type(error).__name__
        announce(f"Warning: {failure} ({reason}); training goes on.")
