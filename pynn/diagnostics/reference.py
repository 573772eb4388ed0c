"""What can be reached on some rows: kernel ridge regression, judged by leaving out each row in turn.

Reference: Rasmussen & Williams, "Gaussian Processes for Machine Learning", 2006, section 5.4.2 (leave-one-out).
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass

import numpy as np

from ..data import arrays
from ..typing import Array
from .repeated_rows import without_copies

LARGEST = 600  # rows: the eigenvalues of a matrix of this size take 0.1 s
BLOCKS, WINDOW = 10, 8  # of rows of a series, and its shortest window
WIDTHS = (0.15, 0.5, 1.0, 3.0)  # of the kernels, times the median distance of rows
RIDGES = np.logspace(-4, 1, 6)  # times the number of rows: from next to no noise to hardly any signal
REMEMBERED = 16  # results: a live page asks for the same ones again and again, and beside a training each takes seconds

_results: dict[bytes, Reference] = {}
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Reference:
    """The best of a few kernels, each judged by the squared error of left-out rows.

    Parameters
    ----------
    left_out : array (R, K)
        For each row, what the others predict for it.
    rows : array (R,)
        Which of the rows passed in.
    predicted : array (V, K) or None
        For rows of validation.
    """

    left_out: Array
    rows: Array
    predicted: Array | None


def reference(x: Array, targets: Array, other: Array | None = None) -> Reference:
    """Predict each row of targets (R, K) from the other rows, and those of `other` from all."""
    asked = _digest(x, targets, other)
    found = _results.get(asked) or _computed(x, targets, other)
    with _lock:
        _results.pop(asked, None)  # to the end: the oldest stands first
        _results[asked] = found
        if len(_results) > REMEMBERED:
            del _results[next(iter(_results))]
    return found


def _digest(*values: Array | None) -> bytes:
    """What is equal for equal arrays only."""
    digest = hashlib.blake2b()
    for value in values:
        digest.update(b"none" if value is None else f"{value.dtype.str}{value.shape}".encode())
        if value is not None:
            digest.update(np.ascontiguousarray(value).data)
    return digest.digest()


def _computed(x: Array, targets: Array, other: Array | None) -> Reference:
    single = without_copies(x)
    rows = single[arrays.spread(len(single), LARGEST)]
    flat = x[rows].reshape(len(rows), -1).astype(np.float64)
    spread, centre = flat.std(axis=0), flat.mean(axis=0)
    kept = spread > 1e-12 * max(float(np.abs(flat).max()), 1e-300)
    flat = (flat[:, kept] - centre[kept]) / spread[kept]
    # Values far out, such as placeholders, would make all other rows alike.
    flat = np.clip(flat, -5, 5)
    goal = targets[rows].astype(np.float64)
    middle = goal.mean(axis=0)
    others = None
    if other is not None:
        others = np.clip(
            (other.reshape(len(other), -1)[:, kept].astype(np.float64) - centre[kept]) / spread[kept], -5, 5
        )
    constant = None if others is None else np.broadcast_to(middle, (len(others), len(middle)))
    blocks = BLOCKS if _overlapping(flat) else 0
    best: tuple[float, Array, Array | None] = (np.inf, np.broadcast_to(middle, goal.shape), constant)
    for kernel, crossed in _kernels(flat, others):
        values, vectors = np.linalg.eigh(kernel)
        projected = vectors.T @ (goal - middle)
        for ridge in RIDGES * max(float(values.mean()), 1e-300):
            inverse = 1 / (np.maximum(values, 0) + ridge)
            weights = vectors @ (inverse[:, None] * projected)
            left_out = goal - _errors(vectors, inverse, weights, blocks)
            error = float(np.mean(np.square(left_out - goal)))
            if error < best[0]:
                best = (error, left_out, None if crossed is None else middle + crossed @ weights)
    return Reference(best[1], rows, best[2])


def _errors(vectors: Array, inverse: Array, weights: Array, blocks: int) -> Array:
    """The errors at rows that are left out: one by one, or in blocks of consecutive ones."""
    if not blocks:
        return np.asarray(weights / (np.square(vectors) @ inverse)[:, None])
    errors = np.empty_like(weights)
    for rows in np.array_split(np.arange(len(weights)), blocks):
        errors[rows] = np.linalg.solve((vectors[rows] * inverse) @ vectors[rows].T, weights[rows])
    return errors


def _overlapping(x: Array) -> bool:
    """Whether consecutive rows are nearly the same, as windows of a series are: left-out rows would be known."""
    if x.shape[1] < WINDOW or len(x) < 10 * BLOCKS:
        return False
    steps = np.square(np.diff(x, axis=0)).sum(axis=1)
    return bool(np.median(steps) < 0.1 * 2 * np.square(x).sum(axis=1).mean())


def _kernels(x: Array, other: Array | None) -> list[tuple[Array, Array | None]]:
    """The matrices of all pairs of rows, and of the other rows with them."""
    size = np.square(x).sum(axis=1)
    distance = np.maximum(size[:, None] + size - 2 * x @ x.T, 0)
    typical = float(np.median(distance[distance > 0])) if (distance > 0).any() else 1.0
    crossed = None
    if other is not None:
        crossed = np.maximum(np.square(other).sum(axis=1)[:, None] + size - 2 * other @ x.T, 0)
    kernels: list[tuple[Array, Array | None]] = [
        (
            np.exp(-distance / (typical * width * width)),
            None if crossed is None else np.exp(-crossed / (typical * width * width)),
        )
        for width in WIDTHS
    ]
    return kernels
