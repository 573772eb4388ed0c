"""Monte-Carlo averaging over masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradients import PassThrough

import pynn

BACKENDS = pynn.kernels.BACKENDS if pynn.kernels.native_module() else ("numpy",)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    pynn.use_backend(request.param)
    return str(request.param)


def network(rate: float = 0.3, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(
        pynn.Dropout(rate), pynn.DropConnect(16, rate), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(rate),
        pynn.Affine(3), **settings,
    )  # fmt: skip
    model.build((4,))
    return model


@pytest.mark.parametrize(
    "layer",
    [
        lambda: pynn.Dropout(0.5), lambda: pynn.Dropout(0.5, form="vanilla"), lambda: pynn.Dropout(0.9),
        lambda: pynn.DropConnect(6, 0.5), lambda: pynn.GaussianNoise(0.5),
    ],
    ids=["dropout", "vanilla", "dropout 0.9", "dropconnect", "noise"],
)  # fmt: skip
def test_the_mean_approaches_the_plain_prediction_of_an_affine_map(
    layer: Callable[[], pynn.Layer], backend: str, rng: np.random.Generator
) -> None:
    model = pynn.Sequential(layer(), pynn.Affine(5), dtype="float64")
    x = rng.standard_normal((7, 6))
    model.build((6,))
    plain = model.forward(x).copy()
    errors = []
    for passes in (20, 2000):
        mean, std = pynn.monte_carlo(model, x, passes)
        errors.append(np.sqrt(np.square(mean - plain).mean()))
    assert (np.abs(mean - plain) < 6 * std / np.sqrt(passes)).all()
    assert errors[1] < errors[0] / 4  # 1/10 is expected


def test_spatial_dropout_takes_part(rng: np.random.Generator, backend: str) -> None:
    model = pynn.Sequential(pynn.SpatialDropout(0.5), pynn.Flatten(), pynn.Affine(2), dtype="float64")
    x = rng.standard_normal((5, 2, 2, 3))
    model.build((2, 2, 3))
    mean, std = pynn.monte_carlo(model, x, 1000)
    assert (np.abs(mean - model.forward(x)) < 6 * std / np.sqrt(1000)).all()


def test_the_spread_shrinks_with_the_rate(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 4))
    spreads = []
    for rate in (0.5, 0.1, 0.01, 0.001, 0):
        model = network(rate, dtype="float64")
        mean, std = pynn.monte_carlo(model, x, 200)
        spreads.append(std.mean())
        if rate == 0:
            np.testing.assert_allclose(mean, model.forward(x), rtol=1e-12)
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] == 0
    assert spreads[3] < spreads[0] / 5


def test_mean_and_deviation_are_those_of_the_passes(backend: str, rng: np.random.Generator) -> None:
    seen: list[np.ndarray] = []

    class Watched(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            assert not training
            seen.append(x.copy())
            return x

    x = rng.standard_normal((9, 4)) + 1000  # a large mean costs a naive variance its digits
    model = pynn.Sequential(pynn.GaussianNoise(1e-3), Watched(), dtype="float64")
    model.build((4,))
    mean, std = pynn.monte_carlo(model, x, 15)
    assert len(seen) == 15
    np.testing.assert_allclose(mean, np.mean(seen, axis=0), rtol=1e-14)
    np.testing.assert_allclose(std, np.std(seen, axis=0), rtol=1e-8)


def test_the_same_seed_gives_the_same_result_whatever_the_batches(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, 4))
    model = network(seed=4, dtype="float64")
    mean, std = pynn.monte_carlo(model, x, 5)
    for settings in ({"batch_size": 50}, {"batch_size": 7}, {"batch_size": 1}, {"seed": 4}):
        again = pynn.monte_carlo(model, x, 5, **settings)
        np.testing.assert_allclose(again[0], mean, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(again[1], std, rtol=1e-8, atol=1e-13)
    np.testing.assert_array_equal(pynn.monte_carlo(model, x, 5), [mean, std])
    for other in (0, 2**64 - 1):
        assert np.abs(pynn.monte_carlo(model, x, 5, seed=other)[0] - mean).max() > 1e-3


def test_both_backends_agree(both_backends: tuple[str, ...], rng: np.random.Generator) -> None:
    x, model, results = rng.standard_normal((50, 4)), network(dtype="float64"), []
    for name in both_backends:
        pynn.use_backend(name)
        results.append(pynn.monte_carlo(model, x, 5))
    np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["dropout", "spatial", "connect"])
def test_rates_that_are_schedules_are_read_at_an_epoch(kind: str, backend: str, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((12, 3, 4)).astype(np.float32), np.arange(12) % 2

    def made(rate: Any) -> pynn.Sequential:
        drop = {"dropout": pynn.Dropout, "spatial": pynn.SpatialDropout}.get(kind)
        layers = [pynn.Affine(6), drop(rate)] if drop else [pynn.DropConnect(6, rate)]
        return pynn.Sequential(*layers, pynn.Flatten(), pynn.Affine(2), seed=3)

    model = made(pynn.LinearDecay(0.5, 4, 0.1))
    model.fit(x, y, epochs=1, progress=False)
    for epoch, rate in ((None, 0.5), (0, 0.5), (2, 0.3), (9.5, 0.1)):
        other = made(rate)
        other.build((3, 4))
        other.parameters = model.parameters
        np.testing.assert_array_equal(pynn.monte_carlo(model, x, 4, epoch=epoch), pynn.monte_carlo(other, x, 4))
    assert model.context.epoch is None
    model.context.epoch = 2  # as while it is trained
    np.testing.assert_array_equal(pynn.monte_carlo(model, x, 4), pynn.monte_carlo(model, x, 4, epoch=2))
    assert model.context.epoch == 2


def test_probabilities_are_averaged_after_the_softmax(backend: str, rng: np.random.Generator) -> None:
    x, model = rng.standard_normal((30, 4)), network(0.5, dtype="float64")
    mean, std = pynn.monte_carlo(model, x, 20, probabilities=True)
    np.testing.assert_allclose(mean.sum(axis=1), 1, rtol=1e-12)
    assert (std <= 0.5).all()
    logits, _ = pynn.monte_carlo(model, x, 20)
    assert np.abs(model.loss.probabilities(logits) - mean).max() > 1e-3


def test_the_model_stays_as_it_was(points: tuple[np.ndarray, np.ndarray], backend: str) -> None:
    x, y = points
    model, twin = network(), network()
    for one in (model, twin):
        one.fit(x, y, epochs=2, batch_size=10, progress=False)
        one.forward(x[:5], training=True)
    outputs, context = model.outputs.copy(), dict(vars(model.context))
    pynn.monte_carlo(model, x, 3, batch_size=5, seed=9)
    np.testing.assert_array_equal(model.outputs, outputs)
    assert vars(model.context) == context
    with pytest.raises(RuntimeError, match="must follow forward"):
        model.backward(np.ones_like(outputs))
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(value, twin.tensors()[name])
    for one in (model, twin):
        one.fit(x, y, epochs=1, batch_size=10, progress=False)
    np.testing.assert_array_equal(model.parameters, twin.parameters)


def test_a_model_that_fails_in_the_middle_stays_as_it_was(rng: np.random.Generator) -> None:
    class Failing(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if self.context.sampling and self.context.first_sample:
                raise KeyError("failed")
            return x

    model = pynn.Sequential(pynn.Dropout(0.5), Failing())
    model.build((4,))
    context = dict(vars(model.context))
    with pytest.raises(KeyError, match="failed"):
        pynn.monte_carlo(model, rng.standard_normal((9, 4)), 2, batch_size=5)
    assert vars(model.context) == context
    assert not hasattr(model, "outputs")


def test_a_model_without_masks_has_no_spread(rng: np.random.Generator, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(5), pynn.Tanh(), pynn.Affine(2))
    x = rng.standard_normal((9, 4)).astype(np.float32)
    model.build((4,))
    mean, std = pynn.monte_carlo(model, x, 3)
    assert mean.dtype == std.dtype == np.float32
    np.testing.assert_array_equal(mean, model.forward(x))
    np.testing.assert_array_equal(std, 0)


def test_pixels_and_single_samples_are_taken(backend: str) -> None:
    model = network()
    x = np.arange(24, dtype=np.uint8).reshape(6, 4)  # a table: plain numbers
    mean, _ = pynn.monte_carlo(model, x, 4)
    np.testing.assert_array_equal(mean, pynn.monte_carlo(model, x.astype(np.float32), 4)[0])
    for one, other in zip(pynn.monte_carlo(model, x[:1], 1), (mean[:1], 0), strict=True):
        assert one.shape == (1, 3)
        assert np.isfinite(one - other).all()


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"epoch": -1}, ValueError, "epoch is -1, expected a finite number of at least 0"),
        ({"passes": 0}, ValueError, "passes is 0, expected an integer of at least 1"),
        ({"passes": 2.5}, ValueError, r"passes is 2\.5, expected an integer"),
        ({"batch_size": 0}, ValueError, "batch_size is 0, expected"),
        ({"seed": -1}, ValueError, r"seed is -1, expected an integer of 0\.\.2\^64-1"),
        ({"probabilities": 1}, TypeError, "probabilities is 1, expected True or False"),
        ({"x": np.ones((3, 5))}, ValueError, r"x has shape \(3, 5\), expected \(N, 4\)"),
        ({"x": np.full((3, 4), np.nan)}, ValueError, r"x\[0, 0\] is nan"),
        ({"x": np.ones((0, 4))}, ValueError, "x is empty"),
        ({"x": "abc"}, TypeError, "x has dtype"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        pynn.monte_carlo(**{"model": network(), "x": np.ones((3, 4)), **change})


def test_a_model_that_is_not_built_is_refused() -> None:
    with pytest.raises(RuntimeError, match="not built yet"):
        pynn.monte_carlo(pynn.Sequential(pynn.Affine(3)), np.ones((3, 4)))
