"""What layers share that have a weight and a bias, and an activation inside their kernel."""

from __future__ import annotations

from typing import TypedDict

from ..checks import FLAG, expect_instance
from ..constraints import Constraint
from ..initializers import Initializer, initializer
from ..regularizers import Penalty
from ..signatures import takes
from ..typing import Array, Shape
from .fusing import Fusing


class WeightOptions(TypedDict, total=False):
    """Keyword arguments of layers with a weight and a bias."""

    use_bias: bool
    initializer: str | Initializer | None
    bias_initializer: str | Initializer
    penalty: Penalty | None
    constraint: Constraint | None


class Weighted(Fusing):
    """A layer with a weight, whose last axis is that of the outputs, and a bias for each of these."""

    weight: Array
    dweight: Array
    bias: Array | None = None
    dbias: Array | None = None
    # The arrays behind weight and bias (see held.py): a property would cost every step as much as a small addition.
    _value_of_weight: Array
    _value_of_bias: Array | None = None
    _takes = takes(use_bias=FLAG)

    def __init__(
        self,
        use_bias: bool,
        initializer: str | Initializer | None,
        bias_initializer: str | Initializer,
        penalty: Penalty | None,
        constraint: Constraint | None,
    ) -> None:
        self.use_bias = use_bias
        self.initializer = initializer
        self.bias_initializer = bias_initializer
        self.penalty = penalty
        self.constraint = constraint

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

    def _add_weight(self, shape: Shape, default: Initializer | None = None) -> None:
        chosen = self.initializer or default or (self.followed_by.initializer if self.followed_by else "lecun")
        self.add_parameter("weight", shape, initializer(chosen), constraint=self.constraint)
        if self.use_bias:
            self.add_parameter("bias", shape[-1:], initializer(self.bias_initializer), penalized=False)

    def _parameter_gradients(self) -> tuple[Array | None, Array | None]:
        """Where `backward` writes the gradients of weight and bias; None for a frozen one and for a missing bias."""
        held = self._held
        if "dweight" in held and not (self._frozen or self._frozen_names or self.context.inputs_only):
            return held["dweight"], held.get("dbias")
        return self.gradient_of("weight"), self.gradient_of("bias")

    def _gradient_arrays(self, dy: Array, x: Array) -> tuple[Array | None, Array | None, Array | None, Array | None]:
        """Where `backward` writes dz, dx, dweight and dbias; None for what is not needed."""
        dz = None if self._activation.function == "identity" else self.gradient_buffer("dz", dy.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dy, dz) if self.needs_dx else None
        return (dz, dx, *self._parameter_gradients())
