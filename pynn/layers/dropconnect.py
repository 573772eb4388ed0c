"""DropConnect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..schedules import Schedule
from ..signatures import takes
from ..typing import Array
from .affine import Affine, backward_steps, forward_steps
from .randomness import DROPPED, Draw, draw, expect_drawn, rate_now

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .affine import AffineOptions


class DropConnect(Affine):
    """Affine layer that drops weights in training: y = x · (mask · weight / (1 - rate)) + bias.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    rate : float or Schedule
        Share of the weights that is dropped, 0 <= rate < 1; a schedule as for `Dropout`.
    **options
        Those of `Affine`.

    Notes
    -----
    All samples of a batch share one mask per step; Wan et al. draw one per sample. What is kept is divided by 1 - rate,
    so that outside training the plain weight, the mean over masks, is used; Wan et al. sample from a normal
    distribution there. The mask is a function of the model's seed, the layer's position and the step. An activation
    right after the layer runs inside its kernel.

    References
    ----------
    .. [1] Wan et al., "Regularization of Neural Networks using DropConnect", 2013.
    """

    _takes = takes(rate=DROPPED)

    def __init__(self, units: int, rate: float | Schedule, **options: Unpack[AffineOptions]) -> None:
        super().__init__(units, **options)
        self.rate = rate
        self._draw: Draw | None = None
        self._rate = 0.0  # of the last forward pass that drew a mask

    def forward(self, x: Array, training: bool) -> Array:
        if x.ndim != 2:
            return forward_steps(DropConnect.forward, self, x, training)
        self._draw = draw(self, training)
        if self._draw is None:
            return super().forward(x, training)
        self._rate = rate_now(self, self.rate)
        self._x = x
        self._y = self.buffer("y", (x.shape[0], self.units))
        self._kept = self._masked(self.weight, self.buffer("kept", self.weight.shape), self._draw)
        f = self._activation
        kernels.affine_forward(x, self._kept, self.bias, f.function, f.alpha, self._y, self._scale)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        if dy.ndim != 2:
            return backward_steps(DropConnect.backward, self, dy)
        if self._draw is None and self.context.inputs_only:
            return super().backward(dy)
        key = expect_drawn(self, self._draw)
        x, y, f = self._x, self._y, self._activation
        dz, dx, dweight, dbias = self._gradient_arrays(dy, x)
        dkept = None if dweight is None else self.buffer("dkept", self.weight.shape)
        kernels.affine_backward(dy, x, self._kept, y, f.function, f.alpha, dz, dx, dkept, dbias, self._scale)
        if dweight is not None and dkept is not None:
            self._masked(dkept, dweight, key)
        return dx

    def _masked(self, weight: Array, out: Array, key: Draw) -> Array:
        kernels.dropout(weight, self._rate, True, *key, out)
        return out
