"""An infinity, or statistics far from any, in one number: what it must leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pynn import kernels

STEPS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "sgd_step": ((), {"learning_rate": 0.1}),
    "momentum_step": (("velocity",), {"learning_rate": 0.1}),
    "nesterov_step": (("velocity",), {"learning_rate": 0.1}),
    "adagrad_step": (("squares",), {"learning_rate": 0.1}),
    "rmsprop_step": (("squares",), {"learning_rate": 0.1}),
    "adam_step": (("first", "second"), {"learning_rate": 0.1, "step": 3}),
    "nadam_step": (("first", "second"), {"gradient_rate": 0.1, "momentum_rate": 0.2, "step": 3}),
    "lion_step": (("first",), {"learning_rate": 0.1}),
}


def stepped(kernel: str, parameters: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
    """What the kernel makes of these parameters, gradients of 0.5 and state of 0.25."""
    state, settings = STEPS[kernel]
    arrays = {"parameters": parameters.copy(), "gradients": np.full_like(parameters, 0.5)}
    arrays |= {name: np.full_like(parameters, 0.25) for name in state}
    getattr(kernels, kernel)(**arrays, **settings, **options)
    return arrays


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", [name for name in kernels.NAMES if name.endswith("_step") and name != "polyak_step"])
def test_without_weight_decay_an_infinite_weight_leaves_the_state_alone(kernel: str, dtype: type, backend: str) -> None:
    finite = np.linspace(-1, 1, 37).astype(dtype)
    lost = finite.copy()
    lost[[0, 20, 36]] = np.inf, -np.inf, np.inf
    for options in [{}, {"decoupled": True}] if kernel == "adam_step" else [{}]:
        right, found = (stepped(kernel, weights, weight_decay=0.0, **options) for weights in (finite, lost))
        for name, value in found.items():
            wanted = np.where(np.isinf(lost), lost, right[name]) if name == "parameters" else right[name]
            np.testing.assert_array_equal(value, wanted, err_msg=name)


def test_decoupled_decay_leaves_the_moments_alone(backend: str) -> None:
    finite, lost = np.ones(21), np.full(21, np.inf)
    right, found = (stepped("adam_step", weights, weight_decay=0.3, decoupled=True) for weights in (finite, lost))
    for name in ("first", "second"):
        np.testing.assert_array_equal(found[name], right[name])


@pytest.mark.parametrize("rstd", [1e19, -1e19, -1e30, 1e-25, -1e-25, -0.5])
def test_gradients_of_batch_normalization_with_a_reciprocal_root_of_any_sign(rstd: float, backend: str) -> None:
    """The numbers that come out lie within float32; only products on the way may not."""
    rng = np.random.default_rng(3)
    n, c = 300, 21
    x = rng.standard_normal((n, c)).astype(np.float32) / np.float32(max(1, abs(rstd)))
    dy, gamma, beta = (rng.standard_normal(s).astype(np.float32) for s in ((n, c), c, c))
    gamma *= np.float32(min(1, 1 / abs(rstd)))
    mean, root = np.zeros(c, np.float32), np.full(c, rstd, np.float32)
    root[1::2] = 0.5
    dx, dgamma, dbeta = np.empty_like(x), np.empty_like(gamma), np.empty_like(beta)
    kernels.batchnorm_backward(dy, x, gamma, beta, mean, root, dx=dx, dgamma=dgamma, dbeta=dbeta)
    wide, by = dy.astype(np.float64), root.astype(np.float64)
    normalized = x * by
    slopes = (wide * normalized).sum(axis=0)
    np.testing.assert_allclose(dgamma, slopes, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())
    np.testing.assert_allclose(dbeta, wide.sum(axis=0), rtol=1e-4, atol=1e-4)
    answer = gamma * by * (wide - wide.sum(axis=0) / n - normalized * slopes / n)
    np.testing.assert_allclose(dx, answer, rtol=1e-3, atol=1e-4 * np.abs(answer).max())


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_the_weight_of_a_row_shows_where_its_label_is_certain(weight: float, backend: str) -> None:
    """A tree of one class has no decisions: the row's loss is 0, and 0 times NaN or infinity is NaN."""
    x, labels, weights = np.ones((2, 3)), np.zeros(2, np.int64), np.array([1.0, weight])
    arrays = {"parents": np.zeros(1, np.int64), "nodes": np.empty((0, 3))}
    assert kernels.hierarchical_softmax(x, labels, **arrays) == 0
    assert np.isnan(kernels.hierarchical_softmax(x, labels, **arrays, weights=weights))


@pytest.mark.parametrize("columns", [5, 100, 5000])
def test_a_loss_is_finite_though_its_dtype_does_not_hold_the_sum(columns: int, backend: str) -> None:
    outputs = np.full((1, columns), 1e19, np.float32)
    value = kernels.elementwise_loss(outputs, np.zeros_like(outputs))
    np.testing.assert_allclose(value, columns * 1e38, rtol=1e-5)
    outputs[0, -1] = np.inf
    assert kernels.elementwise_loss(outputs, np.zeros_like(outputs)) == np.inf
    outputs[0, -1] = np.nan
    assert np.isnan(kernels.elementwise_loss(outputs, np.zeros_like(outputs)))
