"""L-BFGS over all samples at once, as scikit-learn's solver="lbfgs"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from ..layers import BatchNorm, Dropout
from ..layers.noise import GaussianNoise
from ..losses import Loss
from ..models.sequential import Sequential
from ..regularizers import L2
from ..typing import Array
from .rows import Rows

PART = 4096  # rows computed at once


class Objective:
    """Loss and gradient over all rows as a function of the parameters, without the gaps of the flat vector.

    y, weights: of all rows; scale: a factor of the loss; alpha: strength of the penalty, divided by the total weight.
    """

    def __init__(
        self, model: Sequential, loss: Loss, rows: Rows, y: Array, weights: Array | None, scale: float, alpha: float
    ) -> None:
        self.model, self.loss, self.rows, self.y = model, loss, rows, y
        total = float(len(rows) if weights is None else weights.sum())
        whole = np.ones(len(rows)) if weights is None else weights
        self.weights = (whole * (scale * len(rows) / total)).astype(model.dtype)
        self.penalty = L2(alpha / total)
        trained = [segment for segment in model.segments() if not segment.frozen]
        sizes = {start: math.prod(parameter.shape) for _, parameter, start in model._places}
        self.places = np.concatenate([s.start + np.arange(sizes[s.start]) for s in trained])

    def __call__(self, point: Array) -> tuple[float, Array]:
        model, count = self.model, len(self.rows)
        model.parameters[self.places] = point
        gradient, value, start = np.zeros(len(point)), 0.0, 0
        for x in self.rows.parts(size=PART):
            part = slice(start, start + len(x))
            start, share = start + len(x), len(x) / count
            outputs = model.forward(x, training=True)
            value += self.loss.forward(outputs, self.y[part], weights=self.weights[part]) * share
            model.backward(self.loss.backward())
            gradient += model.gradients[self.places] * share
        model.gradients.fill(0)
        value += self.penalty.apply(model)
        return value, gradient + model.gradients[self.places]


def expect_smooth(model: Sequential) -> None:
    """ValueError for layers whose outputs are random or depend on the batch."""
    for layer in model.walk():
        if isinstance(layer, (BatchNorm, Dropout, GaussianNoise)):
            raise ValueError(
                f"solver is 'lbfgs', which takes all samples at once and needs the same loss at the same weights, but "
                f"the network has {layer!r}: use solver='adam', or leave it out"
            )


def minimize(objective: Objective, settings: Any, callback: Callable[[], Any] | None = None) -> Any:
    """SciPy's result; the model has its parameters. settings: the estimator."""
    start = objective.model.parameters[objective.places].astype(np.float64)

    def after(point: Array) -> None:
        if callback is not None and callback():
            raise StopIteration

    with objective.model.lock, objective.loss.used(objective.model):
        result = optimize.minimize(
            objective, start, method="L-BFGS-B", jac=True, callback=after,
            options={"maxfun": settings.max_fun, "maxiter": settings.max_iter, "gtol": settings.tol},
        )  # fmt: skip
        objective.model.parameters[objective.places] = result.x
    return result
