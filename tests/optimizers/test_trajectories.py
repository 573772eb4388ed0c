"""Every optimizer's path over 100 steps of a small network, against its published recurrence in float64.

Both backends and both dtypes. The recurrences stand here once more, in plain NumPy; PyTorch's paths are in
test_optimizers, where it has the optimizer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.optimizers import OPTIMIZERS

Points = tuple[np.ndarray, np.ndarray]
State = dict[str, Any]
Rule = Callable[[np.ndarray, np.ndarray, State, int], np.ndarray]


def _sgd(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    return w - 0.3 * g


def _momentum(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    s["v"] = 0.8 * s.get("v", 0) - 0.05 * g
    return np.asarray(w + s["v"])


def _nesterov(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    """Sutskever's form: the gradient is taken at w, the point ahead of the one that the momentum moves."""
    before = s.get("at", w)
    after = w - 0.05 * g
    s["at"] = after
    return np.asarray(after + 0.8 * (after - before))


def _adagrad(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    s["h"] = s.get("h", 0) + g * g
    return w - 0.05 * g / (np.sqrt(s["h"]) + 1e-6)


def _rmsprop(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    s["h"] = 0.95 * s.get("h", 0) + 0.05 * g * g
    return w - 0.01 * g / (np.sqrt(s["h"]) + 1e-4)


def _moments(g: np.ndarray, s: State) -> None:
    s["m"], s["v"] = 0.85 * s.get("m", 0) + 0.15 * g, 0.99 * s.get("v", 0) + 0.01 * g * g


def _adam(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    _moments(g, s)
    return w - 0.02 * (s["m"] / (1 - 0.85**t)) / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-6)


def _uncorrected(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    _moments(g, s)
    return w - 0.005 * s["m"] / (np.sqrt(s["v"]) + 1e-6)


def _adamw(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    return _adam(w, g, s, t) - 0.02 * 0.1 * w


def _nadam(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    _moments(g, s)
    mu = 0.85 * (1 - 0.5 * 0.96 ** (0.01 * np.arange(1, t + 2)))
    ahead = mu[t] * s["m"] / (1 - np.prod(mu)) + (1 - mu[t - 1]) * g / (1 - np.prod(mu[:t]))
    return w - 0.02 * ahead / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-6)


def _lion(w: np.ndarray, g: np.ndarray, s: State, t: int) -> np.ndarray:
    direction = np.sign(0.9 * s.get("m", 0 * g) + 0.1 * g)
    s["m"] = 0.99 * s.get("m", 0) + 0.01 * g
    return np.asarray(w - 0.01 * (direction + 0.1 * w))


ADAM = {"beta1": 0.85, "beta2": 0.99, "epsilon": 1e-6}
PATHS: dict[str, tuple[Callable[[], pynn.Optimizer], Rule]] = {
    "sgd": (lambda: pynn.SGD(0.3), _sgd),
    "momentum": (lambda: pynn.Momentum(0.05, 0.8), _momentum),
    "nesterov": (lambda: pynn.Nesterov(0.05, 0.8), _nesterov),
    "adagrad": (lambda: pynn.AdaGrad(0.05, epsilon=1e-6), _adagrad),
    "rmsprop": (lambda: pynn.RMSProp(0.01, 0.95, epsilon=1e-4), _rmsprop),
    "adam": (lambda: pynn.Adam(0.02, **ADAM), _adam),
    "adam, uncorrected": (lambda: pynn.Adam(0.005, **ADAM, bias_correction=False), _uncorrected),
    "adamw": (lambda: pynn.AdamW(0.02, **ADAM, weight_decay=0.1, decay_biases=True), _adamw),
    "nadam": (lambda: pynn.NAdam(0.02, **ADAM, momentum_decay=0.01), _nadam),
    "lion": (lambda: pynn.Lion(0.01, weight_decay=0.1, decay_biases=True), _lion),
}


def test_every_optimizer_has_a_path() -> None:
    named = {name.split(",")[0] for name in PATHS}
    assert named == OPTIMIZERS.keys()
    public = {getattr(pynn, name) for name in pynn.__all__ if inspect.isclass(getattr(pynn, name))}
    optimizers = {kind for kind in public if issubclass(kind, pynn.Optimizer)} - {pynn.Optimizer}
    assert {type(make()) for make, _ in PATHS.values()} == optimizers == set(OPTIMIZERS.values())


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("name", PATHS)
def test_a_network_takes_the_path_of_the_recurrence_for_100_steps(
    name: str, dtype: str, tolerance: float, backend: str, points: Points
) -> None:
    """The recurrence gets the gradients of the model, which is float32 or float64, and runs alone in float64."""
    make, rule = PATHS[name]
    model, optimizer, loss = (
        pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), dtype=dtype), make(), pynn.SoftmaxCrossEntropy()
    )  # fmt: skip
    model.build((4,))
    path, state = model.parameters.astype(np.float64), {}
    values = []
    for step in range(1, 101):
        values.append(loss.forward(model.forward(points[0].astype(dtype), training=True), points[1]))
        model.backward(loss.backward())
        path = rule(path, model.gradients.astype(np.float64), state, step)
        optimizer.step(model)
        np.testing.assert_allclose(model.parameters, path, rtol=tolerance, atol=tolerance / 10)
    assert values[-1] < 0.6 * values[0]
    assert optimizer.steps == model.context.step == 100
