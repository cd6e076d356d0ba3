"""Where generated pictures come from: a generator's checkpoint, a .tflite, or a folder of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts._output import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PictureSource:
    """A source and what to call it."""

    path: Path
    name: str

    @property
    def is_folder_of_pictures(self) -> bool:
        """Whether it holds pictures, and not a generator."""
        from checkpoints.inference_folder import WEIGHTS

        return self.path.is_dir() and not (self.path / WEIGHTS).exists()

    @property
    def is_network(self) -> bool:
        """Whether it is a generator as trained, whose weights can be made fresh."""
        return not self.is_folder_of_pictures and self.path.suffix != ".tflite"


@dataclass(frozen=True)
class SourcePictures:
    """Its pictures (N, 1, 128, 128) from 0 to 255, and what to call each."""

    source: PictureSource
    pictures: "NDArray[np.uint8]"
    names: tuple[str, ...]


def named_sources(paths: Sequence[Path]) -> list[PictureSource]:
    """The sources by their files' names, or by their whole paths where those are alike."""
    paths = list(dict.fromkeys(paths))
    alike = Counter(path.name for path in paths)
    return [
        PictureSource(path, path.name if path.name and alike[path.name] == 1 else str(path))
        for path in paths
    ]


def pictures_of(
    output: Output, source: PictureSource, count: int, seed: int, threads: int
) -> SourcePictures:
    """So many of its pictures, at most those that there are; all draw from the same latents.

    Raises:
        UsageError: a folder without pictures.
        BadInputError: a picture or a generator is damaged, or it is another model.
        MissingDependencyError: the runtime of a .tflite is not installed.
    """
    from scripts._real_pictures import picture_set
    from verify.generated_pictures import generate_pictures

    if source.is_folder_of_pictures:
        pictures, names = picture_set(source.path, count, seed)
        return SourcePictures(source, pictures, tuple(names))
    with output.progress(f"drawing {source.name}", total=count) as advance:
        drawn = generate_pictures(source.path, count, seed, advance, threads=threads)
    return SourcePictures(source, drawn, tuple(f"latent {number}" for number in range(count)))
