"""Temperature scaling and intervals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pynn.sklearn import intervals
from pynn.sklearn.calibration import best_temperature
from pynn.sklearn.intervals import Residuals, rows_needed


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
        covered.append(errors[0] <= Residuals.of(errors[1:], None).width(0.8))
    assert 0.72 < np.mean(covered) < 0.88


@pytest.mark.parametrize(("coverage", "rows"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_rows_make_infinite_intervals(coverage: float, rows: int) -> None:
    assert rows_needed(coverage) == rows
    assert Residuals.of(np.arange(float(rows)), None).width(coverage) == rows - 1
    if rows > 1:
        with pytest.warns(UserWarning, match=rf"needs errors of {rows} held-out rows, there are {rows - 1}:"):
            assert Residuals.of(np.arange(rows - 1.0), None).width(coverage) == np.inf


def test_weights_of_errors_count_as_repetitions(rng: np.random.Generator) -> None:
    errors, weights = np.abs(rng.standard_normal((400, 2))), rng.integers(1, 4, 400)
    for coverage in (0.3, 0.8, 0.95):
        many = Residuals.of(np.repeat(errors, weights, axis=0), None).width(coverage)
        few = Residuals.of(errors, weights * 2.5).width(coverage)
        places = [np.searchsorted(np.sort(errors[:, k]), (many[k], few[k])) for k in range(2)]
        assert all(abs(int(one) - int(other)) <= 1 for one, other in places)  # one new row has one weight more
    heavy = Residuals.of(np.array([1.0] * 50 + [5.0] * 50), np.array([1.0] * 50 + [3.0] * 50))
    assert heavy.width(0.2) == 1
    assert heavy.width(0.3) == 5  # without weights it is 1
