"""`chunkport attack-watermark`: what is left of marks after JPEG, resizing, cropping and more."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._build_options import card_option
from scripts._models import MODELS
from scripts._options import CHECKPOINT, FOLDER, TFLITE, NumberRange, chunkport_command
from scripts._output import Column, Output
from scripts._verdicts import show_checks
from scripts._watermarks import between, chosen_card, drawn_scenes, rate_option, share

if TYPE_CHECKING:
    from verify.attack_survival import MarkVisibility, Survival
    from verify.attacks import Pixels
    from verify.false_positives import FalsePositives
    from verify.marked_pictures import MarkedPicture
    from verify.message_readers import Reader

_FAILED = 1
_SURVIVALS = (
    Column("shown_attack", "attack"),
    Column("reader", "read by"),
    Column("bit_accuracy", "bits right", share, right=True),
    Column("bit_accuracy_interval", "95% interval", between, right=True),
    Column("recovered", "messages", share, right=True),
    Column("detected", "found", share, right=True),
    Column("bits_unlike_reference", "unlike", right=True),
)
_CLEAN = (
    Column("reader", "read by"),
    Column("pictures", "pictures", right=True),
    Column("false_positives", "found", right=True),
    Column("most_by_chance", "chance keeps to", right=True),
    Column("bit_agreement", "bits agree", share, right=True),
    Column("present", "taken for marked", right=True),
    Column("present_interval", "95% interval", between, right=True),
)


def _read_limits(
    _context: click.Context, _parameter: click.Parameter, values: Sequence[str]
) -> dict[str, float]:
    """ATTACK=VALUE, as often as given; the attacks' names are checked by the command."""
    limits = {}
    for value in values:
        name, _, bound = value.rpartition("=")
        try:
            limits[name] = float(bound)
        except ValueError:
            limits[name] = -1
        if not name or not 0 <= limits[name] <= 1:
            raise click.BadParameter(f"'{value}' is no ATTACK=VALUE such as jpeg-50=0.95")
    return limits


