"""`chunkport check-models`: which checkpoints there are, and whether they are whole and sound."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output

if TYPE_CHECKING:
    from checkpoints.checking import CheckedCheckpoint

_BAD = 5
_MIB = 1 << 20


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.1f} MiB"


_COLUMNS = (
    Column("path", "checkpoint"),
    Column("status", ""),
    Column("form", "form"),
    Column("files", "files", lambda files: str(len(files)), right=True),
    Column("size_bytes", "size", _mib, right=True),
    Column("largest_bytes", "largest", _mib, right=True),
    Column("tensors", "tensors", lambda count: "-" if count is None else str(count), right=True),
    Column("epoch", "epoch", lambda epoch: "-" if epoch is None else str(epoch), right=True),
)


@chunkport_command("check-models")
@click.argument("paths", nargs=-1, type=CHECKPOINT, metavar="[PATH]...")
@click.option("--deep", is_flag=True, help="Read every byte: CRC-32 and SHA-256 of all files.")
@click.option(
    "--record", is_flag=True, help="With --deep: keep the SHA-256 of sound chunks in the manifest."
)
def command(output: Output, paths: tuple[Path, ...], deep: bool, record: bool) -> int | None:
    """Say which checkpoints there are at each PATH, and whether they are whole and sound.

    PATH is a checkpoint, or a folder to search with all below it; models/ if none is given.
    Looks at names, sizes, manifests and lists of tensors; with --deep, at every byte. Nothing is
    changed but by --record: what an interrupted save left is named, and mended by the next load.
    Also names what GitHub would refuse. Exits 5 when a checkpoint does not load as it was saved.
    """
    from checkpoints.checking import check
    from checkpoints.hosting import check_hosting
    from checkpoints.survey import find_checkpoints

    if record and not deep:
        raise UsageError("--record keeps what --deep computes; give both")
    places = paths or (Path("models"),)
    found = {place: find_checkpoints(place) for place in places}
    every = tuple(dict.fromkeys(path for group in found.values() for path in group))
    with output.progress("reading MiB" if deep else "looking") as advance:
        checked = {
            path: check(path, deep=deep, on_bytes=lambda count: advance(count / _MIB))
            for path in every
        }
    rows = [_row(one) for one in checked.values()]
    if rows:
        output.table("checkpoints", "checkpoints", _COLUMNS, rows)
    else:
        output.fact("checkpoints", [], f"no checkpoints in {', '.join(map(str, places))}")
    hosting = {
        str(place): check_hosting([checked[path] for path in group], place)
        for place, group in found.items()
    }
    output.fact("git", {place: report.git for place, report in hosting.items()})
    findings = [finding for one in checked.values() for finding in one.findings]
    findings += [finding for report in hosting.values() for finding in report.findings]
    findings = list(dict.fromkeys(findings))  # places may overlap
    output.fact(
        "findings",
        [asdict(finding) for finding in findings],
        "\n".join(f"{finding.level}: {finding.message}" for finding in findings),
    )
    sound = [one for one in checked.values() if one.sound]
    _say_total(output, list(checked.values()), len(checked) - len(sound), deep=deep)
    if record:
        _record(output, sound)
    if len(sound) < len(checked):
        return _BAD
    if checked and not deep:
        output.next_step(f"chunkport check-models --deep {shlex.join(map(str, places))}")
    return None


def _row(one: "CheckedCheckpoint") -> dict[str, Any]:
    return {
        "path": str(one.path),
        "status": "ok" if one.sound else "BAD",
        "form": one.form,
        "size_bytes": one.size_bytes,
        "largest_bytes": max((file.size_bytes or 0 for file in one.files), default=0),
        "tensors": one.tensors,
        "epoch": one.epoch,
        "files": [
            {"path": str(file.path), "size_bytes": file.size_bytes, "sha256": file.sha256}
            for file in one.files
        ],
    }


def _say_total(output: Output, checked: "list[CheckedCheckpoint]", bad: int, *, deep: bool) -> None:
    files = {file.path.resolve(): file.size_bytes or 0 for one in checked for file in one.files}
    looked = "every byte read" if deep else "sizes and manifests looked at, bytes not read"
    total = {"checkpoints": len(checked), "bad": bad, "size_bytes": sum(files.values())}
    verdict = f"{bad} BAD" if bad else "all ok"
    sentence = f"{len(checked)} checkpoints, {_mib(total['size_bytes'])}: {verdict} ({looked})"
    output.fact("total", {**total, "deep": deep}, sentence if checked else None)


def _record(output: Output, sound: "list[CheckedCheckpoint]") -> None:
    from checkpoints.digests import record_sha256
    from checkpoints.layout import layout_of

    recorded = []
    for one in sound:
        if one.save_id is not None:
            digests = {file.path.name: file.sha256 or "" for file in one.files}
            layout = layout_of(one.path)
            record_sha256(layout, one.save_id, digests)
            recorded.append(str(layout.manifest))
    output.fact("recorded", recorded, f"SHA-256 recorded in {len(recorded)} manifests")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
