"""`chunkport clean`: away with what interrupted saves left, or with a chunked checkpoint."""

from pathlib import Path

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, megabytes

_COLUMNS = (
    Column("path", "file"),
    Column("size_bytes", "size", megabytes, right=True),
)


@chunkport_command("clean")
@click.argument("path", type=CHECKPOINT)
@click.option("--chunks", is_flag=True, help="All of the chunked checkpoint at PATH, for good.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--force", is_flag=True, help="Do it, with --chunks.")
def command(output: Output, path: Path, chunks: bool, dry_run: bool, force: bool) -> None:
    """Remove what interrupted saves left at PATH, a checkpoint or a folder of them.

    That is: files that were never finished, and chunks that belong to no checkpoint; one that
    loads is not touched. With --chunks --force, the checkpoint at PATH itself goes, its chunks,
    manifest and placeholder; one that is a single file stays.
    """
    from checkpoints.cleaning import chunks_to_clean, clean_chunks
    from checkpoints.leftovers import clean_left_overs

    if chunks and not (force or dry_run):
        raise UsageError(
            "--chunks removes a whole checkpoint for good; add --force, or --dry-run to see what "
            "would go; `chunkport prune-models` keeps a trash"
        )
    if force and not chunks:
        raise UsageError("--force belongs to --chunks; without it nothing that loads is removed")
    if chunks and path.is_dir():
        raise UsageError(f"{path}: is a folder; --chunks takes one checkpoint")
    found = chunks_to_clean(path) if chunks else clean_left_overs(path, dry_run=True)
    sizes = {file: _size(file) for file in found}
    gone = () if dry_run else clean_chunks(path) if chunks else clean_left_overs(path)
    shown = found if dry_run else gone
    rows = [{"path": str(file), "size_bytes": sizes.get(file)} for file in shown]
    if rows:
        output.table("files", str(path), _COLUMNS, rows)
    else:
        output.fact("files", [])
    size = sum(sizes.get(file, 0) for file in shown)
    done = "would go" if dry_run else "removed"
    output.fact("size_bytes", size, f"{len(rows)} files, {megabytes(size)} {done}")


def _size(path: Path) -> int:
    """Of a file, or of all in a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
