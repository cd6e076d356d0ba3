"""Which pictures of a folder are trained on, and as what."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from chunkport.errors import UsageError
from train.image_folders import UNLABELLED, find_images, fruit_of

FRUITS_360 = (
    *("Apple Braeburn", "Apple Red 1", "Banana", "Banana Lady Finger", "Orange"),
    *("Pear Williams", "Strawberry Wedge", "Kiwi", "Pineapple", "Tomato Cherry Orange"),
)


def fill(root: Path, *names: str) -> Path:
    """Empty files, which finding pictures does not open."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def fruits_360(root: Path, kinds: Iterable[str] = FRUITS_360) -> Path:
    return fill(
        root,
        *(f"Training/{kind}/{index}_100.jpg" for kind in kinds for index in range(3)),
        *(f"Test/{kind}/r_{index}_100.jpg" for kind in kinds for index in range(2)),
        *("LICENSE", "test-multiple_fruits/apples.jpg", "test-multiple_fruits/pears.jpg"),
    )


@pytest.mark.parametrize(
    ("folder", "fruit"),
    [
        ("Apple", "Apple"),
        ("Apple Red 1", "Apple"),
        ("apple_golden_2", "Apple"),
        ("02-pears", "Pear"),
        ("Strawberries", "Strawberry"),
        ("Banana Lady Finger", "Banana"),
        ("Pineapple", None),
        ("Tomato Cherry Orange", None),
        ("Grapefruit Pink", None),
        ("360", None),
    ],
)
def test_the_first_word_names_the_fruit(folder: str, fruit: str | None) -> None:
    assert fruit_of(folder) == fruit


def test_varieties_are_gathered_where_all_five_fruits_are_there(tmp_path: Path) -> None:
    found = find_images(fruits_360(tmp_path))
    assert list(found.training) == ["Apple", "Banana", "Orange", "Pear", "Strawberry"]
    assert found.training["Apple"] == (
        *(f"Training/Apple Braeburn/{index}_100.jpg" for index in range(3)),
        *(f"Training/Apple Red 1/{index}_100.jpg" for index in range(3)),
    )
    assert {name: len(paths) for name, paths in found.held_out.items()} == {
        "Apple": 4,
        "Banana": 4,
        "Orange": 2,
        "Pear": 2,
        "Strawberry": 2,
    }
    said = " ".join(found.remarks)
    assert (
        f"beside the folders of classes: {tmp_path / 'test-multiple_fruits'} (2 pictures)" in said
    )
    assert "Apple of Apple Braeburn, Apple Red 1; Banana of Banana, Banana Lady Finger" in said
    assert "Left out: Kiwi, Pineapple, Tomato Cherry Orange. --no-group-by-fruit keeps all" in said
    assert "Not trained on: Test (14 pictures)." in said


def test_they_are_kept_apart_where_that_is_asked_for(tmp_path: Path) -> None:
    found = find_images(fruits_360(tmp_path), group_by_fruit=False)
    assert list(found.training) == sorted(FRUITS_360)
    assert list(found.held_out) == sorted(FRUITS_360)


def test_without_all_five_they_are_kept_apart_unless_asked_for(tmp_path: Path) -> None:
    fruits_360(tmp_path, ("Apple Red 1", "Apple Red 2", "Kiwi"))
    assert list(find_images(tmp_path).training) == ["Apple Red 1", "Apple Red 2", "Kiwi"]
    assert list(find_images(tmp_path, group_by_fruit=True).training) == ["Apple"]


def test_five_fruits_and_a_sixth_are_all_kept(tmp_path: Path) -> None:
    kinds = ("Apple", "Banana", "Kiwi", "Orange", "Pear", "Strawberry")
    found = find_images(fill(tmp_path, *(f"{kind}/1.png" for kind in kinds)))
    assert tuple(found.training) == kinds
    assert found.remarks == ()


