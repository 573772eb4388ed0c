"""Convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import ALPHA, activate, slope
from .table import Arguments, Operation, Sizes, nan

# N, H, W, C, KH, KW, groups, M, stride y and x, dilation y and x, top and left, OH, OW
CONVOLUTIONS: tuple[Sizes, ...] = (
    (0, 3, 3, 2, 2, 2, 1, 3, 1, 1, 1, 1, 0, 0, 2, 2),  # no images
    (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1),
    (2, 4, 5, 3, 3, 3, 1, 5, 1, 1, 1, 1, 1, 1, 4, 5),  # same
    (2, 6, 5, 2, 3, 2, 1, 4, 1, 1, 1, 1, 0, 0, 4, 4),  # valid
    (3, 7, 8, 4, 3, 3, 1, 17, 2, 2, 1, 1, 1, 1, 4, 4),  # stride
    (2, 9, 7, 3, 2, 3, 1, 33, 3, 2, 1, 1, 0, 1, 3, 4),  # rows that nothing reads
    (2, 9, 10, 2, 3, 3, 1, 6, 1, 1, 2, 3, 2, 3, 9, 10),  # dilation
    (2, 11, 9, 4, 3, 2, 2, 6, 2, 3, 2, 2, 1, 0, 5, 3),  # all of it, two groups
    (2, 5, 6, 4, 3, 3, 4, 4, 1, 1, 1, 1, 1, 1, 5, 6),  # one channel a group
    (1, 13, 40, 17, 1, 1, 1, 16, 1, 1, 1, 1, 0, 0, 13, 40),  # 1 x 1
    (1, 8, 8, 3, 5, 5, 1, 32, 1, 1, 1, 1, 4, 4, 12, 12),  # padding as wide as the kernel reaches
    (9, 6, 6, 16, 3, 3, 1, 40, 1, 1, 1, 1, 1, 1, 6, 6),
    (3, 1, 25, 2, 1, 4, 1, 3, 1, 5, 1, 1, 0, 0, 1, 5),  # a stride longer than the kernel
    (2, 3, 3, 70, 3, 3, 1, 65, 1, 1, 1, 1, 1, 1, 3, 3),
    (3, 13, 11, 17, 3, 3, 1, 33, 1, 1, 1, 1, 1, 1, 13, 11),  # enough tiles and channels for Winograd
    (5, 9, 10, 32, 3, 3, 1, 16, 1, 1, 1, 1, 0, 0, 7, 8),
    (2, 20, 37, 3, 5, 5, 1, 7, 2, 1, 1, 1, 2, 2, 10, 37),  # few outputs
    (35, 6, 5, 1, 3, 3, 1, 2, 1, 1, 1, 1, 1, 1, 6, 5),
    (1, 9, 50, 9, 3, 4, 1, 8, 1, 1, 2, 2, 0, 3, 5, 50),
    (1, 17, 15, 36, 3, 3, 1, 150, 1, 1, 1, 1, 2, 2, 19, 17),  # outputs in two parts
)


def _paths(a: Arguments) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, int]]:
    """For every tap the outputs that it makes and the inputs that it reads, rows and columns of each."""
    (height, width), (oh, ow) = a["x"].shape[1:3], a["#out"]
    found = []
    for row, column in np.ndindex(a["weight"].shape[:2]):
        y = np.arange(oh) * a["stride_y"] + row * a["dilation_y"] - a["top"]
        x = np.arange(ow) * a["stride_x"] + column * a["dilation_x"] - a["left"]
        i, j = np.flatnonzero((y >= 0) & (y < height)), np.flatnonzero((x >= 0) & (x < width))
        found.append((i, j, y[i], x[j], row, column))
    return found


def _dense(weight: np.ndarray, groups: int) -> np.ndarray:
    """The weight (KH, KW, C, M) that does the same without groups: zeros between them."""
    kh, kw, inputs, outputs = weight.shape
    dense = np.zeros((kh, kw, inputs * groups, outputs))
    for group in range(groups):
        rows, columns = group * inputs, group * outputs // groups
        ends = rows + inputs, (group + 1) * outputs // groups
        dense[:, :, rows : ends[0], columns : ends[1]] = weight[..., columns : ends[1]]
    return dense


def make(sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool) -> Arguments:
    n, h, w, c, kh, kw, groups, m, sy, sx, dy, dx, top, left, oh, ow = sizes
    inputs = c // groups
    return {
        "x": rng.standard_normal((n, h, w, c)),
        "weight": rng.standard_normal((kh, kw, inputs, m)) / (kh * kw * inputs) ** 0.5,
        "bias": rng.standard_normal(m) if with_bias else None,
        "stride_y": sy, "stride_x": sx, "top": top, "left": left, "dilation_y": dy, "dilation_x": dx,
        "activation": activation, "alpha": ALPHA.get(activation, 0.0), "out": nan(n, oh, ow, m),
        "#out": (oh, ow), "#groups": groups,
    }  # fmt: skip


def answer(a: Arguments) -> dict[str, Any]:
    weight = _dense(a["weight"], a["#groups"])
    z = np.zeros((len(a["x"]), *a["#out"], weight.shape[3]))
    for i, j, y, x, row, column in _paths(a):
        z[:, i[:, None], j] += np.einsum("nyxc,cm->nyxm", a["x"][:, y[:, None], x], weight[row, column])
    return {"out": activate(z + (0 if a["bias"] is None else a["bias"]), a["activation"], a["alpha"])}


def backward_make(
    sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool, with_dx: bool, with_dweight: bool
) -> Arguments:
    forward = make(sizes, rng, activation, with_bias)
    y = answer(forward)["out"]
    settings = {name: forward[name] for name in ("stride_y", "stride_x", "top", "left", "dilation_y", "dilation_x")}
    return {
        "dy": rng.standard_normal(y.shape), "x": forward["x"], "weight": forward["weight"], "y": y, **settings,
        "activation": activation, "alpha": forward["alpha"],
        "dz": None if activation == "identity" and with_bias else nan(*y.shape),
        "dx": nan(*forward["x"].shape) if with_dx else None,
        "dweight": nan(*forward["weight"].shape) if with_dweight else None,
        "dbias": nan(y.shape[3]) if with_bias else None,
        "#bias": forward["bias"], "#out": forward["#out"], "#groups": forward["#groups"],
    }  # fmt: skip


def backward_answer(a: Arguments) -> dict[str, Any]:
    dz = a["dy"] * slope(a["y"], a["activation"], a["alpha"])
    weight, groups = _dense(a["weight"], a["#groups"]), a["#groups"]
    dense, dx = np.zeros_like(weight), np.zeros_like(a["x"])
    for i, j, y, x, row, column in _paths(a):
        part = dz[:, i[:, None], j]
        dense[row, column] = np.einsum("nyxc,nyxm->cm", a["x"][:, y[:, None], x], part)
        dx[:, y[:, None], x] += np.einsum("nyxm,cm->nyxc", part, weight[row, column])
    inputs, outputs = a["weight"].shape[2], a["weight"].shape[3] // groups
    blocks = [dense[:, :, g * inputs : (g + 1) * inputs, g * outputs : (g + 1) * outputs] for g in range(groups)]
    found = {} if a["dweight"] is None else {"dweight": np.concatenate(blocks, axis=3)}
    found |= {} if a["dz"] is None else {"dz": dz}
    found |= {} if a["dbias"] is None else {"dbias": dz.sum(axis=(0, 1, 2))}
    return found | ({} if a["dx"] is None else {"dx": dx})


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["y"])
    settings = [a[name] for name in ("stride_y", "stride_x", "top", "left", "dilation_y", "dilation_x")]
    kernels.conv2d_forward(a["x"], a["weight"], a["#bias"], *settings, a["activation"], a["alpha"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for activation, with_bias, with_dx, with_dweight in (
        ("identity", True, True, True), ("identity", False, False, True), ("relu", True, True, True),
        ("tanh", False, True, True), ("relu", True, True, False),
    ):  # fmt: skip
        options = f"{activation}-{'bias' if with_bias else 'nobias'}"
        gradients = {"x": "dx"} if with_dx else {}
        gradients |= {"weight": "dweight"} if with_dweight else {}
        gradients |= {"#bias": "dbias"} if with_bias else {}
        backward = options + ("" if with_dx else "-nodx") + ("" if with_dweight else "-nodweight")
        size, usual = (64, 32, 32, 64, 3, 3, 1, 64, 1, 1, 1, 1, 1, 1, 32, 32), CONVOLUTIONS[7]
        forward = Operation("conv2d_forward", options, CONVOLUTIONS,
                            lambda s, r, f=activation, b=with_bias: make(s, r, f, b), answer, tolerance=32,
                            bench=size, usual=usual)  # fmt: skip
        rows += [forward] if with_dweight else []
        rows += [
            Operation("conv2d_backward", backward, CONVOLUTIONS,
                      lambda s, r, f=activation, b=with_bias, x=with_dx, w=with_dweight:
                          backward_make(s, r, f, b, x, w),
                      backward_answer, tolerance=32, loss=loss, gradients=gradients, bench=size,
                      usual=usual),
        ]  # fmt: skip
    return rows