@chunkport_command("attack-watermark")
@click.argument("checkpoint", type=CHECKPOINT)
@click.argument("files", metavar="[TFLITE]...", type=TFLITE, nargs=-1)
@click.option("--pictures", "folder", type=FOLDER, help="Pictures to mark.  [default: drawn ones]")
@click.option(
    "--message", metavar="HEX|BITS", help="What --pictures say: they were marked elsewhere."
)
@click.option("--count", type=click.IntRange(min=1), default=200, help="How many marked pictures.")
@click.option(
    "--clean", type=click.IntRange(min=0), default=2000, help="How many pictures without a mark."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of pictures and chance.")
@rate_option
@click.option(
    "--min-bit-accuracy",
    "least",
    metavar="ATTACK=VALUE",
    multiple=True,
    callback=_read_limits,
    help="Fail below it, as in jpeg-50=0.95; may be repeated.",
)
@click.option(
    "--max-accuracy-loss",
    "most_loss",
    type=NumberRange(0, 1),
    help="Fail where a .tflite reads more of the bits wrong than PyTorch, as in 0.005.",
)
@click.option("--model", metavar="NAME", help=f"Of a checkpoint that does not say: {MODELS}.")
@card_option
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of each .tflite.")
def command(
    output: Output,
    checkpoint: Path,
    files: tuple[Path, ...],
    folder: Path | None,
    message: str | None,
    count: int,
    clean: int,
    seed: int,
    false_positive_rate: float,
    least: dict[str, float],
    most_loss: float | None,
    model: str | None,
    card: Path | None,
    num_threads: int,
) -> int:
    """Mark pictures with CHECKPOINT, attack them, and read them in PyTorch and by each TFLITE.

    A checkpoint without an embedder takes pictures that were marked elsewhere, as --pictures with
    their --message. Clean pictures are those of --pictures, then drawn ones; of such marked
    elsewhere only drawn ones. "found": as many bits right as --false-positive-rate asks for;
    "unlike": bits read otherwise than in PyTorch. Exits 1 when a limit is missed.
    """
    from verify.attack_survival import check_lengths, measure_survival
    from verify.attacks import find_attack
    from verify.false_positives import measure_false_positives
    from verify.marked_pictures import read_pixels
    from verify.message_readers import network_reader
    from verify.message_statistics import matches_needed
    from verify.survival_checks import false_positive_checks, survival_checks
    from wrappers.picture_files import pictures_in

    for name in least:
        find_attack(name)
    if message is not None and folder is None:
        raise UsageError("--message says what marked pictures say; name them with --pictures")
    if len({path.resolve() for path in files}) < len(files):
        raise UsageError("a .tflite is named twice; name each once, so that rows can be told apart")
    if most_loss is not None and not files:
        raise UsageError("--max-accuracy-loss compares with PyTorch; name a .tflite to compare")
    paths = pictures_in(folder) if folder else []
    readers = [network_reader(checkpoint, chosen_card(model, card))]
    readers += _named(files, num_threads)
    check_lengths(readers, readers[0].nbits)
    _warn_of_others(output, checkpoint, readers)
    threshold = matches_needed(readers[0].nbits, false_positive_rate)
    count = min(count, len(paths)) if paths else count
    pictures = map(read_pixels, paths[:count]) if paths else drawn_scenes(count, seed)
    with output.progress("attacking", total=count) as advance:
        marked = _marked(checkpoint, pictures, message, readers[0].nbits, seed)
        survivals, seen = measure_survival(marked, readers, threshold, seed, advance)
    checks = survival_checks(survivals, least, most_loss)
    unmarked = [] if message else paths[:clean]
    rest = drawn_scenes(clean - len(unmarked), seed, first=count)
    found: tuple[FalsePositives, ...] = ()
    if clean:
        with output.progress("reading clean pictures", total=clean) as advance:
            found = measure_false_positives(
                itertools.chain(map(read_pixels, unmarked), rest), readers, threshold, seed, advance
            )
        checks += false_positive_checks(found)
    origins = zip(readers, [checkpoint, *files], strict=True)
    output.fact("readers", [{"name": one.name, "path": str(path)} for one, path in origins])
    output.fact("threshold", threshold.to_json())
    _show_survivals(output, survivals)
    _show_visibility(output, seen)
    if found:
        title = (
            f"clean pictures; found: {threshold.matches} of {threshold.nbits} bits or more of a "
            "message drawn for each"
        )
        output.table("clean", title, _CLEAN, [row.to_json() for row in found])
    if checks:
        show_checks(output, "checks", "limits", checks)
    failed = [check.name for check in checks if check.passed is False]
    summary = f"FAILED: {', '.join(failed)}" if failed else f"PASSED: {len(checks)} checks"
    if not checks:
        summary = "Nothing was checked: no limit was given, and no clean picture read."
    output.fact("passed", not failed, summary)
    return _FAILED if failed else 0


def _named(files: Sequence[Path], threads: int) -> "list[Reader]":
    """The readers of the files, called by their precision where it tells them apart."""
    from verify.message_readers import tflite_reader
    from verify.report import labels_of

    readers = [tflite_reader(path, threads) for path in files]
    precisions = [reader.card.precision if reader.card else "" for reader in readers]
    apart = len(set(precisions)) == len(precisions)
    names = precisions if apart else labels_of(files)
    return [replace(reader, name=name) for reader, name in zip(readers, names, strict=True)]


def _warn_of_others(output: Output, checkpoint: Path, readers: "Sequence[Reader]") -> None:
    """Say which files were made from another checkpoint, such as of the detector alone."""
    from convert.card import identify_checkpoint

    cards = [(reader.name, reader.card) for reader in readers if reader.card is not None]
    sha256 = identify_checkpoint(checkpoint)["sha256"] if cards else None
    for name, card in cards:
        if card.checkpoint["sha256"] != sha256:
            output.warn(
                f"{name}: its card names another checkpoint than {checkpoint}; if that is not the "
                "same detector taken out, the comparison says nothing"
            )


def _marked(
    checkpoint: Path,
    pictures: "Iterator[Pixels]",
    message: str | None,
    nbits: int,
    seed: int,
) -> "Iterator[MarkedPicture]":
    """The pictures marked with messages of their own, or as they are with the one they say.

    Raises:
        UsageError: the message has another length.
        BadInputError: they are to be marked, and the checkpoint holds no embedder.
    """
    from verify.marked_pictures import MarkedPicture, marked_pictures, parse_message
    from wrappers.detector_intake import load_embedder_network

    if message is None:
        return marked_pictures(load_embedder_network(checkpoint), pictures, seed)
    bits = parse_message(message, nbits)
    return (MarkedPicture(pixels, bits) for pixels in pictures)


def _show_survivals(output: Output, survivals: "Sequence[Survival]") -> None:
    rows: list[dict[str, Any]] = [row.to_json() for row in survivals]
    before = None
    for row in rows:
        row["shown_attack"] = "" if row["attack"] == before else row["attack"]
        before = row["attack"]
    title = f"marks under attack, {rows[0]['pictures']} pictures"
    output.table(None, title, _SURVIVALS, rows)
    output.fact("attacks", [row.to_json() for row in survivals])


def _show_visibility(output: Output, seen: "MarkVisibility | None") -> None:
    """How visible the marks are, where the originals are at hand."""
    if seen is None:
        output.fact("mark", None, "The pictures were marked elsewhere: how visibly is not known.")
        return
    sentence = (
        f"The marks: PSNR {seen.psnr_mean_db:.2f} dB on average, {seen.psnr_min_db:.2f} at the "
        f"least; SSIM {seen.ssim_mean:.4f} on average, {seen.ssim_min:.4f} at the least."
    )
    output.fact("mark", seen.to_json(), sentence)


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
