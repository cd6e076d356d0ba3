import numpy as np
import pytest
from numpy.typing import NDArray

from networks.quality.coverage import density_and_coverage

Sample = NDArray[np.float64]


def drawn(count: int, seed: int, *centres: float) -> Sample:
    """Points around each of the centres, so many each."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.standard_normal((count, 4)) + 100 * centre for centre in centres])


def by_definition(real: Sample, fake: Sample, k: int) -> tuple[float, float]:
    """Naeem et al. 2020, equations 5 and 6, as they are written there."""
    inside = np.zeros((len(fake), len(real)), bool)
    for i, one in enumerate(real):
        radius = np.sort(np.linalg.norm(real - one, axis=1))[k]
        inside[:, i] = np.linalg.norm(fake - one, axis=1) <= radius
    return float(inside.sum() / (k * len(fake))), float(inside.any(axis=0).mean())


def test_they_are_the_formulas() -> None:
    real, fake = drawn(30, 0, 0, 0.02), drawn(20, 1, 0.01)
    assert density_and_coverage(real, fake, 3) == pytest.approx(by_definition(real, fake, 3))


def test_of_other_real_pictures_they_are_what_is_told() -> None:
    found = [density_and_coverage(drawn(300, 2 * n, 0), drawn(300, 2 * n + 1, 0)) for n in range(5)]
    density, coverage = np.mean(found, axis=0)
    assert density == pytest.approx(1, abs=0.08)
    assert coverage == pytest.approx(1 - 2**-5, abs=0.03)


def test_missing_kinds_cost_coverage_alone_and_strange_pictures_cost_density() -> None:
    real = drawn(100, 0, 0, 1)
    density, coverage = density_and_coverage(real, drawn(200, 1, 0))
    assert density == pytest.approx(1, abs=0.2)
    assert coverage == pytest.approx(0.5, abs=0.03)
    assert density_and_coverage(real, drawn(200, 1, 0.5)) == (0, 0)


def test_as_many_neighbours_as_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="5 real pictures are too few for 5 neighbours"):
        density_and_coverage(drawn(5, 0, 0), drawn(9, 1, 0))
