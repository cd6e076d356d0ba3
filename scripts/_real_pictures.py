"""The real pictures that generated ones are judged by: those of a folder, or drawn fruit."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import UsageError
from scripts._output import Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from networks.quality.judgement import RealPictures
    from train.images import ImageSet

_FIRST_UNSEEN = 1 << 24  # train-gan draws its fruit from 0 on, of the same seeds
_HALF = 0.5


@dataclass(frozen=True)
class RealSide:
    """Real pictures to judge by.

    Attributes:
        training: those that copies are looked for among.
        held_out: those that no generator was trained on, or which stand for such.
        names: of the training pictures.
        origin: where they come from, in words.
    """

    training: "RealPictures"
    held_out: "RealPictures"
    names: tuple[str, ...]
    origin: str


def real_pictures_of(folder: Path, held_out_dir: Path | None) -> RealSide:
    """The pictures of a folder, with classes where it is CLASS/*.png.

    Without a folder of held-out ones, one half of them is set apart as if it had not been seen.

    Raises:
        UsageError: no such folder, or too few pictures in it.
        BadInputError: a picture is damaged.
    """
    from train.images import split_held_out

    loaded = _load(folder)
    if held_out_dir is not None:
        training, held_out = loaded, _load(held_out_dir)
        origin = f"{folder}, held out: {held_out_dir}"
    else:
        training, held_out = split_held_out(loaded, _HALF)
        origin = f"{folder}, one half set apart as held out"
    return RealSide(_labelled(training), _labelled(held_out), training.names, origin)


def drawn_fruit(
    output: Output, kinds: Sequence[str], per_kind: int, count: int, seed: int
) -> RealSide:
    """The fruit that train-gan draws to train on, and at most `count` like it that it never drew.

    Raises:
        UsageError: an unknown fruit.
    """
    import numpy as np

    from networks.quality.judgement import RealPictures
    from train.fruits import FRUITS, render_fruit
    from train.picture_files import seed_of

    unknown = [kind for kind in kinds if kind not in FRUITS]
    if unknown:
        raise UsageError(f"{unknown[0]}: no such fruit; choose one of {', '.join(FRUITS)}")
    unseen = min(-(-count // len(kinds)), per_kind)

    def draw(first: int, number: int, advance: Callable[..., None]) -> "RealPictures":
        def pictures() -> "Iterator[NDArray[np.uint8]]":
            for kind in kinds:
                for index in range(first, first + number):
                    advance()
                    yield render_fruit(kind, seed_of(seed, index))

        labels = tuple(kind for kind in kinds for _ in range(number))
        return RealPictures(np.stack(list(pictures()))[:, None], labels)

    with output.progress("drawing fruit", total=len(kinds) * (per_kind + unseen)) as advance:
        training, held_out = draw(0, per_kind, advance), draw(_FIRST_UNSEEN, unseen, advance)
    names = tuple(f"{kind}/{kind}_{index:04d}.png" for kind in kinds for index in range(per_kind))
    origin = f"drawn fruit ({', '.join(kinds)}), as train-gan draws it from seed {seed}"
    return RealSide(training, held_out, names, origin)


def picture_set(folder: Path, count: int, seed: int) -> "tuple[NDArray[np.uint8], list[str]]":
    """At most so many of the pictures of a folder and its subfolders, (N, 1, 128, 128), with names.

    Where there are more, the seed chooses. Grids of several pictures (grid*.png) are left out.

    Raises:
        UsageError: there are none.
        BadInputError: a picture is damaged.
    """
    import numpy as np

    from train.images import read_image
    from train.picture_files import picture_names

    names = [name for name in picture_names(folder) if not Path(name).name.startswith("grid")]
    if not names:
        raise UsageError(
            f"{folder}: holds neither pictures nor a generator; name a folder of PNG or JPEG "
            "files, an inference folder, a checkpoint or a .tflite"
        )
    chosen = sorted(np.random.default_rng(seed).permutation(len(names))[:count].tolist())
    kept = [names[place] for place in chosen]
    return np.stack([read_image(folder / name) for name in kept])[:, None], kept


def _load(folder: Path) -> "ImageSet":
    """Its pictures by class; all of one nameless class where they lie in the folder itself."""
    import torch

    from train.images import ImageSet, load_images
    from train.picture_files import picture_names

    flat = (
        folder.is_dir()
        and bool(names := picture_names(folder))
        and not any("/" in name for name in names)
    )
    if not flat:
        return load_images(folder)
    pictures, kept = picture_set(folder, len(names), 0)
    labels = torch.zeros(len(kept), dtype=torch.int64)
    return ImageSet(torch.from_numpy(pictures), labels, ("",), tuple(kept))


def _labelled(loaded: "ImageSet") -> "RealPictures":
    from networks.quality.judgement import RealPictures

    pictures = loaded.images.numpy()
    if loaded.classes == ("",):
        return RealPictures(pictures)
    return RealPictures(pictures, tuple(loaded.classes[label] for label in loaded.labels.tolist()))
