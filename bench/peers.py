"""The same training steps in other libraries, each as a function without arguments; an absent library is left out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from threads import THREADS
from workloads import RATE, Step, Workload


def torch_step(workload: Workload, x: np.ndarray, y: np.ndarray, compiled: bool = False) -> Step:
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    _, widths, batchnorm, rate, name = workload
    layers: list[Any] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(torch.nn.Linear(inputs, outputs))
        if number < len(widths) - 2:
            layers += [torch.nn.BatchNorm1d(outputs)] if batchnorm else []
            layers += [torch.nn.ReLU()]
            layers += [torch.nn.Dropout(rate)] if rate else []
    net = torch.nn.Sequential(*layers)
    if name == "adam":
        optimizer: Any = torch.optim.Adam(net.parameters(), RATE, fused=True)
    else:
        optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=0.9 * (name == "momentum"), fused=True)
    inputs_, labels = torch.as_tensor(x), torch.as_tensor(y)

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


def jax_step(workload: Workload, x: np.ndarray, y: np.ndarray) -> Step:
    import jax.numpy as jnp
    import optax
    from flax import nnx

    _, widths, batchnorm, rate, name = workload
    rngs = nnx.Rngs(0)
    layers: list[Any] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        layers.append(nnx.Linear(inputs, outputs, rngs=rngs))
        if number < len(widths) - 2:
            layers += [nnx.BatchNorm(outputs, rngs=rngs)] if batchnorm else []
            layers += [nnx.relu]
            layers += [nnx.Dropout(rate, rngs=rngs)] if rate else []
    net = nnx.Sequential(*layers)
    choices = {"sgd": optax.sgd(RATE), "momentum": optax.sgd(RATE, 0.9), "adam": optax.adam(RATE)}
    optimizer = nnx.Optimizer(net, choices[name], wrt=nnx.Param)

    @nnx.jit
    def train(net: Any, optimizer: Any, x: Any, y: Any) -> Any:
        def objective(net: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(net(x), y).mean()

        loss, gradients = nnx.value_and_grad(objective)(net)
        optimizer.update(net, gradients)
        return loss

    bound = nnx.cached_partial(train, net, optimizer)
    inputs_, labels = jnp.asarray(x), jnp.asarray(y)
    return lambda: bound(inputs_, labels).block_until_ready()


def sklearn_step(workload: Workload, x: np.ndarray, y: np.ndarray) -> Step | None:
    """50 steps by way of `partial_fit`, whose checks would outweigh one; None for networks that MLPClassifier lacks."""
    from sklearn.neural_network import MLPClassifier

    batch, widths, batchnorm, rate, name = workload
    if batchnorm or rate or name != "sgd":
        return None
    model = MLPClassifier(
        widths[1:-1], solver="sgd", momentum=0.0, nesterovs_momentum=False, alpha=0, batch_size=batch,
        max_iter=1, shuffle=False,
    )  # fmt: skip
    model.partial_fit(x, y, classes=np.arange(widths[-1]))
    x, y = np.tile(x, (50, 1)), np.tile(y, 50)
    return lambda: model.partial_fit(x, y)


PEERS: dict[str, Callable[[Workload, np.ndarray, np.ndarray], Step | None]] = {}
if importlib.util.find_spec("torch"):
    PEERS["torch"] = torch_step
    PEERS["torch_compile"] = lambda workload, x, y: torch_step(workload, x, y, compiled=True)
if importlib.util.find_spec("flax") and importlib.util.find_spec("optax"):
    PEERS["jax"] = jax_step
if importlib.util.find_spec("sklearn"):
    PEERS["sklearn_50_steps"] = sklearn_step
