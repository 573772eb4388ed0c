"""Which rows are trained on and which are held out: equal rows together, any order of the table."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from pynn.sklearn.grouping import counted, grouped, seeds


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
    x, y = np.repeat(np.arange(30, dtype=np.float32), 4)[:, None], np.tile([0, 0, 1.0, 1], 30)
    assert len(grouped(x, y, False).starts) == 60


def test_tables_of_few_different_rows_are_not_grouped(rng: np.random.Generator) -> None:
    x = rng.integers(0, 2, (1000, 2)).astype(np.float32)
    train, held_out = grouped(x, x[:, 0].astype(np.int64), True).parts(0.2, 0)
    assert 190 <= len(held_out) <= 210
    assert len(train) + len(held_out) == 1000


def test_tables_of_a_few_categories_are_split_by_rows(rng: np.random.Generator) -> None:
    x = rng.integers(0, 5, (2000, 2)).astype(np.float32)  # 50 different rows: a fifth of them would be unknown
    groups = grouped(x, rng.integers(0, 2, 2000), True)
    assert len(groups.starts) == 2000


def test_zeros_of_either_sign_are_equal() -> None:
    x = np.append(np.arange(30, dtype=np.float32), np.float32(-0.0))[:, None]
    assert len(grouped(x, np.zeros(31), False).starts) == 30


def test_a_class_of_one_row_stays_in_training() -> None:
    x, y = np.arange(11, dtype=np.float32)[:, None], np.array([0] * 10 + [1])
    for seed in range(5):
        assert 10 in grouped(x, y, True).parts(0.5, seed)[0]


@pytest.mark.parametrize("times", [4, 10])
def test_rows_that_stand_many_times_in_the_table_stay_together(
    table: tuple[np.ndarray, np.ndarray], times: int
) -> None:
    x, y = (np.repeat(part, times, axis=0) for part in table)
    for train, held_out in (grouped(x, y, True).parts(0.2, 0), *grouped(x, y, True).folds(3, 0)):
        assert len(train)
        assert len(held_out)
        assert not set(_content(x, train)) & set(_content(x, held_out))
    assert len(grouped(x, y, True).parts(0.2, 0)[1]) == 40 * times


def test_a_row_that_fills_most_of_the_table_stays_in_training(table: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = np.concatenate([table[0], np.zeros((1500, 3), np.float32)]), np.zeros(1700)
    for seed in range(10):
        train, held_out = grouped(x, y, False).parts(0.2, seed)
        assert len(held_out) == 40
        assert len(train) == 1660


def test_classes_that_are_too_small_for_the_share_are_held_out_together() -> None:
    x, y = np.arange(200, dtype=np.float32)[:, None], np.repeat(np.arange(100), 2)
    train, held_out = grouped(x, y, True).parts(0.2, 0)
    assert len(held_out) == 40
    assert len(set(y[held_out])) == 40
    assert set(y[train]) == set(range(100))
    assert len(grouped(x, np.arange(200), True).parts(0.2, 0)[1]) == 0  # each class would be unknown in training


def test_more_folds_than_rows_are_refused() -> None:
    groups = grouped(np.arange(6, dtype=np.float32)[:, None], np.zeros(6), False)
    with pytest.raises(ValueError, match=r"n_ens=7 folds .* 6 different rows: lower n_ens"):
        groups.folds(7, 0)
    assert [len(held_out) for _, held_out in groups.folds(6, 0)] == [1] * 6


def test_whole_weights_repeat_rows() -> None:
    places, weights = counted(np.array([1.0, 2, 3]))
    np.testing.assert_array_equal(places, [0, 1, 1, 2, 2, 2])
    assert weights is None
    for given in ([1.0, 0.5], [1.0, 1000.0], [1.0, 1e300]):  # of the last, the table would become too large
        places, weights = counted(np.array(given))
        assert places is None
        np.testing.assert_array_equal(weights, given)


def test_only_proportions_of_weights_count() -> None:
    np.testing.assert_array_equal(counted(np.array([4.0, 8, 12]))[0], [0, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(counted(np.array([0.0, 8, 0, 12]))[0], [1, 1, 3, 3, 3])
    np.testing.assert_array_equal(counted(np.array([0.0, 0.5, 0.25]))[0], [1, 2])
    for equal in (1.0, 2.0, 7.0, 0.3, 1e6):
        assert counted(np.full(5, equal)) == (None, None)


def test_members_have_different_seeds() -> None:
    assert seeds(3, 1) == [3]
    assert len(set(seeds(3, 100))) == 100
