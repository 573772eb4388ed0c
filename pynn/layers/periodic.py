"""PeriodicEmbedding: numbers as vectors of learned periodic features."""

from __future__ import annotations

import math

from .. import kernels
from ..checks import NOT_NEGATIVE, Count
from ..initializers import Normal, Uniform
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class PeriodicEmbedding(Layer):
    """Vectors of numbers: y_d = (cos(2π · frequency_d · x_d + phase_d) · weight_d + bias_d, x_d), for each feature d.

    Parameters
    ----------
    frequencies : int, default 16
        Number F of cosines of each feature.
    units : int, default 4
        Length U of each feature's vector, at least 2: U - 1 outputs of the linear map, then x itself.
    sigma : float, default 0.1
        Standard deviation of the first frequencies, at least 0: how quickly the cosines change with x. The inputs
        should have a spread of about 1.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Input (N, ..., D), output (N, ..., D · U), the vector of feature d in the columns d · U .. d · U + U - 1. A network
    learns functions that bend often in a single feature more easily from these vectors than from numbers (the form
    "PBLD" of [2]_).

    Parameters: frequency (D, F), drawn from N(0, sigma²); phase (D, F), uniform over ±π; weight (D, F, U - 1) and bias
    (D, U - 1), uniform over ±1/√F. Penalties and weight decay apply to all of them. Good learning rates are lower than
    those of other layers: ``layer.learning_rate_factor = 0.1``.

    Cosine and sine are within 5e-7 (float64: 2e-15) while the argument is below 50,000 in size.

    References
    ----------
    .. [1] Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022.
    .. [2] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.

    Examples
    --------
    >>> pynn.PeriodicEmbedding().build((5,))
    (20,)
    """

    frequency: Array
    phase: Array
    weight: Array
    bias: Array
    _takes = takes(frequencies=Count(1), units=Count(2), sigma=NOT_NEGATIVE)

    def __init__(self, frequencies: int = 16, units: int = 4, *, sigma: float = 0.1) -> None:
        self.frequencies = frequencies
        self.units = units
        self.sigma = sigma

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape)
        waves, outputs = (input_shape[-1], self.frequencies), self.units - 1
        limit = Uniform(1 / math.sqrt(self.frequencies))
        self.add_parameter("frequency", waves, Normal(self.sigma))
        self.add_parameter("phase", waves, Uniform(math.pi))
        self.add_parameter("weight", (*waves, outputs), limit)
        self.add_parameter("bias", (input_shape[-1], outputs), limit)
        return (*input_shape[:-1], input_shape[-1] * self.units)

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
        vectors = self.buffer("y", (*self._x.shape, self.units))
        kernels.periodic_forward(self._x, self.frequency, self.phase, self.weight, self.bias, vectors)
        return self.buffer("y", (len(x), *self.output_shape))

    def backward(self, dy: Array) -> Array | None:
        x = self._x
        dx = self.gradient_buffer("dx", (len(dy), *self.input_shape), dy) if self.needs_dx else None
        kernels.periodic_backward(
            dy.reshape(*x.shape, self.units), x, self.frequency, self.phase, self.weight,
            None if dx is None else dx.reshape(x.shape),
            *(self.gradient_of(name) for name in ("frequency", "phase", "weight", "bias")),
        )  # fmt: skip
        return dx
