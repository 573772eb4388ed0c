"""Convolutions over images (N, H, W, C), and their gradients.

weight (KH, KW, G, M): each of C / G groups of G channels makes as many of the M outputs. Output (i, j) reads the pixels
(i·stride_y + a·dilation_y - top, j·stride_x + b·dilation_x - left) for a = 0..KH-1, b = 0..KW-1, zeros outside x.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..checks import REQUIRED, Floats, checked
from .activation import activate, activation_gradient, expect_activation

MOST = 2**30


def _expect_shape(
    where: str, x: Floats, weight: Floats, out: Floats, stride: tuple[int, int], before: tuple[int, int],
    after: tuple[int | None, int | None], dilation: tuple[int, int],
) -> None:  # fmt: skip
    sizes = dict(zip(("H", "W", "C", "KH", "KW", "G", "M"), (*x.shape[1:], *weight.shape), strict=True))
    for name, size in {**sizes, "OH": out.shape[1], "OW": out.shape[2]}.items():
        if size < 1:
            raise ValueError(f"{where}: {name} is {size}, expected at least 1")
    settings = dict(zip(("stride_y", "stride_x", "top", "left", "dilation_y", "dilation_x", "bottom", "right"),
                        (*stride, *before, *dilation, *after), strict=True))  # fmt: skip
    for name, value in settings.items():
        least = 1 if "_" in name else 0
        if value is not None and not least <= value <= MOST:
            raise ValueError(f"{where}: {name} is {value}, expected {least}..{MOST}")
    channels, inputs, outputs = x.shape[3], weight.shape[2], weight.shape[3]
    if channels % inputs or outputs % (channels // inputs):
        raise ValueError(
            f"{where}: x has {channels} channels, the weight {inputs} inputs and {outputs} outputs, expected a number "
            "of groups that divides both channels and outputs"
        )
    for axis in range(2):
        reach = (weight.shape[axis] - 1) * dilation[axis] + 1
        _expect_outputs(where, axis, out.shape[1 + axis], x.shape[1 + axis], reach, stride[axis], before[axis],
                        after[axis])  # fmt: skip


def _expect_outputs(
    where: str, axis: int, outputs: int, size: int, reach: int, stride: int, before: int, after: int | None
) -> None:
    """Check that the number of outputs fits the padding.

    If the padding after the image is not given, it equals that before, or one more if the outputs are then
    ⌈size/stride⌉: what "same" needs.
    """
    places, *names = (("rows", "top", "bottom"), ("columns", "left", "right"))[axis]
    for name, zeros in zip(names, (before, after), strict=True):
        if zeros is not None and zeros >= reach:
            raise ValueError(f"{where}: {name} is {zeros}, expected less than the kernel's reach of {reach}")

    def outputs_with(zeros: int) -> int:
        return max(0, (size + before + zeros - reach) // stride + 1)

    expected, same = outputs_with(before if after is None else after), -(-size // stride)
    if outputs == expected or (after is None and outputs == same == outputs_with(before + 1)):
        return
    behind = f"as many behind them; {names[1]} says otherwise" if after is None else f"{after} behind them"
    raise ValueError(
        f"{where}: out has {outputs} {places}, expected {expected}: a kernel that reaches over {reach}, by steps of "
        f"{stride}, on {size} with {before} zeros before and {behind}"
    )


class _Patches:
    """The pixels that every output reads, as a view of a copy of x with zeros around it."""

    def __init__(
        self, x: Floats, weight: Floats, out: Floats, stride: tuple[int, int], before: tuple[int, int],
        dilation: tuple[int, int],
    ) -> None:  # fmt: skip
        self.groups = x.shape[3] // weight.shape[2]
        height, width = (
            max(
                (out.shape[1 + i] - 1) * stride[i] + (weight.shape[i] - 1) * dilation[i] + 1, x.shape[1 + i] + before[i]
            )
            for i in range(2)
        )
        self.whole = np.zeros((len(x), height, width, x.shape[3]), x.dtype)
        self.inside = self.whole[:, before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]]
        self.inside[...] = x
        n, y, x_step, channel = self.whole.strides
        self.views = as_strided(
            self.whole,
            (*out.shape[:3], *weight.shape[:2], self.groups, weight.shape[2]),
            (n, y * stride[0], x_step * stride[1], y * dilation[0], x_step * dilation[1],
             channel * weight.shape[2], channel),
        )  # fmt: skip


@checked(x="N H W C", weight="KH KW G M", bias="optional M", out="out N OH OW M")
def conv2d_forward(
    x: Floats,
    weight: Floats,
    bias: Floats | None = None,
    stride_y: int = 1,
    stride_x: int = 1,
    top: int = 0,
    left: int = 0,
    dilation_y: int = 1,
    dilation_x: int = 1,
    activation: str = "identity",
    alpha: float | None = None,
    out: Floats = REQUIRED,
    bottom: int | None = None,
    right: int | None = None,
) -> None:
    """out (N, OH, OW, M) = f(Σ_ab x[i·stride_y + a·dilation_y - top, j·stride_x + b·dilation_x - left] w[a, b] + bias).

    w = weight; bias (M,) may be None; f: activation and alpha, see `activation_forward`. The sum is over the kernel's
    rows a and columns b and the G channels of an output's group; outside the image x is 0. top and left: rows and
    columns of zeros before the image, bottom and right: after it; None: as many as before, or one more if OH is then
    ⌈H/stride_y⌉, as padding "same" needs. OH = ⌊(H + top + bottom - reach)/stride_y⌋ + 1, with the kernel's reach (KH -
    1)·dilation_y + 1, and OW in the same way; padding must be less than the reach.

    References
    ----------
    .. [1] LeCun et al., "Backpropagation Applied to Handwritten Zip Code Recognition", 1989.
    .. [2] Yu & Koltun, "Multi-Scale Context Aggregation by Dilated Convolutions", 2016 (dilation).
    """
    stride, before, dilation = (stride_y, stride_x), (top, left), (dilation_y, dilation_x)
    _expect_shape("conv2d_forward", x, weight, out, stride, before, (bottom, right), dilation)
    alpha = expect_activation("conv2d_forward", activation, alpha)
    patches = _Patches(x, weight, out, stride, before, dilation)
    for group in range(patches.groups):
        part = np.s_[group * weight.shape[3] // patches.groups : (group + 1) * weight.shape[3] // patches.groups]
        out[..., part] = np.tensordot(patches.views[..., group, :], weight[..., part], 3)
    if bias is not None:
        out += bias
    out[...] = activate(out, activation, alpha)


@checked(
    dy="N OH OW M", x="N H W C", weight="KH KW G M", y="N OH OW M", dz="optional out N OH OW M",
    dx="optional out N H W C", dweight="optional out KH KW G M", dbias="optional out M",
)  # fmt: skip
def conv2d_backward(
    dy: Floats,
    x: Floats,
    weight: Floats,
    y: Floats,
    stride_y: int = 1,
    stride_x: int = 1,
    top: int = 0,
    left: int = 0,
    dilation_y: int = 1,
    dilation_x: int = 1,
    activation: str = "identity",
    alpha: float | None = None,
    dz: Floats | None = None,
    dx: Floats | None = None,
    dweight: Floats | None = None,
    dbias: Floats | None = None,
    bottom: int | None = None,
    right: int | None = None,
) -> None:
    """dz = dy · f'; dweight, dx and dbias = the gradients of weight, x and bias of `conv2d_forward`, whose output is y.

    stride_y, stride_x, top, left, bottom, right, dilation_y, dilation_x, activation and alpha as there. dz (N, OH, OW,
    M) may be None if f is the identity. dx, dweight and dbias may be None, and are not computed then. In the native
    kernel NaN and infinity also meet the zeros around the image: more of dx and dweight may be NaN at its edges.
    """
    stride, before, dilation = (stride_y, stride_x), (top, left), (dilation_y, dilation_x)
    _expect_shape("conv2d_backward", x, weight, y, stride, before, (bottom, right), dilation)
    alpha = expect_activation("conv2d_backward", activation, alpha)
    if dz is None and activation != "identity":
        raise ValueError(
            "conv2d_backward: dz is None, expected an array (N, OH, OW, M) for any activation but identity"
        )
    gradient = activation_gradient(dy, y, activation, alpha)
    if dz is not None:
        dz[...] = gradient
    if dbias is not None:
        dbias[...] = gradient.sum(axis=(0, 1, 2))
    patches = _Patches(x, weight, y, stride, before, dilation)
    spread = np.zeros_like(patches.whole)
    for group in range(patches.groups):
        part = np.s_[group * weight.shape[3] // patches.groups : (group + 1) * weight.shape[3] // patches.groups]
        channels = np.s_[group * weight.shape[2] : (group + 1) * weight.shape[2]]
        if dweight is not None:
            dweight[..., part] = np.tensordot(patches.views[..., group, :], gradient[..., part], ((0, 1, 2), (0, 1, 2)))
        if dx is None:
            continue
        for a, b in np.ndindex(weight.shape[:2]):
            rows = np.s_[a * dilation_y : a * dilation_y + (y.shape[1] - 1) * stride_y + 1 : stride_y]
            columns = np.s_[b * dilation_x : b * dilation_x + (y.shape[2] - 1) * stride_x + 1 : stride_x]
            spread[:, rows, columns, channels] += gradient[..., part] @ weight[a, b, :, part].T
    if dx is not None:
        dx[...] = spread[:, top : top + x.shape[1], left : left + x.shape[2]]
