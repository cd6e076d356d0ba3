"""What the detector scripts have in common: where they look for the weights."""

from pathlib import Path

from chunkport.errors import UsageError


def usual_checkpoint(model: str) -> Path:
    """The file of a detector's own weights that is looked for in the current folder."""
    return Path(f"{model}_detector_only.pth")


def find_checkpoint(model: str, given: Path | None) -> Path:
    """The checkpoint that was given, or else the usual one.

    Raises:
        UsageError: neither is there; with the command that makes it.
    """
    usual = usual_checkpoint(model)
    if given is None and not usual.exists():
        raise UsageError(f"{usual}: is not in this folder; {how_to_get(usual)}")
    return given or usual


def how_to_get(usual: Path) -> str:
    """What to do without it."""
    return (
        "name the weights with --checkpoint, or take them out of the full checkpoint: "
        f"chunkport extract-detector-weights FULL.pth -o {usual}"
    )
