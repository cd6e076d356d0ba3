"""Whether a .tflite holds the weights that it should: a look at the file, which runs nothing of it.

Outputs on samples tell of a wrong weight only by what it does to them, which can be little: one
channel of one layer, or a layer as it was an epoch before.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from convert.tflite import read_flatbuffer
from verify.layers.file_ops import read_ops
from verify.layers.pairing import pair
from verify.layers.stored_weights import WeightFinding, examine
from verify.layers.wrapper_run import weighted_calls

if TYPE_CHECKING:
    from torch import nn

    from wrappers.spec import Arrays

_TOLD = 3


def find_wrong_weights(path: Path, wrapper: "nn.Module", sample: "Arrays") -> list[WeightFinding]:
    """The weights of the wrapper that are in the file otherwise than their type rounds them.

    Those that the converter joins with others, such as a norm's, have no place of their own and
    are left out.

    Raises:
        BadInputError: no .tflite.
    """
    points = pair(weighted_calls(wrapper, sample), read_ops(read_flatbuffer(path)))
    pairs = [item for point in points for item in point.weights]
    findings = (examine(item, pairs) for item in pairs)
    return [finding for finding in findings if finding.wrong]


def told(wrong: list[WeightFinding]) -> str | None:
    """In one line, what is wrong with which; None where nothing is."""
    if not wrong:
        return None
    lines = [f"those of {finding.name} {finding.explanation}" for finding in wrong[:_TOLD]]
    more = f"; and of {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
    return "; ".join(lines) + more
