"""The same training steps in other libraries, each as a function without arguments; an absent library is left out.

`first`: pynn's initial weights, from workloads.py. With them every library trains the same network from the same point,
and its parameters are counted; without them it starts from its own weights.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from threads import THREADS
from workloads import Shape, Spec, Specs, Step, Weights, Workload, output_shape

First = tuple[Weights, int]
InitialWeights = Iterator[tuple[np.ndarray, np.ndarray | None]]


def assert_count(count: int, first: First) -> None:
    assert count == first[1], f"{count} parameters, pynn's network has {first[1]}"


# torch ----------------------------------------------------------------------------------------------


def torch_layer(spec: Spec, shape: Shape) -> Any:
    from torch import nn

    match spec:
        case ("affine", outputs):
            return nn.Linear(shape[0], outputs)
        case ("conv", channels, kernel, stride, padding, with_bias):
            return nn.Conv2d(shape[2], channels, kernel, stride, padding, bias=with_bias)
        case ("batchnorm",):
            return nn.BatchNorm2d(shape[2]) if len(shape) == 3 else nn.BatchNorm1d(shape[0])
        case ("dropout", rate):
            return nn.Dropout(rate)
        case ("residual", body, shortcut):
            return torch_residual(torch_layers(body, shape), torch_layers(shortcut, shape))
        case ("mean",):
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return {"relu": nn.ReLU(), "pool": nn.MaxPool2d(2), "flatten": nn.Flatten()}[spec[0]]


def torch_layers(specs: Specs, shape: Shape) -> Any:
    import torch

    layers = []
    for spec in specs:
        layers.append(torch_layer(spec, shape))
        shape = output_shape(spec, shape)
    return torch.nn.Sequential(*layers)


def torch_residual(body: Any, shortcut: Any) -> Any:
    import torch

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    return Residual()


def image_shape(workload: Workload) -> Shape | None:
    """Shape of the images that `flatten` converts to vectors; None without it."""
    shape = workload.inputs
    for spec in workload.layers:
        if spec[0] == "flatten":
            return shape
        shape = output_shape(spec, shape)
    return None


def torch_start(net: Any, workload: Workload, weights: Weights) -> None:
    """Copy pynn's weights, in torch's order of axes; after `Flatten` its inputs are ordered by channel."""
    import torch

    images = image_shape(workload)
    layers = [module for module in net.modules() if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))]
    for layer, (weight, bias) in zip(layers, weights, strict=True):
        if weight.ndim == 4:
            weight = weight.transpose(3, 2, 0, 1)
        elif images:
            weight, images = weight.reshape(*images, -1).transpose(3, 2, 0, 1).reshape(weight.shape[::-1]), None
        else:
            weight = weight.T
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(np.ascontiguousarray(weight)))
            if bias is not None:
                layer.bias.copy_(torch.tensor(bias))


def torch_step(
    workload: Workload,
    x: np.ndarray,
    y: np.ndarray,
    first: First | None = None,
    compiled: bool = False,
    channels_last: bool = False,
) -> Step:
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    if compiled:
        torch.compiler.reset()  # it compiles a function for a few networks only, and runs further networks eagerly
    net = torch_layers(workload.layers, workload.inputs)
    if first:
        assert_count(sum(parameter.numel() for parameter in net.parameters()), first)
        torch_start(net, workload, first[0])
    inputs_, labels = torch.tensor(x), torch.as_tensor(y)
    if x.ndim == 4:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        inputs_, net = inputs_.permute(0, 3, 1, 2).contiguous(memory_format=layout), net.to(memory_format=layout)
    if workload.optimizer == "adam":
        optimizer: Any = torch.optim.Adam(net.parameters(), workload.learning_rate, fused=True)
    else:
        momentum = 0.9 * (workload.optimizer == "momentum")
        optimizer = torch.optim.SGD(net.parameters(), workload.learning_rate, momentum, fused=True)

    def objective(inputs: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(net(inputs), labels)

    objective = torch.compile(objective, dynamic=False) if compiled else objective

    def step() -> Any:
        optimizer.zero_grad()
        loss = objective(inputs_, labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


# jax ------------------------------------------------------------------------------------------------


def jax_layer(spec: Spec, shape: Shape, rngs: Any, weights: InitialWeights | None) -> Any:
    from flax import nnx

    match spec:
        case ("affine", outputs):
            return jax_start(nnx.Linear(shape[0], outputs, rngs=rngs), weights)
        case ("conv", channels, kernel, stride, padding, with_bias):
            layer = nnx.Conv(
                shape[2], channels, (kernel, kernel), stride, padding=padding, use_bias=with_bias, rngs=rngs
            )
            return jax_start(layer, weights)
        case ("batchnorm",):
            return nnx.BatchNorm(shape[-1], rngs=rngs)
        case ("dropout", rate):
            return nnx.Dropout(rate, rngs=rngs)
        case ("residual", body, shortcut):
            return jax_residual(*(jax_layers(specs, shape, rngs, weights) for specs in (body, shortcut)))
    return {
        "relu": nnx.relu,
        "pool": lambda x: nnx.max_pool(x, (2, 2), strides=(2, 2)),
        "mean": lambda x: x.mean(axis=(1, 2)),
        "flatten": lambda x: x.reshape(x.shape[0], -1),
    }[spec[0]]


def jax_start(layer: Any, weights: InitialWeights | None) -> Any:
    from jax import numpy

    if weights is not None:
        weight, bias = next(weights)
        assert layer.kernel.shape == weight.shape
        layer.kernel[...] = numpy.array(weight)
        if bias is not None:
            layer.bias[...] = numpy.array(bias)
    return layer


def jax_layers(specs: Specs, shape: Shape, rngs: Any, weights: InitialWeights | None) -> Any:
    from flax import nnx

    layers = []
    for spec in specs:
        layers.append(jax_layer(spec, shape, rngs, weights))
        shape = output_shape(spec, shape)
    return nnx.Sequential(*layers)


def jax_residual(body: Any, shortcut: Any) -> Any:
    from flax import nnx

    class Residual(nnx.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.body, self.shortcut = body, shortcut

        def __call__(self, x: Any) -> Any:
            return self.body(x) + (self.shortcut(x) if self.shortcut.layers else x)

    return Residual()


def jax_step(workload: Workload, x: np.ndarray, y: np.ndarray, first: First | None = None) -> Step:
    import jax
    import optax
    from flax import nnx

    net = jax_layers(workload.layers, workload.inputs, nnx.Rngs(0), iter(first[0]) if first else None)
    if first:
        assert_count(sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.Param))), first)
    rate = workload.learning_rate
    choices = {"sgd": optax.sgd(rate), "momentum": optax.sgd(rate, 0.9), "adam": optax.adam(rate)}
    optimizer = nnx.Optimizer(net, choices[workload.optimizer], wrt=nnx.Param)

    @nnx.jit
    def train(net: Any, optimizer: Any, x: Any, y: Any) -> Any:
        def objective(net: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(net(x), y).mean()

        loss, gradients = nnx.value_and_grad(objective)(net)
        optimizer.update(net, gradients)
        return loss

    bound = nnx.cached_partial(train, net, optimizer)
    inputs_, labels = jax.numpy.asarray(x), jax.numpy.asarray(y)
    return lambda: bound(inputs_, labels).block_until_ready()


# scikit-learn ---------------------------------------------------------------------------------------


def sklearn_step(workload: Workload, x: np.ndarray, y: np.ndarray, first: First | None = None) -> Step:
    """50 steps by `partial_fit`, whose checks would dominate a single step; it starts from its own weights."""
    from sklearn.neural_network import MLPClassifier

    widths = [spec[1] for spec in workload.layers if spec[0] == "affine"]
    model = MLPClassifier(
        widths[:-1], solver="sgd", momentum=0.0, nesterovs_momentum=False, alpha=0, batch_size=workload.batch,
        max_iter=1, shuffle=False,
    )  # fmt: skip
    model.partial_fit(x, y, classes=np.arange(widths[-1]))
    if first:
        assert_count(sum(array.size for array in (*model.coefs_, *model.intercepts_)), first)
    x, y = np.tile(x, (50, 1)), np.tile(y, 50)
    return lambda: model.partial_fit(x, y)


PEERS: dict[str, Callable[..., Step]] = {}
if importlib.util.find_spec("torch"):
    PEERS["torch"] = torch_step
    PEERS["torch_compile"] = partial(torch_step, compiled=True)
    PEERS["torch_channels_last"] = partial(torch_step, channels_last=True)
    PEERS["torch_channels_last_compile"] = partial(torch_step, channels_last=True, compiled=True)
if importlib.util.find_spec("flax") and importlib.util.find_spec("optax"):
    PEERS["jax"] = jax_step
if importlib.util.find_spec("sklearn"):
    PEERS["sklearn_50_steps"] = sklearn_step


def peers_of(workload: Workload) -> list[str]:
    """Libraries that support the network: channels-last needs images, MLPClassifier only affine layers and ReLU."""
    plain = {spec[0] for spec in workload.layers} == {"affine", "relu"} and workload.optimizer == "sgd"
    absent = set() if len(workload.inputs) == 3 else {"torch_channels_last", "torch_channels_last_compile"}
    return [name for name in PEERS if name not in absent and (plain or name != "sklearn_50_steps")]
