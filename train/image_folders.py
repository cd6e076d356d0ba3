"""Which pictures of a folder are of what: kinds in subfolders, a data set's halves, or neither."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError
from train.fruits import FRUITS
from train.picture_files import FORMATS, picture_names

UNLABELLED = "unlabelled"
"""The one class of a folder of pictures that has no subfolders."""
_TRAINING = frozenset({"train", "training"})
_HELD_OUT = ("valid", "validation", "val", "test", "testing")  # the first that is there
_REMEDY = "draw some with train-gan --profile demo, or name another folder with --data-dir"
_WORD = re.compile(r"[^\W\d_]+")
_FRUIT_BY_WORD = {
    word: fruit
    for fruit in FRUITS
    for word in (fruit.lower(), re.sub("y$", "ie", fruit.lower()) + "s")
}
_LISTED = 8  # names in a sentence
Classes = Mapping[str, tuple[str, ...]]
"""The pictures of each class, as sorted paths within the folder."""


@dataclass(frozen=True)
class ImageFolder:
    """What a folder of pictures holds.

    Attributes:
        training: what to train on.
        held_out: of the same classes, what the data set itself holds out; empty where it has no
            such half.
        remarks: what was gathered and what was left out, in sentences.
    """

    root: Path
    training: Classes
    held_out: Classes
    remarks: tuple[str, ...]


def fruit_of(folder_name: str) -> str | None:
    """The fruit that a folder is named after: Apple of "Apple Red 1" and of "apples".

    The first word decides, so that "Pineapple" and "Tomato Cherry Orange" are none of the five.
    """
    word = _WORD.search(folder_name)
    return None if word is None else _FRUIT_BY_WORD.get(word[0].lower())


def find_images(
    root: Path, only: str | None = None, *, group_by_fruit: bool | None = None
) -> ImageFolder:
    """The pictures of `root/CLASS/`, at any depth in it, or of the one class `only`.

    Folders that only wrap the classes are looked through, and `Training/` and `Test/` (or
    `Validation/`) are told apart, as in Fruits-360. A folder without subfolders is one class,
    `UNLABELLED`. `group_by_fruit` gathers varieties to their fruit ("Apple Red 1" to Apple) and
    leaves out what is none of the five; None does so where all five are there in varieties.

    Raises:
        UsageError: there is no such folder or class, or no picture in it; or it holds several data
            sets.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; {_REMEDY}")
    names = picture_names(root)
    if not names:
        raise UsageError(f"{root}: no pictures ({FORMATS}) in it or its subfolders; {_REMEDY}")
    base, half = _halves(root, {name.rpartition("/")[0] for name in names})
    training = _by_class(names, base)
    held_out = _by_class(names, half) if half else {}
    remarks = _left_out(root, names, training, held_out)
    if group_by_fruit is None:
        group_by_fruit = _holds_varieties_of_all(training) and (only is None or only in FRUITS)
        if only is not None and only not in training:
            group_by_fruit = only in map(fruit_of, training)
    if group_by_fruit:
        remarks.append(_gathering(root, training))
        training, held_out = _by_fruit(training), _by_fruit(held_out)
    if only is not None:
        if only not in training:
            meant, known = did_you_mean(only, training), _some(training)
            raise UsageError(f"{root}: no images of class {only}.{meant} Choose one of {known}")
        training = {only: training[only]}
    if half:
        held_out = {name: held_out.get(name, ()) for name in training}
        count = sum(map(len, held_out.values()))
        remarks.append(f"Not trained on: {half.rstrip('/')} ({count} pictures).")
    return ImageFolder(root, training, held_out, tuple(remarks))


def _halves(root: Path, folders: set[str]) -> tuple[str, str]:
    """Below which folder the classes to train on stand, and those held out: "" or "a/b/" each."""
    sets: dict[str, str] = {}
    for folder in sorted(folders):
        parts = folder.split("/")
        for depth, part in enumerate(parts):
            if part.lower() in _TRAINING:
                sets["".join(f"{parent}/" for parent in parts[:depth])] = f"{part}/"
                break
    if len(sets) > 1:
        places = ", ".join(sorted(str(root / above) for above in sets))
        raise UsageError(f"{root}: holds several data sets; name one of them: {places}")
    for above, training in sets.items():
        inside = {folder[len(above) :] for folder in folders if folder.startswith(above)}
        beside = {name.partition("/")[0].lower(): name.partition("/")[0] for name in inside}
        held_out = next((beside[name] for name in _HELD_OUT if name in beside), None)
        return above + training, "" if held_out is None else f"{above}{held_out}/"
    return _below_wrappers(folders), ""


def _below_wrappers(folders: set[str]) -> str:
    """The first folder, "" or "a/b/", that holds pictures, classes or a fruit."""
    prefix = ""
    while True:
        inside = {folder[len(prefix) :] for folder in folders}
        first = next(iter(inside)).partition("/")[0]
        alone = all(folder.startswith(f"{first}/") for folder in inside)
        if not alone or fruit_of(first) is not None:
            return prefix
        prefix += f"{first}/"


def _by_class(names: Iterable[str], base: str) -> Classes:
    """The pictures below `base` by its subfolders; without these, all as `UNLABELLED`."""
    found: dict[str, list[str]] = {}
    for name in names:
        if name.startswith(base):
            folder, below, _ = name[len(base) :].partition("/")
            found.setdefault(folder if below else "", []).append(name)
    loose = found.pop("", [])
    if not found:
        return {UNLABELLED: tuple(loose)} if loose else {}
    return {folder: tuple(found[folder]) for folder in sorted(found)}


def _left_out(root: Path, names: list[str], *halves: Classes) -> list[str]:
    """What of the folder is in no class, in a sentence if there is any."""
    taken = {name for half in halves for paths in half.values() for name in paths}
    others = Counter(name.rpartition("/")[0] for name in names if name not in taken)
    if not others:
        return []
    counts = [f"{root / folder} ({count} pictures)" for folder, count in sorted(others.items())]
    return [f"Left out, as they stand beside the folders of classes: {_some(counts)}."]


def _holds_varieties_of_all(classes: Classes) -> bool:
    fruits = {name: fruit_of(name) for name in classes}
    varied = any(fruit not in {None, name} for name, fruit in fruits.items())
    return varied and set(fruits.values()).issuperset(FRUITS)


def _by_fruit(classes: Classes) -> Classes:
    gathered = {
        fruit: tuple(
            name for folder in classes if fruit_of(folder) == fruit for name in classes[folder]
        )
        for fruit in FRUITS
    }
    return {fruit: names for fruit, names in gathered.items() if names}


def _gathering(root: Path, classes: Classes) -> str:
    """What became of each folder of pictures.

    Raises:
        UsageError: none is named after one of the five fruits.
    """
    folders = {fruit: [name for name in classes if fruit_of(name) == fruit] for fruit in FRUITS}
    told = [f"{fruit} of {_some(found)}" for fruit, found in folders.items() if found]
    if not told:
        raise UsageError(
            f"{root}: none of its folders ({_some(classes)}) is named after one of "
            f"{', '.join(FRUITS)}; leave --group-by-fruit out"
        )
    others = [name for name in classes if fruit_of(name) is None]
    rest = f" Left out: {_some(others)}." if others else ""
    return f"Gathered by fruit: {'; '.join(told)}.{rest} --no-group-by-fruit keeps all apart."


def _some(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = len(listed) - _LISTED
    return ", ".join(listed[:_LISTED]) + (f" and {more} more" if more > 0 else "")
