"""The affine layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from .. import initializers, kernels
from ..checks import expect_count, expect_flag, expect_instance
from ..constraints import Constraint
from ..initializers import Initializer
from ..regularizers import Penalty
from ..typing import Array, Shape
from .base import IDENTITY, Activation, Layer


class WeightOptions(TypedDict, total=False):
    """Keyword arguments of layers with an affine map's weight and bias."""

    use_bias: bool
    initializer: str | Initializer | None
    bias_initializer: str | Initializer
    penalty: Penalty | None
    constraint: Constraint | None


class Affine(Layer):
    """Affine map y = x · weight + bias, with the activation that follows it fused in.

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    use_bias : bool, default True
        Whether to add a bias of shape (units,).
    initializer : str or Initializer, optional
        Of the weight (D, units); `help(pynn.initializers)` lists the names. By default it depends on the activation
        that follows: He for the ReLU family, Glorot for sigmoid and tanh, LeCun without one.
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

    References
    ----------
    .. [1] CS231n, "Linear Classification".
    """

    weight: Array
    dweight: Array
    bias: Array | None = None
    dbias: Array | None = None
    pieces = 1  # number of sums per unit; more in Maxout
    _sequences = False  # whether a sample is a sequence of vectors
    # The arrays behind weight and bias (see held.py): a property would cost every step as much as a small addition.
    _value_of_weight: Array
    _value_of_bias: Array | None = None

    def __init__(
        self,
        units: int,
        *,
        use_bias: bool = True,
        initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        expect_count(self.kind, 1, units=units)
        expect_flag(self.kind, use_bias=use_bias)
        self.units = int(units)
        self.use_bias = use_bias
        self.initializer = initializer
        self.bias_initializer = bias_initializer
        self.penalty = penalty
        self.constraint = constraint
        self._activation = IDENTITY

    @property
    def constraint(self) -> Constraint | None:
        """The constraint of the weight after each step, None for none."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Constraint | None) -> None:
        if value is not None:
            expect_instance(value, Constraint, f"{self.kind}: constraint")
        self._constraint = value
        for parameter in self.declared:
            if parameter.name == "weight":
                parameter.constraint = value
        self.context.changes += 1

    def build(self, input_shape: Shape) -> Shape:
        if len(input_shape) not in (1, 2):
            raise ValueError(
                f"expected vectors (D,) or sequences (T, D), got inputs of shape {input_shape}; put Flatten() before it"
            )
        self._activation, self._sequences = IDENTITY, len(input_shape) == 2
        follows = self.followed_by
        default = follows.initializer if follows else "lecun"
        columns, weight = self.units * self.pieces, initializers.initializer(self.initializer or default)
        self.add_parameter("weight", (input_shape[-1], columns), weight, constraint=self.constraint)
        if self.use_bias:
            bias = initializers.initializer(self.bias_initializer)
            self.add_parameter("bias", (columns,), bias, penalized=False)
        return (*input_shape[:-1], self.units)

    def fuse(self, activation: Activation) -> bool:
        self._activation = activation
        return True

    def forward(self, x: Array, training: bool) -> Array:
        if self._sequences and x.ndim != 2:
            return forward_steps(Affine.forward, self, x, training)
        self._x = x
        self._y = self.buffer("y", (x.shape[0], self.units))
        f = self._activation
        kernels.affine_forward(x, self._value_of_weight, self._value_of_bias, f.function, f.alpha, self._y)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        if self._sequences and dy.ndim != 2:
            return backward_steps(Affine.backward, self, dy)
        x, y, f = self._x, self._y, self._activation
        dz = None if f.function == "identity" else self.gradient_buffer("dz", y.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dy, dz) if self.needs_dx else None
        dweight, dbias = self.gradient_of("weight"), self.gradient_of("bias")
        kernels.affine_backward(dy, x, self._value_of_weight, y, f.function, f.alpha, dz, dx, dweight, dbias)
        return dx


def forward_steps(forward: Callable[[Any, Array, bool], Array], layer: Affine, x: Array, training: bool) -> Array:
    """Call `forward` with every position (n, t) of sequences (N, T, D) as a sample."""
    y = forward(layer, x.reshape(-1, x.shape[-1]), training)
    return y.reshape(*x.shape[:-1], layer.units)


def backward_steps(backward: Callable[[Any, Array], Array | None], layer: Affine, dy: Array) -> Array | None:
    """Call `backward` with every position of sequences as a sample."""
    dx = backward(layer, dy.reshape(-1, layer.units))
    return None if dx is None else dx.reshape(*dy.shape[:-1], dx.shape[-1])
