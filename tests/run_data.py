"""Made-up data for ill_runs and healthy_runs, and the fit that they share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

import pynn

Data = tuple[np.ndarray, np.ndarray]
Builder = Callable[..., pynn.Sequential]  # of (seed, callbacks), or (cured, seed, callbacks) of an ill run


def fit(model: pynn.Sequential, data: Data, callbacks: Any, **settings: Any) -> pynn.Sequential:
    """The model after fit, also if the run ended in an error; 32 samples in a batch."""
    x, y = data
    with suppress(FloatingPointError), np.errstate(all="ignore"):
        model.fit(x, y, **{"batch_size": 32, "progress": False, **settings}, callbacks=[*callbacks])
    return model


def halves(data: Data, count: int) -> tuple[Data, Data]:
    """The first rows, and all others."""
    x, y = data
    return (x[:count], y[:count]), (x[count:], y[count:])


def standard(x: np.ndarray) -> np.ndarray:
    """Mean 0 and spread 1 in each column."""
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)


def digits(seed: int, count: int = 400) -> Data:
    """Digits as rows of 64 numbers in 0..1."""
    x, y = pynn.datasets.digits(seed=seed).train
    return x[:count].reshape(-1, 64).astype(np.float32) / 255, y[:count]


def pictures(seed: int, count: int = 400) -> Data:
    """The same as images of uint8."""
    x, y = pynn.datasets.digits(seed=seed).train
    return x[:count], y[:count]


def numbers(seed: int, count: int = 400, noise: float = 0.2) -> Data:
    """A regression: four columns and what follows from them, both with mean 0 and spread 1."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.7, 1.7, (count, 4)).astype(np.float32)
    y = np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] + 0.5 * x[:, 3] + noise * rng.standard_normal(count)
    return x, standard(y)


def answers(seed: int, count: int = 400, noise: float = 0.3) -> Data:
    """A table of six columns and yes or no, half each."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] + 0.5 * x[:, 2] * x[:, 3] + noise * rng.standard_normal(count) > 0).astype(int)


def clouds(seed: int, count: int = 400, classes: int = 3, spread: float = 0.4) -> Data:
    """Classes around points of a circle."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    angle = 2 * np.pi * y / classes
    return (np.column_stack([np.cos(angle), np.sin(angle)]) + spread * rng.standard_normal((count, 2))).astype("f4"), y


def spiral(seed: int, count: int = 450) -> Data:
    """Three arms that wind about each other, as in CS231n."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 3
    radius = rng.uniform(0.1, 1, count)
    angle = y * 2 * np.pi / 3 + 4 * radius + 0.15 * rng.standard_normal(count)
    return (1.7 * np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])).astype(np.float32), y


def hidden(count: int, units: int, kind: Callable[[], pynn.Layer], **settings: Any) -> list[pynn.Layer]:
    """Affine layers, each with an activation."""
    return [layer for _ in range(count) for layer in (pynn.Affine(units, **settings), kind())]
