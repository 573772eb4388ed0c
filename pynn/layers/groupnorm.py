"""Layer and group normalization: statistics of single samples, the same in training and evaluation."""

from __future__ import annotations

import math

from .. import kernels
from ..checks import POSITIVE, Count
from ..initializers import Constant, Zeros
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class _PerSample(Layer):
    """Shared by LayerNorm and GroupNorm: gamma and beta of the last axis, and the kernels."""

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    passes_activation = True
    groups = 1
    _takes = takes(epsilon=POSITIVE)

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape)
        self._channels = input_shape[-1]
        self._places = self.places(input_shape)
        self.add_parameter("gamma", (self._channels,), Constant(1), penalized=False)
        self.add_parameter("beta", (self._channels,), Zeros(), penalized=False)
        return input_shape

    def places(self, input_shape: Shape) -> int:
        """Return how many positions share their statistics.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of a sample.

        Returns
        -------
        int
            1, or the number of positions for `GroupNorm`.
        """
        return 1

    def _cut(self, x: Array) -> Array:
        """Return x in the kernels' form, (N, P, C)."""
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
        return super().build(input_shape)

    def places(self, input_shape: Shape) -> int:
        return math.prod(input_shape[:-1])
