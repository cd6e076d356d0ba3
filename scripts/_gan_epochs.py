"""What a person is told of a GAN's training: each epoch, and the signs at the end."""

import math
from typing import TYPE_CHECKING

from scripts._output import Output, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.loop import EpochReport
    from train.signs import Sign


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
