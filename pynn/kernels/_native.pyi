"""
pynn's kernels in C++; pynn/kernels/reference documents and defines each one
"""

from __future__ import annotations
import numpy
import typing

__all__: list[str] = [
    "activation_backward",
    "activation_forward",
    "adagrad_step",
    "adam_step",
    "add",
    "affine_backward",
    "affine_forward",
    "available_isas",
    "avg_pool_backward",
    "avg_pool_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "batchnorm_inference",
    "batchnorm_inference_backward",
    "clip",
    "compiler",
    "conv2d_backward",
    "conv2d_forward",
    "cpu_quota",
    "documented",
    "dropout",
    "elementwise_loss",
    "embedding_backward",
    "embedding_forward",
    "focal",
    "gate_backward",
    "gate_forward",
    "gather",
    "gaussian_nll",
    "gaussian_noise",
    "get_num_threads",
    "groupnorm_backward",
    "groupnorm_forward",
    "hierarchical_softmax",
    "hierarchical_softmax_backward",
    "hierarchical_softmax_predict",
    "hierarchical_softmax_probabilities",
    "hinge",
    "isa",
    "lion_step",
    "max_norm",
    "max_pool_backward",
    "max_pool_forward",
    "maxout_backward",
    "maxout_forward",
    "mixed_backward",
    "mixed_forward",
    "momentum_step",
    "nadam_step",
    "nesterov_step",
    "norm",
    "openmp",
    "penalty",
    "periodic_backward",
    "periodic_forward",
    "pinball",
    "polyak_step",
    "prelu_backward",
    "prelu_forward",
    "recolour",
    "rmsprop_step",
    "scale",
    "scale_backward",
    "scale_forward",
    "set_num_threads",
    "sgd_step",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "spatial_dropout",
    "version",
    "warp",
]

def activation_backward(
    dy: numpy.ndarray, y: numpy.ndarray, activation: str, alpha: float | None = None, dx: numpy.ndarray = ...
) -> None: ...
def activation_forward(
    x: numpy.ndarray, activation: str, alpha: float | None = None, out: numpy.ndarray = ...
) -> None: ...
def adagrad_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    squares: numpy.ndarray,
    learning_rate: float,
    epsilon: float = 1e-07,
    weight_decay: float = 0.0,
) -> None: ...
def adam_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    first: numpy.ndarray,
    second: numpy.ndarray,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-08,
    step: int = ...,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    bias_correction: bool = True,
) -> None: ...
def add(
    x: numpy.ndarray,
    factor: float,
    y: numpy.ndarray,
    activation: str = "identity",
    alpha: float | None = None,
    out: numpy.ndarray = ...,
) -> None: ...
def affine_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    weight: numpy.ndarray,
    y: numpy.ndarray,
    activation: str = "identity",
    alpha: float | None = None,
    dz: numpy.ndarray | None = None,
    dx: numpy.ndarray | None = None,
    dweight: numpy.ndarray | None = None,
    dbias: numpy.ndarray | None = None,
    scale: float = 1.0,
) -> None: ...
def affine_forward(
    x: numpy.ndarray,
    weight: numpy.ndarray,
    bias: numpy.ndarray | None = None,
    activation: str = "identity",
    alpha: float | None = None,
    out: numpy.ndarray = ...,
    scale: float = 1.0,
) -> None: ...
def available_isas() -> str:
    """
    The levels that this CPU can run, best first.
    """

