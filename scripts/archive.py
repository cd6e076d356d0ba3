"""`chunkport archive`: a checkpoint's files in one tar, and out of it again."""

import shlex
from pathlib import Path

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Output, megabytes

_MIB = 1 << 20


@chunkport_command("archive")
@click.argument("path", type=CHECKPOINT)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive: FILE.tar, or FILE.tar.gz to compress it.",
)
@click.option("--extract", is_flag=True, help="PATH is an archive: take it apart.")
@click.option("--output-dir", type=FOLDER, default=".", help="With --extract: where to.")
@click.option("--force", is_flag=True, help="Replace an archive that is already there.")
def command(
    output: Output, path: Path, target: Path | None, extract: bool, output_dir: Path, force: bool
) -> None:
    """Put the checkpoint at PATH, with all its chunks, into one tar.

    It is checked before, and the tar is read back. SHA256SUMS in it lets others check it too. Float
    weights hardly compress: expect .tar.gz to save 7 to 8 % and to take far longer. The
    checkpoint itself stays where it is.
    """
    from checkpoints.catalog import describe
    from checkpoints.packing import pack, unpack

    if extract == (target is not None):
        raise UsageError("give -o FILE.tar to pack a checkpoint, or --extract to take one out")
    if target is None:
        total = path.stat().st_size if path.is_file() else 0
        with output.progress("unpacking MiB", total=round(total / _MIB)) as advance:
            files = unpack(path, output_dir, lambda count: advance(count / _MIB))
        output.fact("files", [str(file) for file in files], "\n".join(map(str, files)))
        output.fact("path", str(files[0]))
        return
    total = 3 * describe(path).total_bytes
    with output.progress("packing MiB", total=round(total / _MIB)) as advance:
        packed = pack(path, target, force=force, on_bytes=lambda count: advance(count / _MIB))
    change = packed.size_bytes / packed.size_bytes_before
    output.fact("path", str(packed.path))
    output.fact("files", list(packed.files))
    output.fact("size_bytes_before", packed.size_bytes_before)
    output.fact("ratio", round(change, 4))
    output.fact(
        "size_bytes",
        packed.size_bytes,
        f"{len(packed.files)} files, {megabytes(packed.size_bytes_before)}: {packed.path} takes "
        f"{megabytes(packed.size_bytes)} ({change:.1%})",
    )
    output.next_step(f"chunkport archive {shlex.quote(str(packed.path))} --extract")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
