"""PReLU: a leaky ReLU whose slope is learned."""

from __future__ import annotations

from .. import kernels
from ..checks import ANY, FLAG
from ..initializers import Constant
from ..signatures import takes
from ..typing import Array, Shape
from .base import Activation
from .shapes import expect_features


class PReLU(Activation):
    """Parametric ReLU: y = x for x > 0, else slope · x, with a learned slope.

    Parameters
    ----------
    per_feature : bool, default False
        Whether each position of the last axis has its own slope, (C,), instead of one for all, (1,).
    initial : float, default 0.25
        Initial slope.

    Notes
    -----
    Inputs of any shape. Penalties exclude the slope, as they would push it towards ReLU. Default initializer of the
    weights before it: He.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", 2015.
    """

    slope: Array
    dslope: Array
    initializer = "he"
    alpha = property(
        lambda self: self.slope, lambda self, value: setattr(self, "slope", value), doc="The slope, as others call it."
    )
    reads_input = True  # the slope may become negative: then the sign of y is not that of x

    _takes = takes(per_feature=FLAG, initial=ANY)

    def __init__(self, *, per_feature: bool = False, initial: float = 0.25) -> None:
        self.per_feature = per_feature
        self.initial = initial

    def build(self, input_shape: Shape) -> Shape:
        if self.per_feature:
            expect_features(input_shape)
        self._channels = input_shape[-1] if input_shape else 1
        self.add_parameter(
            "slope", (self._channels if self.per_feature else 1,), Constant(self.initial), penalized=False
        )
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x.reshape(-1, self._channels)
        y = self.buffer("y", x.shape)
        kernels.prelu_forward(self._x, self.slope, y.reshape(self._x.shape))
        return y

    def backward(self, dy: Array) -> Array | None:
        rows = self._x.shape
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        dx_rows = None if dx is None else dx.reshape(rows)
        kernels.prelu_backward(dy.reshape(rows), self._x, self.slope, dx_rows, self.dslope)
        return dx
