"""Data for transformers."""

from __future__ import annotations

import datetime as dt
from typing import Any

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


@pytest.fixture
def columns(rng: np.random.Generator) -> dict[str, Any]:
    """A dict of columns of all kinds, 60 rows."""
    job = [f"j{row % 12}" for row in range(60)]
    return {
        "age": [None if row % 7 == 0 else float(row) for row in range(60)],
        "job": job,
        "city": [("Bern", "Rom", "Wien", None)[row % 4] for row in range(60)],
        "same": [1] * 60,
        "smoker": [row % 3 == 0 for row in range(60)],
        "day": [dt.datetime(2020, 1, 1, row % 5) + dt.timedelta(days=row) for row in range(60)],
        "size": rng.normal(5, 2, 60).tolist(),
        "sex": [("m", "f", None)[row % 3] for row in range(60)],
    }
