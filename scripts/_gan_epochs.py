"""What a person is told of a GAN's training: each epoch, the signs at the end, what it draws."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.loop import EpochReport
    from train.signs import Sign

_PICTURES = 200
_CLASSES = (
    Column("class", "taken for"),
    Column("count", "pictures", right=True),
    Column("share", "share", lambda share: f"{share:.1%}", right=True),
    Column("mean_confidence", "mean confidence", number, right=True),
)


def measured(value: float | None) -> str:
    """A number for a person, or what stands for one that was not measured."""
    return number(None if value is None or math.isnan(value) else value)


def epoch_lines(report: "EpochReport") -> str:
    """An epoch's losses, answers and distance, and where its pictures are."""
    figures = report.figures
    answers = f"D(real): {figures['D_real']:.3f} | D(fake): {figures['D_fake']:.3f}"
    if math.isfinite(figures["kid"]):
        answers += f" | KID: {figures['kid']:.4g}"
    lines = [
        f"Epoch {report.epoch}/{report.epochs}",
        f"  D_loss: {figures['D_loss']:.4f} | G_loss: {figures['G_loss']:.4f}",
        f"  {answers}",
    ]
    if report.sample is not None:
        lines.append(f"  [SAVED] Generated images to {report.sample}")
    return "\n".join(lines)


def show_signs(output: Output, signs: "Sequence[Sign]") -> None:
    """Those of success and failure that stand at the end, with what to try."""
    from train.signs import summary

    rows = [
        {"name": sign.name, "good": sign.good, "meaning": sign.sentence, "try": sign.remedy or None}
        for sign in signs
    ]
    output.fact("signs", rows, summary(signs))


def show_classes(output: Output, checkpoint: Path, seed: int) -> None:
    """What the fruit classifier takes pictures of the trained generator for, where it can tell."""
    from networks.fruit_features import fruit_classifier
    from verify.classified_pictures import classify_pictures
    from verify.generated_pictures import generate_pictures

    pictures = generate_pictures(checkpoint, _PICTURES, seed)
    found = classify_pictures(pictures, *fruit_classifier())
    if not found.fruit_like:
        output.note(f"{checkpoint.name} draws nothing that the fruit classifier knows.")
        output.fact("classes", None)
        return
    title = f"What the fruit classifier takes {_PICTURES} pictures of {checkpoint.name} for"
    output.table("classes", title, _CLASSES, found.histogram())
