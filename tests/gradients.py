"""Gradient check: backward passes against central differences of the loss, in float64. Knows no layer's formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import pynn

STEP = 1e-3  # with fourth-order differences: truncation and rounding are both near 1e-12
TOLERANCE = 1e-6
TINY = 1e-5  # gradients below this are compared on this scale, to within 1e-11: what is 0 differs by rounding noise


class Projection(pynn.Loss):
    """Σ r·outputs with fixed random r: takes outputs of any shape, and any error in their gradient shows."""

    def forward(self, outputs: np.ndarray, targets: Any) -> float:
        self.r = np.random.default_rng(99).standard_normal(outputs.shape).astype(outputs.dtype)
        return float((outputs * self.r).sum())

    def backward(self) -> np.ndarray:
        return self.r

    def targets(self, y: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(y)


class Stretch(pynn.Layer):
    """y = factor · x, as the documentation of `pynn.Layer` shows it."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("factor", input_shape, pynn.Constant(1))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return self.factor * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dfactor[...] = (dy * self.x).sum(axis=0)
        return dy * self.factor


class PassThrough(pynn.Layer):
    """An own layer that does nothing: no activation is fused across it."""

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


def differences(value: Callable[[], float], numbers: np.ndarray) -> np.ndarray:
    """The gradient of value() with respect to numbers, which are moved in place, one at a time."""
    gradient = np.empty_like(numbers)
    for index in np.ndindex(numbers.shape):
        kept = numbers[index]

        def at(steps: float, index: tuple[int, ...] = index, kept: float = kept) -> float:
            numbers[index] = kept + steps * STEP
            return value()

        gradient[index] = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)
        numbers[index] = kept
    return gradient


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> float:
    """max |a-n| / max(|a|+|n|, TINY) over a block."""
    assert analytic.shape == numeric.shape, f"gradient has shape {analytic.shape}, expected {numeric.shape}"
    size = np.abs(analytic) + np.abs(numeric)
    return float((np.abs(analytic - numeric) / np.maximum(size, TINY)).max(initial=0))


def _gradient_of(model: pynn.Sequential, block: np.ndarray) -> np.ndarray:
    """The part of model.gradients that belongs to a view of model.parameters."""
    start = (block.ctypes.data - model.parameters.ctypes.data) // model.parameters.itemsize
    return model.gradients[start : start + block.size].reshape(block.shape)


def errors(
    model: pynn.Sequential, loss: pynn.Loss, x: Any, targets: Any, penalty: pynn.regularizers.Penalty | None = None
) -> dict[str, float]:
    """Relative errors by block, "affine1.weight", ..., and "input". The model must be float64."""
    assert model.dtype == np.float64, "a gradient check needs a model of dtype float64"
    with model.same_masks():
        return _errors(model, loss, x, targets, penalty)


def _errors(
    model: pynn.Sequential, loss: pynn.Loss, x: Any, targets: Any, penalty: pynn.regularizers.Penalty | None
) -> dict[str, float]:
    x = np.array(x, np.float64)

    def value() -> float:
        total = loss.forward(model.forward(x, training=True), targets)
        return total if penalty is None else total + penalty.value(model)

    loss.forward(model.forward(x, training=True), targets)
    model.gradients.fill(np.nan)  # what backward does not write shows
    dx = model.backward(loss.backward(), input_gradient=True)
    assert dx is not None
    dx = dx.copy()
    if penalty is not None:
        penalty.apply(model)
    blocks = {name: view for name, view in model.tensors().items() if np.shares_memory(view, model.parameters)}
    analytic = {name: _gradient_of(model, view).copy() for name, view in blocks.items()}
    found = {name: relative_error(analytic[name], differences(value, view)) for name, view in blocks.items()}
    found["input"] = relative_error(dx, differences(value, x))
    model.gradients.fill(0)
    return found


def check(
    model: pynn.Sequential,
    loss: pynn.Loss,
    x: Any,
    targets: Any = None,
    penalty: pynn.regularizers.Penalty | None = None,
) -> None:
    """AssertionError that names each block whose gradient is wrong (NaN included)."""
    wrong = {name: error for name, error in errors(model, loss, x, targets, penalty).items() if not error < TOLERANCE}
    assert not wrong, f"wrong gradients: {wrong}; or the inputs stand on a kink of an activation, see `smooth`"


def smooth(layers: Sequence[pynn.Layer], input_shape: tuple[int, ...], samples: int = 6) -> tuple[pynn.Sequential, Any]:
    """A built float64 model of these layers, and inputs for it that keep every activation away from a kink at 0.

    Small weights and biases of ±1 (betas of ±3) hold what goes into the activations near ±1 (±3), on both sides of 0.
    """
    model = pynn.Sequential(*layers, seed=3, dtype="float64")
    model.build(input_shape)
    for layer in model.walk():
        if isinstance(layer, pynn.Affine) and layer.pieces == 1 and layer.bias is not None:
            layer.weight *= 0.2
            layer.bias[...] = np.where(np.arange(layer.units) % 2, 1, -1)
        elif isinstance(layer, pynn.BatchNorm):
            channel = np.arange(layer.gamma.size)
            layer.gamma[...] = 0.5 + 0.1 * channel
            layer.beta[...] = np.where(channel % 2, 3, -3)
    x = np.random.default_rng(5).uniform(0.1, 1, (samples, *input_shape))
    return model, x * np.where(np.arange(x.size).reshape(x.shape) % 3, 1, -1)
