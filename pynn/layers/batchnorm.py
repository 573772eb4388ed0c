"""Batch normalization."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..checks import RATE, warn
from ..messages.terminal import called
from ..signatures import takes
from ..typing import Array, Shape
from .context import Group
from .fusing import Fusing
from .normalization import Normalization


class BatchNorm(Normalization, Fusing):
    """Batch normalization: y = gamma · (x - mean)/√(var + epsilon) + beta for each feature.

    Parameters
    ----------
    momentum : float, default 0.9
        Share of the running statistics that is kept at each step, 0 <= momentum < 1.
    epsilon : float, default 1e-5
        Added to the variance, above 0.

    Raises
    ------
    ValueError
        In training on a batch of one row, which has no variance.

    Notes
    -----
    Input and output (N, C), (N, T, C) or (N, H, W, C). gamma (C,) starts at 1, beta (C,) at 0. Put the layer after an
    affine layer or convolution, before the activation, which runs inside its kernel.

    In training, mean and variance are those of the batch, over N and all positions, and the running statistics follow:
    running ← momentum · running + (1 - momentum) · batch, with the variance divided by (rows - 1) there, as in PyTorch.
    Otherwise, and in training too after `freeze()`, the running statistics are used and do not change.

    A channel whose variance is too large for the dtype is normalized in training but does not update its running
    statistics; fit and predictions warn if that was always so. Processes that share a batch use the statistics of their
    parts or of the whole batch: see `Distributed`.

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training", 2015.
    """

    running_mean: Array
    running_var: Array
    _takes = takes(momentum=RATE)

    def __init__(self, *, momentum: float = 0.9, epsilon: float = 1e-5) -> None:
        super().__init__(epsilon=epsilon)
        self.momentum = momentum
        self._count = 0.0  # rows of all processes in the last forward pass, if they share its statistics
        self._warned = False  # of statistics that never followed a batch
        self._mode = ""  # of the last forward pass: "batch", "synced" or "frozen" if backward may follow

    def build(self, input_shape: Shape) -> Shape:
        shape = super().build(input_shape)
        self.add_state("running_mean", np.zeros(self._channels))
        self.add_state("running_var", np.ones(self._channels))
        self._warned = False
        return shape

    def forward(self, x: Array, training: bool) -> Array:
        y = self.buffer("y", x.shape)
        rows, y_rows = (x, y) if x.ndim == 2 else (x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1]))
        if not training and self._mode == "batch" and not self._warned:  # the first prediction after training
            warn_of_unused_statistics(self)
        self._x, self._mode = rows, ""
        f, alpha = self._activation.function, self._activation.alpha
        if not training or ((self._frozen or self._frozen_names) and self.frozen):
            kernels.batchnorm_inference(
                rows, self.gamma, self.beta, self.running_mean, self.running_var, self.epsilon, f, alpha, y_rows
            )
            self._mode = "frozen" if training or self.context.inputs_only else ""
            return y
        statistics = (x.shape[-1],)
        self._mean, self._rstd = mean, rstd = self.buffer("mean", statistics), self.buffer("rstd", statistics)
        group = self.context.group
        if len(rows) < 2 and not (group.sync_batchnorm and not len(rows)):
            raise ValueError(
                f"{called(self)}: a training batch of {len(rows)} sample has no variance; "
                "use a batch_size of at least 2"
            )
        if group.sync_batchnorm:
            synced_forward(self, group, rows, mean, rstd, y_rows)
        else:
            kernels.batchnorm_forward(
                rows, self.gamma, self.beta, self.epsilon, self.momentum, self.running_mean, self.running_var,
                f, alpha, mean, rstd, y_rows,
            )  # fmt: skip
        self._mode = "synced" if group.sync_batchnorm else "batch"
        return y

    def backward(self, dy: Array) -> Array | None:
        if not self._mode:
            raise RuntimeError(f"{called(self)}: backward(dy) must follow forward(x, training=True)")
        x, f = self._x, self._activation
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        dy_rows = dy if dy.ndim == 2 else dy.reshape(x.shape)
        dx_rows = dx if dx is None or dx.ndim == 2 else dx.reshape(x.shape)
        if self._mode == "batch":
            kernels.batchnorm_backward(
                dy_rows, x, self.gamma, self.beta, self._mean, self._rstd, f.function, f.alpha,
                dx_rows, self.dgamma, self.dbeta,
            )  # fmt: skip
        elif self._mode == "synced":
            synced_backward(self, self.context.group, dy_rows, x, self._mean, self._rstd, dx_rows)
        elif dx_rows is not None:
            kernels.batchnorm_inference_backward(
                dy_rows, x, self.gamma, self.beta, self.running_mean, self.running_var, self.epsilon,
                f.function, f.alpha, dx_rows,
            )  # fmt: skip
        return dx


def warn_of_unused_statistics(layer: BatchNorm) -> None:
    """Warn once if the running statistics of a channel never followed a batch, as its variance is too large."""
    start = (layer.running_mean == 0) & (layer.running_var == 1)
    rstd = layer.__dict__.get("_rstd")
    if rstd is not None:  # copies and loaded layers have no buffers yet
        start &= rstd < np.finfo(rstd.dtype).max ** -0.5
    if layer._warned or not start.any() or layer.frozen:
        return
    layer._warned = True
    seem = "" if rstd is not None else "seem to "
    warn(
        f"{called(layer)}: {np.count_nonzero(start)} of {start.size} channels {seem}vary too much for "
        f"{layer.running_var.dtype} to hold their variance; their running statistics still have their initial values, "
        "with which predictions are not normalized. Scale the inputs: "
        "fit(..., preprocessing=pynn.Standardization())"
    )


@np.errstate(invalid="ignore", over="ignore")  # fit reports a diverging loss itself
def synced_forward(layer: BatchNorm, group: Group, rows: Array, mean: Array, rstd: Array, out: Array) -> None:
    """Fill out (N, C) from this process's rows, N = 0 or at least 2, using mean and rstd (C,) over all processes.

    Running statistics change as in one process with the whole batch.
    """
    f, channels = layer._activation, rows.shape[1]
    own_mean, own_var = layer.buffer("own_mean", (channels,)), layer.buffer("own_var", (channels,))
    sums = np.zeros((3, channels))  # rows, Σ(x - origin) and Σ(x - origin)²
    origin = layer.running_mean.astype(np.float64)  # the same in all processes and near the mean: avoids cancellation
    if len(rows):
        own_mean.fill(0)
        own_var.fill(-1)
        kernels.batchnorm_forward(
            rows, layer.gamma, layer.beta, layer.epsilon, 0.0, own_mean, own_var, f.function, f.alpha, mean, rstd, out
        )  # with momentum 0: the mean and unbiased variance of this part
        own_var[own_var < 0] = np.inf  # not written by the kernel, as it would not be finite
        apart = mean - origin
        sums[0], sums[1] = len(rows), len(rows) * apart
        sums[2] = (len(rows) - 1) * own_var.astype(np.float64) + len(rows) * apart**2
    group.add_up(sums)
    count, shift = sums[0], sums[1] / sums[0]
    var = np.maximum(sums[2] / count - shift**2, 0)  # NaN stays NaN
    mean[...], own_var[...] = origin + shift, var
    own_var[np.isinf(own_var)] = np.nan  # show a variance too large for the dtype: x/√∞ would be 0
    rstd[...] = np.where(np.isnan(own_var), np.nan, 1 / np.sqrt(var + layer.epsilon))
    keep = layer.momentum
    moved = [keep * origin + (1 - keep) * (origin + shift)]
    moved.append(keep * layer.running_var.astype(np.float64) + (1 - keep) * var * count / (count - 1))
    finite = np.isfinite(moved[0]) & np.isfinite(moved[1])
    layer.running_mean[finite], layer.running_var[finite] = moved[0][finite], moved[1][finite]
    kernels.batchnorm_inference(rows, layer.gamma, layer.beta, mean, own_var, layer.epsilon, f.function, f.alpha, out)
    layer._count = float(count[0])


def synced_backward(
    layer: BatchNorm, group: Group, dy: Array, rows: Array, mean: Array, rstd: Array, dx: Array | None
) -> None:
    """Compute dgamma and dbeta of this process's rows, and dx (N, C) of the loss of all processes."""
    f, channels = layer._activation, rows.shape[1]
    kernels.batchnorm_backward(
        dy, rows, layer.gamma, layer.beta, mean, rstd, f.function, f.alpha, None, layer.dgamma, layer.dbeta
    )
    sums = np.stack([layer.dbeta, layer.dgamma]).astype(np.float64)  # Σ dz and Σ dz·x̂
    group.add_up(sums)  # in every process, even without dx: all must take part
    if dx is None:
        return
    var = layer.buffer("own_var", (channels,))  # as `synced_forward` left it
    kernels.batchnorm_inference_backward(
        dy, rows, layer.gamma, layer.beta, mean, var, layer.epsilon, f.function, f.alpha, dx
    )  # γ·rstd·dz
    scale = layer.gamma * rstd
    spread = layer.buffer("spread", rows.shape)  # γ·rstd·(Σdz + x̂·Σ dz·x̂)/N
    np.subtract(rows, mean, out=spread)
    spread *= (scale * rstd * (sums[1] / layer._count)).astype(rows.dtype)
    spread += (scale * (sums[0] / layer._count)).astype(rows.dtype)
    dx -= spread
