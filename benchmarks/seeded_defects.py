"""Makes .tflite files that are wrong, each in one way, and counts those that `verify` lets pass.

The defects are those that conversion tools are known for. Exits 1 when one is missed.
"""

import contextlib
import io
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks import defective_files as files
from chunkport.files import make_folder
from convert.calibration.samples import CalibrationChoice
from convert.float_model import Variant
from convert.isolation import run_isolated
from convert.pipeline import convert_checkpoint
from convert.quantization.precision import find_precision, recipe_of
from convert.quantization.recipe import Recipe, Rule
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output

GENERATOR = "gan-generator"
DETECTOR = "tinyseal"
THUMBNAIL = "thumbnail"
_MODELS = Path(__file__).with_name("defective_models.py")
_INT8, _INT4, _STATIC = "int8-dynamic", "int4-dynamic", "int8-static"
_CALIBRATION = 32  # samples that ranges are measured on
_ALL = ("fp32", _INT8, _INT4, _STATIC)


_BY_CLIPPING = Recipe(
    tuple(
        replace(rule, algorithm="octav") if rule.weights == "int4" else rule
        for rule in recipe_of(_INT4).rules
    )
)
# Of the last block alone: it takes a minute for a whole network.
_BY_SAMPLES = Recipe(
    (
        Rule("int8"),
        Rule("int4", algorithm="gptq", layer="Block_9.*pwconv", op="FULLY_CONNECTED"),
        Rule("float32", "float32", op="DEPTHWISE_CONV_2D", reason="no kernel"),
    ),
    bias_correction=True,
)
_COLUMNS = (
    Column("defect", "defect"),
    Column("model", "model"),
    Column("precision", "precision"),
    Column("caught", "", lambda caught: "caught" if caught else "MISSED"),
    Column("rows", "rows that fail", ", ".join),
)


@dataclass(frozen=True)
class Defect:
    """One way of being wrong.

    Attributes:
        name: in words.
        model: whose file it is.
        row: of the verdict, which must fail.
        spec: the name of the broken spec in defective_models.py; None for the true one.
        damage: done to the finished file.
        variant: "plain" for what our own lint would refuse to convert.
        precisions: that it is made in.
        recipe: of "mixed", where that is among them.
    """

    name: str
    model: str
    row: str
    spec: str | None = None
    damage: Callable[[Path], None] | None = None
    variant: Variant = "rewritten"
    precisions: tuple[str, ...] = ("fp32", _INT8)
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Finding:
    """What `verify` said of one defective file."""

    defect: str
    model: str
    precision: str
    caught: bool
    rows: tuple[str, ...]


DEFECTS = (
    Defect("two channels of a layer swapped", GENERATOR, "psnr_db", "SWAPPED_CHANNELS"),
    Defect("output in another range", GENERATOR, "psnr_db", "UNIT_RANGE"),
    Defect(
        "one layer's weights of an epoch before",
        GENERATOR,
        "weights",
        "STALE_LAYER",
        precisions=_ALL,
    ),
    Defect("a BatchNorm left out", GENERATOR, "psnr_db", "NO_BATCH_NORM"),
    Defect("zeros for output_padding", GENERATOR, "psnr_db", "ZERO_PADDING", variant="plain"),
    Defect("one picture for all latents", GENERATOR, "diversity", "ONE_IMAGE"),
    Defect("one picture for half of the latents", GENERATOR, "diversity", "TWO_IMAGES"),
    Defect("red and blue swapped", DETECTOR, "relative_l2", "BLUE_FIRST"),
    Defect("input in another range", DETECTOR, "relative_l2", "NOT_NORMALISED"),
    Defect("every bit given as the next", DETECTOR, "marked_bits_flipped", "SHIFTED_BITS"),
    Defect(
        "one layer's weights of an epoch before",
        DETECTOR,
        "weights",
        "DETECTOR_STALE_LAYER",
        precisions=_ALL,
    ),
    Defect(
        "ranges measured on other inputs than it gets",
        GENERATOR,
        "diversity",
        "FAINT_SAMPLES",
        precisions=(_STATIC,),
    ),
    Defect(
        "a zero point off, and values cut for it",
        GENERATOR,
        "psnr_db",
        damage=files.shift_the_output,
        precisions=(_STATIC,),
    ),
    Defect(
        "one layer's weights of an epoch before, in int4 by GPTQ",
        DETECTOR,
        "weights",
        "DETECTOR_STALE_LAYER",
        precisions=("mixed",),
        recipe=_BY_SAMPLES,
    ),
    *(
        Defect(
            f"{name}, in int4 by octav",
            DETECTOR,
            "weights",
            spec,
            damage=damage,
            precisions=("mixed",),
            recipe=_BY_CLIPPING,
        )
        for name, spec, damage in (
            ("one layer's weights of an epoch before", "DETECTOR_STALE_LAYER", None),
            ("one channel's scale off by 2", None, files.double_one_scale),
            ("two weights collapsed into one", None, files.collapse_constants),
        )
    ),
    Defect(
        "a nearest resize by other pixels",
        THUMBNAIL,
        "relative_l2",
        "NEAREST_RESIZE",
        variant="plain",
        precisions=("fp32",),
    ),
    *(
        Defect(name, model, row, damage=damage, precisions=precisions)
        for name, row, damage, precisions in (
            ("a flipped bit in the file", "integrity", files.flip_a_bit, ("fp32", _INT8)),
            ("an int8 weight's scales off by 2", "weights", files.double_scales, (_INT8,)),
            (
                "one channel's integer scale off by 2",
                "weights",
                files.double_one_scale,
                (_INT8, _INT4, _STATIC),
            ),
            ("an integer weight's zero points off by 1", "weights", files.shift_a_weight, (_INT8,)),
        )
        for model in (GENERATOR, DETECTOR)
    ),
    Defect("two weights collapsed into one", DETECTOR, "weights", damage=files.collapse_constants),
)


