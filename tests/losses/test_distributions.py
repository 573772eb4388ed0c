"""Losses with several outputs for each target: quantiles, and a mean with its variance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn

LEVELS = (0.1, 0.5, 0.8)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
crossing_or_not = pytest.mark.parametrize("crossing", [True, False])


def risen(f: np.ndarray) -> np.ndarray:
    """The quantiles of crossing=False, in other words than the loss's."""
    values = [f[..., 0]]
    for level in range(1, f.shape[-1]):
        values.append(values[-1] + np.logaddexp(0, f[..., level]))
    return np.stack(values, axis=-1)


def pinball(q: np.ndarray, y: np.ndarray, levels: Any = LEVELS) -> float:
    """Of quantiles (N, ..., L) and targets (N, ...)."""
    total = 0.0
    for place, level in enumerate(levels):
        d = y - q[..., place]
        total += np.where(d > 0, level * d, (level - 1) * d).sum()
    return total / len(y)


# Quantile -----------------------------------------------------------------------------------------


@crossing_or_not
@both_dtypes
@pytest.mark.parametrize("lead", [(), (1,), (4,), (2, 3)])
def test_the_pinball_loss(crossing: bool, dtype: str, lead: tuple[int, ...], backend: str) -> None:
    rng = np.random.default_rng(1)
    f, y = rng.normal(size=(13, *lead, 3)).astype(dtype), rng.normal(size=(13, *lead)).astype(dtype)
    loss = pynn.Quantile(LEVELS, crossing=crossing)
    quantiles = f.astype(float) if crossing else risen(f.astype(float))
    rel = 1e-6 if dtype == "float32" else 1e-13
    assert loss.forward(f, y) == pytest.approx(pinball(quantiles, y), rel=rel)
    assert loss.backward().shape == f.shape
    np.testing.assert_allclose(loss.predict(f), quantiles, rtol=10 * rel)
    assert loss.forward(f, y[..., None]) == loss.forward(f, y) == loss.forward(f.copy("F"), y.tolist())


