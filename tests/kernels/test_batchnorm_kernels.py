"""The kernels of batch normalization: exact statistics of awkward batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_tables import backend, dtype
from operations import OPERATIONS, arguments, call


@backend
@pytest.mark.parametrize("rows", [0, 1])
def test_batchnorm_needs_two_rows(table: Any, rows: int) -> None:
    op = next(op for op in OPERATIONS if op.kernel == "batchnorm_forward")
    args = arguments(op, (2, 3))
    args["x"], args["out"] = args["x"][:rows].copy(), args["out"][:rows].copy()
    with pytest.raises(ValueError, match=f"x has {rows} rows, expected at least 2"):
        call(table, op, args)


@backend
@dtype
def test_batchnorm_statistics_survive_a_large_mean(table: Any, dtype: Any) -> None:
    """Sums of squares would lose every digit: the mean is 10,000 standard deviations away."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((1000, 3)) + 1e4).astype(dtype)
    mean, rstd, zero, out = (np.zeros(3, dtype) for _ in range(4))
    out = np.empty_like(x)
    table.batchnorm_forward(
        x, np.ones(3, dtype), zero, 1e-5, 0.9, zero.copy(), zero.copy(), "identity", 0.0, mean, rstd, out
    )
    np.testing.assert_allclose(rstd, 1 / x.astype(np.float64).std(axis=0), rtol=1e-4)


@backend
@dtype
def test_batchnorm_statistics_survive_first_rows_far_from_the_others(table: Any, dtype: Any) -> None:
    """The native kernel sums around the mean of the first eight rows: here ten standard deviations off."""
    x = np.random.default_rng(0).standard_normal((1000, 3)).astype(dtype)
    x[:8] += 10
    mean, rstd, running, out = np.empty(3, dtype), np.empty(3, dtype), np.zeros((2, 3), dtype), np.empty_like(x)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    table.batchnorm_forward(x, one, zero, 0.0, 0.9, running[0], running[1], "identity", 0.0, mean, rstd, out)
    wide = x.astype(np.float64)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=0, atol=256 * eps)
    np.testing.assert_allclose(rstd, 1 / wide.std(axis=0), rtol=256 * eps)


@backend
@dtype
def test_batchnorm_backward_of_no_rows_has_zero_gradients(table: Any, dtype: Any) -> None:
    empty, one = np.empty((0, 3), dtype), np.ones(3, dtype)
    dgamma, dbeta = np.full(3, np.nan, dtype), np.full(3, np.nan, dtype)
    table.batchnorm_backward(empty, empty.copy(), one, one, one, one, "relu", 0.0, None, dgamma, dbeta)
    np.testing.assert_array_equal([dgamma, dbeta], 0)


@backend
@pytest.mark.parametrize("rows", [64, 300, 1000])
def test_a_batch_that_overflows_leaves_the_running_statistics_alone(table: Any, rows: int) -> None:
    x = (np.random.default_rng(0).standard_normal((rows, 19)) * 5e20).astype(np.float32)
    one, zero, out = np.ones(19, np.float32), np.zeros(19, np.float32), np.empty_like(x)
    mean, rstd, running = np.empty_like(one), np.empty_like(one), np.array([zero + 2, one + 2])
    table.batchnorm_forward(x, one, zero, 1e-5, 0.9, running[0], running[1], "relu", 0.0, mean, rstd, out)
    np.testing.assert_array_equal(running[0], 2)
    np.testing.assert_array_equal(running[1], 3)


@backend
@dtype
@pytest.mark.parametrize("value", [123.4, 33.3, 333333.3, -1e-20, 0.0])
@pytest.mark.parametrize("rows", [128, 300])
def test_a_constant_column_is_normalized_to_zero(table: Any, dtype: Any, value: float, rows: int) -> None:
    x = np.full((rows, 3), value, dtype)
    mean, rstd, running, out = np.empty(3, dtype), np.empty(3, dtype), np.zeros((2, 3), dtype), np.empty_like(x)
    one, zero = np.ones(3, dtype), np.zeros(3, dtype)
    table.batchnorm_forward(x, one, zero, 1e-5, 0.9, running[0], running[1], "identity", 0.0, mean, rstd, out)
    np.testing.assert_array_equal(out, 0)
    np.testing.assert_array_equal(running[1], 0)
