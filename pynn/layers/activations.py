"""Activation layers. After an affine or batch normalization layer most of them run inside its kernel.

References: CS231n notes, "Neural Networks Part 1"; Deep Learning from Scratch, chapters 3 and 6.
"""

from __future__ import annotations

from .. import kernels
from ..checks import NOT_NEGATIVE, SHARE, Choice
from ..signatures import takes
from ..typing import Array
from .base import Activation


class Sigmoid(Activation):
    """Sigmoid: y = 1/(1 + e^-x).

    Notes
    -----
    Saturates at 0 and 1, where its gradient vanishes; not zero-centred. Default initializer of the weights before it:
    Glorot.
    """

    function, initializer = "sigmoid", "glorot"


class Tanh(Activation):
    """Hyperbolic tangent: y = tanh x.

    Notes
    -----
    Zero-centred; saturates at -1 and 1, where its gradient vanishes. Default initializer of the weights before it:
    Glorot.
    """

    function, initializer = "tanh", "glorot"


class ReLU(Activation):
    """Rectified linear unit: y = max(0, x).

    Notes
    -----
    Does not saturate for x > 0. A unit whose x is never positive is dead. The gradient at x = 0 is 0. Converges about
    six times faster than tanh [1]_. Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """

    function, initializer = "relu", "he"


class LeakyReLU(Activation):
    """Leaky ReLU: y = max(slope·x, x), which has no dead units.

    Parameters
    ----------
    slope : float, default 0.01
        Between 0 and 1.

    Notes
    -----
    Default initializer of the weights before it: He.
    """

    function, initializer = "leaky_relu", "he"
    _takes = takes(slope=SHARE)
    alpha = property(lambda self: self.slope, doc="The slope, as the kernels call it.")

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope


class ELU(Activation):
    """Exponential linear unit: y = x for x > 0, else alpha·(e^x - 1).

    Parameters
    ----------
    alpha : float, default 1
        At least 0; -alpha is the lower limit of y.

    Notes
    -----
    Mean outputs are closer to zero than ReLU's. Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Clevert et al., "Fast and Accurate Deep Network Learning by Exponential Linear Units", 2015.
    """

    function, initializer = "elu", "he"
    _takes = takes(alpha=NOT_NEGATIVE)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha


class SELU(Activation):
    """Scaled ELU: y = 1.0507 · (x for x > 0, else 1.6733·(e^x - 1)).

    Notes
    -----
    From standardized inputs, outputs keep near mean 0 and variance 1 layer after layer, without normalization. Default
    initializer of the weights before it: LeCun.

    References
    ----------
    .. [1] Klambauer et al., "Self-Normalizing Neural Networks", 2017.
    """

    function, initializer = "selu", "lecun"


class Softplus(Activation):
    """Softplus, a smooth ReLU: y = ln(1 + e^x), with the sigmoid of x as gradient.

    Notes
    -----
    Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing", 2001.
    """

    function, initializer = "softplus", "he"


class Gated(Activation):
    """Base of the activations y = x · gate(x). Their gradient needs x, so they cannot be fused."""

    reads_input = True

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        y = self.buffer("y", x.shape)
        kernels.gate_forward(x, self.function, y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", dy.shape, dy)
        kernels.gate_backward(dy, self._x, self.function, dx)
        return dx


class GELU(Gated):
    """Gaussian error linear unit: y = x · Φ(x), where Φ(x) = ½(1 + erf(x/√2)) is the normal distribution function.

    Parameters
    ----------
    approximate : {"none", "tanh"}, default "none"
        "tanh" replaces Φ by ½(1 + tanh(√(2/π)(x + 0.044715x³))).

    Notes
    -----
    Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
    """

    initializer = "he"
    _takes = takes(approximate=Choice("none", "tanh"))
    function = property(
        lambda self: "gelu_tanh" if self.approximate == "tanh" else "gelu", doc="As the kernels call it."
    )

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate


class SiLU(Gated):
    """Sigmoid linear unit, also called swish: y = x/(1 + e^-x).

    Notes
    -----
    Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Elfwing et al., "Sigmoid-Weighted Linear Units for Neural Network Function Approximation", 2017.
    .. [2] Ramachandran et al., "Searching for Activation Functions", 2017.
    """

    function, initializer = "silu", "he"


class Mish(Gated):
    """Mish, a smooth ReLU that dips below 0: y = x · tanh(ln(1 + e^x)).

    Notes
    -----
    Default initializer of the weights before it: He.

    References
    ----------
    .. [1] Misra, "Mish: A Self Regularized Non-Monotonic Activation Function", 2020.
    """

    function, initializer = "mish", "he"
