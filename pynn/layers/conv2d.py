"""Convolution over images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import kernels
from ..checks import Choice, Count, Pair
from ..signatures import takes
from ..typing import Array, Shape
from .shapes import Sizes, expect_image, per_axis, place_windows, single
from .weighted import Weighted

if TYPE_CHECKING:
    from ..constraints import Constraint
    from ..initializers import Initializer
    from ..regularizers import Penalty

SIZE = Pair(Count(1))


class Conv2d(Weighted):
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

    _axes: tuple[str, ...] = ("rows", "columns")  # along which the kernel moves
    _whole_input = "image"
    _out: Shape
    _settings: tuple[int, int, int, int, int, int]  # stride, zeros before the image, dilation; rows and columns of each
    _takes = takes(
        channels=Count(1),
        kernel=SIZE,
        stride=SIZE,
        dilation=SIZE,
        groups=Count(1),
        padding=Choice("same", "valid", other=Pair(Count(0))),
    )

    def __init__(
        self,
        channels: int,
        kernel: Sizes = 3,
        *,
        stride: Sizes = 1,
        padding: str | Sizes = "same",
        dilation: Sizes = 1,
        groups: int = 1,
        use_bias: bool = True,
        initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        super().__init__(use_bias, initializer, bias_initializer, penalty, constraint)
        if channels % groups:
            raise ValueError(f"{self.kind}: {groups} groups do not divide {channels} channels")
        self.channels, self.groups = channels, groups
        axes = len(self._axes)
        self.kernel, self.stride, self.dilation = (per_axis(sizes, axes) for sizes in (kernel, stride, dilation))
        self.padding: Any = padding if isinstance(padding, str) else per_axis(padding, axes)

    @property
    def _given(self) -> dict[str, Any]:
        """The arguments that are shown and saved in another form than they are kept in."""
        return {name: single(getattr(self, name)) for name in ("kernel", "stride", "padding", "dilation")}

    def build(self, input_shape: Shape) -> Shape:
        self._expect_input(input_shape)
        inputs = input_shape[-1]
        if inputs % self.groups:
            raise ValueError(f"{self.groups} groups do not divide the {inputs} channels of the input")
        places = [self._place(axis, size) for axis, size in enumerate(input_shape[:-1])]
        self._out = (*(outputs for outputs, _ in places), self.channels)
        stride, before, dilation = (1, *self.stride), (0, *(zeros for _, zeros in places)), (1, *self.dilation)
        # The last two: a sequence, with a single axis, is an image of one row.
        self._settings = (stride[-2], stride[-1], before[-2], before[-1], dilation[-2], dilation[-1])
        self._add_weight((*self.kernel, inputs // self.groups, self.channels))
        return self._out

    def _expect_input(self, input_shape: Shape) -> None:
        expect_image(input_shape)

    def _place(self, axis: int, size: int) -> tuple[int, int]:
        """Outputs along an axis, and the zeros before the image."""
        reach, name = (self.kernel[axis] - 1) * self.dilation[axis] + 1, self._axes[axis]
        padding = self.padding if isinstance(self.padding, str) else self.padding[axis]
        what, advice = f"its kernel reaches over {reach} {name}", 'take a smaller kernel or dilation, or padding="same"'
        outputs, before = place_windows(size, reach, self.stride[axis], padding, what, self._whole_input, advice)
        if padding != "same" and before >= reach:
            raise ValueError(f"padding of {before} {name} is no less than the kernel's reach of {reach}")
        return outputs, before

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        self._y = self.buffer("y", (x.shape[0], *self._out))
        f = self._activation
        kernels.conv2d_forward(x, self.weight, self.bias, *self._settings, f.function, f.alpha, self._y)
        return self._y

    def backward(self, dy: Array) -> Array | None:
        x, y, f = self._x, self._y, self._activation
        dz, dx, dweight, dbias = self._gradient_arrays(dy, x)
        kernels.conv2d_backward(dy, x, self.weight, y, *self._settings, f.function, f.alpha, dz, dx, dweight, dbias)
        return dx
