"""How commands show what a conversion made."""

from pathlib import Path
from typing import TYPE_CHECKING

from scripts._calibration import show_calibration
from scripts._coverage import ops_in_integers, show_leftovers
from scripts._output import Column, Output, megabytes, number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convert.pipeline import Conversion, ConvertedFile

_COLUMNS = (
    Column("path", "file"),
    Column("precision", "precision"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("ratio_to_weights", "of the weights", ratio, right=True),
    Column("in_integers", "in integers", right=True),
    Column("seconds", "seconds", number, right=True),
)


def show_conversion(output: Output, model: str, checkpoint: Path, conversion: "Conversion") -> None:
    """The files as a table, and what was found out on the way to them."""
    for line in conversion.float_result.mended:
        output.warn(f"mended before conversion: {line}")
    weight_bytes = conversion.float_result.weight_bytes
    title = f"{model} from {checkpoint}"
    show_files(output, title, conversion.files, weight_bytes)
    show_calibration(output, conversion.ranges)
    audit = conversion.float_result.audit
    if audit is None:
        output.note("The weights were not audited: a plain conversion folds them by itself.")
    else:
        sentence = f"All {audit.tensors} weights are in the float32 file, bit for bit."
        output.fact("weights_audited", audit.tensors, sentence)
        for name in audit.unaudited:
            output.warn(f"{name}: of a normalisation, combined with others, so not audited")
    output.fact("conversion_seconds", round(conversion.float_result.seconds, 2))
    output.fact("checkpoint_sha256", conversion.checkpoint_sha256)


def show_files(
    output: Output, title: str, files: "Sequence[ConvertedFile]", weight_bytes: int
) -> None:
    """The files as a table, and what became of their ops."""
    output.table(
        "files",
        title,
        _COLUMNS,
        [
            {
                "path": str(file.path),
                "precision": file.precision,
                "size_bytes": file.size_bytes,
                "ratio_to_weights": file.size_bytes / weight_bytes,
                "in_integers": ops_in_integers(file.coverage),
                "seconds": round(file.seconds, 2),
                "sha256": file.sha256,
                "coverage": None if file.coverage is None else file.coverage.to_json(),
            }
            for file in files
        ],
    )
    show_leftovers(output, [(file.precision, file.coverage) for file in files])
