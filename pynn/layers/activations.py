"""Activation layers. After an affine or batch normalization layer most are fused into its kernel.

References: CS231n notes, "Neural Networks Part 1"; Deep Learning from Scratch, chapters 3 and 6.
"""

from __future__ import annotations

import weakref
from typing import Any

from .. import kernels
from ..checks import NOT_NEGATIVE, SHARE, expect_choice, expect_numbers
from ..typing import Array
from .base import Layer


class Activation(Layer):
    """Base of the elementwise activations y = f(x); any input shape. `function` names f in the kernels."""

    function: str = "identity"
    initializer: str = "lecun"  # what suits the weights before it
    alpha: float = 0.0  # the number that f takes, where it takes one
    reads_input: bool = False  # its gradient takes x rather than y: it cannot be fused
    _fused_into: weakref.ref[Layer] | None = None  # weak: that layer holds this one

    @property
    def fused_into(self) -> Layer | None:
        """The layer in whose kernel it runs; None where it runs in its own."""
        return None if self._fused_into is None else self._fused_into()

    @fused_into.setter
    def fused_into(self, layer: Layer | None) -> None:
        self._fused_into = None if layer is None else weakref.ref(layer)

    def _reset(self) -> None:
        super()._reset()
        self.fused_into = None

    def __getstate__(self) -> dict[str, Any]:  # the copy of its chain fuses it again
        return {**super().__getstate__(), "_fused_into": None}

    def forward(self, x: Array, training: bool) -> Array:
        self._y = self.buffer("y", x.shape)
        kernels.activation_forward(x, self.function, self.alpha, self._y)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        dx = self.gradient_buffer("dx", dy.shape, dy)
        kernels.activation_backward(dy, self._y, self.function, self.alpha, dx)
        return dx


IDENTITY = Activation()  # what a layer applies into which nothing was fused


class Sigmoid(Activation):
    """y = 1/(1 + e^-x). Saturates at 0 and 1, where its gradient vanishes; not zero-centred. Weights: Glorot."""

    function, initializer = "sigmoid", "glorot"


class Tanh(Activation):
    """y = tanh x. Zero-centred; saturates at -1 and 1, where its gradient vanishes. Weights: Glorot."""

    function, initializer = "tanh", "glorot"


class ReLU(Activation):
    """y = max(0, x). Does not saturate for x > 0; a unit whose x is never positive is dead. Weights: He.

    Converges about six times faster than tanh (Krizhevsky et al. 2012). The gradient at x = 0 is 0.
    """

    function, initializer = "relu", "he"


class LeakyReLU(Activation):
    """y = max(slope·x, x), 0 <= slope <= 1 (default 0.01). Does not die. Weights: He.

    Raises ValueError for a slope outside 0..1.
    """

    function, initializer = "leaky_relu", "he"
    alpha = property(lambda self: self.slope, doc="The slope, as the kernels call it.")

    def __init__(self, slope: float = 0.01) -> None:
        expect_numbers("LeakyReLU", SHARE, slope=slope)
        self.slope = slope


class ELU(Activation):
    """y = x for x > 0, else alpha·(e^x - 1), alpha >= 0 (default 1). Means nearer to zero. Weights: He.

    Raises ValueError for a negative alpha. Source: Clevert et al. 2015.
    """

    function, initializer = "elu", "he"

    def __init__(self, alpha: float = 1.0) -> None:
        expect_numbers("ELU", NOT_NEGATIVE, alpha=alpha)
        self.alpha = alpha


class SELU(Activation):
    """y = 1.0507 · (x for x > 0, else 1.6733·(e^x - 1)). Weights: LeCun.

    From standardized inputs, the outputs keep near mean 0 and variance 1 layer after layer, without normalization.
    Source: Klambauer et al. 2017.
    """

    function, initializer = "selu", "lecun"


class Softplus(Activation):
    """y = ln(1 + e^x), a smooth ReLU; its gradient is the sigmoid of x. Weights: He. Source: Dugas et al. 2001."""

    function, initializer = "softplus", "he"


class Gated(Activation):
    """Base of the activations y = x · gate(x). Their gradient needs x, so they run in a kernel of their own."""

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
    """y = x · Φ(x), Φ the distribution function of the standard normal distribution: ½(1 + erf(x/√2)). Weights: He.

    approximate: "none" (default), or "tanh" for ½(1 + tanh(√(2/π)(x + 0.044715x³))) in place of Φ.
    Raises ValueError for another word. Source: Hendrycks & Gimpel 2016.
    """

    initializer = "he"
    function = property(
        lambda self: "gelu_tanh" if self.approximate == "tanh" else "gelu", doc="As the kernels call it."
    )

    def __init__(self, approximate: str = "none") -> None:
        expect_choice("GELU", ("none", "tanh"), approximate=approximate)
        self.approximate = approximate


class SiLU(Gated):
    """y = x/(1 + e^-x), also called swish. Weights: He. Sources: Elfwing et al. 2017; Ramachandran et al. 2017."""

    function, initializer = "silu", "he"
