import pytest

from verify.picture_outputs import channel_axis
from wrappers.spec import Layout, TensorSpec


@pytest.mark.parametrize(
    ("layout", "shape", "axis"),
    [
        ("nhwc", (1, 8, 8, 3), 3),
        ("nchw", (1, 1, 8, 8), 1),
        ("nchw", (1, 2, 8, 8), None),
        ("features", (1, 3), None),
        ("nhwc", (1, 3), None),
    ],
)
def test_pictures_are_known_by_their_channels(
    layout: Layout, shape: tuple[int, ...], axis: int | None
) -> None:
    assert channel_axis(TensorSpec("a", shape, layout, "", "")) == axis
