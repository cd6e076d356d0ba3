"""What was really quantized, read from the file."""

from pathlib import Path

import pytest

from convert.quantization.op_weights import weight_dtypes
from convert.tflite import op_counts, read_flatbuffer


@pytest.mark.integration
@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", "FLOAT32"), ("fp16", "FLOAT16"), ("int8-dynamic", "INT8")]
)
def test_every_op_with_a_weight_is_told_with_its_type(
    generator_tflites: dict[str, Path], precision: str, dtype: str
) -> None:
    model = read_flatbuffer(generator_tflites[precision])
    found = weight_dtypes(model)
    counts = op_counts(model)
    assert len(found) == counts["FULLY_CONNECTED"] + counts["CONV_2D"] + counts["TRANSPOSE_CONV"]
    assert {entry.dtype for entry in found} == {dtype}
    assert len({entry.weight for entry in found}) == len(found)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("precision", "dtypes"),
    [("int4-dynamic", {"INT4", "INT8"}), ("int8-static", {"INT8"}), ("int16x8", {"INT8"})],
)
def test_integers_are_told_by_their_width(
    generator_integers: dict[str, Path], precision: str, dtypes: set[str]
) -> None:
    found = weight_dtypes(read_flatbuffer(generator_integers[precision]))
    assert {entry.dtype for entry in found} == dtypes
    int4 = {entry.op for entry in found if entry.dtype == "INT4"}
    assert int4 == ({"FULLY_CONNECTED"} if "INT4" in dtypes else set())
