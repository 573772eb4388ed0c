"""Transitions: extends scores of labels to the scores of a chain."""

from __future__ import annotations

import numpy as np

from ..checks import Count
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer


class Transitions(Layer):
    """Append learned transition scores to emission scores: y = [x; weight], for ``StructuredHinge(ViterbiChain())``.

    Parameters
    ----------
    labels : int
        Number K of labels, at least 1.

    Raises
    ------
    ValueError
        If it is built on inputs that are not K scores per position.

    Notes
    -----
    Input (N, T, K), a score of each label at each of T positions, or (N, T·K) as an `Affine` returns it; output
    (N, T + K, K). The added rows are the matrix weight (K, K), the same for all samples and zero at first: the score of
    going from a label (row) to the next (column).

    References
    ----------
    .. [1] Lafferty et al., "Conditional Random Fields", 2001, whose linear chains have such a matrix.
    """

    weight: Array
    dweight: Array

    _takes = takes(labels=Count(1))

    def __init__(self, labels: int) -> None:
        self.labels = labels

    def build(self, input_shape: Shape) -> Shape:
        k = self.labels
        size = input_shape[0] if len(input_shape) == 1 else 0
        if not (len(input_shape) == 2 and input_shape[1] == k) and (size == 0 or size % k):
            raise ValueError(f"expected scores (T, {k}) or (T·{k},), got inputs of shape {input_shape}")
        self.add_parameter("weight", (k, k))
        self._length = size // k if size else input_shape[0]
        return (self._length + k, k)

    def forward(self, x: Array, training: bool) -> Array:
        self._shape = x.shape
        y = self.buffer("y", (len(x), *self.output_shape))
        y[:, : self._length] = x.reshape(len(x), self._length, self.labels)
        y[:, self._length :] = self.weight
        return y

    def backward(self, dy: Array) -> Array:
        np.sum(dy[:, self._length :], axis=0, out=self.dweight)
        dx = self.gradient_buffer("dx", self._shape, dy)
        dx.reshape(len(dy), self._length, self.labels)[...] = dy[:, : self._length]
        return dx
