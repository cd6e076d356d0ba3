"""`chunkport convert-existing-models`: large .pth files into chunks, in their place."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import BadInputError, ChunkportError, UsageError
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, megabytes

if TYPE_CHECKING:
    from checkpoints.catalog import CheckpointSummary
    from checkpoints.layout import Container

_MIB = 1 << 20
_CAP_MB = 90.0
_COLUMNS = (
    Column("path", "checkpoint"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("status", ""),
    Column("chunks", "chunks", lambda count: str(count or "-"), right=True),
    Column("reason", "why"),
)


@chunkport_command("convert-existing-models")
@click.argument("paths", nargs=-1, type=CHECKPOINT, metavar="[PATH]...")
@click.option("--max-chunk-mb", type=float, default=_CAP_MB, help="The cap on every file, in MiB.")
@click.option(
    "--container",
    type=click.Choice(["pth", "safetensors"]),
    default="pth",
    help="The kind of the chunks.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def command(
    output: Output,
    paths: tuple[Path, ...],
    max_chunk_mb: float,
    container: "Container",
    dry_run: bool,
) -> int | None:
    """Put chunks in the place of every .pth at PATH that is larger than the cap.

    PATH is a checkpoint, or a folder to search with all below it; models/ if none is given. The
    chunks are compared with the file, byte by byte, before it goes; whenever the command is killed,
    the file or all chunks are there. Needs the largest file's size free on the disk. No code of a
    file is run; one that needs code to load is refused. Exits 5 when one could not be converted.
    """
    from checkpoints.saving import cap_in_bytes
    from checkpoints.survey import find_checkpoints

    cap_bytes = cap_in_bytes(max_chunk_mb)
    places = paths or (Path("models"),)
    found = dict.fromkeys(path for place in places for path in find_checkpoints(place))
    rows = [_judged(path, cap_bytes) for path in found]
    due = [row for row in rows if row["status"] == "due"]
    total = sum(row["size_bytes"] for row in due)
    refused: list[ChunkportError] = []
    with output.progress("converting MiB", total=round(2 * total / _MIB)) as advance:
        for row in due:
            if dry_run:
                row["status"] = "would convert"
                continue
            fault = _convert(row, max_chunk_mb, container, output, advance)
            refused += [fault] if fault else []
    shown = [{**row, "path": str(row["path"])} for row in rows]
    output.table("checkpoints", "checkpoints", _COLUMNS, shown)
    converted = sum(row["status"] == "converted" for row in rows)
    faulty = sum(row["status"] == "refused" for row in rows)
    output.fact("converted", converted)
    output.fact("refused", faulty, f"{converted} converted, {faulty} refused")
    if converted:
        output.next_step(f"chunkport check-models --deep {shlex.join(map(str, places))}")
    if due and dry_run:
        again = _again(paths, max_chunk_mb, container)
        output.next_step(f"chunkport convert-existing-models {again}".strip())
    if any(isinstance(fault, UsageError) for fault in refused):
        return UsageError.exit_code
    return BadInputError.exit_code if faulty else None


def _judged(path: Path, cap_bytes: int) -> dict[str, Any]:
    """What is to be done with a checkpoint, and why."""
    from checkpoints.catalog import describe
    from checkpoints.lazy import open_checkpoint

    row: dict[str, Any] = {"path": path, "size_bytes": None, "status": "skipped", "chunks": None}
    if path.is_symlink():
        return {**row, "reason": f"a link to {path.readlink()}"}
    try:
        summary = describe(path)
        row |= {"size_bytes": summary.total_bytes, "chunks": len(summary.chunks) or None}
        reason = _reason_to_leave(summary, cap_bytes)
        if not reason:
            open_checkpoint(path)  # which refuses what has to run code
    except BadInputError as error:
        return {**row, "status": "refused", "reason": str(error)}
    return {**row, "status": "skipped" if reason else "due", "reason": reason}


def _reason_to_leave(summary: "CheckpointSummary", cap_bytes: int) -> str:
    """Why a checkpoint stays as it is; empty for one that is to be converted."""
    if summary.is_chunked:
        return "in chunks already"
    if summary.total_bytes <= cap_bytes:
        return f"not above the cap of {cap_bytes / _MIB:g} MiB"
    if summary.path.suffix != ".pth":
        return f"a {summary.path.suffix}; only a .pth is put into chunks"
    return ""


def _convert(
    row: dict[str, Any],
    max_chunk_mb: float,
    container: "Container",
    output: Output,
    advance: Callable[..., None],
) -> ChunkportError | None:
    """Convert one file and complete its row; what stood in the way, if anything did."""
    from checkpoints.splitting import split_in_place

    try:
        saved = split_in_place(
            row["path"],
            max_chunk_mb,
            container=container,
            on_bytes=lambda count: advance(count / _MIB),
            announce=output.note,
        )
    except ChunkportError as error:
        row |= {"status": "refused", "reason": str(error)}
        return error
    row |= {"status": "converted", "chunks": len(saved.chunk_files), "reason": ""}
    return None


def _again(paths: tuple[Path, ...], max_chunk_mb: float, container: "Container") -> str:
    flags = [] if max_chunk_mb == _CAP_MB else ["--max-chunk-mb", f"{max_chunk_mb:g}"]
    flags += [] if container == "pth" else ["--container", container]
    return shlex.join([*flags, *map(str, paths)])


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
