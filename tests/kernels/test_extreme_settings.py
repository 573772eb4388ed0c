"""Numbers among the settings that float32 does not hold: 1e-40 must not count as 0, nor 1e40 as infinity."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import kernels

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def vector(*numbers: float, dtype: str = "float32") -> np.ndarray:
    return np.array(numbers * 40, dtype)  # longer than any vector register


# Factors of gradient clipping


@pytest.mark.parametrize(
    ("numbers", "factor", "dtype"),
    [
        ((3e38, -1e37), 1e-39, "float32"),
        ((3e38, -1e37), 1e-46, "float32"),
        ((3e38, 0.0), 1e-75, "float32"),
        ((1e-37, -3e-38), 1e39, "float32"),
        ((1e-37, 0.0), -1e70, "float32"),
        ((1e-300, 0.0), 1.7e308, "float64"),
        ((2.0, -3.0), 0.3, "float32"),
    ],
)
def test_a_vector_is_scaled_by_what_its_dtype_does_not_hold(
    numbers: tuple[float, ...], factor: float, dtype: str, backend: str
) -> None:
    found = vector(*numbers, dtype=dtype)
    expected = found.astype(np.longdouble) * np.longdouble(factor)
    kernels.scale(found, factor)
    np.testing.assert_allclose(found, expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("factor", [0.0, -0.0, 1.0, np.inf, np.nan])
def test_plain_factors_are_plain_products(factor: float, backend: str) -> None:
    found = vector(2.0, -3.0)
    kernels.scale(found, factor)
    np.testing.assert_array_equal(found, vector(2.0, -3.0) * np.float32(factor))


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_results_outside_the_range_of_the_dtype_overflow_or_underflow(factor: float, backend: str) -> None:
    found = vector(2.0, 0.0, -3.0)
    kernels.scale(found, factor)
    np.testing.assert_array_equal(found, vector(0, 0, 0) if factor < 1 else vector(np.inf, 0, -np.inf))


@pytest.mark.parametrize(
    ("size", "limit", "dtype"),
    [(1e38, 1.0, "float32"), (3e38, 1e-8, "float32"), (1e305, 1e-12, "float64"), (1e300, 1e-300, "float64")],
)
def test_gradients_far_above_the_limit_are_scaled_to_it(size: float, limit: float, dtype: str, backend: str) -> None:
    """float32 gradients 8.5e37 times the limit and more became 0, and the step did nothing."""
    model = pynn.Sequential(pynn.Affine(3), dtype=dtype)
    model.build((4,))
    model.gradients[...] = np.where(np.arange(model.gradients.size) % 2, size, -size / 2)
    shares = model.gradients.astype(np.longdouble) / size
    expected = shares / np.sqrt((shares**2).sum()) * limit
    pynn.SGD(0.0, clip_norm=limit).step(model)
    np.testing.assert_allclose(model.gradients, expected.astype(dtype), rtol=1e-6)


# Epsilon: a parameter without a gradient stands still


@both_dtypes
@pytest.mark.parametrize("kind", [pynn.Adam, pynn.AdamW, pynn.NAdam, pynn.AdaGrad, pynn.RMSProp])
def test_an_epsilon_that_the_dtype_does_not_hold_leaves_zeros_alone(kind: Any, dtype: str, backend: str) -> None:
    """0/(√0 + 1e-46) was NaN in float32, and went into the gaps between the blocks as well."""
    model = pynn.Sequential(pynn.Affine(3), dtype=dtype)
    model.build((4,))
    before = model.parameters.copy()
    optimizer = kind(
        0.1, epsilon=1e-46 if dtype == "float32" else 5e-324, **({"weight_decay": 0} if kind is pynn.AdamW else {})
    )
    optimizer.step(model)
    np.testing.assert_array_equal(model.parameters, before)
    model.gradients[0] = 1.0
    optimizer.step(model)
    moved = model.parameters != before
    assert moved[0]
    assert not moved[1:].any()
    assert np.isfinite(model.parameters).all()


@both_dtypes
@pytest.mark.parametrize("make", [pynn.BatchNorm, pynn.LayerNorm, lambda **k: pynn.GroupNorm(1, **k)])
def test_constant_channels_are_normalized_to_zero_with_any_epsilon(make: Any, dtype: str, backend: str) -> None:
    model = pynn.Sequential(make(epsilon=1e-60 if dtype == "float32" else 5e-324), dtype=dtype)
    x = np.full((6, 5), 3.0, dtype)
    np.testing.assert_array_equal(model.forward(x, training=True), 0)
    dx = model.backward(np.ones_like(x), input_gradient=True)
    assert dx is not None
    assert np.isfinite(dx).all()


@both_dtypes
def test_a_variance_of_zero_is_no_nan_in_inference(dtype: str, backend: str) -> None:
    x, one, zero, out = np.ones((3, 4), dtype), np.ones(4, dtype), np.zeros(4, dtype), np.empty((3, 4), dtype)
    kernels.batchnorm_inference(x, one, zero, one, zero, 1e-60 if dtype == "float32" else 5e-324, out=out)
    np.testing.assert_array_equal(out, 0)
    kernels.batchnorm_inference_backward(zero + x, x, one, zero, one, zero, 1e-30, dx=out)
    assert np.isfinite(out).all()


# The max-norm constraint


@pytest.mark.parametrize(
    ("size", "limit", "dtype"),
    [
        (1e30, 1e-9, "float32"), (3e38, 1.0, "float32"), (1e20, 3.0, "float32"), (1e-20, 1e-25, "float32"),
        (1e-3, 1e-30, "float32"), (1.0, 1e-37, "float32"), (1e308, 1e-5, "float64"), (1e-200, 1e-210, "float64"),
    ],
)  # fmt: skip
def test_columns_far_from_the_limit_are_scaled_to_it(size: float, limit: float, dtype: str, backend: str) -> None:
    weight = np.array([[size, 0, limit / 4], [-size / 2, 0, 0], [size / 4, 0, limit / 4]], dtype)
    expected = weight.copy()
    expected[:, 0] = np.array([1, -0.5, 0.25]) / math.hypot(1, 0.5, 0.25) * limit
    kernels.max_norm(weight, limit)
    np.testing.assert_allclose(weight, expected, rtol=4 * np.finfo(dtype).eps)


@both_dtypes
@pytest.mark.parametrize("limit", [1e-30, 1.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_columns_that_are_not_finite_stay(bad: float, limit: float, dtype: str, backend: str) -> None:
    weight = np.array([[bad, 1e30], [1e30, 1e30]], dtype)
    kernels.max_norm(weight, limit)
    np.testing.assert_array_equal(weight[:, 0], np.array([bad, 1e30], dtype))
    np.testing.assert_allclose(weight[:, 1], limit / math.sqrt(2), rtol=1e-6)


# Batches whose variance float32 does not hold

BATCH = """
import numpy as np
from pynn import kernels

