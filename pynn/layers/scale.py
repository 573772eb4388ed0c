"""Scale: a learned factor for each feature."""

from __future__ import annotations

from .. import kernels
from ..typing import Array
from .per_feature import PerFeature


class Scale(PerFeature):
    """A learned factor for each feature: y = x · scale.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Inputs of any shape, output of the same shape; scale (C,), one for each position of the last axis, starts at 1. As
    the first layer of a network for tables it learns which columns count, faster than the weights after it do.
    Penalties exclude it, as they would push it towards 0. The weights before it start as for the activation after it.

    References
    ----------
    .. [1] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.
    """

    scale: Array
    dscale: Array
    passes_activation = True
    _learned = "scale"

    def _change(self, x: Array, y: Array) -> None:
        kernels.scale_forward(x, self.scale, y)

    def _change_back(self, dy: Array, x: Array, dx: Array | None) -> None:
        kernels.scale_backward(dy, x, self.scale, dx, self.dscale)
