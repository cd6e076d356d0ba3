"""The states of the random number generators, as tensors and plain values, never as pickles."""

import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch

from checkpoints.nodes import MALFORMED
from checkpoints.saving import announce_on_stderr
from chunkport.errors import BadInputError

_PYTHON_VERSION = 3  # of random.getstate()


def capture_random_state() -> dict[str, Any]:
    """The states of Python's, NumPy's (if it is in use) and PyTorch's global generators."""
    version, words, gauss = random.getstate()
    state: dict[str, Any] = {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "torch": capture_torch_state(),
    }
    if "numpy" in sys.modules:
        import numpy as np

        state["numpy"] = np.random.get_state(legacy=False)  # noqa: NPY002 - the global one is meant
    return state


def capture_torch_state() -> dict[str, Any]:
    """The states of PyTorch's generators: the CPU's, and those of the accelerators here."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = [device.cpu() for device in torch.cuda.get_rng_state_all()]
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state().cpu()
    return state


def restore_random_state(
    state: Mapping[str, Any], announce: Callable[[str], None] = announce_on_stderr
) -> None:
    """Put the generators back to what `capture_random_state` found.

    `announce` hears of every generator that cannot be restored here, because the checkpoint or
    this machine has no such device; what such a generator draws will differ.

    Raises:
        BadInputError: not a state that `capture_random_state` gives.
    """
    try:
        _restore_python(state["python"])
        if "numpy" in state:
            import numpy as np

            np.random.set_state(state["numpy"])  # noqa: NPY002 - the global one is meant
        restore_torch_state(state["torch"], announce)
    except MALFORMED as error:
        raise _unusable(error) from error


def restore_torch_state(
    state: Mapping[str, Any], announce: Callable[[str], None] = announce_on_stderr
) -> None:
    """Put PyTorch's generators back to what `capture_torch_state` found.

    `announce` hears of those that cannot be, as with `restore_random_state`.

    Raises:
        BadInputError: not a state that `capture_torch_state` gives.
    """
    try:
        torch.set_rng_state(state["cpu"].cpu())
        _restore_cuda(state.get("cuda", []), announce)
        if "mps" in state and torch.backends.mps.is_available():
            torch.mps.set_rng_state(state["mps"].cpu())
        elif "mps" in state or torch.backends.mps.is_available():
            announce(_not_restored("mps", int("mps" in state)))
    except MALFORMED as error:
        raise _unusable(error) from error


def _restore_python(state: Mapping[str, Any]) -> None:
    if state["version"] != _PYTHON_VERSION:
        raise ValueError(f"version {state['version']!r:.20} of Python's random numbers")
    random.setstate((_PYTHON_VERSION, tuple(state["words"].tolist()), state["gauss"]))


def _restore_cuda(states: list[torch.Tensor], announce: Callable[[str], None]) -> None:
    here = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for device, saved in enumerate(states[:here]):
        torch.cuda.set_rng_state(saved.cpu(), device)
    if here != len(states):
        announce(_not_restored("cuda", len(states), here))


def _not_restored(kind: str, saved: int, here: int | None = None) -> str:
    here = 1 - saved if here is None else here
    return (
        f"Warning: the checkpoint has random states of {saved} {kind} devices, and here are {here};"
        f" random numbers drawn on {kind} will not be those of an uninterrupted run."
    )


def _unusable(error: Exception) -> BadInputError:
    reason = " ".join(str(error).split())[:200]
    return BadInputError(
        f"random_state: cannot be restored ({reason}); resume from another checkpoint"
    )
