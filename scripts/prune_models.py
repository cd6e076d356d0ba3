"""`chunkport prune-models`: old checkpoints into a trash, back out of it, or away for good."""

import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import UsageError
from scripts._options import FOLDER, NumberRange, chunkport_command
from scripts._output import Column, Output, megabytes, number

if TYPE_CHECKING:
    from checkpoints.pruning import Decision
    from checkpoints.trash import TrashEntry

_DECIDED = (
    Column("path", "checkpoint"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("age_days", "days", number, right=True),
    Column("status", ""),
    Column("reason", "why"),
)
_IN_TRASH = (
    Column("checkpoint", "checkpoint"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("status", ""),
    Column("place", "in the trash"),
)


@chunkport_command("prune-models")
@click.argument("folder", type=FOLDER)
@click.option(
    "--older-than",
    "older_than_days",
    metavar="DAYS",
    type=NumberRange(min=0),
    default=30,
    help="What was written since stays.",
)
@click.option(
    "--keep-last", type=click.IntRange(min=0), default=3, help="How many of the newest stay."
)
@click.option(
    "--keep-best",
    type=click.IntRange(min=0),
    default=1,
    help="How many stay of the best, by the metric of models_index.json.",
)
@click.option("--pin", "pins", metavar="PATTERN", multiple=True, help="What stays in any case.")
@click.option("--apply", is_flag=True, help="Do it: move what may go into the trash.")
@click.option("--restore", is_flag=True, help="Move back what went into the trash last.")
@click.option("--empty-trash", is_flag=True, help="Delete for good what is in the trash.")
def command(
    output: Output,
    folder: Path,
    older_than_days: float,
    keep_last: int,
    keep_best: int,
    pins: tuple[str, ...],
    apply: bool,
    restore: bool,
    empty_trash: bool,
) -> None:
    """Say which checkpoints in FOLDER may go, and with --apply move them into a trash beside them.

    Stays: what is marked best, latest or final, or pinned, in models_index.json; what is so named;
    what a link stands for; the newest; what does not load. A checkpoint moves with all its chunks
    or not at all: a move that was killed is finished by the next call.
    """
    from checkpoints.pruning import Rules, decide, refresh_index
    from checkpoints.trash import discard, in_trash

    if apply + restore + empty_trash > 1:
        raise UsageError("--apply, --restore and --empty-trash are three things; give one")
    trash = in_trash(folder)  # first, for it finishes what was interrupted
    if restore or empty_trash:
        _turn_over(output, trash, restore=restore)
        refresh_index(folder, output.note)
        return
    decided = decide(folder, Rules(older_than_days, keep_last, keep_best, pins), time.time())
    due = [one for one in decided if not one.kept_because]
    if apply:
        batch = _new_batch(trash)
        for one in due:
            discard(one.path, one.files, batch)
        refresh_index(folder, output.note)
    output.table(
        "checkpoints", str(folder), _DECIDED, [_row(one, applied=apply) for one in decided]
    )
    size = sum(one.size_bytes for one in due)
    output.fact("size_bytes_to_free", size)
    what = f"{len(due)} of {len(decided)} checkpoints, {megabytes(size)}"
    output.fact(
        "moved", len(due) if apply else 0, f"{what}: in the trash" if apply else f"{what}: may go"
    )
    held = sum(entry.size_bytes for entry in trash) + (size if apply else 0)
    output.fact("trash_size_bytes", held, f"The trash holds {megabytes(held)}." if held else None)
    if due:
        _say_next(output, folder, (older_than_days, keep_last, keep_best), pins, applied=apply)


def _turn_over(output: Output, trash: "Sequence[TrashEntry]", *, restore: bool) -> None:
    """Bring the newest batch back, or delete all of them."""
    from checkpoints.trash import empty
    from checkpoints.trash import restore as put_back

    newest = max((entry.place.parent for entry in trash), default=None)
    taken = [entry for entry in trash if not restore or entry.place.parent == newest]
    if restore:
        put_back(taken)
    else:
        empty(taken)
    done = "restored" if restore else "deleted"
    rows = [
        {
            "checkpoint": entry.checkpoint,
            "size_bytes": entry.size_bytes,
            "status": done,
            "place": str(entry.place),
        }
        for entry in taken
    ]
    if rows:
        output.table("trash", "trash", _IN_TRASH, rows)
    else:
        output.fact("trash", [])
    output.fact(done, len(rows), f"{len(rows)} checkpoints {done}")


def _row(one: "Decision", *, applied: bool) -> dict[str, object]:
    return {
        "path": str(one.path),
        "size_bytes": one.size_bytes,
        "age_days": round(one.age_days, 3),
        "status": "stays" if one.kept_because else "moved" if applied else "may go",
        "reason": one.kept_because,
        "files": [file.name for file in one.files],
    }


def _new_batch(trash: "Sequence[TrashEntry]") -> str:
    """The time, as a name that sorts after those that are there."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    return max([now, *(f"{entry.place.parent.name}+" for entry in trash)])


def _say_next(
    output: Output,
    folder: Path,
    rules: tuple[float, int, int],
    pins: Sequence[str],
    *,
    applied: bool,
) -> None:
    place = shlex.quote(str(folder))
    if applied:
        output.next_step(f"chunkport prune-models {place} --restore")
        return
    days, last, best = rules
    flags = ["--older-than", f"{days:g}", "--keep-last", str(last), "--keep-best", str(best)]
    flags += [word for pin in pins for word in ("--pin", pin)]
    output.next_step(f"chunkport prune-models {place} {shlex.join(flags)} --apply")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
