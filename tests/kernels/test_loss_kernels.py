"""The kernels of losses on labels: extreme scores, hits, weights, no rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_tables import LABEL_LOSSES, backend, dtype
from operations import Sizes


@backend
@dtype
def test_softmax_cross_entropy_is_finite_for_extreme_logits_and_ignores_shifts(table: Any, dtype: Any) -> None:
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [3.0, 2.0, 1.0]], dtype)
    label, gradient = np.array([1, 0, 2]), np.empty((3, 3), dtype)
    loss, _ = table.softmax_cross_entropy(logits, label, None, 0.0, gradient)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    small = np.array([[3.0, 2.0, 1.0]] * 3, dtype)
    plain = table.softmax_cross_entropy(small, label, None, 0.0, gradient)
    assert table.softmax_cross_entropy(small + dtype(64), label, None, 0.0, gradient) == pytest.approx(plain, rel=1e-6)


def measured(table: Any, kernel: str, scores: np.ndarray, labels: np.ndarray, weights: Any, gradient: Any) -> Any:
    setting = {"softmax_cross_entropy": (0.0,), "focal": (2.0,), "hinge": (1.0, False)}[kernel]
    return getattr(table, kernel)(scores, labels, weights, *setting, gradient)


def awkward_rows(dtype: Any, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of ties, zeros of both signs, subnormals, infinities and NaN in every mixture."""
    tiny = np.finfo(dtype).smallest_subnormal
    pool = np.array([0, -0.0, tiny, 2 * tiny, -tiny, 1, -1, np.inf, -np.inf, np.nan, -np.nan], dtype)
    rows = [rng.choice(pool[:size], (80, columns)) for size in (2, 5, 7, 9, 11)]
    rows += [np.full((3, columns), value, dtype) for value in pool]
    return np.ascontiguousarray(np.concatenate(rows), dtype)


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
@pytest.mark.parametrize("columns", [1, 2, 3, 10, 33, 300])
def test_hits_are_those_of_argmax_row_by_row(table: Any, kernel: str, dtype: Any, columns: int) -> None:
    rng = np.random.default_rng(columns)
    rows = awkward_rows(dtype, columns, rng)
    best = rows.argmax(axis=1)
    for labels in (best, rng.integers(0, columns, len(rows))):
        gradient = np.empty((1, columns), dtype)
        for row, label, first in zip(rows, labels, best, strict=True):
            _, hits = measured(table, kernel, row[None], np.array([label]), None, gradient)
            assert hits == (label == first), (row, label)


@backend
@dtype
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("columns", [1, 2, 3, 10, 33])
def test_hinge_of_infinity_and_nan_is_that_of_plain_numbers(
    table: Any, dtype: Any, squared: bool, columns: int
) -> None:
    rng = np.random.default_rng(columns)
    pool = np.array([0, 1.5, -1.5, np.inf, -np.inf, np.nan], dtype)
    rows = np.concatenate([rng.choice(pool[:size], (60, columns)) for size in (4, 5, 6)])
    for row, label in zip(rows, rng.integers(0, columns, len(rows)), strict=True):
        gradient = np.empty((1, columns), dtype)
        loss, _ = table.hinge(row[None], np.array([label]), None, 1.0, squared, gradient)
        with np.errstate(invalid="ignore"):
            over = np.delete(row - row[label] + 1, label)
            over = np.where(over <= 0, 0, over)  # NaN stays
            pull = 2 * over if squared else np.sign(over)
            np.testing.assert_array_equal(loss, (over**2 if squared else over).sum())
            np.testing.assert_array_equal(gradient[0], np.insert(pull, label, -pull.sum()))


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
def test_a_weight_multiplies_a_row_of_a_loss(table: Any, kernel: str, dtype: Any) -> None:
    """Weights of 1 give the bits of no weights; 0 leaves a row out; rows that stand twice are weights of 2."""
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(0, 2, (40, 7)).astype(dtype), rng.integers(0, 7, 40)
    gradients = [np.empty_like(scores) for _ in range(3)]
    plain = measured(table, kernel, scores, labels, None, gradients[0])
    assert measured(table, kernel, scores, labels, np.ones(40, dtype), gradients[1]) == plain
    np.testing.assert_array_equal(gradients[0], gradients[1])
    weights = (np.arange(40) % 3).astype(dtype)
    value, hits = measured(table, kernel, scores, labels, weights, gradients[2])
    np.testing.assert_allclose(gradients[2], gradients[0] * weights[:, None], rtol=1e-5, atol=1e-9)
    twice = np.repeat(np.arange(40), np.arange(40) % 3)
    wide = np.empty((len(twice), 7), dtype)
    expected, number = measured(table, kernel, scores[twice], labels[twice], None, wide)
    assert hits == number
    assert value * 40 == pytest.approx(expected * len(twice), rel=1e-5)


@backend
@dtype
@pytest.mark.parametrize("kernel", LABEL_LOSSES)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_losses_of_no_rows_or_columns_are_refused(table: Any, kernel: str, dtype: Any, shape: Sizes) -> None:
    scores = np.empty(shape, dtype)
    with pytest.raises(
        ValueError, match=rf"{kernel}: .* has shape \({shape[0]}, {shape[1]}\), expected at least one row"
    ):
        measured(table, kernel, scores, np.zeros(shape[0], np.int64), None, scores.copy())
