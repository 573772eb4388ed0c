"""Which rows are trained on and which are held out: equal rows together, any order of the table."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pynn.sklearn.grouping import grouped, repeated, seeds


@pytest.fixture
def table(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.standard_normal((200, 3)).astype(np.float32)
    return x, (np.arange(200) % 4 == 0).astype(np.int64)


def _content(x: np.ndarray, places: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in x[places].tolist()]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_order_of_the_table_makes_no_difference(
    table: tuple[np.ndarray, np.ndarray], rng: np.random.Generator, seed: int
) -> None:
    x, y = table
    shuffled = rng.permutation(len(x))
    first, second = grouped(x, y, True), grouped(x[shuffled], y[shuffled], True)
    for one, other in zip(first.parts(0.2, seed), second.parts(0.2, seed), strict=True):
        assert _content(x, one) == _content(x[shuffled], other)
    for one, other in zip(first.folds(3, seed), second.folds(3, seed), strict=True):
        assert _content(x, one[1]) == _content(x[shuffled], other[1])


def test_parts_share_out_all_rows_by_class(table: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = table
    train, held_out = grouped(x, y, True).parts(0.2, 0)
    assert sorted([*train, *held_out]) == list(range(200))
    assert np.bincount(y[held_out]).tolist() == [30, 10]
    assert not np.array_equal(np.sort(held_out), np.sort(grouped(x, y, True).parts(0.2, 1)[1]))


def test_folds_share_out_all_rows_once(table: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = table
    folds = grouped(x, y, True).folds(5, 0)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(200))
    for train, held_out in folds:
        assert len(train) == 160
        assert not set(train) & set(held_out)
        assert np.bincount(y[held_out]).tolist() == [30, 10]


def test_equal_rows_stay_together(table: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (np.repeat(part, 2, axis=0) for part in table)
    for train, held_out in (grouped(x, y, True).parts(0.3, 0), *grouped(x, y, True).folds(4, 0)):
        assert not set(_content(x, train)) & set(_content(x, held_out))


def test_a_row_with_another_label_is_another_row() -> None:
    x, y = np.zeros((6, 1), np.float32), np.array([0, 0, 0, 1, 1, 1.0])
    assert len(grouped(x, y, False).starts) == 2


def test_tables_of_few_different_rows_are_not_grouped(rng: np.random.Generator) -> None:
    x = rng.integers(0, 2, (1000, 2)).astype(np.float32)
    train, held_out = grouped(x, x[:, 0].astype(np.int64), True).parts(0.2, 0)
    assert 190 <= len(held_out) <= 210
    assert len(train) + len(held_out) == 1000


def test_zeros_of_either_sign_are_equal() -> None:
    assert len(grouped(np.array([[0.0], [-0.0]], np.float32), np.zeros(2), False).starts) == 1


def test_a_class_of_one_row_stays_in_training() -> None:
    x, y = np.arange(11, dtype=np.float32)[:, None], np.array([0] * 10 + [1])
    for seed in range(5):
        assert 10 in grouped(x, y, True).parts(0.5, seed)[0]


def test_whole_weights_repeat_rows() -> None:
    np.testing.assert_array_equal(repeated(np.array([1.0, 0, 2, 3])), [0, 2, 2, 3, 3, 3])
    assert repeated(np.array([1.0, 0.5])) is None
    assert repeated(np.array([1.0, 1000.0])) is None  # the table would become too large


def test_members_have_different_seeds() -> None:
    assert seeds(3, 1) == [3]
    assert len(set(seeds(3, 100))) == 100
