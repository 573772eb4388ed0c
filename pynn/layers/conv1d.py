"""Convolution over sequences: a thin form over the kernels of images, as images of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..typing import Array, Shape
from .conv2d import Conv2d
from .pool1d import expect_sequence

if TYPE_CHECKING:
    from ..constraints import Constraint
    from ..initializers import Initializer
    from ..regularizers import Penalty


class Conv1d(Conv2d):
    """y (N, OT, channels) = the convolution of sequences x (N, T, C) with a weight, plus a bias.

    Every output is the affine map of some neighbouring steps of the sequence, over all C channels, or over the
    C / groups channels of its group. (As everywhere in the field the kernel is not mirrored.)

    channels: number of outputs a step. kernel: how many steps one output sees, K (default 3).
    stride: from output to output (default 1). dilation: from step to step of those that an output sees (default 1).
    padding: "same" (default) puts zeros around the sequence so that OT = ceil(T / stride), half of them before and half
    after it, an odd one after; "valid" puts none, OT = floor((T - reach) / stride) + 1, reach = (K - 1) dilation + 1;
    "causal" puts reach - 1 before it and none after, so that no output sees a later step; a number puts that many on
    each side.
    groups: channels and outputs are cut into so many, each with weights of its own; C of them: a depthwise convolution.
    use_bias, initializer, bias_initializer, penalty, constraint: as for `Affine`; fan-in is K · C / groups.
    The weight has the shape (K, C / groups, channels). An activation right after it runs inside its kernel.
    Raises TypeError or ValueError for other settings, and ValueError when it is built on inputs that are no sequences,
    shorter than the kernel's reach, or whose channels the groups do not divide.
    Source: Waibel et al. 1989; van den Oord et al. 2016 (causal, dilated).
    """

    _places = ("steps",)
    _whole_input = "sequence"
    _paddings = (*Conv2d._paddings, "causal")

    def __init__(
        self,
        channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        padding: str | int = "same",
        dilation: int = 1,
        groups: int = 1,
        use_bias: bool = True,
        initializer: str | Initializer | None = None,
        bias_initializer: str | Initializer = "zeros",
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
    ) -> None:
        super().__init__(
            channels, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups, use_bias=use_bias,
            initializer=initializer, bias_initializer=bias_initializer, penalty=penalty, constraint=constraint,
        )  # fmt: skip

    def _expect_input(self, input_shape: Shape) -> None:
        expect_sequence(input_shape)

    def _place(self, axis: int, size: int) -> tuple[int, int]:
        if self.padding == "causal":
            return -(-size // self.stride[axis]), (self.kernel[axis] - 1) * self.dilation[axis]
        return super()._place(axis, size)

    @property
    def _after(self) -> int | None:
        """Zeros after the sequence; None for those that the kernels take without being told."""
        return 0 if self.padding == "causal" else None

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x
        self._y = self.buffer("y", (x.shape[0], *self._out))
        f, settings = self._activation, self._settings
        kernels.conv2d_forward(
            x[:, None], self.weight[None], self.bias, *settings, f.function, f.alpha, self._y[:, None],
            right=self._after,
        )  # fmt: skip
        return self._y

    def backward(self, dy: Array) -> Array | None:
        x, y, f = self._x, self._y, self._activation
        dz = None if f.function == "identity" else self.gradient_buffer("dz", y.shape, dy)
        dx = self.gradient_buffer("dx", x.shape, dy, dz) if self.needs_dx else None
        dweight, dbias = self.gradient_of("weight"), self.gradient_of("bias")
        kernels.conv2d_backward(
            dy[:, None], x[:, None], self.weight[None], y[:, None], *self._settings, f.function, f.alpha,
            _row(dz), _row(dx), None if dweight is None else dweight[None], dbias, right=self._after,
        )  # fmt: skip
        return dx


def _row(x: Array | None) -> Array | None:
    """Sequences (N, T, C) as images of one row, the same numbers."""
    return None if x is None else x[:, None]
