"""Losses whose output is the logarithm of the expected target: values, extremes, targets, training, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

MAKE: dict[str, Callable[[], pynn.Loss]] = {
    "poisson": pynn.Poisson,
    "gamma": pynn.Gamma,
    "tweedie": pynn.Tweedie,
    "tweedie near 1": lambda: pynn.Tweedie(1 + 1e-9),
    "tweedie near 2": lambda: pynn.Tweedie(2 - 1e-9),
    "tweedie 1": lambda: pynn.Tweedie(1),
    "tweedie 2": lambda: pynn.Tweedie(2),
}
every = pytest.mark.parametrize("name", MAKE)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def half_deviance(y: np.ndarray, mean: np.ndarray, p: float) -> np.ndarray:
    """By its definition, the integral of (y - m)/m^p from the mean to y, by Gauss-Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    m = mean[..., None] + (y - mean)[..., None] * (nodes + 1) / 2
    return np.asarray(((y[..., None] - m) / m**p * weights).sum(axis=-1) * (y - mean) / 2)


@pytest.mark.parametrize("power", [1, 1.0001, 1.3, 1.5, 1.9, 1.9999, 2])
@both_dtypes
def test_differences_of_the_loss_are_those_of_half_deviances(
    power: float, dtype: str, backend: str, rng: np.random.Generator
) -> None:
    """Terms of y alone cancel; near the powers 1 and 2 nothing else may."""
    y = rng.uniform(0.5, 4, (20, 1))
    f, other = rng.uniform(-1, 1, (2, 20, 1))
    losses = [pynn.Tweedie(power)]
    losses += [pynn.Poisson()] if power == 1 else [pynn.Gamma()] if power == 2 else []
    expected = (half_deviance(y, np.exp(f), power) - half_deviance(y, np.exp(other), power)).mean()
    for loss in losses:
        found = loss.forward(f.astype(dtype), y.astype(dtype)) - loss.forward(other.astype(dtype), y.astype(dtype))
        assert found == pytest.approx(expected, abs=1e-9 if dtype == "float64" else 3e-6)


def test_known_values() -> None:
    f, y = np.log([[2.0], [3.0]]), np.array([[1.0], [4.0]])
    assert pynn.Poisson().forward(f, y) == pytest.approx((2 - np.log(2) + 3 - 4 * np.log(3)) / 2, rel=1e-14)
    assert pynn.Gamma().forward(f, y) == pytest.approx((np.log(2) + 1 / 2 + np.log(3) + 4 / 3) / 2, rel=1e-14)
    root = np.sqrt([2, 3])
    tweedie = 2 * (root - 1) + 2 * y[:, 0] * (1 / root - 1)
    assert pynn.Tweedie().forward(f, y) == pytest.approx(tweedie.mean(), rel=1e-14)
    np.testing.assert_allclose(pynn.Poisson().predict(f), [[2], [3]], rtol=1e-14)


@every
@both_dtypes
def test_overflow_gives_infinity_and_never_nan(name: str, dtype: str, backend: str) -> None:
    loss, least = MAKE[name](), 0.0 if name not in ("gamma", "tweedie 2") else 1.0
    for size in (80, 90, 700, 1e4, 1e30):
        for f in (size, -size):
            for y in (least, 1.0, 1e6):
                value = loss.forward(np.array([[f], [0.0]], dtype), np.array([[y], [1.0]]))
                assert not np.isnan(value)
                if np.isinf(value):
                    assert value > 0
                else:
                    assert np.isfinite(loss.backward()).all()
    assert np.isnan(loss.forward(np.array([[np.nan]], dtype), np.ones((1, 1))))
    assert (loss.predict(np.array([[1e4]], dtype)) == np.inf).all()  # without a warning


@every
def test_training_stops_where_the_mean_overflows(name: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(20, 3)) * 1e4
    with pytest.raises(FloatingPointError, match=r"the loss is (inf|nan) at step"):
        pynn.Sequential(pynn.Affine(1)).fit(
            x, rng.gamma(1, 2, 20), loss=MAKE[name](), optimizer=pynn.SGD(1e3), epochs=9, progress=False
        )


@every
def test_weights_multiply_samples(name: str, backend: str, rng: np.random.Generator) -> None:
    outputs, targets = rng.normal(size=(12, 3)), rng.gamma(1, 2, (12, 3))
    loss, times = MAKE[name](), np.arange(12) % 4
    rows = np.repeat(np.arange(12), times)
    weighted = loss.forward(outputs, targets, times.astype(float)) * 12
    gradient = loss.backward().copy() * 12
    assert weighted == pytest.approx(loss.forward(outputs[rows], targets[rows]) * len(rows), rel=1e-13)
    loss.forward(outputs, targets)
    np.testing.assert_allclose(gradient, loss.backward() * 12 * times[:, None], rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "y", "message"),
    [
        (
            "poisson",
            -1,
            r"y\[3, 0\] is -1\.0, expected a count, a number of at least 0; for numbers of either sign use",
        ),
        (
            "gamma",
            0,
            r"is 0\.0, expected a number above 0; for amounts that may be 0 use loss='tweedie', .*'squared_error'",
        ),
        ("tweedie", -0.5, r"y\[3, 0\] is -0\.5, expected a number of at least 0"),
        ("tweedie 2", 0, r"y\[3, 0\] is 0\.0, expected a number above 0, as power is 2"),
        ("poisson", np.nan, r"y\[3, 0\] is nan, expected finite numbers"),
    ],
)
def test_targets_outside_the_range_are_refused(name: str, y: float, message: str) -> None:
    targets = np.ones(9)
    targets[3] = y
    model = pynn.Sequential(pynn.Affine(1))
    with pytest.raises(ValueError, match=message):
        model.fit(np.eye(9), targets, loss=MAKE[name](), progress=False)
    assert not model.built


