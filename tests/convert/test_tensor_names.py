"""The modules that names of tensors tell of."""

import pytest

from convert.tensor_names import module_path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("pkg.Net/pkg.inner.Block_9/torch.nn.Linear_pwconv2;1", ("9", "pwconv2")),
        ("pkg.Net/torch.nn.Linear_two_words;;pkg.Net;", ("two_words",)),
        ("pkg.Net/pkg._Private_layer;", ("layer",)),
        ("pkg.Net;4", ()),
        (".Net/.inner/.Linear_pwconv2;1", None),
        (".Net/.Block_9/.Linear_pwconv2;1", ("9", "pwconv2")),
        ("arith.constant12", None),
        ("serving_default_image", None),
        ("model/conv2d/Conv2D", None),
    ],
)
def test_a_module_is_read_from_a_tensors_name(name: str, path: tuple[str, ...] | None) -> None:
    assert module_path(name) == path