def avg_pool_backward(
    dy: numpy.ndarray,
    row_start: numpy.ndarray,
    row_stop: numpy.ndarray,
    column_start: numpy.ndarray,
    column_stop: numpy.ndarray,
    dx: numpy.ndarray,
) -> None: ...
def avg_pool_forward(
    x: numpy.ndarray,
    row_start: numpy.ndarray,
    row_stop: numpy.ndarray,
    column_start: numpy.ndarray,
    column_stop: numpy.ndarray,
    out: numpy.ndarray,
) -> None: ...
def batchnorm_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    mean: numpy.ndarray,
    rstd: numpy.ndarray,
    activation: str = "identity",
    alpha: float | None = None,
    dx: numpy.ndarray | None = None,
    dgamma: numpy.ndarray = ...,
    dbeta: numpy.ndarray = ...,
) -> None: ...
def batchnorm_forward(
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    epsilon: float = 1e-05,
    momentum: float = 0.9,
    running_mean: numpy.ndarray = ...,
    running_var: numpy.ndarray = ...,
    activation: str = "identity",
    alpha: float | None = None,
    mean: numpy.ndarray = ...,
    rstd: numpy.ndarray = ...,
    out: numpy.ndarray = ...,
) -> None: ...
def batchnorm_inference(
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    mean: numpy.ndarray,
    var: numpy.ndarray,
    epsilon: float = 1e-05,
    activation: str = "identity",
    alpha: float | None = None,
    out: numpy.ndarray = ...,
) -> None: ...
def batchnorm_inference_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    mean: numpy.ndarray,
    var: numpy.ndarray,
    epsilon: float = 1e-05,
    activation: str = "identity",
    alpha: float | None = None,
    dx: numpy.ndarray = ...,
) -> None: ...
def clip(vector: numpy.ndarray, limit: float) -> None: ...
def conv2d_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    weight: numpy.ndarray,
    y: numpy.ndarray,
    stride_y: int = 1,
    stride_x: int = 1,
    top: int = 0,
    left: int = 0,
    dilation_y: int = 1,
    dilation_x: int = 1,
    activation: str = "identity",
    alpha: float | None = None,
    dz: numpy.ndarray | None = None,
    dx: numpy.ndarray | None = None,
    dweight: numpy.ndarray | None = None,
    dbias: numpy.ndarray | None = None,
    bottom: int | None = None,
    right: int | None = None,
) -> None: ...
def conv2d_forward(
    x: numpy.ndarray,
    weight: numpy.ndarray,
    bias: numpy.ndarray | None = None,
    stride_y: int = 1,
    stride_x: int = 1,
    top: int = 0,
    left: int = 0,
    dilation_y: int = 1,
    dilation_x: int = 1,
    activation: str = "identity",
    alpha: float | None = None,
    out: numpy.ndarray = ...,
    bottom: int | None = None,
    right: int | None = None,
) -> None: ...
def cpu_quota(root: str) -> float:
    """
    Processors that the control groups under root/sys allow this process; 0: no limit.
    """

def documented(function: typing.Any, text: str, wrong_call: typing.Any) -> typing.Any:
    """
    The same function with another documentation, and other words about a call that does not fit.
    """

