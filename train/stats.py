"""`stats.jsonl`: what was measured while a run went on, one JSON object to a line.

Lines are appended and never rewritten. Each holds

    kind               epoch: of a whole epoch; steps: of the steps since the line before
    epoch, step        the epoch, from 1, and the training steps behind the run then
    time               when, UTC, ISO 8601
    seconds            that it took, on the clock: with evaluating and saving, for an epoch
    images             trained on in that time; fewer than all where a resume began within the epoch
    images_per_second  while steps were made, so without what comes after an epoch
    rss_bytes          memory of the process then; null where the system does not tell

and under the names that the task gives them its learning rates and what it measured: the means of
the steps, and after an epoch what was evaluated and, as `signs`, the names of the signs of success
and failure that stand. What is not finite is null.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chunkport.errors import BadInputError
from chunkport.files import replacing
from chunkport.json_values import without_infinities

STATS_NAME = "stats.jsonl"
EPOCH, STEPS = "epoch", "steps"
PLACE_KEYS = ("kind", "epoch", "step", "time")
"""Those that say what a line is of."""
PROCESS_KEYS = ("seconds", "images", "images_per_second", "rss_bytes")
"""Those that say what it cost. All other keys are learning rates and figures of the task."""


def append_stats(path: Path, values: Mapping[str, Any]) -> None:
    """Add one line to the file, which is made if it is missing.

    Raises:
        OSError: it cannot be written; what it held stays whole.
    """
    line = (json.dumps(without_infinities(values), allow_nan=False) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        if file.write(line) != len(line):
            file.truncate(before)
            raise OSError("the disk took only a part of a line")


def cut_stats(path: Path, epoch: int, step: int) -> int:
    """Leave only lines of up to this epoch, or up to this step; return how many others there were.

    A last line that was cut off while it was written goes too, and counts as one.

    Raises:
        BadInputError: it holds something else than such lines.
        UsageError: the folder is not writable.
    """
    if not path.exists():
        return 0
    *whole, rest = path.read_bytes().split(b"\n")
    kept = [
        line
        for number, line in enumerate(whole, 1)
        if _is_up_to(epoch, step, line, f"{path}: line {number}")
    ]
    lost = len(whole) - len(kept) + bool(rest)
    if lost:
        with replacing(path) as temporary:
            temporary.write_bytes(b"".join(line + b"\n" for line in kept))
    return lost


def _is_up_to(epoch: int, step: int, line: bytes, where: str) -> bool:
    try:
        values = json.loads(line)
        if values["kind"] == EPOCH:
            return bool(values["epoch"] <= epoch)
        return bool(values["step"] <= step)
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{where} is not of a training run; move the file away") from error