def make_defective(defects: Sequence[Defect], checkpoints: dict[str, Path], folder: Path) -> None:
    """Convert and damage, one after the other in this process; files as `file_of` names them.

    What several defects begin with is converted once.
    """
    numbers: defaultdict[Any, list[int]] = defaultdict(list)
    for number, defect in enumerate(defects):
        numbers[defect.model, defect.spec, defect.variant, defect.recipe].append(number)
    for (model, spec, variant, recipe), members in numbers.items():
        precisions = list(dict.fromkeys(it for one in members for it in defects[one].precisions))
        calibrated = any(_is_calibrated(it) for it in precisions)
        with tempfile.TemporaryDirectory(dir=folder) as beginnings:
            converted = convert_checkpoint(
                checkpoints[model],
                f"{_MODELS}:{spec}" if spec else model,
                precisions,
                Path(beginnings),
                recipe=recipe,
                variant=variant,
                calibration=CalibrationChoice(samples=_CALIBRATION) if calibrated else None,
                isolated=False,
            )
            paths = {file.precision: file.path for file in converted.files}
            for number in members:
                for precision in defects[number].precisions:
                    target = folder / file_of(number, precision)
                    shutil.copyfile(paths[precision], target)
                    if damage := defects[number].damage:
                        damage(target)


def _is_calibrated(precision: str) -> bool:
    recipe = find_precision(precision).recipe
    return recipe is not None and recipe.calibrated


def file_of(number: int, precision: str) -> str:
    """The name of the file with that defect."""
    return f"defect_{number}_{precision}.tflite"


def verify(files: Sequence[Path], checkpoint: Path, model: str) -> dict[str, Any]:
    """The document of `chunkport verify`, as a user gets it, of files that should all fail."""
    from scripts.verify import command

    spec = ["--spec", f"{_MODELS}:NEAREST_RESIZE"] if model == THUMBNAIL else []
    arguments = [*map(str, files), "--checkpoint", str(checkpoint), "--format", "json", *spec]
    with contextlib.redirect_stdout(io.StringIO()) as written:
        code = command.main([*arguments, "-q"], standalone_mode=False)
    document: dict[str, Any] = json.loads(written.getvalue())
    assert (code == 1) is any(not file["passed"] for file in document["files"])
    return document


def find_defects(
    defects: Sequence[Defect],
    checkpoints: dict[str, Path],
    folder: Path,
    on_model: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Make every defective file and judge it, those of one model together."""
    make_folder(folder)
    checkpoints = {**checkpoints, THUMBNAIL: folder / "thumbnail.pth"}
    run_isolated(_save_thumbnail, checkpoints[THUMBNAIL])
    run_isolated(make_defective, defects, checkpoints, folder)
    findings = []
    for model in dict.fromkeys(defect.model for defect in defects):
        made = {
            folder / file_of(number, precision): defect
            for number, defect in enumerate(defects)
            for precision in defect.precisions
            if defect.model == model
        }
        for verdict in verify([*made], checkpoints[model], model)["files"]:
            rows = tuple(row["name"] for row in verdict["checks"] if row["passed"] is False)
            defect = made[Path(verdict["path"])]
            caught = not verdict["passed"] and defect.row in rows
            findings.append(Finding(defect.name, model, verdict["precision"], caught, rows))
        on_model()
    return findings


def _save_thumbnail(path: Path) -> None:
    from benchmarks.defective_models import Thumbnail

    torch.save(Thumbnail().state_dict(), path)


@chunkport_command("seeded-defects")
@click.argument("generator", type=CHECKPOINT)
@click.argument("detector", type=CHECKPOINT)
@click.option("--folder", type=click.Path(path_type=Path), default="defects", help="For the files.")
def command(output: Output, generator: Path, detector: Path, folder: Path) -> int:
    """Seed defects into files of GENERATOR and of the TinySeal in DETECTOR, and judge each."""
    total = len({defect.model for defect in DEFECTS})
    with output.progress("judging defective files", total=total) as advance:
        findings = find_defects(
            DEFECTS, {GENERATOR: generator, DETECTOR: detector}, folder, advance
        )
    output.table("findings", "seeded defects", _COLUMNS, [asdict(it) for it in findings])
    missed = sum(not finding.caught for finding in findings)
    output.fact("missed", missed, f"{missed} of {len(findings)} defective files passed.")
    return 1 if missed else 0


if __name__ == "__main__":
    run(command)
