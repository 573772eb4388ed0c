"""Layer and group normalization: statistics of single samples, the same in training and evaluation."""

from __future__ import annotations

import math

from .. import kernels
from ..checks import Count
from ..signatures import takes
from ..typing import Array, Shape
from .normalization import Normalization


class _PerSample(Normalization):
    """Shared by LayerNorm and GroupNorm: the kernels."""

    groups = 1
    _positions = 1  # how many share their statistics

    def _cut(self, x: Array) -> Array:
        """Return x in the kernels' form, (N, P, C)."""
        return x.reshape(-1, self._positions, self._channels)

    def forward(self, x: Array, training: bool) -> Array:
        y = self.buffer("y", x.shape)
        self._x = self._cut(x)
        statistics = (len(self._x), self.groups)
        self._mean, self._rstd = self.buffer("mean", statistics), self.buffer("rstd", statistics)
        kernels.groupnorm_forward(self._x, self.gamma, self.beta, self.epsilon, self._mean, self._rstd, self._cut(y))
        return y

    def backward(self, dy: Array) -> Array | None:
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        kernels.groupnorm_backward(
            self._cut(dy), self._x, self.gamma, self._mean, self._rstd, None if dx is None else self._cut(dx),
            self.dgamma, self.dbeta,
        )  # fmt: skip
        return dx


class LayerNorm(_PerSample):
    """Layer normalization: y = gamma · (x - mean)/√(var + epsilon) + beta, over the last axis of each sample.

    Parameters
    ----------
    epsilon : float, default 1e-5
        Added to the variance, above 0.

    Notes
    -----
    Input and output (N, D), (N, T, D) or (N, H, W, C), where each position has its own statistics. gamma (D,) starts at
    1, beta (D,) at 0. Training and evaluation are the same, and a batch may have one sample. Constant rows give beta.
    Use it where you would use `BatchNorm`; an activation after it is not fused.

    References
    ----------
    .. [1] Ba et al., "Layer Normalization", 2016.
    """


class GroupNorm(_PerSample):
    """Group normalization: y = gamma · (x - mean)/√(var + epsilon) + beta, over groups of channels of each sample.

    Parameters
    ----------
    groups : int
        Number of groups of C/groups neighbouring channels; 1 takes all channels together, C each channel separately
        (instance normalization).
    epsilon : float, default 1e-5
        Added to the variance, above 0.

    Raises
    ------
    ValueError
        If it is built on channels that groups does not divide.

    Notes
    -----
    Input and output (N, C), (N, T, C) or (N, H, W, C); statistics are over all positions and the channels of a group.
    gamma (C,) starts at 1, beta (C,) at 0. Training and evaluation are the same, and a batch may have one sample. Use
    it where you would use `BatchNorm`; an activation after it is not fused.

    References
    ----------
    .. [1] Wu and He, "Group Normalization", 2018.
    """

    _takes = takes(groups=Count(1))

    def __init__(self, groups: int, *, epsilon: float = 1e-5) -> None:
        super().__init__(epsilon=epsilon)
        self.groups = groups

    def build(self, input_shape: Shape) -> Shape:
        if input_shape and input_shape[-1] % self.groups:
            raise ValueError(f"groups is {self.groups}, expected a divisor of the {input_shape[-1]} channels")
        self._positions = math.prod(input_shape[:-1])
        return super().build(input_shape)