def test_one_fruit_alone_is_all_its_varieties_and_one_variety_itself(tmp_path: Path) -> None:
    whole = fruits_360(tmp_path / "whole")
    bananas = find_images(whole, "Banana").training
    assert {name: len(paths) for name, paths in bananas.items()} == {"Banana": 6}
    assert list(find_images(whole, "Apple Red 1").training) == ["Apple Red 1"]
    assert list(find_images(whole, "Kiwi").training) == ["Kiwi"]
    part = fruits_360(tmp_path / "part", ("Apple Red 1", "Apple Red 2", "Kiwi"))
    assert list(find_images(part, "Apple").training) == ["Apple"]
    with pytest.raises(UsageError, match=r"no images of class Plum.*Choose one of Apple Red 1, "):
        find_images(part, "Plum")


def test_no_fruit_to_gather_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "Kiwi/1.png", "Plum/1.png")
    with pytest.raises(UsageError, match=r"none of its folders \(Kiwi, Plum\) is named after one"):
        find_images(tmp_path, group_by_fruit=True)


def test_folders_around_a_data_set_and_within_a_class_are_looked_through(tmp_path: Path) -> None:
    fruits_360(tmp_path / "archive" / "fruits-360", ("Kiwi", "Plum"))
    assert list(find_images(tmp_path).training) == ["Kiwi", "Plum"]
    wrapped = fill(tmp_path / "own", "my fruit/Apple/red/1.png", "my fruit/Apple/2.bmp")
    assert find_images(wrapped).training == {
        "Apple": ("my fruit/Apple/2.bmp", "my fruit/Apple/red/1.png")
    }


def test_a_single_fruit_is_no_wrapper_of_its_varieties(tmp_path: Path) -> None:
    fill(tmp_path, "Apple/Braeburn/1.webp", "Apple/Golden/1.tiff")
    assert find_images(tmp_path).training == {
        "Apple": ("Apple/Braeburn/1.webp", "Apple/Golden/1.tiff")
    }


def test_validation_goes_before_test(tmp_path: Path) -> None:
    halves = ("train/Kiwi/1.jpg", "test/Kiwi/2.jpg", "val/Kiwi/3.jpg")
    found = find_images(fill(tmp_path, *halves))
    assert (found.training, found.held_out) == (
        {"Kiwi": ("train/Kiwi/1.jpg",)},
        {"Kiwi": ("val/Kiwi/3.jpg",)},
    )
    assert "test/Kiwi (1 pictures)" in found.remarks[0]


def test_several_data_sets_are_not_mixed(tmp_path: Path) -> None:
    fruits_360(tmp_path / "small")
    fruits_360(tmp_path / "original")
    with pytest.raises(
        UsageError, match=r"several data sets; name one of them: .*original, .*small"
    ):
        find_images(tmp_path)


def test_a_folder_without_subfolders_is_one_class(tmp_path: Path) -> None:
    found = find_images(fill(tmp_path, "b.PNG", "a.jpeg", "notes.txt", ".hidden.png"))
    assert found.training == {UNLABELLED: ("a.jpeg", "b.PNG")}


def test_pictures_beside_folders_of_classes_are_named(tmp_path: Path) -> None:
    found = find_images(fill(tmp_path, "Kiwi/1.png", "overview.png"))
    assert found.training == {"Kiwi": ("Kiwi/1.png",)}
    assert found.remarks == (
        f"Left out, as they stand beside the folders of classes: {tmp_path} (1 pictures).",
    )


def test_linked_folders_count_and_circles_end(tmp_path: Path) -> None:
    elsewhere = fill(tmp_path / "disk", "1.png")
    (tmp_path / "data" / "Pear").mkdir(parents=True)
    (tmp_path / "data" / "Kiwi").symlink_to(elsewhere)
    (tmp_path / "data" / "Pear" / "again").symlink_to(tmp_path / "data")
    fill(tmp_path / "data", "Pear/1.png")
    assert list(find_images(tmp_path / "data").training) == ["Kiwi", "Pear"]