@both_dtypes
@pytest.mark.parametrize(
    ("name", "y", "message"),
    [
        ("poisson", -5, r"y\[1, 0\] is -5\.0, expected a count, a number of at least 0"),
        ("gamma", 0, r"y\[1, 0\] is -?0\.0, expected a number above 0"),
        ("tweedie", -1, r"y\[1, 0\] is -1\.0, expected a number of at least 0"),
        ("tweedie 1", -1, r"y\[1, 0\] is -1\.0, expected a number of at least 0"),
        ("tweedie 2", 0, r"y\[1, 0\] is 0\.0, expected a number above 0, as power is 2"),
        ("tweedie near 2", -1, r"y\[1, 0\] is -1\.0, expected a number of at least 0"),
    ],
)
def test_a_loop_of_ones_own_refuses_them_too(name: str, y: float, message: str, dtype: str, backend: str) -> None:
    """Targets that are floats of the outputs' shape are read as they are."""
    loss = MAKE[name]()
    with pytest.raises(ValueError, match=message):
        loss.forward(np.zeros((3, 1), dtype), np.array([[1], [y], [2]], dtype))
    with pytest.raises(ValueError, match=r"y.* is nan, expected finite numbers"):
        loss.forward(np.zeros((3, 1), dtype), np.array([[1], [np.nan], [2]], dtype))
    assert np.isfinite(loss.forward(np.zeros((3, 1), dtype), np.ones((3, 1), dtype)))


def test_preprocessed_targets_are_refused(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(30, 3)), rng.poisson(3, 30)
    for loss in ("poisson", "gamma", "tweedie"):
        with pytest.raises(TypeError, match=r"target_preprocessing changes the targets, but \w+ is for y itself"):
            pynn.Sequential(pynn.Affine(1)).fit(x, y + 1, loss=loss, target_preprocessing=pynn.Standardization())
    model = pynn.Sequential(pynn.Affine(1))  # whose scaling another loss has left
    model.fit(x, y, loss="l2", target_preprocessing=pynn.Standardization(), epochs=1, progress=False)
    model.fit(x, y, loss="poisson", epochs=1, progress=False)
    assert (model.predict(x) > 0).all()


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie", "tweedie near 1"])
def test_a_model_learns_means_and_keeps_them(name: str, backend: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.uniform(-1, 1, (2000, 2))
    mean = np.exp(1 + x[:, 0] - 0.5 * x[:, 1])
    y = rng.poisson(mean) if "gamma" not in name else rng.gamma(3, mean / 3)
    model = pynn.Sequential(pynn.Affine(1))
    model.fit(
        x, y, loss=name if name in ("poisson", "gamma", "tweedie") else MAKE[name](), optimizer=pynn.Adam(0.03),
        epochs=30, progress=False, metrics=["mae", "rmse", "r2", "mape"] if "gamma" in name else ["mae", "rmse"],
    )  # fmt: skip
    np.testing.assert_allclose(model.layers[0].weight.ravel(), [1, -0.5], atol=0.1)
    np.testing.assert_allclose(model.layers[0].bias, 1, atol=0.1)
    said = model.predict(x)
    assert said.shape == (2000,)
    assert model.evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(np.abs(said - y).mean(), rel=1e-5)
    model.save(tmp_path / "model.safetensors")
    again = pynn.load(tmp_path / "model.safetensors")
    assert repr(again.loss) == repr(model.loss)
    np.testing.assert_array_equal(again.predict(x), said)
    other = pynn.Sequential(pynn.Affine(1), seed=3)
    other.fit(x, y, loss=model.loss, epochs=1, progress=False)
    both = pynn.Ensemble([model, other])
    np.testing.assert_allclose(both.predict(x), (said + other.predict(x)) / 2, rtol=1e-4)  # of means
    assert both.evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(np.abs(both.predict(x) - y).mean(), rel=1e-4)
    np.testing.assert_allclose(pynn.monte_carlo(model, x, 2)[0].ravel(), said, rtol=1e-5)


@pytest.mark.parametrize("power", [0.99, 2.01, 0, 3])
def test_other_powers_are_refused(power: Any) -> None:
    with pytest.raises(ValueError, match=r"power is .*, expected 1 <= power <= 2"):
        pynn.Tweedie(power)
    assert repr(pynn.Tweedie(1.2)) == "Tweedie(power=1.2)"


def test_a_sigmoid_before_them_is_warned_of(rng: np.random.Generator) -> None:
    with pytest.warns(UserWarning, match="Poisson takes the logarithm of the expected target, which has no bounds"):
        pynn.Sequential(pynn.Affine(1), pynn.Sigmoid()).fit(
            rng.normal(size=(9, 2)), np.ones(9), loss="poisson", epochs=1, progress=False
        )


def test_a_power_that_is_set_later_counts() -> None:
    outputs, targets = np.array([[0.3], [-0.2]]), np.array([[1.5], [0.4]])
    for kind, name, first in ((pynn.Tweedie, "power", 1.5), (pynn.Huber, "delta", 1.0)):
        loss = kind(first)
        setattr(loss, name, 1.0 if kind is pynn.Tweedie else 0.1)
        expected = kind(getattr(loss, name))
        assert loss.forward(outputs, targets) == expected.forward(outputs, targets)
        np.testing.assert_array_equal(loss.backward(), expected.backward())
