"""Data for transformers."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """50 correlated float64 samples of 6 numbers of very different means and spreads."""
    mixed = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6))
    return mixed * [1, 10, 0.1, 3, 1e-3, 100] + [0, 1e6, -3, 0.5, 7, 1]


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    """90 float64 images of 4x5x3 numbers whose channels differ."""
    return rng.standard_normal((90, 4, 5, 3)) * [1, 2, 5] + [0, 10, -3]
