"""Binner: numbers to labels and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn

WIDTH, QUANTILE = "width", "quantile"


def test_equal_widths_by_hand() -> None:
    binner = pynn.Binner(4, WIDTH).fit([0, 1, 1.5, 3.9, 8])
    assert binner.edges is not None
    assert binner.values is not None
    np.testing.assert_array_equal(binner.edges, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(binner.values, [2.5 / 3, 3.9, 5, 8])  # an empty bin stands for its middle
    np.testing.assert_array_equal(binner.transform([0, 1.9, 2, 5, 6, 8]), [0, 0, 1, 2, 3, 3])


def test_quantiles_hold_the_same_number_each(rng: np.random.Generator) -> None:
    y = np.exp(rng.normal(size=1000))
    labels = pynn.Binner(8).fit_transform(y)
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [125] * 8


@pytest.mark.parametrize("strategy", [WIDTH, QUANTILE])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_values_are_the_means_of_their_samples(strategy: str, dtype: str, rng: np.random.Generator) -> None:
    y = (100 * rng.normal(size=500)).astype(dtype)
    binner = pynn.Binner(7, strategy)
    labels = binner.fit_transform(y)
    values = binner.inverse_transform(labels)
    for label in range(7):
        here = labels == label
        np.testing.assert_allclose(values[here], y[here].astype(np.float64).mean(), rtol=1e-12)
    np.testing.assert_array_equal(binner.transform(values), labels)
    assert binner.edges is not None
    assert (np.diff(binner.edges) > 0).all()
    assert (binner.edges[labels] <= y).all()
    assert (y <= binner.edges[labels + 1]).all()


def test_probabilities_become_expected_values(rng: np.random.Generator) -> None:
    binner = pynn.Binner(3, WIDTH).fit([0.0, 1, 2])
    np.testing.assert_allclose(
        binner.inverse_transform(np.array([[0.5, 0.5, 0], [0, 0, 1], [0.25, 0.5, 0.25]])), [0.5, 2, 1]
    )
    single = np.array([[0.2, 0.3, 0.5]], np.float32)
    assert binner.inverse_transform(single) == pytest.approx([1.3], rel=1e-6)


def test_values_beyond_the_edges_fall_into_the_outermost_bin() -> None:
    binner = pynn.Binner(5).fit(np.arange(100))
    np.testing.assert_array_equal(binner.transform([-1e9, 1e9]), [0, 4])


@pytest.mark.parametrize(
    "y", [[0] * 99 + [1], [0] + [1] * 99, [5.0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 7], [-1] + [0] * 98 + [1]]
)
def test_values_that_repeat_make_fewer_bins(y: list[float]) -> None:
    binner = pynn.Binner(10)
    labels = binner.fit_transform(y)
    assert binner.values is not None
    assert 2 <= len(binner.values) < 10
    assert set(labels.tolist()) == {0, 1}


def test_a_network_learns_a_curve_with_it() -> None:
    """y = x² and ±1 noise: softmax over bins gives the curve back better than its best constant."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (600, 1)).astype(np.float32)
    y = 3 * x[:, 0] ** 2 + rng.normal(0, 0.3, 600)
    binner = pynn.Binner(12)
    labels = binner.fit_transform(y)
    model = pynn.Sequential(pynn.Affine(32), pynn.Tanh(), pynn.Affine(12))
    model.fit(x, labels, optimizer=pynn.Adam(0.02), epochs=40, progress=False)
    grid = np.linspace(-1.8, 1.8, 50, dtype=np.float32)[:, None]
    errors = binner.inverse_transform(model.predict_proba(grid)) - 3 * grid[:, 0] ** 2
    assert np.sqrt((errors**2).mean()) < 0.2 * y.std()


def test_edges_and_values_are_all_that_it_knows() -> None:
    y = np.arange(50.0)
    binner, other = pynn.Binner(5).fit(y), pynn.Binner(5)
    assert binner.edges is not None
    assert binner.values is not None
    other.edges, other.values = np.array(binner.edges.tolist()), np.array(binner.values.tolist())
    np.testing.assert_array_equal(other.transform(y), binner.transform(y))
    np.testing.assert_array_equal(other.inverse_transform([0, 4]), binner.inverse_transform([0, 4]))


def test_parameters_are_those_of_the_constructor() -> None:
    binner = pynn.Binner(5, strategy=WIDTH)
    assert binner.get_params() == {"bins": 5, "strategy": WIDTH}
    assert repr(pynn.Binner(**binner.get_params())) == repr(binner) == "Binner(bins=5, strategy='width')"
    assert repr(pynn.Binner()) == "Binner()"


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "sentence"),
    [
        ([1, np.nan, 2], ValueError, r"y\[1\] is nan, expected finite numbers"),
        ([1, 2, np.inf], ValueError, r"y\[2\] is inf, expected finite numbers"),
        ([3, 3, 3], ValueError, "all of y is 3.0, expected at least two different values"),
        ([7], ValueError, "all of y is 7.0"),
        ([], ValueError, r"y has shape \(0,\), expected \(N,\)"),
        ([[1], [2]], ValueError, r"y has shape \(2, 1\).*becomes \(N,\) by y.ravel\(\)"),
        (["a", "b"], TypeError, "y has dtype <U1, expected numbers"),
    ],
)
def test_targets_that_cannot_be_binned_are_refused(y: Any, error: type[Exception], sentence: str) -> None:
    binner = pynn.Binner(3).fit([0, 1, 2, 3])
    assert binner.edges is not None
    before = binner.edges.copy()
    with pytest.raises(error, match=sentence):
        binner.fit(y)
    np.testing.assert_array_equal(binner.edges, before)


def test_a_binner_must_be_fitted_first() -> None:
    with pytest.raises(RuntimeError, match=r"Binner.transform was called before fit\(y\)"):
        pynn.Binner().transform([1, 2])
    with pytest.raises(RuntimeError, match=r"Binner.inverse_transform was called before fit\(y\)"):
        pynn.Binner().inverse_transform([1, 2])


@pytest.mark.parametrize("arguments", [{"bins": 1}, {"bins": 2.5}, {"bins": True}, {"strategy": "kmeans"}])
def test_arguments_that_do_not_fit_are_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"Binner: (bins|strategy) is .*, expected"):
        pynn.Binner(**arguments)


@pytest.mark.parametrize(
    ("predictions", "sentence"),
    [
        ([0, 3], r"label 1 is 3, expected 0\.\.2"),
        ([-1, 0], r"label 0 is -1, expected 0\.\.2"),
        ([0.5, 1.0], r"expected integer labels \(N,\) or probabilities \(N, 3\)"),
        (np.ones((2, 4)) / 4, r"shape \(2, 4\), expected integer labels"),
        (np.eye(3, dtype=int), r"dtype int64 and shape \(3, 3\), expected"),
        (np.array([[0.5, 0.5, 0.5]]), "not probabilities: expected rows of at least 0 with sum 1"),
        (np.array([[-0.5, 0.5, 1]]), "not probabilities"),
        (np.array([[np.nan, 0.5, 0.5]]), "not probabilities"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(predictions: Any, sentence: str) -> None:
    binner = pynn.Binner(3, WIDTH).fit([0.0, 1, 2])
    with pytest.raises(ValueError, match=sentence):
        binner.inverse_transform(predictions)
