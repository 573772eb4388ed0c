"""The affine layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import kernels
from ..checks import Choice, Count
from ..constraints import Constraint
from ..initializers import Initializer, Normal
from ..regularizers import Penalty
from ..signatures import takes
from ..typing import Array, Shape
from .shapes import expect_axes
from .weighted import Weighted, WeightOptions

STANDARD, NTK = "standard", "ntk"


class AffineOptions(WeightOptions, total=False):
    """Keyword arguments of affine layers."""

    parametrization: str


class Affine(Weighted):
    """Affine map y = x · weight + bias, with the activation that follows it fused in.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    parametrization : {"standard", "ntk"}, default "standard"
        "ntk" (of the neural tangent kernel): y = (x · weight)/√D + bias, with weights of variance 1.
    use_bias : bool, default True
        Whether to add a bias of shape (units,).
    initializer : str or Initializer, optional
        Of the weight (D, units); `help(pynn.initializers)` lists the names. By default it depends on the activation
        that follows: He for the ReLU family, Glorot for sigmoid and tanh, LeCun without one. With "ntk" it is
        Normal(1), whatever follows.
    bias_initializer : str or Initializer, default "zeros"
        Of the bias.
    penalty : L1, L2 or ElasticNet, optional
        Of the weight, instead of the model's penalty; L2(0) for none. By default the model's.
    constraint : Constraint, optional
        Of the weight, applied after each step, such as MaxNorm(3). By default none.

    Raises
    ------
    ValueError
        If it is built on images (N, H, W, C): put ``Flatten()`` before it.

    Notes
    -----
    Input (N, D), output (N, units). A sequence (N, T, D) is mapped position by position to (N, T, units).

    The outputs of an "ntk" layer start like those of LeCun's initializer, but each step of Adam or SGD changes a weight
    in proportion to its size of 1: one learning rate suits layers of any width [2]_. Penalties and constraints act on
    the weight as it is stored, before the division.

    References
    ----------
    .. [1] CS231n, "Linear Classification".
    .. [2] Jacot et al., "Neural Tangent Kernel: Convergence and Generalization in Neural Networks", 2018.
    """

    pieces = 1  # number of sums per unit; more in Maxout
    _sequences = False  # whether a sample is a sequence of vectors
    _scale = 1.0  # of x · weight
    _parametrization = STANDARD
    _takes = takes(units=Count(1), parametrization=Choice(STANDARD, NTK))

    def __init__(
        self,
        units: int,
        *,
        parametrization: str = STANDARD,
        use_bias: bool = True,
        initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        super().__init__(use_bias, initializer, bias_initializer, penalty, constraint)
        self.units = units
        self.parametrization = parametrization

    @property
    def parametrization(self) -> str:
        """How the product with the weight is scaled: "standard" or "ntk"."""
        return self._parametrization

    @parametrization.setter
    def parametrization(self, value: str) -> None:
        self._takes["parametrization"](self.kind, "parametrization", value)
        if self.declared and value != self._parametrization:
            raise ValueError(f"{self.kind}: parametrization is set before the layer is built, not on a built layer")
        self._parametrization = value

    def build(self, input_shape: Shape) -> Shape:
        expect_axes(input_shape, (1, 2), "vectors (D,) or sequences (T, D)", "put Flatten() before it")
        self._sequences = len(input_shape) == 2
        ntk = self.parametrization == NTK
        self._scale = 1 / math.sqrt(max(input_shape[-1], 1)) if ntk else 1.0
        self._add_weight((input_shape[-1], self.units * self.pieces), Normal(1) if ntk else None)
        return (*input_shape[:-1], self.units)

    def forward(self, x: Array, training: bool) -> Array:
        if self._sequences and x.ndim != 2:
            return forward_steps(Affine.forward, self, x, training)
        self._x, self._y = x, self.buffer("y", (x.shape[0], self.units))
        f = self._activation
        weight, bias = self._value_of_weight, self._value_of_bias
        kernels.affine_forward(x, weight, bias, f.function, f.alpha, self._y, self._scale)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        if self._sequences and dy.ndim != 2:
            return backward_steps(Affine.backward, self, dy)
        x, y, f = self._x, self._y, self._activation
        dz = None if f.function == "identity" else self.gradient_buffer("dz", y.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dy, dz) if self.needs_dx else None
        dweight, dbias = self._parameter_gradients()
        weight = self._value_of_weight
        kernels.affine_backward(dy, x, weight, y, f.function, f.alpha, dz, dx, dweight, dbias, self._scale)
        return dx


def forward_steps(forward: Callable[[Any, Array, bool], Array], layer: Affine, x: Array, training: bool) -> Array:
    """Call `forward` with every position (n, t) of sequences (N, T, D) as a sample."""
    y = forward(layer, x.reshape(-1, x.shape[-1]), training)
    return y.reshape(*x.shape[:-1], layer.units)


def backward_steps(backward: Callable[[Any, Array], Array | None], layer: Affine, dy: Array) -> Array | None:
    """Call `backward` with every position of sequences as a sample."""
    dx = backward(layer, dy.reshape(-1, layer.units))
    return None if dx is None else dx.reshape(*dy.shape[:-1], dx.shape[-1])
