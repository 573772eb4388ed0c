"""Residual: a block of layers with a shortcut around it, and stochastic depth."""

from __future__ import annotations

from .. import kernels
from ..checks import Choice, Instance, Interval, OrNone
from ..signatures import takes
from ..typing import Array, Shape
from .affine import Affine
from .base import Layer
from .chain import Chain
from .context import clear_gradients
from .conv1d import Conv1d
from .conv2d import Conv2d
from .fusing import Fusing
from .randomness import survives

AUTO = "auto"


class Residual(Chain, Fusing):
    """Residual block: y = f(x) + shortcut(x), where f is the layers in sequence.

    Parameters
    ----------
    *layers : Layer
        At least one.
    shortcut : Layer, "auto" or None, default None
        None for x itself, which must have the shape of f(x); a layer that brings x to that shape; or "auto": None if
        the shapes agree, else an `Affine` for vectors, a `Conv2d` of 1 x 1 pixels with the stride that fits for images,
        or such a `Conv1d` for sequences, without bias (`shortcut` and the model file then hold that layer).
    survival : float, default 1
        Probability that f takes part in a training step, 0 < survival <= 1 (stochastic depth).

    Raises
    ------
    ValueError
        If the shapes do not agree when it is built.

    Notes
    -----
    Inputs of any shape. An activation right after the block runs inside its kernel.

    In a training step without f, y = shortcut(x) for the whole batch, f's gradients are 0 and its running statistics do
    not change; outside training y = survival · f(x) + shortcut(x). Which steps include f is a function of seed, layer
    and step, like a dropout mask.

    References
    ----------
    .. [1] He et al., "Deep Residual Learning for Image Recognition", 2016.
    .. [2] Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    shortcut: Layer | str | None
    _takes = takes(shortcut=Choice(AUTO, other=OrNone(Instance(Layer))), survival=Interval(0, 1, "(]"))

    def __init__(self, *layers: Layer, shortcut: Layer | str | None = None, survival: float = 1.0) -> None:
        super().__init__(*layers)
        if not layers:
            raise ValueError("Residual: expected at least one layer")
        self.shortcut = shortcut
        self.survival = survival
        self._auto = shortcut == AUTO
        self._side = Chain()
        self._survived, self._share = True, 1.0  # of the last forward pass: whether f took part, and its factor

    def children(self) -> tuple[Layer, ...]:
        return (*self.layers, self.shortcut) if isinstance(self.shortcut, Layer) else self.layers

    def _reset(self) -> None:
        super()._reset()
        if self._auto:
            self.shortcut = AUTO

    def build(self, input_shape: Shape) -> Shape:
        shape = super().build(input_shape)
        if self._auto:
            self.shortcut = projection(tuple(input_shape), shape)
            if self.shortcut is not None:  # the block may have been frozen earlier
                self.shortcut._restore_training_settings(self._training_settings())
                self.shortcut._factor_names = ()  # a factor of biases is for other layers of the block
        self._side = Chain(self.shortcut) if isinstance(self.shortcut, Layer) else Chain()
        self._side.context, self._side._shared = self.context, self._shared
        try:
            around = self._side.build(input_shape)
        except ValueError as cause:
            raise ValueError(f"shortcut: {cause}") from cause
        if around != shape:
            what = "pass a shortcut that makes them equal" if self.shortcut is None else "they must be equal"
            raise ValueError(f"the layers turn {tuple(input_shape)} into {shape}, the shortcut into {around}; {what}")
        return shape

    def forward(self, x: Array, training: bool) -> Array:
        self._survived, self._share = survives(self, training, self.survival)
        f = self._activation
        around = self._side.forward(x, training)
        if not self._survived and f.function == "identity":
            return around
        self._y = self.buffer("y", around.shape)
        if self._survived:
            kernels.add(super().forward(x, training), self._share, around, f.function, f.alpha, self._y)
        else:
            kernels.activation_forward(around, f.function, f.alpha, self._y)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        f = self._activation
        if f.function != "identity":
            dz = self.gradient_buffer("dz", dy.shape, dy)
            kernels.activation_backward(dy, self._y, f.function, f.alpha, dz)
            dy = dz
        if not self._survived:
            clear_gradients(one for layer in self.layers for inner in layer.walk() for one in inner.declared)
            return self._side.backward(dy)
        around, branch = self._both(dy)
        if branch is None or around is None:
            return None
        dx = self.gradient_buffer("dx", branch.shape, branch, around)
        kernels.add(branch, self._share, around, "identity", 0.0, dx)
        return dx

    def _both(self, dy: Array) -> tuple[Array | None, Array | None]:
        """Return the gradients of the shortcut and of the layers for dy; neither overwrites the other."""
        shared = self._shared
        assert shared is not None
        with shared.kept(dy):
            around = self._side.backward(dy)
            with shared.kept(dy if around is None else around):
                return around, super().backward(dy)


def projection(input_shape: Shape, shape: Shape) -> Layer | None:
    """The shortcut between these shapes, None for none; ValueError if no layer makes it."""
    if input_shape == shape:
        return None
    stride = tuple(-(-before // after) for before, after in zip(input_shape[:-1], shape[:-1], strict=False))
    if len(input_shape) == len(shape) == 1:
        return Affine(shape[0], use_bias=False)
    if len(input_shape) == len(shape) == 2 and _strided(input_shape, stride) == shape[:1]:
        return Conv1d(shape[1], 1, stride=stride[0], use_bias=False)
    if len(input_shape) == len(shape) == 3 and _strided(input_shape, stride) == shape[:2]:
        return Conv2d(shape[2], 1, stride=(stride[0], stride[1]), use_bias=False)
    raise ValueError(
        f"the layers turn {input_shape} into {shape}: 'auto' has no shortcut between such shapes; "
        "pass a layer as the shortcut"
    )


def _strided(shape: Shape, stride: Shape) -> Shape:
    """Return height and width, or length, after this stride."""
    return tuple(-(-size // step) for size, step in zip(shape, stride, strict=False))
