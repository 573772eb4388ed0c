"""PSELU and PMish: activations of which each feature learns its share."""

from __future__ import annotations

from .. import kernels
from ..typing import Array
from .base import Activation
from .per_feature import PerFeature


class _Mixed(PerFeature, Activation):
    """Base of the activations y = x + mix · (f(x) - x)."""

    mix: Array
    dmix: Array
    reads_input = True
    _learned = "mix"

    def _change(self, x: Array, y: Array) -> None:
        kernels.mixed_forward(x, self.mix, self.function, y)

    def _change_back(self, dy: Array, x: Array, dx: Array | None) -> None:
        kernels.mixed_backward(dy, x, self.mix, self.function, dx, self.dmix)


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
