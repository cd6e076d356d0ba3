"""What passes a limit, and by how much."""

import pytest

from wrappers.spec import Contract, Limit, TensorSpec, at_least, at_most


@pytest.mark.parametrize(
    ("limit", "value", "admitted", "margin"),
    [
        (at_most("error", 0.5), 0.25, True, 0.25),
        (at_most("error", 0.5), 0.5, True, 0.0),
        (at_most("error", 0.5), 0.75, False, -0.25),
        (at_least("psnr_db", 40), 42.5, True, 2.5),
        (at_least("psnr_db", 40), 40, True, 0),
        (at_least("psnr_db", 40), 38, False, -2),
        (at_least("psnr_db", 40), float("inf"), True, float("inf")),
    ],
)
def test_a_bound_itself_passes_and_margins_are_negative_outside(
    limit: Limit, value: float, admitted: bool, margin: float
) -> None:
    assert limit.admits(value) is admitted
    assert limit.margin(value) == margin


@pytest.mark.parametrize("limit", [at_most("error", 0.5), at_least("psnr_db", 40)])
def test_nan_passes_no_limit(limit: Limit) -> None:
    assert not limit.admits(float("nan"))


def test_a_contract_is_plain_json_values() -> None:
    latent = TensorSpec("latent", (1, 4), "features", "N(0, 1)", "noise")
    assert Contract((latent,), ()).to_json() == {
        "inputs": (
            {
                "name": "latent",
                "shape": (1, 4),
                "layout": "features",
                "value_range": "N(0, 1)",
                "meaning": "noise",
                "dtype": "float32",
            },
        ),
        "outputs": (),
    }
