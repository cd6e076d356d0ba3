"""The flags that say what a model is calibrated on, and how commands show what came of it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._options import FOLDER
from scripts._output import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convert.calibration.ranges import Ranges
    from convert.calibration.samples import CalibrationChoice

_FILE = click.Path(dir_okay=False, path_type=Path)
_NAMES = ("calibration_dir", "calibration_samples", "calibration_seed", "ranges", "save_ranges")
_OPTIONS = (
    click.option(
        "--calibration-dir",
        type=FOLDER,
        help="Pictures, or .npy and .npz files of inputs, to measure ranges on; "
        "without it the model draws samples.",
    ),
    click.option(
        "--calibration-samples",
        type=click.IntRange(min=1),
        metavar="N",
        help="How many of them; all of a folder without it, or 256 drawn ones.",
    ),
    click.option("--calibration-seed", type=int, help="Of drawn samples."),
    click.option("--ranges", type=_FILE, help="Use the ranges in this file; nothing is measured."),
    click.option("--save-ranges", type=_FILE, help="Keep the ranges in this file."),
    click.option(
        "--integer-io",
        is_flag=True,
        help="For NPUs: integer inputs and outputs, and 16 bits where floats would be kept.",
    ),
)


def calibration_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags; `chosen_calibration` makes one value of all but --integer-io."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen_calibration(
    flags: "Mapping[str, Any]",
) -> "tuple[CalibrationChoice | None, dict[str, Any]]":
    """The flags on samples as one value, None where none was given, and the command's others.

    Raises:
        UsageError: two of them contradict each other.
    """
    own, others = (
        {k: v for k, v in flags.items() if (k in _NAMES) is ours} for ours in (True, False)
    )
    folder, count, seed, ranges, save = (own[name] for name in _NAMES)
    if ranges and any(value is not None for value in (folder, count, seed, save)):
        raise UsageError("--ranges measures nothing; leave out the other flags of calibration")
    if folder and seed is not None:
        raise UsageError("--calibration-seed is of drawn samples: not with --calibration-dir")
    if all(value is None for value in own.values()):
        return None, others
    from convert.calibration.samples import SEED, CalibrationChoice

    return CalibrationChoice(folder, count, SEED if seed is None else seed, ranges, save), others


def show_calibration(output: Output, ranges: "Ranges | None") -> None:
    """What the ranges were measured on, and what to beware of; nothing where there are none."""
    if ranges is None:
        return
    place = f" in '{ranges.folder}'" if ranges.folder else f" by seed {ranges.seed}"
    missed = ranges.missed_by_half
    stable = "" if missed is None else f"; half of them would have missed {missed:.1%} of a range"
    output.fact(
        "calibration",
        {
            "source": ranges.source,
            "folder": ranges.folder,
            "count": ranges.count,
            "seed": ranges.seed,
            "missed_by_half": missed,
            "tensors": len(ranges.tensors),
        },
        f"Calibrated on {ranges.count} samples, {ranges.source}{place}{stable}.",
    )
    for doubt in ranges.doubts:
        output.warn(doubt)
