"""Layer and group normalization: statistics of each sample alone, the same in training and evaluation."""

from __future__ import annotations

import math

from .. import kernels
from ..checks import POSITIVE, expect_count, expect_numbers
from ..initializers import Constant, Zeros
from ..typing import Array, Shape
from .base import Layer


class _PerSample(Layer):
    """What LayerNorm and GroupNorm share: gamma and beta of the last axis, and the kernels."""

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    passes_activation = True
    groups = 1

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        expect_numbers(self.kind, POSITIVE, epsilon=epsilon)
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("expected inputs with features, got a batch of single numbers; reshape them to (N, 1)")
        self._channels = input_shape[-1]
        self._places = self.places(input_shape)
        self.add_parameter("gamma", (self._channels,), Constant(1), penalized=False)
        self.add_parameter("beta", (self._channels,), Zeros(), penalized=False)
        return input_shape

    def places(self, input_shape: Shape) -> int:
        """How many places have their statistics in common."""
        return 1

    def _cut(self, x: Array) -> Array:
        """x as the kernels take it, (N, P, C)."""
        return x.reshape(-1, self._places, self._channels)

    def forward(self, x: Array, training: bool) -> Array:
        y = self.buffer("y", x.shape)
        self._x = self._cut(x)
        statistics = (len(self._x), self.groups)
        self._mean, self._rstd = self.buffer("mean", statistics), self.buffer("rstd", statistics)
        kernels.groupnorm_forward(
            self._x, self.gamma, self.beta, self.epsilon, self._mean, self._rstd, self._cut(y)
        )  # fmt: skip
        return y

    def backward(self, dy: Array) -> Array | None:
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        kernels.groupnorm_backward(
            self._cut(dy), self._x, self.gamma, self._mean, self._rstd, None if dx is None else self._cut(dx),
            self.dgamma, self.dbeta,
        )  # fmt: skip
        return dx


class LayerNorm(_PerSample):
    """y = gamma · (x - mean)/√(var + epsilon) + beta, with mean and variance over the last axis of each sample.

    x (N, D); of sequences (N, T, D) and images (N, H, W, C) each place has its own. epsilon: default 1e-5.
    gamma (D,) starts at 1, beta (D,) at 0. Nothing is learned about other samples: training and evaluation are the
    same, a batch may have one sample. Constant rows give beta. Place: as `BatchNorm`; an activation after it is not
    fused.
    Raises ValueError for an epsilon that is not positive. Source: Ba et al. 2016.
    """


class GroupNorm(_PerSample):
    """y = gamma · (x - mean)/√(var + epsilon) + beta, with mean and variance of each sample's groups of channels.

    x (N, C), or sequences (N, T, C) or images (N, H, W, C), whose statistics are taken over all places and the channels
    of a group.
    groups: number of groups, each of C/groups neighbouring channels; 1 takes all channels together, C each for itself
    (instance normalization). epsilon: default 1e-5. gamma (C,) starts at 1, beta (C,) at 0.
    Training and evaluation are the same, a batch may have one sample. Place: as `BatchNorm`; an activation after it is
    not fused. Raises ValueError for other settings, and when it is built on channels that groups does not divide.
    Source: Wu & He 2018.
    """

    def __init__(self, groups: int, *, epsilon: float = 1e-5) -> None:
        expect_count("GroupNorm", 1, groups=groups)
        super().__init__(epsilon=epsilon)
        self.groups = int(groups)

    def build(self, input_shape: Shape) -> Shape:
        if input_shape and input_shape[-1] % self.groups:
            raise ValueError(f"groups is {self.groups}, expected a divisor of the {input_shape[-1]} channels")
        return super().build(input_shape)

    def places(self, input_shape: Shape) -> int:
        return math.prod(input_shape[:-1])
