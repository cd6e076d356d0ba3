"""What goes wrong beside a run, such as a picture that cannot be drawn, does not stop it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def tolerated(failure: str, announce: Callable[[str], None]) -> Iterator[None]:
    """Announce an exception from within the block as `failure` and its reason, and go on.

    The same failure is announced in the same words, so that a listener can pass on the first alone.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - what is beside the run is worth less than the run
        # Of the system's errors only what went wrong: the temporary file's name is new each time.
        text = error.strerror if isinstance(error, OSError) else None
        reason = " ".join((text or str(error)).split()) or type(error).__name__
        announce(f"Warning: {failure} ({reason}); training goes on.")
