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
from .activations import IDENTITY, Activation
from .base import Layer


class WeightOptions(TypedDict, total=False):
    """What layers with an affine map's weight and bias take by name."""

    use_bias: bool
    initializer: str | Initializer | None
    bias_initializer: str | Initializer
    penalty: Penalty | None
    constraint: Constraint | None


class Affine(Layer):
    """y (N, units) = x (N, D) · weight (D, units) + bias (units,); of a sequence (N, T, D) every step: (N, T, units).

    units: number of outputs, at least 1. use_bias: whether there is a bias (default True).
    initializer: of the weight, an object or a name (`help(pynn.initializers)` lists them); by default what suits the
    activation that follows (He before the ReLU family, Glorot before sigmoid and tanh, LeCun where none follows).
    bias_initializer: zeros. penalty: L1, L2 or ElasticNet, in place of the model's; L2(0) for none; by default the
    model's. constraint: of the weight, applied after each step, like MaxNorm(3) (default None).
    An activation right after it runs inside its kernel.
    Raises ValueError or TypeError for other settings, and when it is built on images (N, H, W, C): put `Flatten` before
    it, which also makes one vector of a sequence.
    Source: CS231n, "Linear classification".
    """

    weight: Array
    dweight: Array
    bias: Array | None = None
    dbias: Array | None = None
    pieces = 1  # sums that a unit has; more in Maxout
    _sequences = False  # whether a sample is a sequence of vectors
    # What weight and bias read (see held.py): every step reads these, and a property costs as much as a small addition.
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
        """What the weight is made to keep to after each step, None for nothing."""
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
    """A class's own `forward` with every step (n, t) of sequences (N, T, D) as a sample."""
    y = forward(layer, x.reshape(-1, x.shape[-1]), training)
    return y.reshape(*x.shape[:-1], layer.units)


def backward_steps(backward: Callable[[Any, Array], Array | None], layer: Affine, dy: Array) -> Array | None:
    """A class's own `backward`, likewise."""
    dx = backward(layer, dy.reshape(-1, layer.units))
    return None if dx is None else dx.reshape(*dy.shape[:-1], dx.shape[-1])
