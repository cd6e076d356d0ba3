"""Whose limits a file is held to, and which of a user's are refused."""

from dataclasses import replace

import pytest

from chunkport.errors import UsageError
from verify.limits import figures_of, limits_for, parse_limits
from verify.trials import TrialChoices
from wrappers.gan_generator import SPEC

FIGURES = figures_of(SPEC, TrialChoices())


def test_a_limit_by_hand_takes_the_place_of_the_models_and_keeps_its_sense() -> None:
    by_hand = parse_limits(["psnr_db=12.5", "max_abs_difference=1e-3"], FIGURES)
    limits = limits_for(SPEC, "fp32", by_hand)
    assert (limits["psnr_db"].bound, limits["psnr_db"].sense) == (12.5, "at_least")
    assert limits["psnr_db"].by_hand
    assert limits["max_abs_difference"].sense == "at_most"
    assert limits["ssim"].bound == 0.9999
    assert not limits["ssim"].by_hand


def test_a_precision_without_limits_gets_those_by_hand() -> None:
    limits = limits_for(replace(SPEC, limits={}), "fp16", parse_limits(["psnr_db=12.5"], FIGURES))
    assert list(limits) == ["psnr_db"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["psnr=12"], "no row with a number is called 'psnr'; did you mean 'psnr_db'"),
        (["lineage=1"], "no row with a number is called 'lineage'"),
        (["psnr_db=inf"], "write NAME=VALUE with a finite number"),
        (["psnr_db=nan"], "write NAME=VALUE with a finite number"),
        (["psnr_db"], "write NAME=VALUE with a finite number"),
        (["=3"], "write NAME=VALUE with a finite number"),
        (["psnr_db=1", "psnr_db=2"], "'psnr_db' has a limit already"),
    ],
)
def test_what_is_no_limit_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_limits(texts, FIGURES)


@pytest.mark.parametrize("precision", SPEC.limits)
def test_every_row_of_the_generator_has_a_limit_in_every_precision_or_informs(
    precision: str,
) -> None:
    limits = limits_for(SPEC, precision)
    assert [
        name for name, figure in FIGURES.items() if name not in limits and figure.informs is None
    ] == []
