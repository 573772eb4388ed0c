"""The kernels that other libraries have too, on the arguments of the table of operations.

PEERS[library][kernel](arguments) returns a function to time, and a function that names its results as the kernel does.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from operations import Arguments
from threads import THREADS
from workloads import Step

Outputs = Callable[[Any], dict[str, Any]]
Peer = Callable[[Arguments], tuple[Step, Outputs]]

# torch ----------------------------------------------------------------------------------------------


def tensors(a: Arguments, *names: str, requires_grad: bool = False) -> list[Any]:
    import torch

    torch.set_num_threads(THREADS)
    return [torch.tensor(a[name], requires_grad=requires_grad) for name in names]


def torch_affine(a: Arguments, requires_grad: bool) -> tuple[Step, list[Any]]:
    import torch

    x, bias = tensors(a, "x", "bias" if "bias" in a else "#bias", requires_grad=requires_grad)
    weight = torch.tensor(a["weight"].T.copy(), requires_grad=requires_grad)  # torch's shape is (outputs, inputs)
    return lambda: torch.nn.functional.linear(x, weight, bias), [x, weight, bias]


def torch_affine_forward(a: Arguments) -> tuple[Step, Outputs]:
    return torch_affine(a, False)[0], lambda out: {"out": out}


def torch_affine_backward(a: Arguments) -> tuple[Step, Outputs]:
    import torch

    forward, leaves = torch_affine(a, True)
    out, (dy,) = forward(), tensors(a, "dy")
    return (
        lambda: torch.autograd.grad(out, leaves, dy, retain_graph=True),
        lambda gradients: {"dx": gradients[0], "dweight": gradients[1].T, "dbias": gradients[2]},
    )


def torch_batchnorm(a: Arguments, requires_grad: bool) -> tuple[Step, list[Any]]:
    from torch.nn import functional

    leaves = tensors(a, "x", "gamma", "beta", requires_grad=requires_grad)
    x, gamma, beta = leaves
    mean, var = tensors({name: np.zeros_like(a["gamma"]) for name in ("mean", "var")}, "mean", "var")
    return lambda: functional.relu(functional.batch_norm(x, mean, var, gamma, beta, training=True, eps=1e-5)), leaves


def torch_batchnorm_forward(a: Arguments) -> tuple[Step, Outputs]:
    return torch_batchnorm(a, False)[0], lambda out: {"out": out}


def torch_batchnorm_backward(a: Arguments) -> tuple[Step, Outputs]:
    import torch

    forward, leaves = torch_batchnorm(a, True)
    out, (dy,) = forward(), tensors(a, "dy")
    return (
        lambda: torch.autograd.grad(out, leaves, dy, retain_graph=True),
        lambda gradients: dict(zip(("dx", "dgamma", "dbeta"), gradients, strict=True)),
    )


def torch_dropout(a: Arguments) -> tuple[Step, Outputs]:
    from torch.nn import functional

    (x,) = tensors(a, "x")
    return lambda: functional.dropout(x, a["rate"]), lambda out: {"out": out}


def torch_cross_entropy(a: Arguments) -> tuple[Step, Outputs]:
    import torch

    (logits,), (labels,) = tensors(a, "logits", requires_grad=True), tensors(a, "labels")

    def step() -> tuple[Any, Any]:
        loss = torch.nn.functional.cross_entropy(logits, labels)
        return loss.detach(), torch.autograd.grad(loss, logits)[0]

    return step, lambda results: {"return": results[0], "dlogits": results[1]}


def torch_optimizer(kernel: str) -> Peer:
    def peer(a: Arguments) -> tuple[Step, Outputs]:
        import torch

        (parameters,) = tensors(a, "parameters", requires_grad=True)
        (parameters.grad,) = tensors(a, "gradients")
        optim, rate = torch.optim, a["learning_rate"]
        optimizer: Any = {
            "sgd_step": lambda: optim.SGD([parameters], rate, fused=True),
            "momentum_step": lambda: optim.SGD([parameters], rate, 0.9, fused=True),
            "adagrad_step": lambda: optim.Adagrad([parameters], rate, eps=1e-7, fused=True),
            "rmsprop_step": lambda: optim.RMSprop([parameters], rate, 0.9, eps=1e-7),  # has no fused variant
            "adam_step": lambda: optim.Adam([parameters], rate, eps=1e-8, fused=True),
        }[kernel]()
        names = {"first": "exp_avg", "second": "exp_avg_sq", "velocity": "momentum_buffer"}
        names["squares"] = "sum" if kernel == "adagrad_step" else "square_avg"
        state = {names[name]: torch.tensor(value) for name, value in optimizer_state(a).items()}
        optimizer.state[parameters] = {"step": torch.tensor(a.get("step", 1) - 1.0), **state}
        return optimizer.step, lambda _: {"parameters": parameters.detach()}

    return peer


def optimizer_state(a: Arguments) -> Arguments:
    """The state in the form of the other libraries, whose velocity is a sum of gradients, not of steps."""
    state = {name: a[name] for name in ("first", "second", "squares") if name in a}
    return state | ({"velocity": a["velocity"] / -a["learning_rate"]} if "velocity" in a else {})


# jax ------------------------------------------------------------------------------------------------


def ready(function: Callable[..., Any], *arguments: Any) -> Step:
    """The compiled function, which waits for its results."""
    import jax

    compiled = jax.jit(function)
    values = [jax.numpy.asarray(argument) for argument in arguments]
    return lambda: jax.block_until_ready(compiled(*values))


def jax_pull(function: Callable[..., Any], dy: np.ndarray, *arguments: Any) -> Step:
    """Only the backward pass of a function: the forward pass runs before."""
    import jax

    _, pull = jax.jit(lambda *values: jax.vjp(function, *values))(*arguments)
    back, gradient = jax.jit(lambda pull, dy: pull(dy)), jax.numpy.asarray(dy)
    return lambda: jax.block_until_ready(back(pull, gradient))


def affine(x: Any, weight: Any, bias: Any) -> Any:
    return x @ weight + bias


def jax_affine_forward(a: Arguments) -> tuple[Step, Outputs]:
    return ready(affine, a["x"], a["weight"], a["bias"]), lambda out: {"out": out}


def jax_affine_backward(a: Arguments) -> tuple[Step, Outputs]:
    step = jax_pull(affine, a["dy"], a["x"], a["weight"], a["#bias"])
    return step, lambda gradients: dict(zip(("dx", "dweight", "dbias"), gradients, strict=True))


def batchnorm(x: Any, gamma: Any, beta: Any) -> Any:
    import jax

    mean, var = x.mean(axis=0), x.var(axis=0)
    return jax.nn.relu((x - mean) * (gamma * jax.lax.rsqrt(var + 1e-5)) + beta)


def jax_batchnorm_forward(a: Arguments) -> tuple[Step, Outputs]:
    return ready(batchnorm, a["x"], a["gamma"], a["beta"]), lambda out: {"out": out}


def jax_batchnorm_backward(a: Arguments) -> tuple[Step, Outputs]:
    step = jax_pull(batchnorm, a["dy"], a["x"], a["gamma"], a["beta"])
    return step, lambda gradients: dict(zip(("dx", "dgamma", "dbeta"), gradients, strict=True))


def jax_dropout(a: Arguments) -> tuple[Step, Outputs]:
    import jax

    def dropout(key: Any, x: Any) -> Any:
        return jax.numpy.where(jax.random.bernoulli(key, 1 - a["rate"], x.shape), x / (1 - a["rate"]), 0)

    return ready(dropout, jax.random.key(0), a["x"]), lambda out: {"out": out}


def jax_cross_entropy(a: Arguments) -> tuple[Step, Outputs]:
    import jax

    def mean_loss(logits: Any, labels: Any) -> Any:
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    step = ready(jax.value_and_grad(mean_loss), a["logits"], a["labels"])
    return step, lambda results: {"return": results[0], "dlogits": results[1]}


def jax_optimizer(kernel: str) -> Peer:
    def peer(a: Arguments) -> tuple[Step, Outputs]:
        import jax
        import optax

        rate = a["learning_rate"]
        rule = {
            "sgd_step": lambda: optax.sgd(rate),
            "momentum_step": lambda: optax.sgd(rate, 0.9),
            "adagrad_step": lambda: optax.adagrad(rate, eps=1e-7),
            "rmsprop_step": lambda: optax.rmsprop(rate, 0.9, eps=1e-7, eps_in_sqrt=False),
            "adam_step": lambda: optax.adam(rate),
        }[kernel]()
        names = {"first": "mu", "second": "nu", "velocity": "trace"}
        names["squares"] = "sum_of_squares" if kernel == "adagrad_step" else "nu"
        parameters, gradients = jax.numpy.array(a["parameters"]), jax.numpy.array(a["gradients"])
        known = {names[name]: jax.numpy.array(value) for name, value in optimizer_state(a).items()}
        known |= {"count": jax.numpy.array(a["step"] - 1)} if "step" in a else {}
        state = optax.tree_utils.tree_set(rule.init(parameters), **known)

        def update(parameters: Any, state: Any, gradients: Any) -> Any:
            updates, state = rule.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        compiled = jax.jit(update, donate_argnums=(0, 1))  # written in place

        def step() -> Any:
            nonlocal parameters, state
            parameters, state = jax.block_until_ready(compiled(parameters, state, gradients))
            return parameters

        return step, lambda updated: {"parameters": updated}

    return peer


# The installed libraries -----------------------------------------------------------------------------

OPTIMIZERS = ("sgd_step", "momentum_step", "adagrad_step", "rmsprop_step", "adam_step")

PEERS: dict[str, dict[str, Peer]] = {}
if importlib.util.find_spec("torch"):
    PEERS["torch"] = {
        "affine_forward": torch_affine_forward,
        "affine_backward": torch_affine_backward,
        "batchnorm_forward": torch_batchnorm_forward,
        "batchnorm_backward": torch_batchnorm_backward,
        "dropout": torch_dropout,
        "softmax_cross_entropy": torch_cross_entropy,
    } | {kernel: torch_optimizer(kernel) for kernel in OPTIMIZERS}
if importlib.util.find_spec("jax"):
    PEERS["jax"] = {
        "affine_forward": jax_affine_forward,
        "affine_backward": jax_affine_backward,
        "batchnorm_forward": jax_batchnorm_forward,
        "batchnorm_backward": jax_batchnorm_backward,
        "dropout": jax_dropout,
        "softmax_cross_entropy": jax_cross_entropy,
    }
    if importlib.util.find_spec("optax"):
        PEERS["jax"] |= {kernel: jax_optimizer(kernel) for kernel in OPTIMIZERS}
