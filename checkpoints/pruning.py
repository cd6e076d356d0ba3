"""Which checkpoints of a folder may go, and why the others stay. Touches nothing."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from checkpoints.catalog import list_files
from checkpoints.lazy import open_checkpoint
from checkpoints.models_index import INDEX_NAME, write_index
from checkpoints.retention import Ranking
from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError, UsageError

_KEPT_KINDS = ("best", "latest", "final")
_DAY = 86_400
_MALFORMED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    UsageError,  # a mode that is none
)


@dataclass(frozen=True)
class Rules:
    """What stays.

    Attributes:
        older_than_days: what was written since then.
        keep_last: that many of the newest.
        keep_best: that many of the best, by the metric that the folder's index names.
        pins: patterns of names that stay in any case, as a shell has them.
    """

    older_than_days: float = 30
    keep_last: int = 3
    keep_best: int = 1
    pins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.older_than_days >= 0:  # nor a NaN, than which nothing is younger
            raise UsageError(f"older_than_days: is {self.older_than_days}; give at least 0")


@dataclass(frozen=True)
class Decision:
    """A checkpoint, and whether it may go.

    Attributes:
        path: the file that stands for it.
        files: all that go with it.
        size_bytes: of them together.
        age_days: since the last of them was written.
        kept_because: empty for one that may go.
    """

    path: Path
    files: tuple[Path, ...]
    size_bytes: int
    age_days: float
    kept_because: str = ""


@dataclass(frozen=True)
class _Index:
    """What a folder's index says of its checkpoints, by their file names."""

    kept: Mapping[str, str] = field(default_factory=dict)
    best: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    ranking: Ranking | None = None
    pins: int = 0


def decide(folder: Path, rules: Rules, now: float) -> tuple[Decision, ...]:
    """Every checkpoint in `folder`, the newest first; `now` is the time in seconds since 1970.

    What cannot be opened stays, with the reason; what lies below the folder is not looked at.

    Raises:
        BadInputError: its models_index.json is damaged, or a folder cannot be read.
    """
    index = _read_index(folder / INDEX_NAME)
    links = {link.resolve(): link.name for link in folder.iterdir() if link.is_symlink()}
    places = list(find_checkpoints(folder, below=False))
    found = [_examined(path, index, now) for path in places if not path.is_symlink()]
    found.sort(key=lambda one: one.age_days)
    return tuple(_judged(one, place, rules, index, links) for place, one in enumerate(found))


def refresh_index(folder: Path, announce: Callable[[str], None]) -> None:
    """Have the folder's models_index.json say what is there now, where it has one.

    One with pins, which only a person can have set, is left as it is.

    Raises:
        BadInputError: it is damaged.
        UsageError: the folder is not writable.
    """
    file = folder / INDEX_NAME
    index = _read_index(file)
    if not file.exists():
        return
    if index.pins:
        announce(f"{file}: stays as it is, for it has pins; what was moved is still in it")
        return
    write_index(folder, index.ranking, announce)


def _examined(path: Path, index: _Index, now: float) -> Decision:
    try:
        files = [*list_files(path)]
        open_checkpoint(path)  # which refuses what is damaged, or no checkpoint at all
    except BadInputError as error:
        return Decision(path, (), 0, 0.0, str(error))
    metadata = index.metadata.get(path.name)
    if metadata and (path.parent / metadata).is_file():
        files.append(path.parent / metadata)
    stats = [file.stat() for file in files]
    age = (now - max(stat.st_mtime for stat in stats)) / _DAY
    return Decision(path, tuple(files), sum(stat.st_size for stat in stats), age)


def _judged(
    one: Decision, place: int, rules: Rules, index: _Index, links: Mapping[Path, str]
) -> Decision:
    if one.kept_because:
        return one
    reasons = _reasons_to_keep(one, place, rules, index, links)
    return Decision(one.path, one.files, one.size_bytes, one.age_days, next(reasons, ""))


def _reasons_to_keep(
    one: Decision, place: int, rules: Rules, index: _Index, links: Mapping[Path, str]
) -> Iterator[str]:
    name = one.path.name
    if name in index.kept:
        yield f"{index.kept[name]} in {INDEX_NAME}"
    for kind in _KEPT_KINDS:
        if kind in one.path.stem.lower().split("_"):
            yield f"named {kind}"
    if name in index.best[: rules.keep_best]:
        yield f"among the best {rules.keep_best} in {INDEX_NAME}"
    yield from (f"pinned by {pin}" for pin in rules.pins if fnmatchcase(name, pin))
    for file in one.files:
        if file.resolve() in links:
            yield f"the link {links[file.resolve()]} stands for it"
    if place < rules.keep_last:
        yield f"among the newest {rules.keep_last}"
    if one.age_days <= rules.older_than_days:
        yield f"not older than {rules.older_than_days:g} days"


def _read_index(file: Path) -> _Index:
    """The index; one that says nothing where there is none.

    Raises:
        BadInputError: it is damaged.
    """
    if not file.exists():
        return _Index()
    try:
        return _parsed(json.loads(file.read_text(encoding="utf-8")))
    except _MALFORMED as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(
            f"{file}: damaged ({reason}), so what must stay is not known; mend it, or remove it to "
            "go by names and ages alone"
        ) from error


def _parsed(document: Any) -> _Index:
    entries = {_bare(entry.get("file") or entry["path"]): entry for entry in document["models"]}
    kept = {
        name: "pinned" if entry.get("pinned") else f"marked {entry['kind']}"
        for name, entry in entries.items()
        if entry.get("pinned") or entry.get("kind") in _KEPT_KINDS
    }
    if document.get("best"):
        kept.setdefault(_bare(document["best"]), "marked best")
    metric = document.get("metric")
    ranking = Ranking(str(metric), document.get("mode", "max")) if metric else None
    scored = []
    if ranking:
        keys = {
            name: ranking.sort_key(entry.get("metrics") or {}) for name, entry in entries.items()
        }
        scored = sorted(
            (name for name, (none, _) in keys.items() if not none), key=keys.__getitem__
        )
    return _Index(
        kept=kept,
        best=scored,
        metadata={
            name: _bare(entry["metadata"])
            for name, entry in entries.items()
            if entry.get("metadata")
        },
        ranking=ranking,
        pins=sum(bool(entry.get("pinned")) for entry in entries.values()),
    )


def _bare(name: Any) -> str:
    """The name of a file in the folder itself."""
    if type(name) is not str or Path(name).name != name:
        raise ValueError(f"{name!r:.80} is no name of a file beside it")
    return name