def dropout(
    x: numpy.ndarray,
    rate: float,
    inverted: bool = True,
    seed: int = ...,
    stream: int = ...,
    step: int = ...,
    offset: int = 0,
    out: numpy.ndarray = ...,
) -> None: ...
def elementwise_loss(
    outputs: numpy.ndarray,
    targets: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    loss: str = "l2",
    delta: float = 1.0,
    doutputs: numpy.ndarray | None = None,
) -> float: ...
def embedding_backward(
    dy: numpy.ndarray, codes: numpy.ndarray, sizes: numpy.ndarray, dweight: numpy.ndarray
) -> None: ...
def embedding_forward(
    codes: numpy.ndarray, sizes: numpy.ndarray, weight: numpy.ndarray, out: numpy.ndarray
) -> None: ...
def focal(
    logits: numpy.ndarray,
    labels: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    gamma: float = 2.0,
    dlogits: numpy.ndarray | None = None,
) -> tuple[float, float]: ...
def gate_backward(dy: numpy.ndarray, x: numpy.ndarray, activation: str, dx: numpy.ndarray) -> None: ...
def gate_forward(x: numpy.ndarray, activation: str, out: numpy.ndarray) -> None: ...
def gather(x: numpy.ndarray, indices: numpy.ndarray, divisor: float = 1.0, out: numpy.ndarray = ...) -> None: ...
def gaussian_nll(
    outputs: numpy.ndarray,
    targets: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    doutputs: numpy.ndarray | None = None,
) -> float: ...
def gaussian_noise(
    x: numpy.ndarray, std: float, seed: int, stream: int, step: int, offset: int = 0, out: numpy.ndarray = ...
) -> None: ...
def get_num_threads() -> int: ...
def groupnorm_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    mean: numpy.ndarray,
    rstd: numpy.ndarray,
    dx: numpy.ndarray | None = None,
    dgamma: numpy.ndarray = ...,
    dbeta: numpy.ndarray = ...,
) -> None: ...
def groupnorm_forward(
    x: numpy.ndarray,
    gamma: numpy.ndarray,
    beta: numpy.ndarray,
    epsilon: float = 1e-05,
    mean: numpy.ndarray = ...,
    rstd: numpy.ndarray = ...,
    out: numpy.ndarray = ...,
) -> None: ...
def hierarchical_softmax(
    x: numpy.ndarray,
    labels: numpy.ndarray,
    parents: numpy.ndarray,
    nodes: numpy.ndarray,
    bias: numpy.ndarray | None = None,
    weights: numpy.ndarray | None = None,
    slopes: numpy.ndarray | None = None,
    dx: numpy.ndarray | None = None,
) -> float: ...
def hierarchical_softmax_backward(
    x: numpy.ndarray,
    labels: numpy.ndarray,
    parents: numpy.ndarray,
    slopes: numpy.ndarray,
    dnodes: numpy.ndarray,
    dbias: numpy.ndarray | None = None,
) -> None: ...
def hierarchical_softmax_predict(
    x: numpy.ndarray,
    parents: numpy.ndarray,
    nodes: numpy.ndarray,
    bias: numpy.ndarray | None = None,
    limit: int = ...,
    labels: numpy.ndarray = ...,
) -> None: ...
def hierarchical_softmax_probabilities(
    x: numpy.ndarray,
    parents: numpy.ndarray,
    nodes: numpy.ndarray,
    bias: numpy.ndarray | None = None,
    out: numpy.ndarray = ...,
) -> None: ...
def hinge(
    scores: numpy.ndarray,
    labels: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    margin: float = 1.0,
    squared: bool = False,
    dscores: numpy.ndarray | None = None,
) -> tuple[float, float]: ...
def isa() -> str:
    """
    The instruction-set level in use.
    """

