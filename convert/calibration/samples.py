"""What a model is calibrated on: pictures or arrays of a folder, or samples drawn by its spec."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError, UsageError
from convert.calibration.file_inputs import draw_noise
from wrappers.picture_files import pictures_in

if TYPE_CHECKING:
    from wrappers.spec import Arrays, Contract, ModelSpec

DRAWN = 256
# Other than the verdict's, so that no file is judged by the very samples it was calibrated on.
SEED = 1000
_ARRAYS = (".npy", ".npz")
Source = Literal["drawn", "drawn pictures", "noise", "pictures", "arrays"]


@dataclass(frozen=True)
class CalibrationChoice:
    """What a user asked of calibration.

    Attributes:
        folder: of pictures or of .npy and .npz files; None has the spec draw samples.
        samples: how many; None takes all of a folder, or draws `DRAWN`.
        seed: of what is drawn.
        ranges: a file of ranges to use in place of samples.
        save: a file to keep the ranges in.
    """

    folder: Path | None = None
    samples: int | None = None
    seed: int = SEED
    ranges: Path | None = None
    save: Path | None = None


@dataclass(frozen=True)
class Samples:
    """Inputs of a model, read one at a time.

    Attributes:
        source: where they come from.
        count: how many there are.
        read: gives them, from the first one on.
        folder: the folder's name; None where they are drawn.
        seed: what they are drawn by; None where they come from a folder.
    """

    source: Source
    count: int
    read: "Callable[[], Iterator[Arrays]]"
    folder: str | None = None
    seed: int | None = None


def find_samples(
    choice: CalibrationChoice,
    shapes: Mapping[str, tuple[int, ...]],
    spec: "ModelSpec | None" = None,
    contract: "Contract | None" = None,
) -> Samples:
    """The samples that a choice names.

    Args:
        choice: the user's.
        shapes: of the model's inputs, by name.
        spec: of the model; None for a .tflite of unknown origin, which takes arrays alone.
        contract: of the built model; goes with the spec.

    Raises:
        UsageError: the folder holds nothing fit, or there is neither folder nor spec.
    """
    if choice.folder is None:
        if spec is None or contract is None:
            raise UsageError(
                "nobody can draw samples for a .tflite of unknown origin; name a folder of .npy "
                "or .npz files with --calibration-dir"
            )
        count = choice.samples or DRAWN
        draw = partial(spec.make_samples, contract, count, choice.seed)
        drawn: Source = "drawn pictures" if spec.read_pictures else "drawn"
        return Samples(drawn, count, lambda: iter(draw()), seed=choice.seed)
    files = _arrays_in(choice.folder)
    if files:
        source: Source = "arrays"
        read: Callable[[Path], Arrays] = partial(_read_array, shapes=shapes)
    else:
        source = "pictures"
        read = _picture_reader(choice.folder, spec, contract)
        files = pictures_in(choice.folder)
    files = files[: choice.samples]
    return Samples(source, len(files), lambda: map(read, files), folder=choice.folder.name)


def noise_samples(choice: CalibrationChoice, model: Any) -> Samples:
    """Noise for a file of unknown origin, given as its object tree."""
    count = choice.samples or DRAWN
    noise = partial(draw_noise, model, count, choice.seed)
    return Samples("noise", count, lambda: iter(noise()), seed=choice.seed)


def _picture_reader(
    folder: Path, spec: "ModelSpec | None", contract: "Contract | None"
) -> "Callable[[Path], Arrays]":
    read_pictures = spec.read_pictures if spec else None
    if read_pictures is None or contract is None:
        named = f"model '{spec.name}'" if spec else "a .tflite of unknown origin"
        raise UsageError(
            f"{folder}: holds no .npy or .npz file, and {named} takes no pictures; give files of "
            "its inputs"
        )
    return lambda path: read_pictures(contract, [path])[0]


def _arrays_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; name one with pictures or .npy files")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _ARRAYS)


def _read_array(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> "Arrays":
    """One sample: an .npz with an array for each input, or an .npy for a model of one input."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            arrays = {_only_input(path, shapes): loaded}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise BadInputError(f"{path}: is no array file that can be read ({error})") from error
    if set(arrays) != set(shapes):
        raise BadInputError(
            f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}; expected an array for each "
            f"input: {', '.join(sorted(shapes))}"
        )
    return {name: _fitted(path, name, arrays[name], shape) for name, shape in shapes.items()}


def _only_input(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    if len(shapes) != 1:
        raise BadInputError(
            f"{path}: the model has {len(shapes)} inputs; give .npz files with "
            f"{', '.join(sorted(shapes))}"
        )
    return next(iter(shapes))


def _fitted(
    path: Path, name: str, values: NDArray[np.float32], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    if values.shape == shape[1:] and shape[:1] == (1,):
        values = values[None]
    if values.shape != shape or values.dtype.kind not in "fiu":
        raise BadInputError(
            f"{path}: '{name}' is {values.dtype} {values.shape}; expected float32 {shape}"
        )
    floats: NDArray[np.float32] = values.astype(np.float32)
    if not np.isfinite(floats).all():
        raise BadInputError(f"{path}: '{name}' holds values that are not finite")
    return floats
