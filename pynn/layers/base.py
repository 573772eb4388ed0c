"""Layer: what every layer is, ready-made or custom. Must not know models, losses or optimizers."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator
from typing import Any, TypeVar

from numpy.typing import ArrayLike

from .. import kernels
from ..checks import expect_name
from ..constraints import Constraint
from ..initializers import Initializer, Zeros
from ..messages.foreign import add_foreign
from ..saving import copies
from ..typing import Array, Shape
from .building import Buildable, layers_in, own_gradient
from .context import Context, Parameter
from .held import expect_free, set_before, slot, writable
from .training_settings import TrainingSettings
from .weight_lists import WeightLists

L = TypeVar("L", bound="Layer")


class Layer(Buildable, TrainingSettings, WeightLists):
    """Base of all layers; a custom layer overrides `build`, `forward` and `backward`.

    Notes
    -----
    Shapes leave out the batch axis: a layer that turns x (N, 784) into y (N, 10) has ``build((784,)) == (10,)``.
    Arguments of ``__init__`` are kept in attributes of the same names, from which a layer is saved and loaded.

    `build` declares parameters by `add_parameter`. A layer with layers inside builds them there,
    ``self.inner.build(shape)``. `backward` follows a forward pass with training=True, except in
    ``model.input_gradient``: it goes back through whatever that pass did.

    A layer can be built alone, ``layer.build((5,))``: it then has its own parameters and gradients, float32, with
    initial values drawn by seed 0. A model that it is put into continues with them; building it alone again draws
    new ones.

    Examples
    --------
    >>> class Factor(pynn.Layer):
    ...     def build(self, input_shape):
    ...         self.add_parameter("factor", input_shape, pynn.Constant(1))
    ...         return input_shape
    ...     def forward(self, x, training):
    ...         self.x = x
    ...         return self.factor * x
    ...     def backward(self, dy):
    ...         self.dfactor[...] = (dy * self.x).sum(axis=0)
    ...         return dy * self.factor
    """

    stream: int = 0  # the layer's number in its model: its part of the random sequence
    followed_by: Activation | None = None  # the activation that its output runs into
    passes_activation: bool = False  # normalization, dropout, reshaping: the layer before sees what follows

    def _prepare(self) -> None:
        self.declared = []
        self._state, self._held, self._buffers, self._views = {}, {}, {}, {}
        self.context = Context()

    # What a layer overrides -----------------------------------------------------------------------

    def build(self, input_shape: Shape) -> Shape:
        """Declare parameters for inputs of this shape.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of a sample, without the batch axis.

        Returns
        -------
        tuple of int
            Shape of an output. By default input_shape.
        """
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        """Return the outputs for a batch; keep in attributes what `backward` needs.

        Parameters
        ----------
        x : array (N, ...)
            The batch.
        training : bool
            Whether it is a training step.

        Returns
        -------
        array (N, ...)
            The outputs. The array belongs to the layer and is overwritten by its next `forward`: copy it to keep it
            (model.forward returns new arrays).
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training)")

    def backward(self, dy: Array) -> Array | None:
        """Fill the gradients, ``self.dNAME[...] = ...``, and return the gradient of the last forward's input.

        Parameters
        ----------
        dy : array (N, ...)
            Gradient of the outputs. Its numbers are valid only until this call ends: copy them to keep them.

        Returns
        -------
        array (N, ...) or None
            Gradient of the inputs, which may be dy or a view of it; may be None if `needs_dx` is False.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy)")

    def fuse(self, activation: Activation) -> bool:
        """Fuse the activation into this layer's own kernel, if possible.

        Parameters
        ----------
        activation : Activation
            The layer that follows.

        Returns
        -------
        bool
            Whether it was fused.
        """
        return False

    def children(self) -> tuple[Layer, ...]:
        """Return the layers inside this one: for a custom layer those in its attributes, also in lists and dicts there.

        Returns
        -------
        tuple of Layer
            They are trained, saved and frozen with it; its `build`, `forward` and `backward` call theirs, each once.
        """
        return layers_in(self, Layer) if self.is_custom else ()

    # What a layer calls ---------------------------------------------------------------------------

    def add_parameter(
        self,
        name: str,
        shape: Shape,
        initializer: Initializer | None = None,
        *,
        penalized: bool = True,
        constraint: Constraint | None = None,
    ) -> None:
        """Declare a trainable array: ``self.NAME`` and its gradient ``self.dNAME`` exist once the model is built.

        Parameters
        ----------
        name : str
            NAME; must not be taken yet.
        shape : tuple of int
            Its shape.
        initializer : Initializer, optional
            By default zeros.
        penalized : bool, default True
            Whether penalties and weight decay apply; for biases they should not.
        constraint : Constraint, optional
            Applied to it after each step.

        Raises
        ------
        ValueError
            If the name is taken, or was assigned before the layer was built.
        """
        if self.context.limit is not None:
            self.context.spend(name, shape)
        expect_free(self, _RESERVED, name, f"d{name}")
        if set_before(self, name) is not None:
            raise ValueError(
                f"{name} was set before the layer was built, which gives it its shape: build first "
                f"(model.build(input_shape)), then set it, or choose its first values by an initializer"
            )
        self.declared.append(Parameter(name, tuple(shape), initializer or Zeros(), penalized, constraint))

    def add_state(self, name: str, value: ArrayLike) -> None:
        """Add an array ``self.NAME`` that is saved with the model but not trained.

        Parameters
        ----------
        name : str
            NAME; must not be taken yet.
        value : array
            Its initial values, copied, in the model's dtype.
        """
        expect_free(self, _RESERVED, name)
        self._set_state(name, value)

    # What a user calls ----------------------------------------------------------------------------

    def named(self: L, name: str) -> L:
        """Name the layer; its tensors in model files bear this name.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        Layer
            Itself.
        """
        expect_name("", "a layer", name=name)
        self.name = self.given_name = name
        return self

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and all inside it, in the order of the forward pass.

        Yields
        ------
        Layer
            The layers.
        """
        yield self
        for child in self.children():
            yield from child.walk()

    def __copy__(self: L) -> L:  # two layers cannot share parameters
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and pickles carry: what a model file holds, nothing of a batch."""
        held = {slot(name) for name in self._held}
        state = {name: value for name, value in copies.without_batches(self).items() if name not in held}
        for name in [name for name in state if name.startswith(slot(""))]:  # for a process whose class has no property
            state[name.removeprefix(slot(""))] = state.pop(name)
        return {
            **state,
            "_buffers": {},
            "_views": {},
            "_held": {},
            "_brought": {} if self.declared else dict(self._brought),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._alone = bool(self.declared or self._state)  # a model takes its layers over
        for parameter in self.declared:
            if parameter.value is not None:
                parameter.value = writable(parameter.value)
                own_gradient(self, parameter)
        for name, array in self._state.items():
            self._set_state(name, array)
        if "_activation" in state:  # the chain that holds both fuses them again
            self.fuse(IDENTITY)

    def __repr__(self) -> str:
        from ..saving.config import constructor_text

        return constructor_text(self)


_RESERVED = {*dir(Layer), *(name for kind in Layer.__mro__ for name in vars(kind).get("__annotations__", ()))}

add_foreign(Layer, "trainable requires_grad")


class Activation(Layer):
    """Base of the elementwise activations y = f(x), for inputs of any shape. `function` names f in the kernels."""

    function: str = "identity"
    initializer: str = "lecun"  # default of the weights before it
    alpha: float = 0.0  # the parameter of f, if any
    reads_input: bool = False  # its gradient needs x rather than y, so it cannot be fused
    _fused_into: weakref.ref[Layer] | None = None  # weak: that layer refers to this one

    @property
    def fused_into(self) -> Layer | None:
        """The layer in whose kernel it runs; None if it has its own."""
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


IDENTITY = Activation()  # what a layer applies if no activation was fused into it