@crossing_or_not
@pytest.mark.parametrize("shape", [(7, 3), (1, 3), (5, 2, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_quantiles(crossing: bool, shape: tuple[int, ...], weighted: bool, backend: str) -> None:
    rng = np.random.default_rng(2)
    loss: Any = pynn.Quantile(LEVELS, crossing=crossing)
    f = rng.normal(size=shape)
    y = loss.predict(f)[..., 1] + rng.choice([-0.7, -0.2, 0.3, 0.6], shape[:-1])  # no kink is near
    assert np.abs(loss.predict(f) - y[..., None]).min() > 1e-3
    if weighted:
        weights = rng.uniform(0, 2, len(f))
        numeric = gradients.differences(lambda: loss.forward(f, y, weights), f)
        loss.forward(f, y, weights)
        assert gradients.relative_error(loss.backward(), numeric) < gradients.TOLERANCE
    else:
        model = pynn.Sequential(gradients.PassThrough(), dtype="float64")
        gradients.check(model, loss, f, y)
        found = model.input_gradient(f, y, loss=loss, batch_size=2)
        loss.forward(f, y)
        np.testing.assert_allclose(found, loss.backward() * len(f), rtol=1e-12)


@both_dtypes
def test_predictions_that_may_not_cross_never_do(dtype: str, backend: str) -> None:
    rng, loss = np.random.default_rng(3), pynn.Quantile(np.linspace(0.02, 0.98, 25), crossing=False)
    for scale in (1e-3, 1, 1e3, 1e30):
        f = (scale * rng.normal(size=(200, 25))).astype(dtype)
        assert (np.diff(loss.predict(f), axis=1) >= 0).all()
        assert np.isfinite(loss.forward(f, np.zeros(200)))
        assert np.isfinite(loss.backward()).all()
    assert np.isnan(loss.forward(np.full((2, 25), np.nan, dtype), np.zeros(2)))
    assert loss.forward(np.full((2, 25), np.inf, dtype), np.zeros(2)) == np.inf


def test_weights_of_quantiles_multiply_samples(backend: str, rng: np.random.Generator) -> None:
    f, y, times = rng.normal(size=(12, 3)), rng.normal(size=12), np.arange(12) % 4
    rows = np.repeat(np.arange(12), times)
    for loss in (pynn.Quantile(LEVELS), pynn.Quantile(LEVELS, crossing=False)):
        weighted = loss.forward(f, y, times.astype(float)) * 12
        assert weighted == pytest.approx(loss.forward(f[rows], y[rows]) * len(rows), rel=1e-13)


@crossing_or_not
def test_quantiles_hold_their_shares_of_the_targets(
    crossing: bool, backend: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    x = rng.uniform(-1, 1, (3000, 1))
    y = 1e5 * (x[:, 0] + (1.5 + x[:, 0]) * rng.normal(size=3000)) + 5e5
    model = pynn.Sequential(pynn.Affine(16), pynn.Tanh(), pynn.Affine(3))
    model.fit(
        x, y, loss=pynn.Quantile(LEVELS, crossing=crossing), target_preprocessing=pynn.Standardization(), epochs=25,
        optimizer=pynn.Adam(pynn.CosineDecay(0.03, epochs=25)), progress=False,
        metrics=["mae", "pinball", pynn.metrics.Pinball(0.8), "r2"],
    )  # fmt: skip
    said = model.predict(x)
    assert said.shape == (3000, 3)
    for place, level in enumerate(LEVELS):
        assert (y < said[:, place]).mean() == pytest.approx(level, abs=0.03)
    found = model.evaluate(x, y, 700, metrics=["mae", "pinball", pynn.metrics.Pinball(0.8)])
    assert found["mae"] == pytest.approx(np.abs(said[:, 1] - y).mean(), rel=1e-5)
    assert found["pinball"] == pytest.approx(pinball(said.astype(float), y) / 3, rel=1e-5)
    assert found["pinball80"] == pytest.approx(pynn.metrics.pinball(y, said[:, 2], 0.8), rel=1e-5)
    model.save(tmp_path / "model.safetensors")
    again = pynn.load(tmp_path / "model.safetensors")
    assert repr(again.loss) == repr(model.loss)
    np.testing.assert_array_equal(again.predict(x), said)
    ensemble = pynn.Ensemble([model, again])
    np.testing.assert_allclose(ensemble.predict(x), said, rtol=1e-4)
    assert ensemble.evaluate(x, y)["loss"] == pytest.approx(pinball(said.astype(float), y), rel=1e-4)
    mean, deviation = pynn.monte_carlo(model, x, 2)
    np.testing.assert_allclose(mean, said, rtol=1e-4)
    assert (deviation == 0).all()
    with pytest.raises(ValueError, match=r"the metric pinball70 needs a quantile of level 0\.7, but there are 0\.1, 0"):
        model.evaluate(x, y, metrics=[pynn.metrics.Pinball(0.7)])


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_a_single_level_predicts_in_the_shape_of_the_targets(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(40, 2)), rng.normal(size=40) + 7
    model = pynn.Sequential(pynn.Affine(1))
    model.fit(x, y.reshape(shape), loss="quantile", target_preprocessing=pynn.Standardization(), progress=False)
    assert model.predict(x).shape == shape


def test_several_targets_have_their_own_units(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 2))
    y = x * [1, 1000] + rng.normal(size=(400, 2)) * [1, 1000] + [5, -3000]
    model = pynn.Sequential(pynn.Affine(6), pynn.Reshape(2, 3))
    model.fit(
        x, y, loss=pynn.Quantile(LEVELS), target_preprocessing=pynn.Standardization(), optimizer=pynn.Adam(0.05),
        epochs=60, progress=False,
    )  # fmt: skip
    said = model.predict(x)
    assert said.shape == (400, 2, 3)
    np.testing.assert_allclose((y[..., None] < said).mean(axis=0), [LEVELS] * 2, atol=0.06)
    assert model.evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(np.abs(said[..., 1] - y).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "levels", [0, 1, -0.5, 1.5, "0.5", None, True, (), (0.5, 0.5), (0.9, 0.1), (0.1, "b"), np.nan, (0.1, np.nan)]
)
def test_wrong_levels_are_refused(levels: Any) -> None:
    with pytest.raises(ValueError, match=r"Quantile: levels is .*, expected a number between 0 and 1, or several"):
        pynn.Quantile(levels)


def test_levels_may_come_in_any_form() -> None:
    assert repr(pynn.Quantile(np.array([0.25, 0.75]))) == repr(pynn.Quantile([0.25, 0.75]))
    assert repr(pynn.Quantile([0.25, 0.75])) == "Quantile(levels=(0.25, 0.75))"
    assert repr(pynn.Quantile(np.float64(0.25))) == "Quantile(levels=0.25)"


def test_outputs_and_targets_that_do_not_fit_are_refused(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(9, 2)), rng.normal(size=9)
    for units, loss, targets, message in (
        (1, pynn.Quantile(LEVELS), y, r"has 3 levels, but the model has 1 output: end it with Affine\(3\)"),
        (3, "quantile", y, r"Quantile\(\) has 1 level, but the model has 3 outputs: end it with Affine\(1\)"),
        (3, pynn.Quantile(LEVELS), x, r"y has shape \(9, 2\), expected \(N,\): one number, not one for each level"),
        (1, "gaussian_nll", y, r"outputs have shape \(N, 1\), expected \(N, 2K\).*Affine\(2\) for one target"),
        (2, "gaussian_nll", x, r"y has shape \(9, 2\), expected \(N, 1\), as the model has 2 outputs.*Affine\(4\)"),
        (4, "gaussian_nll", y, r"y has shape \(9,\), expected \(N, 2\), as the model has 4 outputs.*Affine\(2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            pynn.Sequential(pynn.Affine(units)).fit(x, targets, loss=loss, progress=False)
    for loss, units in (("quantile", 1), ("gaussian_nll", 2)):
        with pytest.raises(TypeError, match="y has dtype <U1, expected numbers"):
            pynn.Sequential(pynn.Affine(units)).fit(x, ["a"] * 9, loss=loss, progress=False)
        with pytest.raises(ValueError, match=r"y\[8(, 0)?\] is nan, expected finite numbers"):
            pynn.Sequential(pynn.Affine(units)).fit(x, [*y[:8], np.nan], loss=loss, progress=False)
        with pytest.raises(TypeError, match="class_weight needs a loss of class labels"):
            pynn.Sequential(pynn.Affine(units)).fit(x, y, loss=loss, class_weight="balanced", progress=False)


# A mean and its variance --------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("count", [1, 4])
def test_the_gaussian_likelihood(count: int, dtype: str, backend: str, rng: np.random.Generator) -> None:
    outputs, y = rng.normal(size=(9, 2 * count)).astype(dtype), rng.normal(size=(9, count)).astype(dtype)
    loss = pynn.GaussianNLL()
    mean, deviation = outputs[:, :count].astype(float), np.exp(outputs[:, count:].astype(float) / 2)
    density = np.exp(-(((y - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
    expected = -np.log(density).sum(axis=1).mean() - count * np.log(2 * np.pi) / 2
    assert loss.forward(outputs, y) == pytest.approx(expected, rel=1e-5 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(loss.deviations(outputs), deviation, rtol=1e-5)
    np.testing.assert_array_equal(loss.predict(outputs), outputs[:, :count])


@pytest.mark.parametrize("count", [1, 3])
def test_gradients_of_the_gaussian_likelihood(count: int, backend: str, rng: np.random.Generator) -> None:
    outputs, y = rng.normal(size=(7, 2 * count)), rng.normal(size=(7, count))
    model = pynn.Sequential(gradients.PassThrough(), dtype="float64")
    gradients.check(model, pynn.GaussianNLL(), outputs, y)
    weights, loss = rng.uniform(0, 2, 7), pynn.GaussianNLL()
    numeric = gradients.differences(lambda: loss.forward(outputs, y, weights), outputs)
    loss.forward(outputs, y, weights)
    assert gradients.relative_error(loss.backward(), numeric) < gradients.TOLERANCE


@both_dtypes
def test_log_variances_are_held(dtype: str, backend: str) -> None:
    """Beyond the limits the loss is that of the limit, and its slope 0 unless a step would lead back."""
    loss = pynn.GaussianNLL()
    for s, d, limit, back in ((-1e4, 0, -30, 0), (-1e4, 1, -30, -1), (1e4, 0, 60, 1), (1e4, 1e14, 60, 0)):
        outputs = np.array([[0, s]], dtype)
        value = loss.forward(outputs, np.array([[d]]))
        assert value == pytest.approx((limit + d**2 * np.exp(-limit)) / 2, rel=1e-5)
        assert np.sign(loss.backward()[0, 1]) == back
    assert np.isinf(loss.forward(np.array([[1e300 if dtype == "float64" else 1e38, -30]], dtype), np.zeros((1, 1))))
    assert np.isnan(loss.forward(np.array([[0, np.nan]], dtype), np.zeros((1, 1))))


@pytest.mark.parametrize("scaled", [False, True])
def test_a_model_learns_how_far_it_is_off(scaled: bool, backend: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.uniform(-1, 1, (3000, 1))
    unit = 1e4 if scaled else 1.0
    y = unit * (2 * x[:, 0] + np.exp(x[:, 0]) * rng.normal(size=3000))
    model = pynn.Sequential(pynn.Affine(2))
    settings: dict[str, Any] = {"target_preprocessing": pynn.Standardization()} if scaled else {}
    model.fit(x, y, loss="gaussian_nll", optimizer=pynn.Adam(0.03), epochs=40, progress=False, **settings)
    said = model.predict(x)
    assert said.shape == (3000,)
    assert model.evaluate(x, y, metrics=["mae"])["mae"] == pytest.approx(np.abs(said - y).mean(), rel=1e-4)
    ensemble = pynn.Ensemble([model])
    outputs = ensemble.outputs(x)  # in the units of y
    np.testing.assert_allclose(outputs[:, 0], said, rtol=1e-4, atol=1e-4 * unit)
    slope, constant = np.polyfit(x[:, 0], np.log(pynn.GaussianNLL().deviations(outputs)[:, 0] / unit), 1)
    assert (slope, constant) == pytest.approx((1, 0), abs=0.1)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").predict(x), said)
    assert pynn.monte_carlo(model, x, 2)[0].shape == (3000, 2)
    deviations = model.predict_std(x)  # in the units of y, and of its shape
    assert deviations.shape == (3000,)
    np.testing.assert_allclose(deviations, pynn.GaussianNLL().deviations(outputs)[:, 0], rtol=1e-5)
    assert np.mean(((y - said) / deviations) ** 2) == pytest.approx(1, abs=0.05)
    assert model.predict_std(iter([x[:5]])).shape == (5,)
    model.fit(x, y[:, None], epochs=1, progress=False)
    assert model.predict_std(x).shape == (3000, 1)


# Kernels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend_name", pynn.kernels.BACKENDS)
def test_shapes_that_do_not_fit_are_refused_by_the_kernels(backend_name: str, both_backends: tuple[str, ...]) -> None:
    pynn.use_backend(backend_name)
    f, y, levels = np.zeros((4, 6)), np.zeros((4, 2)), np.array([0.1, 0.5, 0.9])
    assert pynn.kernels.pinball(f, y, levels) == 0
    for outputs, targets, rows in (((4, 6), (4, 3), 3), ((4, 5), (4, 2), 3), ((4, 6), (4, 0), 3), ((4, 6), (4, 2), 2)):
        with pytest.raises(ValueError, match=r"pinball: outputs has \d columns, expected one for each level for each"):
            pynn.kernels.pinball(np.zeros(outputs), np.zeros(targets), levels[:rows])
    with pytest.raises(ValueError, match=r"gaussian_nll: outputs has 6 columns, expected two for each of the 2"):
        pynn.kernels.gaussian_nll(f, y)
    for kernel, more in ((pynn.kernels.pinball, (levels,)), (pynn.kernels.gaussian_nll, ())):
        with pytest.raises(ValueError, match=r"outputs has shape \(0, 6\), expected at least one row and column"):
            kernel(np.zeros((0, 6)), np.zeros((0, 3 if not more else 2)), *more)
        with pytest.raises(ValueError, match=r"targets has shape \(3, 2\), expected \(N=4, D\)"):
            kernel(f, np.zeros((3, 2)), *more)
