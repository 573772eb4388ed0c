"""The networks that are timed, their batches, and how each is built in pynn. Knows no other library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # the functions below import it: weight.py measures other libraries without it
    import pynn

Step = Callable[[], Any]
Shape = tuple[int, ...]
# A layer, for any library: ("affine", outputs), ("conv", channels, kernel, stride, padding on each side, with bias),
# ("batchnorm",), ("relu",), ("dropout", rate), ("pool",) the largest of 2 x 2, ("mean",) of all pixels, ("flatten",),
# ("residual", layers, layers of its shortcut)
Spec = tuple[Any, ...]
Specs = tuple[Spec, ...]
Weights = list[tuple[np.ndarray, np.ndarray | None]]  # weight and bias of every affine and convolution, in order
RELU, BATCHNORM, POOL, FLATTEN = ("relu",), ("batchnorm",), ("pool",), ("flatten",)


@dataclass(frozen=True)
class Workload:
    batch: int
    inputs: Shape  # of one sample: (D,) or (H, W, C)
    layers: Specs
    optimizer: str
    learning_rate: float = 1e-3  # all networks learn from the first step; the rate has no influence on a step's time

    @property
    def classes(self) -> int:
        return int(self.layers[-1][1])

    @property
    def is_random(self) -> bool:
        return any(spec[0] == "dropout" for spec in self.layers)


def mlp(batch: int, widths: Shape, batchnorm: bool, dropout: float, optimizer: str) -> Workload:
    layers: Specs = ()
    for width in widths[1:-1]:
        layers += (("affine", width), *([BATCHNORM] if batchnorm else []), RELU)
        layers += (("dropout", dropout),) if dropout else ()
    return Workload(batch, widths[:1], (*layers, ("affine", widths[-1])), optimizer)


def lenet() -> Workload:
    layers: Specs = (("conv", 6, 5, 1, 2, True), RELU, POOL, ("conv", 16, 5, 1, 0, True), RELU, POOL, FLATTEN)
    layers += (("affine", 120), RELU, ("affine", 84), RELU, ("affine", 10))
    return Workload(64, (28, 28, 1), layers, "momentum")


def convolution(channels: int, stride: int = 1, kernel: int = 3) -> Specs:
    return (("conv", channels, kernel, stride, kernel // 2, False), BATCHNORM)


def vgg() -> Workload:
    layers: Specs = ()
    for channels in (64, 128, 256):
        layers += (*convolution(channels), RELU, *convolution(channels), RELU, POOL)
    return Workload(64, (32, 32, 3), (*layers, FLATTEN, ("affine", 10)), "momentum")


def resnet20() -> Workload:
    layers: Specs = (*convolution(16), RELU)
    for channels, first_stride in ((16, 1), (32, 2), (64, 2)):
        for stride in (first_stride, 1, 1):
            body = (*convolution(channels, stride), RELU, *convolution(channels))
            shortcut = convolution(channels, stride, kernel=1) if stride > 1 else ()
            layers += (("residual", body, shortcut), RELU)
    return Workload(64, (32, 32, 3), (*layers, ("mean",), ("affine", 10)), "momentum")


WORKLOADS: dict[str, Workload] = {
    "mlp_tiny": mlp(32, (64, 32, 10), False, 0.0, "sgd"),
    "mlp_book": mlp(100, (784, 100, 10), False, 0.0, "sgd"),
    "mlp_mnist": mlp(128, (784, 512, 512, 10), True, 0.5, "adam"),
    "mlp_deep": mlp(128, (784, *[100] * 6, 10), True, 0.0, "momentum"),
    "mlp_cifar": mlp(256, (3072, 1024, 1024, 1024, 10), True, 0.5, "adam"),
    "cnn_lenet": lenet(),
    "cnn_cifar": vgg(),
    "cnn_resnet20": resnet20(),
}


def output_shape(spec: Spec, shape: Shape) -> Shape:
    match spec:
        case ("affine", outputs):
            return (outputs,)
        case ("conv", channels, kernel, stride, padding, _):
            return (*((size + 2 * padding - kernel) // stride + 1 for size in shape[:2]), channels)
        case ("pool",):
            return (shape[0] // 2, shape[1] // 2, shape[2])
        case ("mean",):
            return shape[2:]
        case ("flatten",):
            return (math.prod(shape),)
        case ("residual", body, _):
            for inner in body:
                shape = output_shape(inner, shape)
    return shape


def batch(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((workload.batch, *workload.inputs), dtype=np.float32)
    return x, rng.integers(0, workload.classes, workload.batch)


def pynn_layer(spec: Spec) -> pynn.Layer:
    import pynn

    match spec:
        case ("affine", outputs):
            return pynn.Affine(outputs)
        case ("conv", channels, kernel, stride, padding, with_bias):
            return pynn.Conv2d(channels, kernel, stride=stride, padding=padding, use_bias=with_bias)
        case ("dropout", rate):
            return pynn.Dropout(rate)
        case ("residual", body, shortcut):
            side = pynn.Sequential(*map(pynn_layer, shortcut)) if shortcut else None
            return pynn.Residual(*map(pynn_layer, body), shortcut=side)
    plain: dict[str, Callable[[], pynn.Layer]] = {
        "batchnorm": pynn.BatchNorm,
        "relu": pynn.ReLU,
        "pool": lambda: pynn.MaxPool2d(2),
        "mean": pynn.GlobalAvgPool2d,
        "flatten": pynn.Flatten,
    }
    return plain[spec[0]]()


def network(workload: Workload) -> pynn.Sequential:
    import pynn

    return pynn.Sequential(*map(pynn_layer, workload.layers))


def optimizer(workload: Workload) -> pynn.Optimizer:
    import pynn

    chosen = pynn.optimizers.optimizer(workload.optimizer)
    chosen.learning_rate = workload.learning_rate
    return chosen


def first_weights(workload: Workload) -> tuple[Weights, int]:
    """pynn's initial weights, and the number of trained parameters."""
    model = network(workload)
    model.build(workload.inputs)
    return list(weights_of(model)), model.parameter_count


def weights_of(layer: pynn.Layer) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    import pynn

    if isinstance(layer, (pynn.Affine, pynn.Conv2d)):
        yield layer.weight, layer.bias
    for inner in layer.children():
        yield from weights_of(inner)


def pynn_step(workload: Workload, x: np.ndarray, y: np.ndarray) -> Step:
    import pynn

    model, loss, updater = network(workload), pynn.SoftmaxCrossEntropy(), optimizer(workload)
    return lambda: model.train_step(x, y, loss, updater)
