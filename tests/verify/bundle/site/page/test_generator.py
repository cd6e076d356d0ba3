"""The generator's controls, in Node: noise as it was trained with."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

pytestmark = pytest.mark.integration

RunNode = Callable[..., Any]


def test_seeds_give_normal_noise_each_its_own(run_node: RunNode) -> None:
    one, again, other = run_node(
        "const { latentOf } = await load('generator.js');"
        "return [1, 1, 2].map((seed) => [...latentOf(seed, 20000)]);"
    )
    assert one == again
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03
    assert stats.kstest(one, "norm").pvalue > 0.001


def test_the_walk_keeps_the_noise_as_strong_as_it_was_trained(run_node: RunNode) -> None:
    ends, walk = run_node(
        "const { between, latentOf } = await load('generator.js');"
        "const [from, to] = [latentOf(1, 500), latentOf(2, 500)];"
        "const at = (part, strength) => [...between(from, to, part, strength)];"
        "return [[[...from], [...to]], [at(0, 1), at(0.5, 1), at(1, 1), at(0.5, 2)]];"
    )
    assert walk[0] == pytest.approx(ends[0])
    assert walk[2] == pytest.approx(ends[1], abs=1e-6)
    norms = [float(np.linalg.norm(latent)) for latent in walk]
    assert min(norms[:2]) > 0.97 * min(norms[0], norms[2])
    assert norms[3] == pytest.approx(2 * norms[1], rel=1e-6)


def test_a_walk_to_the_same_seed_stays(run_node: RunNode) -> None:
    found = run_node(
        "const { between, latentOf } = await load('generator.js');"
        "const one = latentOf(5, 100); return [[...one], [...between(one, one, 0.3, 1)]];"
    )
    assert found[1] == pytest.approx(found[0], rel=1e-5)
