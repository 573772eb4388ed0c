"""PReLU: a leaky ReLU whose slope is learned."""

from __future__ import annotations

from .. import kernels
from ..checks import ANY, FLAG
from ..signatures import takes
from ..typing import Array
from .base import Activation
from .per_feature import PerFeature


class PReLU(PerFeature, Activation):
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
    _learned = "slope"
    _takes = takes(per_feature=FLAG, initial=ANY)

    def __init__(self, *, per_feature: bool = False, initial: float = 0.25) -> None:
        self.per_feature = per_feature
        self.initial = initial

    def _change(self, x: Array, y: Array) -> None:
        kernels.prelu_forward(x, self.slope, y)

    def _change_back(self, dy: Array, x: Array, dx: Array | None) -> None:
        kernels.prelu_backward(dy, x, self.slope, dx, self.dslope)
