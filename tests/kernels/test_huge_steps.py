"""Numbers in steps and penalties whose squares or powers the dtype does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from pynn import kernels


@pytest.mark.parametrize(("size", "l1", "l2"), [(1e30, 0.5, 2.0), (1e19, 0.0, 1.0), (1e38, 1.0, 0.0), (0.5, 1.0, 1.0)])
def test_the_penalty_of_float32_weights_is_summed_in_float64(size: float, l1: float, l2: float, backend: str) -> None:
    weight = np.where(np.arange(20_000) % 2, size, -size).astype(np.float32)
    exact = weight.astype(np.float64)
    expected = l1 * np.abs(exact).sum() + 0.5 * l2 * np.square(exact).sum()
    assert kernels.penalty(weight, l1, l2) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("step", [1, 1000, 2**40])
def test_powers_that_overflow_are_infinite(step: int, backend: str) -> None:
    """Python's own power is an OverflowError, which came after half of the step."""
    for kernel, rates in ((kernels.adam_step, (0.1,)), (kernels.nadam_step, (0.1, 0.1))):
        arrays = [np.ones(5) for _ in range(4)]
        kernel(*arrays, *rates, 10.0, 10.0, step=step)
