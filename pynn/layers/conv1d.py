"""Convolution over sequences, by the kernels for images: a sequence is an image of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import Choice, Count, Pair
from ..signatures import takes
from ..typing import Array, Shape
from .conv2d import Conv2d
from .shapes import expect_sequence

if TYPE_CHECKING:
    from ..constraints import Constraint
    from ..initializers import Initializer
    from ..regularizers import Penalty

SIZE = Pair(Count(1), axes=1)


class Conv1d(Conv2d):
    """Convolution of sequences: y = x ∗ weight + bias, with the activation that follows it fused in.

    Parameters
    ----------
    channels : int
        Number of output channels.
    kernel : int, default 3
        Number K of positions that one output sees.
    stride : int, default 1
        Distance between outputs.
    padding : {"same", "valid", "causal"} or int, default "same"
        Zeros around the sequence. With reach = (K - 1) dilation + 1: "same" adds as many as give OT = ceil(T / stride),
        half on each side, an odd one after it; "valid" adds none, OT = floor((T - reach) / stride) + 1; "causal" adds
        reach - 1 before it, so that no output sees a later position; a number adds that many on each side.
    dilation : int, default 1
        Distance between the positions that one output sees.
    groups : int, default 1
        Number of groups of channels, each with its own weights; C groups make a depthwise convolution.
    use_bias, initializer, bias_initializer, penalty, constraint : see `Affine`
        Default True, by the activation that follows, "zeros", None and None.

    Raises
    ------
    ValueError
        If it is built on inputs that are not sequences, are shorter than the reach, or whose channels groups do not
        divide.

    Notes
    -----
    Input (N, T, C), output (N, OT, channels); the weight has shape (K, C / groups, channels), the fan-in is K · C /
    groups. As is usual, the kernel is not mirrored.

    References
    ----------
    .. [1] Waibel et al., "Phoneme Recognition Using Time-Delay Neural Networks", 1989.
    .. [2] van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016 (causal, dilated).
    """

    _axes = ("steps",)
    _whole_input = "sequence"
    _takes = takes(
        kernel=SIZE,
        stride=SIZE,
        dilation=SIZE,
        padding=Choice("same", "valid", "causal", other=Pair(Count(0), axes=1)),
    )

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
        """Zeros after the sequence; None for the number that the kernels infer."""
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
        dz, dx, dweight, dbias = self._gradient_arrays(dy, x)
        kernels.conv2d_backward(
            dy[:, None], x[:, None], self.weight[None], y[:, None], *self._settings, f.function, f.alpha,
            _row(dz), _row(dx), None if dweight is None else dweight[None], dbias, right=self._after,
        )  # fmt: skip
        return dx


def _row(x: Array | None) -> Array | None:
    """Return sequences (N, T, C) as images of one row, without a copy."""
    return None if x is None else x[:, None]
