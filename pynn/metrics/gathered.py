"""Gathered: metrics that need the outputs of the whole data at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..typing import Array
from .metric import Metric


class Gathered(Metric):
    """Base of the metrics that keep the targets, what the model says of them, and the weights of all samples."""

    costly = True

    def reset(self) -> None:
        self.lost = False
        self.true: list[Array] = []
        self.said: list[Array] = []
        self.weights: list[Array] = []

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        self.lost = self.lost or self.loss._undefined(outputs) is not None
        places = 1
        if targets.ndim > 1 and self.loss.classes(outputs.shape[1:]) is not None:  # each position counts as a sample
            places = math.prod(targets.shape[1:])
            outputs, targets = outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1)
        self.true.append(flat(np.array(targets)))
        self.said.append(flat(np.array(self._judged(outputs))))
        if weights is not None:
            self.weights.append(np.repeat(np.asarray(weights, np.float64), places))

    def _judged(self, outputs: Array) -> Array:
        """What is kept of outputs (B, ...)."""
        raise NotImplementedError

    def value(self) -> float:
        if self.lost or not self.true:
            return math.nan
        weights = np.concatenate(self.weights) if self.weights else None
        return self._value(np.concatenate(self.true), np.concatenate(self.said), weights)

    def _value(self, true: Array, said: Array, weights: Array | None) -> float:
        """The metric of everything that was kept."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        parts = {"true": self.true, "said": self.said, "weights": self.weights}
        return {"lost": self.lost, **{name: np.concatenate(part) for name, part in parts.items() if part}}

    def restore(self, state: dict[str, Any]) -> None:
        parts = {name: state[name] for name in ("true", "said", "weights") if name in state}
        arrays = all(isinstance(part, np.ndarray) and part.ndim for part in parts.values())
        if not arrays or len({len(part) for part in parts.values()}) > 1 or ("true" in parts) is not ("said" in parts):
            raise ValueError(f"the targets and predictions of the metric {self.name} do not fit together")
        self.lost = bool(state["lost"])
        self.true, self.said, self.weights = (
            [state[name]] if name in state else [] for name in ("true", "said", "weights")
        )


def flat(array: Array) -> Array:
    """(N,) of a column (N, 1), and (N, K) of (N, K, 1), as scikit-learn has targets."""
    return array[..., 0] if array.ndim > 1 and array.shape[-1] == 1 else array
