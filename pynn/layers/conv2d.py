"""Convolution over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import initializers, kernels
from ..checks import expect_count, expect_flag
from ..messages.terminal import brief
from ..typing import Array, Shape
from .base import IDENTITY, Activation, Layer

if TYPE_CHECKING:
    from ..constraints import Constraint
    from ..initializers import Initializer
    from ..regularizers import Penalty

Pair = int | tuple[int, int]


class Conv2d(Layer):
    """Convolution of images: y = x ∗ weight + bias, with the activation that follows it fused in.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel : int or tuple (KH, KW), default 3
        Height and width of the patch that one output sees.
    stride : int or tuple (rows, columns), default 1
        Distance between patches.
    padding : {"same", "valid"}, int or tuple (rows, columns), default "same"
        Zeros around the image. With reach = (KH - 1) dilation + 1: "same" adds as many as give OH = ceil(H / stride),
        half on each side, an odd one after it; "valid" adds none, OH = floor((H - reach) / stride) + 1; numbers add
        that many on each side.
    dilation : int or tuple (rows, columns), default 1
        Distance between the pixels of a patch.
    groups : int, default 1
        Number of groups of channels, each with its own weights; C groups make a depthwise convolution.
    use_bias, initializer, bias_initializer, penalty, constraint : see `Affine`
        Default True, by the activation that follows, "zeros", None and None.

    Raises
    ------
    ValueError
        If it is built on inputs that are not images, are smaller than the reach, or whose channels groups do not
        divide.

    Notes
    -----
    Input (N, H, W, C), output (N, OH, OW, channels); the weight has shape (KH, KW, C / groups, channels), the fan-in is
    KH · KW · C / groups. As is usual, the kernel is not mirrored.

    References
    ----------
    .. [1] LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition", 1989.
    .. [2] CS231n, "Convolutional Networks".
    """

    weight: Array
    dweight: Array
    bias: Array | None = None
    dbias: Array | None = None
    _places: tuple[str, ...] = ("rows", "columns")  # along which the kernel moves
    _whole_input = "image"
    _paddings: tuple[str, ...] = ("same", "valid")
    _out: Shape
    _settings: tuple[int, int, int, int, int, int]  # stride, zeros before the image, dilation; rows and columns of each

    def __init__(
        self,
        channels: int,
        kernel: Pair = 3,
        *,
        stride: Pair = 1,
        padding: str | Pair = "same",
        dilation: Pair = 1,
        groups: int = 1,
        use_bias: bool = True,
        initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        expect_flag(self.kind, use_bias=use_bias)
        expect_count(self.kind, 1, channels=channels, groups=groups)
        self.channels, self.groups = int(channels), int(groups)
        self.kernel, self.stride = self._pair("kernel", kernel, 1), self._pair("stride", stride, 1)
        self.dilation = self._pair("dilation", dilation, 1)
        named = padding in self._paddings if isinstance(padding, str) else False
        if isinstance(padding, str) and not named:
            words = ", ".join(f'"{word}"' for word in self._paddings)
            raise ValueError(f"{self.kind}: padding is {brief(padding)}, expected {words} or numbers")
        self.padding: Any = padding if named else self._pair("padding", padding, 0)
        if self.channels % self.groups:
            raise ValueError(f"{self.kind}: {self.groups} groups do not divide {self.channels} channels")
        self.use_bias = use_bias
        self.initializer = initializer
        self.bias_initializer = bias_initializer
        self.penalty = penalty
        self.constraint = constraint
        self._activation = IDENTITY

    @property
    def _given(self) -> dict[str, Any]:
        """Pairs of two equal numbers as a single number, as they are shown and saved."""
        pairs = {name: getattr(self, name) for name in ("kernel", "stride", "padding", "dilation")}
        return {
            name: pair[0] if isinstance(pair, list) and pair[0] == pair[-1] else pair for name, pair in pairs.items()
        }

    def _pair(self, name: str, value: Any, least: int) -> list[int]:
        count = len(self._places)
        values = list(value) if isinstance(value, (tuple, list)) else [value] * count
        if len(values) != count:
            raise ValueError(
                f"{self.kind}: {name} is {brief(value)}, expected one number{' or two' if count == 2 else ''}"
            )
        for one in values:
            expect_count(self.kind, least, **{name: one})
        return [int(one) for one in values]

    def build(self, input_shape: Shape) -> Shape:
        self._expect_input(input_shape)
        inputs = input_shape[-1]
        if inputs % self.groups:
            raise ValueError(f"{self.groups} groups do not divide the {inputs} channels of the input")
        self._activation = IDENTITY
        places = [self._place(axis, size) for axis, size in enumerate(input_shape[:-1])]
        self._out = (*(outputs for outputs, _ in places), self.channels)
        stride, before, dilation = (1, *self.stride), (0, *(zeros for _, zeros in places)), (1, *self.dilation)
        # The last two: a sequence is an image of one row.
        self._settings = (stride[-2], stride[-1], before[-2], before[-1], dilation[-2], dilation[-1])
        follows = self.followed_by
        weight = initializers.initializer(self.initializer or (follows.initializer if follows else "lecun"))
        shape = (*self.kernel, inputs // self.groups, self.channels)
        self.add_parameter("weight", shape, weight, constraint=self.constraint)
        if self.use_bias:
            bias = initializers.initializer(self.bias_initializer)
            self.add_parameter("bias", (self.channels,), bias, penalized=False)
        return self._out

    def _expect_input(self, input_shape: Shape) -> None:
        if len(input_shape) != 3:
            raise ValueError(f"expected images (H, W, C), got inputs of shape {input_shape}")

    def _place(self, axis: int, size: int) -> tuple[int, int]:
        """Outputs along an axis, and the zeros before the image."""
        reach, stride = (self.kernel[axis] - 1) * self.dilation[axis] + 1, self.stride[axis]
        if self.padding == "same":
            outputs = -(-size // stride)
            return outputs, max((outputs - 1) * stride + reach - size, 0) // 2
        before = 0 if self.padding == "valid" else self.padding[axis]
        name = self._places[axis]
        if reach > size + 2 * before:
            padded = f"{self._whole_input} with padding {before}" if before else self._whole_input
            raise ValueError(
                f"its kernel reaches over {reach} {name}, the {padded} has only {size + 2 * before}; take a "
                'smaller kernel or dilation, or padding="same"'
            )
        if before >= reach:
            raise ValueError(f"padding of {before} {name} is no less than the kernel's reach of {reach}")
        return (size + 2 * before - reach) // stride + 1, before

    def fuse(self, activation: Activation) -> bool:
        self._activation = activation
        return True

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        self._y = self.buffer("y", (x.shape[0], *self._out))
        f = self._activation
        kernels.conv2d_forward(x, self.weight, self.bias, *self._settings, f.function, f.alpha, self._y)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        x, y, f = self._x, self._y, self._activation
        dz = None if f.function == "identity" else self.gradient_buffer("dz", y.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dy, dz) if self.needs_dx else None
        dweight, dbias = self.gradient_of("weight"), self.gradient_of("bias")
        kernels.conv2d_backward(dy, x, self.weight, y, *self._settings, f.function, f.alpha, dz, dx, dweight, dbias)
        return dx
