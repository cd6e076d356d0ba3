"""`chunkport embed-watermark`: a message into pictures, read back from the files that hold them."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, NumberRange, chunkport_command
from scripts._output import Column, Output, number
from scripts._watermarks import PICTURE, check_targets, read_row, yes_no

if TYPE_CHECKING:
    from PIL import Image

    from verify.attacks import Pixels

_UNREADABLE = 1
_RANDOM = "random"
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_COLUMNS = (
    Column("picture", "picture"),
    Column("path", "marked"),
    Column("psnr_db", "PSNR dB", number, right=True),
    Column("ssim", "SSIM", number, right=True),
    Column("wrong_bits", "wrong bits", right=True),
    Column("reads_back", "reads back", yes_no),
)


@chunkport_command("embed-watermark")
@click.argument("checkpoint", type=CHECKPOINT)
@click.argument("pictures", metavar="PICTURE...", type=PICTURE, nargs=-1, required=True)
@click.option(
    "--message",
    metavar="HEX|BITS|random",
    required=True,
    help="In hexadecimal, or as 0s and 1s; `random` draws one by --seed.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of a random message.")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FOLDER|FILE",
    type=click.Path(path_type=Path),
    help="A folder, or for one picture a .png or .jpg.  [default: beside each, NAME_marked.png]",
)
@click.option(
    "--psnr-db",
    type=NumberRange(10, 60),
    help="How faint the mark is; large pictures bear more.  [default: as it was trained]",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, help="Of a JPEG.")
@click.option("--force", is_flag=True, help="Replace pictures that are already there.")
def command(
    output: Output,
    checkpoint: Path,
    pictures: tuple[Path, ...],
    message: str,
    seed: int,
    target: Path | None,
    psnr_db: float | None,
    quality: int,
    force: bool,
) -> int:
    """Mark PICTUREs of any size with the embedder in CHECKPOINT.

    Each is read back from its file by the detector in CHECKPOINT; exits 1 if one does not say the
    message. Pictures are turned as their EXIF says. A PNG keeps transparency, a JPEG cannot.
    """
    from chunkport.files import make_folder
    from verify.marked_pictures import (
        mark_pixels,
        parse_message,
        random_message,
        read_pixels,
        visibility,
        write_message,
    )
    from verify.message_readers import network_reader
    from wrappers.detector_intake import load_embedder_network

    targets = _targets(pictures, target)
    check_targets(pictures, targets, force=force)
    embedder = load_embedder_network(checkpoint)
    reader = network_reader(checkpoint)
    nbits = embedder.card.nbits
    bits = random_message(nbits, seed) if message == _RANDOM else parse_message(message, nbits)
    for picture in pictures:  # before anything is written, so that all are or none is
        read_pixels(picture)
    for folder in dict.fromkeys(path.parent for path in targets):
        make_folder(folder)
    rows: list[dict[str, Any]] = []
    with output.progress("marking", total=len(pictures)) as advance:
        for picture, path in zip(pictures, targets, strict=True):
            original = read_pixels(picture)
            pixels = mark_pixels(embedder, original, bits, psnr_db)
            _write_marked(output, pixels, picture, path, quality)
            written = read_pixels(path)
            seen = visibility(original, written)
            read = read_row(path, reader, written)
            wrong = sum(int(bit) != wanted for bit, wanted in zip(read["bits"], bits, strict=True))
            rows.append(
                {
                    "picture": str(picture),
                    "path": str(path),
                    "psnr_db": seen.psnr_db,
                    "ssim": seen.ssim,
                    "wrong_bits": wrong,
                    "reads_back": wrong == 0,
                    "confidence": read["confidence"],
                    "read_hex": read["hex"],
                }
            )
            advance()
    text = write_message(bits)
    output.fact("message", text, f"message {text}, {nbits} bits")
    output.table("pictures", "marked pictures, as read back from their files", _COLUMNS, rows)
    wrong_rows = [row for row in rows if not row["reads_back"]]
    for row in wrong_rows:
        output.warn(
            f"{row['path']}: DOES NOT SAY the message: {row['wrong_bits']} of {nbits} bits read "
            f"otherwise ({row['read_hex']}); this picture or checkpoint does not hold it"
        )
    output.fact("passed", not wrong_rows)
    files = shlex.join(map(str, targets))
    source = shlex.quote(str(checkpoint))
    output.next_step(f"chunkport detect-watermark {source} {files} --message {text}")
    return _UNREADABLE if wrong_rows else 0


def _targets(pictures: tuple[Path, ...], target: Path | None) -> list[Path]:
    """Where each picture goes.

    Raises:
        UsageError: several into one file, or a file of a kind that is not written here.
    """
    if target is None or target.is_dir() or not target.suffix:
        return [(target or path.parent) / f"{path.stem}_marked.png" for path in pictures]
    if target.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"{target}: pictures are written as {', '.join(_FORMATS)}; name one of these, or a "
            "folder"
        )
    if len(pictures) > 1:
        raise UsageError(f"{target}: is one file for {len(pictures)} pictures; name a folder")
    return [target]


def _write_marked(
    output: Output, pixels: "Pixels", picture: Path, path: Path, quality: int
) -> None:
    """Write the marked pixels of one file into another, with its transparency and profile."""
    from PIL import Image

    from chunkport.files import replacing
    from wrappers.detector_pictures import frames_in, open_picture

    source = open_picture(picture, upright=True)
    if (frames := frames_in(picture)) > 1:
        output.warn(f"{picture}: holds {frames} pictures; only the first is marked")
    kind = _FORMATS[path.suffix.lower()]
    marked = Image.fromarray(pixels)
    if source.has_transparency_data:
        if kind == "JPEG":
            output.warn(f"{path}: a JPEG has no transparency, which {picture} has; it is left out")
        else:
            marked.putalpha(source.convert("RGBA").getchannel("A"))
    with replacing(path) as temporary:
        marked.save(temporary, format=kind, quality=quality, **_kept(source))


def _kept(source: "Image.Image") -> dict[str, Any]:
    """What tells how the colours are meant, where that is of red, green and blue."""
    profile = source.info.get("icc_profile")
    return {"icc_profile": profile} if profile and source.mode in {"RGB", "RGBA", "P"} else {}


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
