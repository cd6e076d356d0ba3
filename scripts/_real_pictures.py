"""The real pictures that generated ones are judged by: those of a folder, or drawn fruit."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def real_pictures_of(
    output: Output, folder: Path, held_out_dir: Path | None, **reading: Any
) -> RealSide:
    """The pictures of a folder, with classes where it has folders of them.

    Without a folder of held-out ones, those are held out that a data set has for its own tests; or
    one half of the pictures is set apart as if it had not been seen. `reading` is what the flags of
    `reading_options` say.

    Raises:
        UsageError: no such folder, or too few pictures in it.
        BadInputError: a picture is damaged.
    """
    from scripts._fruit_pictures import read_to_train_and_judge, read_to_train_on
    from train.images import split_held_out

    def read(place: Path) -> "ImageSet":
        ungrouped = {"group_by_fruit": None} if _is_flat(place) else {}
        return read_to_train_on(output, place, None, **reading | ungrouped)

    if held_out_dir is not None:
        training, held_out = read(folder), read(held_out_dir)
    elif _is_flat(folder):
        training, held_out = split_held_out(read(folder), _HALF)
    else:
        training, held_out = read_to_train_and_judge(output, folder, _HALF, **reading)
    trained_on = set(_pixels(training))
    shared = sum(one in trained_on for one in _pixels(held_out))
    if shared:
        output.warn(
            f"{shared} of the {len(held_out)} held-out pictures are among those trained on too, so "
            "that the floor is too good and copies may be overlooked; hold out others"
        )
    origin = f"{folder}, {len(held_out)} held out" + (
        f" from {held_out_dir}" if held_out_dir else ""
    )
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
    kinds = list(dict.fromkeys(kinds))
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
    """The pictures of a folder and its subfolders, (N, 1, 128, 128), and their names.

    Where there are more than `count`, the seed chooses. Grids of several pictures (grid*.png) are
    left out.

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


def _is_flat(folder: Path) -> bool:
    """Whether pictures lie in the folder itself and nowhere below."""
    from train.picture_files import picture_names

    names = picture_names(folder) if folder.is_dir() else []
    return bool(names) and not any("/" in name for name in names)


def _pixels(loaded: "ImageSet") -> list[bytes]:
    """Of each picture a digest that only the same pixels have."""
    return [hashlib.sha256(picture.tobytes()).digest() for picture in loaded.images.numpy()]


def _labelled(loaded: "ImageSet") -> "RealPictures":
    from networks.quality.judgement import RealPictures
    from train.image_folders import UNLABELLED

    pictures = loaded.images.numpy()
    if loaded.classes == (UNLABELLED,):
        return RealPictures(pictures)
    return RealPictures(pictures, tuple(loaded.classes[label] for label in loaded.labels.tolist()))
