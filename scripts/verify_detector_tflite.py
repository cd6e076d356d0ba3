"""`verify_detector_tflite.py`: does a detector's .tflite work, and what does it read?"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import BadInputError
from scripts._detectors import how_to_get, usual_checkpoint
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Output, megabytes
from scripts._verdicts import show_messages, show_verdicts

if TYPE_CHECKING:
    from convert.card import Card
    from verify.subject import Subject

_FAILED = 1


@chunkport_command("verify-detector-tflite")
@click.option("--tflite-model", type=TFLITE, required=True, help="The file.")
@click.option("--image-path", type=click.Path(path_type=Path), help="A picture to read.")
@click.option(
    "--checkpoint", type=CHECKPOINT, help="Its weights; else NAME_detector_only.pth in this folder."
)
@click.option("--samples", type=click.IntRange(min=1), default=4, help="How many made pictures.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
def command(
    output: Output,
    tflite_model: Path,
    image_path: Path | None,
    checkpoint: Path | None,
    samples: int,
    num_threads: int,
) -> int:
    """Check a detector's .tflite, compare it with its weights, and show what it reads.

    Without the weights there is nothing to compare with, and the rows say so.
    """
    from verify.judge import judge
    from verify.reference import compute_reference, reference_without_network
    from verify.trials import TrialChoices

    subject, card = _identified(tflite_model)
    pictures = [] if image_path is None else [image_path]
    usual = usual_checkpoint(subject.model)
    weights = checkpoint or (usual if usual.exists() else None)
    if weights is None:
        output.warn(f"compared with nothing, as {usual} is not here: {how_to_get(usual)}")
        reference = reference_without_network(subject.model, card, samples, 0, pictures)
    else:
        reference = compute_reference(
            subject.model,
            weights,
            samples,
            seed=0,
            options=subject.options,
            pictures=pictures,
            trials=TrialChoices(),
        )
    answers: list[Any] = []
    verdict = judge(subject, reference, num_threads, on_outputs=answers.extend)
    for side, tensors in (
        ("input", reference.contract.inputs),
        ("output", reference.contract.outputs),
    ):
        for tensor in tensors:
            output.note(f"{side} {tensor.name}: {tensor.shape} {tensor.dtype}, {tensor.meaning}")
    output.note(f"size: {megabytes(verdict.size_bytes)}")
    show_verdicts(output, [verdict])
    if answers:
        made = {} if pictures else {"made picture, seed 0": 0}
        show_messages(output, reference, {tflite_model.name: answers}, made)
    output.fact("passed", verdict.passed, "PASSED" if verdict.passed else "FAILED")
    return 0 if verdict.passed else _FAILED


def _identified(tflite: Path) -> "tuple[Subject, Card]":
    """What the file says it is.

    Raises:
        BadInputError: no .tflite, or one that does not say.
    """
    from convert.card import examine
    from verify.subject import identify

    card = examine(tflite).card
    if card is None:
        raise BadInputError(
            f"{tflite}: has no chunkport card; say what it is: chunkport verify "
            f"{shlex.quote(str(tflite))} --checkpoint FILE --model NAME --precision NAME"
        )
    return identify(tflite, damaged_too=True), card


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
