"""pynn.split: a stratified training and test part by seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pynn


def rows(count: int) -> np.ndarray:
    """Samples that tell their own place."""
    return np.arange(count * 6, dtype=np.float32).reshape(count, 2, 3)


def places(x: np.ndarray) -> list[int]:
    return (x[:, 0, 0] // 6).astype(int).tolist()


@pytest.mark.slow
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=6).filter(lambda counts: max(counts) > 1),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**64 - 1),
)
def test_every_class_is_shared_out(counts: list[int], share: float, seed: int) -> None:
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    (x_train, y_train), (x_test, y_test) = pynn.split(rows(len(y)), y, share, seed=seed)
    assert sorted(places(x_train) + places(x_test)) == list(range(len(y)))
    np.testing.assert_array_equal(y[places(x_train)], y_train)
    np.testing.assert_array_equal(y[places(x_test)], y_test)
    tested = np.bincount(y_test, minlength=len(counts)).tolist()
    assert tested == [min(max(round(count * share), 1), count - 1) for count in counts]


def test_the_order_is_random_and_the_seeds_alone() -> None:
    x, y = rows(300), np.arange(300) // 100
    (x_train, y_train), (x_test, _) = pynn.split(x, y)
    assert places(x_train) != sorted(places(x_train))
    assert places(x_test) != sorted(places(x_test))
    assert len(set(y_train[:30])) == 3
    for seed, same in ((0, True), (np.uint64(0), True), (1, False)):
        again = pynn.split(x, y, seed=seed)
        assert (again[0][0].tobytes() == x_train.tobytes()) is same
        assert (again[1][0].tobytes() == x_test.tobytes()) is same
    # Pinned: results are compared on splits, so they must not move with a machine or a version.
    assert places(pynn.split(rows(12), np.arange(12) % 3, 0.25, seed=7)[1][0]) == [0, 1, 11]


def test_split_gives_the_split_of_the_digits(digits: pynn.datasets.Dataset) -> None:
    """Both parts of the digits together, in the order of the file, split again."""
    with np.load(Path(pynn.datasets.__file__).with_name("digits.npz")) as file:
        x, y = file["images"], file["labels"]
    (x_train, y_train), (_, y_test) = pynn.split(x, y)
    np.testing.assert_array_equal((x_train.astype(int) * 255 + 8) // 16, digits.train[0][..., 0])
    np.testing.assert_array_equal(y_train, digits.train[1])
    np.testing.assert_array_equal(y_test, digits.test[1])


def test_labels_may_be_text_and_data_lists() -> None:
    names = ["cat", "dog", "cat", "dog", "cat", "dog"]
    expected = pynn.split(rows(6), [0, 1] * 3, 0.5)
    for y in (names, np.array(names, object), np.array(names, "S"), np.array([False, True] * 3)):
        (x_train, y_train), (x_test, y_test) = pynn.split(rows(6).tolist(), y, 0.5)
        np.testing.assert_array_equal(x_train, expected[0][0])
        np.testing.assert_array_equal(x_test, expected[1][0])
        assert (y_train.dtype, sorted(set(y_test.tolist()))) == (np.asarray(y).dtype, sorted(set(y)))


@pytest.mark.parametrize("shape", [(), (2,)])
def test_numbers_are_split_at_random(shape: tuple[int, ...]) -> None:
    y = np.random.default_rng(0).standard_normal((50, *shape))
    (x_train, y_train), (x_test, y_test) = pynn.split(rows(50), y, 0.3, stratify=False)
    assert (len(x_train), len(x_test)) == (35, 15)
    assert sorted(places(x_train) + places(x_test)) == list(range(50))
    np.testing.assert_array_equal(y[places(x_train)], y_train)
    np.testing.assert_array_equal(y[places(x_test)], y_test)
    with pytest.raises(ValueError, match=r"y has (dtype float64|shape \(50, 2\)), expected labels.*stratify=False"):
        pynn.split(rows(50), y)


def test_the_parts_are_copies() -> None:
    x, y = rows(10), np.arange(10) % 2
    (x_train, y_train), (x_test, y_test) = pynn.split(x, y)
    assert not any(np.shares_memory(x, part) for part in (x_train, x_test))
    assert not any(np.shares_memory(y, part) for part in (y_train, y_test))


X, Y = rows(6), np.arange(6) % 2


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "message"),
    [
        (X, Y[:5], {}, ValueError, "x has 6 samples but y has 5, expected one target for each sample"),
        (X[:1], Y[:1], {}, ValueError, "x has 1 sample, expected at least 2"),
        (X[:0], Y[:0], {}, ValueError, "x is empty"),
        (X.astype(str), Y, {}, TypeError, "x has dtype <U.*expected numbers"),
        (X, np.arange(6), {}, ValueError, "no label of y occurs twice.*stratify=False"),
        (X, Y, {"seed": -1}, ValueError, "seed is -1, expected"),
        (X, Y, {"seed": 1.5}, ValueError, "seed is 1.5, expected"),
        *((X, Y, {"share": share}, ValueError, "share is .*, expected 0 < share < 1")
          for share in (0, 1, -0.5, float("nan"), "0.2", None, True)),
    ],
)  # fmt: skip
def test_bad_input_is_refused(x: Any, y: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        pynn.split(x, y, **options)
