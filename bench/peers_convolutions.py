"""Convolutions of other libraries: PEERS[name](convolution, x, weight, dy) returns a function to time and its reader.

Every library gets its arrays in its own memory layout; converting them to it and back is not timed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threads import THREADS
from workloads import Step

if TYPE_CHECKING:
    from bench_convolutions import Convolution

Answers = Callable[
    [Any], list[np.ndarray]
]  # in pynn's order: y (N, OH, OW, M), dx (N, H, W, C), dweight (KH, KW, C, M)
IMAGES, KERNELS = (0, 3, 1, 2), (3, 2, 0, 1)  # torch's axes, taken from pynn's
BACK = {IMAGES: (0, 2, 3, 1), KERNELS: (2, 3, 1, 0)}


def torch_convolution(
    c: Convolution, x: np.ndarray, weight: np.ndarray, dy: np.ndarray, channels_last: bool
) -> tuple[Step, Answers]:
    import torch

    torch.set_num_threads(THREADS)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def converted(array: np.ndarray, axes: tuple[int, ...]) -> Any:
        return torch.tensor(array).permute(axes).contiguous(memory_format=layout)

    inputs, kernel, gradient = converted(x, IMAGES), converted(weight, KERNELS), converted(dy, IMAGES)
    if c.way == "forward":
        return (
            torch.no_grad()(lambda: torch.nn.functional.conv2d(inputs, kernel, None, c.stride, c.padding)),
            lambda y: [y.permute(BACK[IMAGES]).numpy()],
        )
    both = c.way == "both gradients"
    pairs = [c.stride] * 2, [c.padding] * 2, [1, 1]
    back = torch.ops.aten.convolution_backward  # what autograd calls, without its graph
    return (
        lambda: back(gradient, inputs, kernel, None, *pairs, False, [0, 0], 1, (both, True, False)),
        lambda gradients: [
            array.permute(BACK[axes]).numpy()
            for array, axes in zip(gradients[:2], (IMAGES, KERNELS), strict=True)
            if both or axes == KERNELS
        ],
    )


def jax_convolution(c: Convolution, x: np.ndarray, weight: np.ndarray, dy: np.ndarray) -> tuple[Step, Answers]:
    """JAX can use pynn's order of axes. The compiler removes an unused output of the forward pass."""
    import jax

    def forward(x: Any, weight: Any) -> Any:
        padding, axes = ((c.padding, c.padding),) * 2, ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, weight, (c.stride, c.stride), padding, dimension_numbers=axes)

    def backward(x: Any, weight: Any, dy: Any) -> Any:
        if c.way == "both gradients":
            return jax.vjp(forward, x, weight)[1](dy)
        return jax.vjp(lambda weight: forward(x, weight), weight)[1](dy)

    is_forward = c.way == "forward"
    compiled = jax.jit(forward if is_forward else backward)
    arguments = [jax.numpy.array(array) for array in ((x, weight) if is_forward else (x, weight, dy))]
    return (
        lambda: jax.block_until_ready(compiled(*arguments)),
        lambda results: [np.asarray(array) for array in ([results] if is_forward else results)],
    )


PEERS: dict[str, Callable[..., tuple[Step, Answers]]] = {}
if importlib.util.find_spec("torch"):
    PEERS["torch"] = partial(torch_convolution, channels_last=False)
    PEERS["torch_channels_last"] = partial(torch_convolution, channels_last=True)
if importlib.util.find_spec("jax"):
    PEERS["jax"] = jax_convolution
