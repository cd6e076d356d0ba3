"""Which generator a command draws with, where none is named or a published instruction names it."""

from pathlib import Path

from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError, UsageError

FOLDER = Path("models")
_USUAL = ("best_model", "final_gan", "latest_model")
# Folders that published instructions keep models/ in; `train-gan` makes it in the current one.
_PUBLISHED = ("GAN", "scripts")


def usual_generator() -> Path:
    """The best, else the final, else the latest checkpoint of `models/` in the current folder.

    Raises:
        UsageError: there is none; the message tells what is there.
    """
    there = find_checkpoints(FOLDER) if FOLDER.is_dir() else ()
    for stem in _USUAL:
        for path in there:
            if path.parent == FOLDER and path.stem == stem:
                return path
    usual = ", ".join(f"{stem}.pth" for stem in _USUAL)
    if there:
        others = ", ".join(map(str, there))
        raise UsageError(f"{FOLDER}: holds none of {usual}; name one with --model: {others}")
    raise UsageError(
        f"{FOLDER}: no {usual} here; train one with `chunkport train-gan`, or name a checkpoint or "
        "a .tflite with --model"
    )


def published_place(path: Path) -> Path | None:
    """Where `GAN/models/best_model.pth` lies, if that is `models/best_model.pth`."""
    folder, *rest = path.parts
    if folder not in _PUBLISHED or rest[:1] != [FOLDER.name] or _is_there(path):
        return None
    return here if _is_there(here := Path(*rest)) else None


def _is_there(path: Path) -> bool:
    try:
        find_checkpoints(path)
    except BadInputError:
        return False
    return True
