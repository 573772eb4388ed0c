"""Measures a model on a probe, on a copy of it: what every layer puts out, and the gradients that reach it."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..data.batches import Samples
from ..layers.base import Layer
from ..losses import Loss
from ..regularizers import Penalty
from ..regularizers import total as total_penalty
from ..typing import Array
from .record import BINS, Histogram, LayerStatistics, Snapshot

ENTRIES = 4096  # numbers of an array that its histogram counts
FLAT = 0.05  # below this share of its largest slope an activation is saturated
# Outputs at which the slope falls below that share: |y| for tanh, distance from 0 or 1 for sigmoid.
TANH_END = math.sqrt(1 - FLAT)
SIGMOID_END = (1 - math.sqrt(1 - FLAT)) / 2


@contextmanager
def quietly() -> Iterator[None]:
    """Within this context no overflow warns, and what custom code draws at random is not missing afterwards."""
    state, own = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        random.setstate(own)


def leaves(model: Any) -> list[Layer]:
    """The layers that compute, in the order of the forward pass."""
    return [layer for layer in model.walk() if layer is not model and not layer.children()]


def bare_copy(model: Any) -> Any:
    """A copy of the model without its optimizer and its history."""
    return copy.deepcopy(
        model, {id(model.optimizer): None, id(model.history): None}
    )  # None stands for them in the copy


class Twin:
    """A copy of a model that takes over its numbers, and can be measured without a trace in the model."""

    def __init__(self, model: Any, loss: Loss) -> None:
        self.model = bare_copy(model)
        self.loss = copy.deepcopy(loss)
        self._changes = model.context.changes
        # Custom code may keep a state of its own, which a copy made once does not follow.
        self._custom = loss.is_custom or any(layer.is_custom for layer in self.model.walk())
        self._seen: dict[str, dict[str, Any]] = {}
        self._watching = False
        self._scale = 1.0
        for layer in leaves(self.model):
            self._wrap(layer)

    def follows(self, model: Any) -> bool:
        """Whether it still has the same settings as the model: what is frozen, penalties, shape."""
        own = self.model.parameters
        same = model.context.changes == self._changes and model.parameters.shape == own.shape
        return bool(same and not self._custom)

    def _wrap(self, layer: Layer) -> None:
        instance: Any = layer
        forward, backward = layer.forward, layer.backward

        def watched_forward(x: Array, training: bool) -> Array:
            y = forward(x, training)
            if self._watching:
                self._seen.setdefault(layer.name, {}).update(_of_outputs(layer, y))
            return y

        def watched_backward(dy: Array) -> Array | None:
            if self._watching:
                self._seen.setdefault(layer.name, {}).update(_of_gradients(dy, self._scale))
            return backward(dy)

        instance.forward, instance.backward = watched_forward, watched_backward

    def take(self, model: Any) -> None:
        """Take over the numbers of the model."""
        self.model.parameters[...] = model.parameters
        if self.model._statistics is not None:
            self.model._statistics[...] = model._statistics
        self.model.context.step, self.model.context.epoch = model.context.step, model.context.epoch

    def snapshot(self, model: Any, probe: Samples, rate: float, penalty: Penalty | None) -> Snapshot:
        """Measure the model on the probe."""
        self.take(model)
        twin, loss = self.model, self.loss
        with quietly():
            predicted = self._loss(twin.forward(probe.x), probe)
            self._seen, self._watching = {}, True
            try:
                value = self._loss(twin.forward(probe.x, training=True), probe)
                self._scale = len(probe.x)  # the loss is a mean over samples
                twin.backward(loss.backward())
            except FloatingPointError:
                value = math.nan
            finally:
                self._watching = False
            layers = {name: self._statistics(name, seen) for name, seen in self._seen.items() if "mean" in seen}
            norm = float(np.linalg.norm(twin.gradients))
            extra = 0.0
            if penalty is not None or twin.has_penalties:
                extra = float(total_penalty(twin, penalty))  # adds to the gradients, which nobody reads any more
        return Snapshot(model.context.step, model.epoch, rate, value, predicted, extra, norm, layers)

    def lost(self, model: Any, x: Array) -> str:
        """The first layer whose outputs for x are not finite, in training mode; "" if none is."""
        self.take(model)
        with quietly():
            self._seen, self._watching = {}, True
            try:
                self.model.forward(x, training=True)
            finally:
                self._watching = False
        return next((name for name, seen in self._seen.items() if seen["outputs"] is None), "")

    def outputs(self, model: Any, x: Array) -> Array:
        """What the model predicts for some rows: outputs, or what they say of numbers."""
        self.take(model)
        with quietly():
            return self.loss._points(self.loss._numbers(np.concatenate(self._parts(x))))

    def _parts(self, x: Array) -> list[Array]:
        return [self.model.forward(x[start : start + 256]) for start in range(0, len(x), 256)]

    def _loss(self, outputs: Array, probe: Samples) -> float:
        if probe.weights is None:
            return float(self.loss.forward(outputs, probe.y))
        return float(self.loss.forward(outputs, probe.y, weights=probe.weights))

    def _statistics(self, name: str, seen: dict[str, Any]) -> LayerStatistics:
        layer = self.model.layer(name)
        weight, weight_gradient = _of_weights(layer)
        return LayerStatistics(
            **{"gradient": 0.0, "gradients": None, **seen}, weight=weight, weight_gradient=weight_gradient, ratio=None
        )


def function_of(layer: Layer) -> str:
    """The activation at the output of a layer, its own or the fused one; "" if there is none."""
    function = getattr(layer, "function", None) or getattr(getattr(layer, "_activation", None), "function", "")
    return "" if function == "identity" else str(function)


def _of_outputs(layer: Layer, y: Array) -> dict[str, Any]:
    function = function_of(layer)
    dead = saturated = 0.0
    if function == "relu":
        dead = float(np.mean(~y.reshape(-1, y.shape[-1]).any(axis=0)))
    elif function == "tanh":
        saturated = float(np.mean(np.abs(y) > TANH_END))
    elif function == "sigmoid":
        saturated = float(np.mean(np.abs(y - 0.5) > 0.5 - SIGMOID_END))
    return {
        "mean": float(y.mean()),
        "spread": float(y.std()),
        "dead": dead,
        "saturated": saturated,
        "outputs": histogram(y),
    }


def _of_gradients(dy: Array, scale: float) -> dict[str, Any]:
    return {"gradient": scale * root_mean_square(dy), "gradients": histogram(dy, scale)}


def _of_weights(layer: Layer) -> tuple[float | None, float | None]:
    """Root mean square of the weights and of their gradient, None where there are none."""
    if not layer.declared or (value := layer.declared[0].value) is None:
        return None, None
    gradient = layer.declared[0].gradient
    return root_mean_square(value), None if layer.frozen or gradient is None else root_mean_square(gradient)


def root_mean_square(values: Array) -> float:
    """Root of the mean of the squares."""
    flat = values.reshape(-1)
    with np.errstate(all="ignore"):
        total = float(np.dot(flat, flat))
        if 1e-30 < total < 1e30 or not flat.size:
            return math.sqrt(total / max(flat.size, 1))
        largest = float(np.abs(flat).max())  # squares of such numbers overflow or vanish
        if not 0 < largest < math.inf:
            return largest
        scaled = flat / largest
        return largest * math.sqrt(float(np.dot(scaled, scaled)) / flat.size)


def histogram(values: Array, scale: float = 1.0) -> Histogram | None:
    """The histogram of some of the numbers, spread over the array."""
    flat = values.reshape(-1)
    # An odd stride: an even one would meet the same units again and again.
    stride = max(1, flat.size // ENTRIES) | 1
    some = flat[::stride]
    low, high = float(some.min()), float(some.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    # In halves of float64, where neither a range of 1e308 nor one of 1e-308 is lost.
    width = high / 2 - low / 2
    shares = (some.astype(np.float64) / 2 - low / 2) / width if width > 0 else np.zeros(len(some))
    counts = np.bincount(np.minimum((shares * BINS).astype(np.int32), BINS - 1), minlength=BINS)
    return Histogram(counts.astype(np.int32), low * scale, high * scale)