def lion_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    first: numpy.ndarray,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> None: ...
def max_norm(weight: numpy.ndarray, limit: float) -> None: ...
def max_pool_backward(
    dy: numpy.ndarray,
    winner: numpy.ndarray,
    row_start: numpy.ndarray,
    row_stop: numpy.ndarray,
    column_start: numpy.ndarray,
    column_stop: numpy.ndarray,
    dx: numpy.ndarray,
) -> None: ...
def max_pool_forward(
    x: numpy.ndarray,
    row_start: numpy.ndarray,
    row_stop: numpy.ndarray,
    column_start: numpy.ndarray,
    column_stop: numpy.ndarray,
    winner: numpy.ndarray,
    out: numpy.ndarray,
) -> None: ...
def maxout_backward(dy: numpy.ndarray, winner: numpy.ndarray, pieces: int, dz: numpy.ndarray) -> None: ...
def maxout_forward(z: numpy.ndarray, pieces: int, winner: numpy.ndarray, out: numpy.ndarray) -> None: ...
def mixed_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    mix: numpy.ndarray,
    activation: str,
    dx: numpy.ndarray | None = None,
    dmix: numpy.ndarray = ...,
) -> None: ...
def mixed_forward(x: numpy.ndarray, mix: numpy.ndarray, activation: str, out: numpy.ndarray) -> None: ...
def momentum_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    velocity: numpy.ndarray,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None: ...
def nadam_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    first: numpy.ndarray,
    second: numpy.ndarray,
    gradient_rate: float,
    momentum_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-08,
    step: int = ...,
    weight_decay: float = 0.0,
) -> None: ...
def nesterov_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    velocity: numpy.ndarray,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None: ...
def norm(vector: numpy.ndarray) -> float: ...
def penalty(weight: numpy.ndarray, l1: float = 0.0, l2: float = 0.0, dweight: numpy.ndarray | None = None) -> float: ...
def periodic_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    frequency: numpy.ndarray,
    phase: numpy.ndarray,
    weight: numpy.ndarray,
    dx: numpy.ndarray | None = None,
    dfrequency: numpy.ndarray | None = None,
    dphase: numpy.ndarray | None = None,
    dweight: numpy.ndarray | None = None,
    dbias: numpy.ndarray | None = None,
) -> None: ...
def periodic_forward(
    x: numpy.ndarray,
    frequency: numpy.ndarray,
    phase: numpy.ndarray,
    weight: numpy.ndarray,
    bias: numpy.ndarray,
    out: numpy.ndarray,
) -> None: ...
def pinball(
    outputs: numpy.ndarray,
    targets: numpy.ndarray,
    levels: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    doutputs: numpy.ndarray | None = None,
) -> float: ...
def polyak_step(average: numpy.ndarray, parameters: numpy.ndarray, decay: float) -> None: ...
def prelu_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    slope: numpy.ndarray,
    dx: numpy.ndarray | None = None,
    dslope: numpy.ndarray = ...,
) -> None: ...
def prelu_forward(x: numpy.ndarray, slope: numpy.ndarray, out: numpy.ndarray) -> None: ...
def recolour(images: numpy.ndarray, contrast: numpy.ndarray, matrix: numpy.ndarray, offset: numpy.ndarray) -> None: ...
def rmsprop_step(
    parameters: numpy.ndarray,
    gradients: numpy.ndarray,
    squares: numpy.ndarray,
    learning_rate: float,
    decay: float = 0.9,
    epsilon: float = 1e-07,
    weight_decay: float = 0.0,
) -> None: ...
def scale(vector: numpy.ndarray, factor: float) -> None: ...
def scale_backward(
    dy: numpy.ndarray,
    x: numpy.ndarray,
    scale: numpy.ndarray,
    dx: numpy.ndarray | None = None,
    dscale: numpy.ndarray = ...,
) -> None: ...
def scale_forward(x: numpy.ndarray, scale: numpy.ndarray, out: numpy.ndarray) -> None: ...
def set_num_threads(count: int) -> None: ...
def sgd_step(
    parameters: numpy.ndarray, gradients: numpy.ndarray, learning_rate: float, weight_decay: float = 0.0
) -> None: ...
def softmax(x: numpy.ndarray, out: numpy.ndarray) -> None: ...
def softmax_backward(dy: numpy.ndarray, y: numpy.ndarray, dx: numpy.ndarray) -> None: ...
def softmax_cross_entropy(
    logits: numpy.ndarray,
    labels: numpy.ndarray,
    weights: numpy.ndarray | None = None,
    smoothing: float = 0.0,
    dlogits: numpy.ndarray | None = None,
) -> tuple[float, float]: ...
def spatial_dropout(
    x: numpy.ndarray, rate: float, seed: int, stream: int, step: int, offset: int = 0, out: numpy.ndarray = ...
) -> None: ...
def warp(
    x: numpy.ndarray,
    indices: numpy.ndarray,
    divisor: float = 1.0,
    transforms: numpy.ndarray = ...,
    reflect: bool = False,
    out: numpy.ndarray = ...,
) -> None: ...

compiler: str
openmp: str
version: str
