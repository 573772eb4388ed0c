"""PSELU and PMish: activations of which each feature learns its share."""

from __future__ import annotations

from .. import kernels
from ..initializers import Constant
from ..typing import Array, Shape
from .base import Activation
from .shapes import expect_features


class _Mixed(Activation):
    """Base of the activations y = x + mix · (f(x) - x)."""

    mix: Array
    dmix: Array
    reads_input = True

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape)
        self._channels = input_shape[-1]
        self.add_parameter("mix", (self._channels,), Constant(1.0), penalized=False)
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x.reshape(-1, self._channels)
        y = self.buffer("y", x.shape)
        kernels.mixed_forward(self._x, self.mix, self.function, y.reshape(self._x.shape))
        return y

    def backward(self, dy: Array) -> Array | None:
        rows = self._x.shape
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        dx_rows = None if dx is None else dx.reshape(rows)
        kernels.mixed_backward(dy.reshape(rows), self._x, self.mix, self.function, dx_rows, self.dmix)
        return dx


class PSELU(_Mixed):
    """Parametric SELU: y = x + mix · (selu(x) - x), with a learned mix for each feature.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Inputs of any shape; mix (C,), one for each position of the last axis, starts at 1: y = selu(x). With 0 y = x.
    Penalties exclude mix, as they would make the network linear. Default initializer of the weights before it: LeCun.

    References
    ----------
    .. [1] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.
    """

    function, initializer = "selu", "lecun"


class PMish(_Mixed):
    """Parametric Mish: y = x + mix · (mish(x) - x), with a learned mix for each feature.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Inputs of any shape; mix (C,), one for each position of the last axis, starts at 1: y = mish(x). With 0 y = x.
    Penalties exclude mix, as they would make the network linear. Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.
    """

    function, initializer = "mish", "he"
