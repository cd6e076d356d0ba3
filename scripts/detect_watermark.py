"""`chunkport detect-watermark`: the messages in pictures, read in PyTorch or by a .tflite."""

import shlex
from pathlib import Path

import click

from chunkport.errors import UsageError
from scripts._build_options import card_option
from scripts._models import MODELS
from scripts._options import chunkport_command
from scripts._output import Output
from scripts._watermarks import (
    COMPARED,
    PICTURE,
    READ,
    chosen_card,
    compared,
    rate_option,
    read_row,
)

_NOT_FOUND = 1


@chunkport_command("detect-watermark")
@click.argument("model_file", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("pictures", metavar="PICTURE...", type=PICTURE, nargs=-1, required=True)
@click.option("--message", metavar="HEX|BITS", help="What they should say; exit 1 if one does not.")
@rate_option
@click.option("--model", metavar="NAME", help=f"Of a checkpoint that does not say: {MODELS}.")
@card_option
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of a .tflite.")
def command(
    output: Output,
    model_file: Path,
    pictures: tuple[Path, ...],
    message: str | None,
    false_positive_rate: float,
    model: str | None,
    card: Path | None,
    num_threads: int,
) -> int:
    """Read the messages in PICTUREs of any size with MODEL, a checkpoint or a .tflite.

    The confidence is the detector's own logit for the presence of a mark, above 0 where it sees
    one; TinySeal is trained to give it, the published detectors are not. A message is found where
    so many bits agree with it that chance does as well no more often than --false-positive-rate.
    """
    from verify.marked_pictures import parse_message, read_pixels
    from verify.message_readers import TFLITE, open_reader
    from verify.message_statistics import matches_needed

    if (model or card) and model_file.suffix == TFLITE:
        raise UsageError(
            f"{model_file}: a .tflite has its card inside; leave out --model and --card"
        )
    reader = open_reader(model_file, chosen_card(model, card), num_threads)
    expected = threshold = None
    if message is not None:
        expected = parse_message(message, reader.nbits)
        threshold = matches_needed(reader.nbits, false_positive_rate)
    rows = []
    with output.progress("reading", total=len(pictures)) as advance:
        for picture in pictures:
            row = read_row(picture, reader, read_pixels(picture))
            if expected is not None and threshold is not None:
                row = compared(row, expected, threshold)
            rows.append(row)
            advance()
    columns = (*READ, *COMPARED) if threshold else READ
    output.table("pictures", f"read by {model_file}", columns, rows)
    if threshold is None:
        named = [("--model", model), ("--card", card)]
        flags = [text for flag, value in named if value for text in (flag, str(value))]
        words = ["chunkport", "detect-watermark", *map(str, (model_file, *pictures)), *flags]
        again = shlex.join(words)
        output.next_step(f"{again} --message {rows[0]['hex']}")
        return 0
    output.fact("threshold", threshold.to_json())
    missed = [row["picture"] for row in rows if not row["found"]]
    needed = (
        f"{threshold.matches} of {threshold.nbits} bits are needed, which chance reaches at a "
        f"rate of {threshold.false_positive_rate:.2g}"
    )
    said = f"NOT FOUND in {', '.join(missed)}" if missed else f"FOUND in {len(rows)} of {len(rows)}"
    output.fact("found", not missed, f"{said}; {needed}")
    return _NOT_FOUND if missed else 0


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
