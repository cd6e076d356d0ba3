"""Drawn fruit: repeatable, varied, and each kind unlike the others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import UsageError
from train.fruits import FRUITS, render_fruit, write_fruit_images


def test_there_are_five_kinds() -> None:
    assert FRUITS == ("Apple", "Banana", "Orange", "Pear", "Strawberry")


@pytest.mark.parametrize("kind", FRUITS)
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(kind: str) -> None:
    picture = render_fruit(kind, 7)
    assert picture.shape == (128, 128)
    assert picture.dtype == np.uint8
    assert picture.tobytes() == render_fruit(kind, 7).tobytes()
    assert picture.tobytes() != render_fruit(kind, 8).tobytes()


@pytest.mark.parametrize("kind", FRUITS)
def test_one_fruit_stands_whole_on_a_light_ground(kind: str) -> None:
    for seed in range(20):
        picture = render_fruit(kind, seed).astype(float)
        border = np.concatenate(
            [picture[:2].ravel(), picture[:, :1].ravel(), picture[:, -1:].ravel()]
        )
        middle = picture[40:88, 40:88]
        assert border.min() > 120, f"seed {seed}: the fruit is cut off"
        assert middle.mean() < border.mean() - 10, f"seed {seed}: no fruit in the middle"


def test_kinds_can_be_told_apart_by_their_mean_picture() -> None:
    """Nearest mean picture, the simplest classifier there is, names most unseen fruit."""
    means = np.stack(
        [np.mean([render_fruit(kind, seed) for seed in range(40)], axis=0) for kind in FRUITS]
    )
    right = [
        np.argmin(((means - render_fruit(kind, seed)) ** 2).sum(axis=(1, 2))) == index
        for index, kind in enumerate(FRUITS)
        for seed in range(1000, 1020)
    ]
    assert np.mean(right) > 0.6  # by chance it would be 0.2


def test_an_unknown_fruit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"Durian: no such fruit\. Choose one of Apple, Banana"):
        render_fruit("Durian", 0)


def test_pictures_are_written_in_a_folder_per_class(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    count = write_fruit_images(tmp_path, 3, 5, lambda done, total: calls.append((done, total)))

    assert count == 15
    assert calls == [(done, 15) for done in range(1, 16)]
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert files[:4] == [
        "Apple/Apple_0000.png",
        "Apple/Apple_0001.png",
        "Apple/Apple_0002.png",
        "Banana/Banana_0000.png",
    ]
    pictures = [np.asarray(Image.open(path)) for path in tmp_path.rglob("*.png")]
    assert len({picture.tobytes() for picture in pictures}) == 15


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        write_fruit_images(tmp_path / name, 1, seed)
    a, b, c = (
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.png"))] for name in "abc"
    )
    assert a == b
    assert a != c


def test_only_the_classes_asked_for_are_written(tmp_path: Path) -> None:
    assert write_fruit_images(tmp_path, 1, 0, classes=("Pear", "Apple")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Apple", "Pear"]
    with pytest.raises(UsageError, match="Kiwi: no such fruit"):
        write_fruit_images(tmp_path / "more", 1, 0, classes=("Pear", "Kiwi"))
    assert not (tmp_path / "more").exists()


def test_pictures_in_the_way_are_kept_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "Pear").mkdir()
    own = tmp_path / "Pear" / "Pear_0000.png"
    own.write_bytes(b"a photograph")

    with pytest.raises(UsageError, match=r"Pear_0000\.png: exists already; use --force"):
        write_fruit_images(tmp_path, 1, 0)
    assert own.read_bytes() == b"a photograph"
    assert not (tmp_path / "Apple").exists()

    write_fruit_images(tmp_path, 1, 0, force=True)
    assert Image.open(own).size == (128, 128)