for rows in (8, 64, 300):
    x = (np.random.default_rng(0).standard_normal((rows, 19)) * 1e30).astype(np.float32)
    one, zero, out = np.ones(19, np.float32), np.zeros(19, np.float32), np.empty_like(x)
    mean, rstd, running = zero.copy(), zero.copy(), np.stack([zero, one])
    kernels.batchnorm_forward(x, one, zero, 1e-5, 0.9, *running, mean=mean, rstd=rstd, out=out)
    assert np.isfinite(out).all() and np.isfinite(rstd).all()
    assert not running[0].any() and (running[1] == 1).all()  # such a batch does not count
    dgamma, dbeta = one.copy(), one.copy()
    kernels.batchnorm_backward(out + 1, x, one, zero, mean, rstd, dx=out, dgamma=dgamma, dbeta=dbeta)
    assert np.isfinite(out).all() and np.isfinite(dgamma).all() and np.isfinite(dbeta).all()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("native")
@pytest.mark.skipif("PYNN_ISA" in os.environ, reason="goes through all levels itself")
def test_an_infinite_variance_makes_no_nan_at_any_instruction_set(tmp_path: Path) -> None:
    """Where sums and products are not fused, infinity minus infinity was NaN."""
    module: Any = kernels.native_module()
    for level in module.available_isas().split():
        done = subprocess.run(
            [sys.executable, "-c", BATCH], env={**os.environ, "PYNN_ISA": level}, cwd=tmp_path, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (level, done.stderr)
