"""Temperature scaling and intervals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pynn.sklearn import intervals
from pynn.sklearn.calibration import best_temperature


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_logits_that_are_too_sure_is_found(rng: np.random.Generator, temperature: float) -> None:
    logits = rng.standard_normal((20_000, 3)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    assert best_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_weights_count_as_repetitions(rng: np.random.Generator) -> None:
    logits, labels = rng.standard_normal((300, 3)) * 2, rng.integers(0, 3, 300)
    weights = rng.integers(1, 4, 300)
    repeated = np.repeat(np.arange(300), weights)
    expected = best_temperature(logits[repeated], labels[repeated])
    assert best_temperature(logits, labels, weights.astype(float)) == pytest.approx(expected, rel=1e-6)


def test_a_model_without_mistakes_stays_finite() -> None:
    logits = np.array([[8.0, -8], [-8, 8]] * 10)
    assert 0.5 < best_temperature(logits, np.array([0, 1] * 10)) < 20


def test_quantiles_between_levels_are_interpolated() -> None:
    levels, quantiles = np.array([0.1, 0.5, 0.9]), np.array([[0.0, 4, 6], [1, 1, 3]])
    np.testing.assert_array_equal(intervals.at(levels, quantiles, 0.5), [4, 1])
    np.testing.assert_allclose(intervals.at(levels, quantiles, 0.3), [2, 1])
    np.testing.assert_allclose(intervals.at(levels, quantiles, 0.7), [5, 2])
    with pytest.raises(ValueError, match=r"the quantile 0\.05 is outside of those"):
        intervals.at(levels, quantiles, 0.05)
    np.testing.assert_array_equal(intervals.at(np.array([0.5]), np.array([[3.0]]), 0.5), [3])


def test_conformal_intervals_cover(rng: np.random.Generator) -> None:
    covered = []
    for _ in range(300):
        errors = np.abs(rng.standard_normal(101))
        covered.append(errors[0] <= intervals.conformal(np.sort(errors[1:]), 0.8))
    assert 0.72 < np.mean(covered) < 0.88
    np.testing.assert_array_equal(intervals.conformal(np.array([1.0, 2]), 0.99), 2)
