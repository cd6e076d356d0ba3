"""Results of candidates on disk, one file each, so that a search goes on where it was stopped."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from chunkport.files import make_folder, replacing
from verify.optimize.evaluation import Candidate, Result, Setting, key_of

# Candidates to their results in the same order, each as soon as it is there.
Evaluate: TypeAlias = Callable[[Sequence[Candidate]], Iterable[Result]]


class SavedResults:
    """Evaluates candidates, or finds what an earlier run found of them.

    Attributes:
        reused: how many were found.
    """

    def __init__(self, folder: Path, setting: Setting, evaluate: Evaluate) -> None:
        """Keep results in `folder`, which is made if need be."""
        make_folder(folder)
        self._folder = folder
        self._setting = setting
        self._evaluate = evaluate
        self.reused = 0

    def results(self, candidates: Sequence[Candidate]) -> Iterator[Result]:
        """The results in order; each is on disk before the next one is begun."""
        paths = [self._folder / f"{key_of(self._setting, one)}.json" for one in candidates]
        known = {path: _read(path) for path in paths}
        missing = [one for one, path in zip(candidates, paths, strict=True) if not known[path]]
        fresh = iter(self._evaluate(missing))
        for path in paths:
            found = known[path]
            if found is None:
                found = next(fresh)
                with replacing(path) as temporary:
                    temporary.write_text(json.dumps(found.to_json()), encoding="utf-8")
            else:
                self.reused += 1
            yield found


def _read(path: Path) -> Result | None:
    """The saved result; None where there is none that can be read."""
    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, LookupError):
        return None
