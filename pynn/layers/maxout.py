"""Maxout: an affine layer whose units return the largest of several sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import Count
from ..signatures import takes
from ..typing import Array, Shape
from .affine import Affine, backward_steps, forward_steps
from .base import Activation

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .affine import AffineOptions


class Maxout(Affine):
    """Maxout: y = max over k of x · W_k + b_k, so that each unit learns its own convex activation.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    pieces : int, default 2
        Number of sums per unit, at least 1.
    **options
        Those of `Affine`. The default initializer is LeCun: the larger of two sums of mean 0 has the mean square of
        one sum.

    Raises
    ------
    ValueError
        If it is built on images.

    Notes
    -----
    Input (N, D), output (N, units); sequences (N, T, D) are mapped position by position. weight (D, pieces · units)
    holds all pieces (column k · units + m is piece k of unit m), so does bias (pieces · units,): `pieces` times the
    parameters of an affine layer. ReLU is the maxout of a sum and 0. MaxNorm limits each piece. The gradient of equal
    sums goes to the first.

    References
    ----------
    .. [1] Goodfellow et al., "Maxout Networks", 2013.
    """

    _takes = takes(pieces=Count(1))

    def __init__(self, units: int, pieces: int = 2, **options: Unpack[AffineOptions]) -> None:
        super().__init__(units, **options)
        self.pieces = pieces

    def build(self, input_shape: Shape) -> Shape:
        self.followed_by = None  # an activation after it does not see the sums
        return super().build(input_shape)

    def fuse(self, activation: Activation) -> bool:
        return False

    def forward(self, x: Array, training: bool) -> Array:
        if x.ndim != 2:
            return forward_steps(Maxout.forward, self, x, training)
        shape = (x.shape[0], self.units)
        self._x, self._z = x, self.buffer("z", (x.shape[0], self.pieces * self.units))
        self._winner, y = self.buffer("winner", shape), self.buffer("y", shape)
        kernels.affine_forward(x, self.weight, self.bias, "identity", 0.0, self._z, self._scale)
        kernels.maxout_forward(self._z, self.pieces, self._winner, y)
        return y

    def backward(self, dy: Array) -> Array | None:
        if dy.ndim != 2:
            return backward_steps(Maxout.backward, self, dy)
        x, z = self._x, self._z
        dz = self.gradient_buffer("dz", z.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dz) if self.needs_dx else None
        kernels.maxout_backward(dy, self._winner, self.pieces, dz)
        dweight, dbias = self._parameter_gradients()
        kernels.affine_backward(dz, x, self.weight, z, "identity", 0.0, None, dx, dweight, dbias, self._scale)
        return dx
