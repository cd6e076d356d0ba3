"""Which generator a command draws with: the one that was named, or the best of this folder."""

from pathlib import Path

from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError, UsageError
from scripts._output import Output

_MODELS = Path("models")
_USUAL = ("best_model", "final_gan", "latest_model")
# Where published instructions have models/; `train-gan` makes it in the current folder.
_PUBLISHED = ("GAN", "scripts")


def chosen_generator(output: Output, named: Path | None) -> Path:
    """What was named; else the best, the final or the latest checkpoint of `models/`.

    `GAN/models/best_model.pth` stands for `models/best_model.pth` where only that is there.

    Raises:
        UsageError: none was named, and there is none of these; the message says what there is.
    """
    if named is None:
        found = _usual()
        output.note(f"Drawing with {found}; --model names another.")
        return found
    here = _published_here(named)
    if here is None:
        return named
    output.note(f"{named}: not there; drawing with {here}.")
    return here


def _usual() -> Path:
    there = find_checkpoints(_MODELS) if _MODELS.is_dir() else ()
    for stem in _USUAL:
        for path in there:
            if path.parent == _MODELS and path.stem == stem:
                return path
    wanted = ", ".join(f"{stem}.pth" for stem in _USUAL)
    if there:
        others = ", ".join(map(str, there))
        raise UsageError(
            f"{_MODELS}: has none of {wanted}; name another with --model: there are {others}"
        )
    raise UsageError(
        f"{_MODELS}: there is none of {wanted} in this folder; train a generator with `chunkport "
        "train-gan`, or name a checkpoint or a .tflite with --model"
    )


def _published_here(named: Path) -> Path | None:
    folder, *rest = named.parts or ("",)
    if folder not in _PUBLISHED or rest[:1] != [str(_MODELS)] or _is_there(named):
        return None
    here = Path(*rest)
    return here if _is_there(here) else None


def _is_there(path: Path) -> bool:
    try:
        find_checkpoints(path)
    except BadInputError:
        return False
    return True
