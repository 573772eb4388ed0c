"""The parts of the samples: shares, own validation, folds, labels and groups; pieces of arrays, not copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import pynn
from pynn.search.data import Data, read


@pytest.fixture
def samples(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """100 samples whose first number is their place; a quarter of them has the label 1."""
    x = rng.standard_normal((100, 3))
    x[:, 0] = np.arange(100)
    return x, (np.arange(100) % 4 == 0).astype(int)


def parted(x: Any, y: Any, *, weights: Any = None, validation: Any = 0.2, folds: Any = None, groups: Any = None,
           seed: int = 0) -> Data:  # fmt: skip
    return read(x, y, weights, validation, folds, groups, seed)


def places(x: Any) -> list[int]:
    return np.asarray(x)[:, 0].astype(int).tolist()


def both(data: Data, fold: int) -> tuple[list[int], list[int]]:
    part = data.part(fold)
    return places(part.x), places(part.validation[0])


@pytest.mark.parametrize("validation", [0.2, pynn.Split(0.2)])
def test_a_share_is_held_out_with_the_same_share_of_each_label(samples: Any, validation: Any) -> None:
    data = parted(*samples, validation=validation)
    train, held = both(data, 0)
    assert (data.folds, data.samples, len(train), len(held)) == (1, 100, 80, 20)
    assert sorted(train + held) == list(range(100))
    assert data.part(0).validation[1].sum() == 5
    assert both(parted(*samples, validation=validation), 0) == (train, held)
    assert both(parted(*samples, validation=validation, seed=1), 0) != (train, held)


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_every_sample_is_held_out_in_one_fold(samples: Any, folds: int) -> None:
    data, x, y = parted(*samples, folds=folds), *samples
    assert (data.folds, data.samples) == (folds, 100)
    out: list[int] = []
    for fold in range(folds):
        train, held = both(data, fold)
        assert sorted(train + held) == list(range(100))
        assert abs(len(held) - 100 / folds) < 1
        part = data.part(fold)
        assert abs(part.validation[1].sum() - 25 / folds) <= 1
        np.testing.assert_array_equal(part.y, y[train])
        np.testing.assert_array_equal(part.x, x[train])
        assert held == sorted(held)
        out += held
    assert sorted(out) == list(range(100))


def test_parts_are_pieces_of_one_array(samples: Any) -> None:
    for settings in ({"folds": 5}, {}):
        data = parted(*samples, **settings)
        for fold in range(data.folds):
            part = data.part(fold)
            assert np.shares_memory(part.x, data.x)
            assert np.shares_memory(part.validation[0], data.x)
            assert part.x.flags.c_contiguous
            assert part.x.base is not None


def test_samples_of_their_own_are_not_copied(samples: Any) -> None:
    x, y = samples
    data = parted(x[:80], y[:80], validation=(x[80:], y[80:]))
    part = data.part(0)
    assert np.shares_memory(part.x, x)
    assert part.validation[0] is not None
    assert both(data, 0) == (list(range(80)), list(range(80, 100)))


def test_weights_go_with_their_samples(samples: Any) -> None:
    weights = np.arange(100) + 1.0
    for settings in ({"folds": 3}, {}):
        data = parted(*samples, weights=weights, **settings)
        for fold in range(data.folds):
            part = data.part(fold)
            assert part.weights is not None
            np.testing.assert_array_equal(part.weights, part.x[:, 0] + 1)
            np.testing.assert_array_equal(part.validation[2], part.validation[0][:, 0] + 1)


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("settings", [{"folds": 4}, {"validation": 0.25}])
def test_groups_stay_together(samples: Any, rng: np.random.Generator, settings: Any, text: bool) -> None:
    groups = rng.integers(0, 20, 100)
    given = np.array([f"patient {group}" for group in groups]) if text else groups
    data = parted(*samples, groups=given, **settings)
    for fold in range(data.folds):
        train, held = both(data, fold)
        assert sorted(train + held) == list(range(100))
        assert not set(groups[train]) & set(groups[held])
        assert 15 <= len(held) <= 35
        assert 2 <= data.part(fold).validation[1].sum() <= 11


def test_groups_of_one_label_are_shared_out_by_label(samples: Any) -> None:
    """40 groups of which 10 have the label 1: every fold of 5 has 2 of them."""
    groups = np.repeat(np.arange(40), 5)
    y = (groups % 4 == 0).astype(int)
    data = parted(np.arange(200.0)[:, None], y, folds=5, groups=groups)
    assert [int(data.part(fold).validation[1].sum()) for fold in range(5)] == [10] * 5


def test_numbers_to_predict_and_labels_of_text(samples: Any) -> None:
    x, y = samples
    assert len(both(parted(x, x[:, 1], folds=3), 0)[1]) in (33, 34)
    assert len(both(parted(x, x[:, 1]), 0)[1]) == 20
    for labels in (np.array(["no", "yes"])[y], np.array(["no", "yes"], object)[y], y == 1):
        held = parted(x, labels, folds=5).part(0).validation[1]
        assert sorted(np.unique(held, return_counts=True)[1].tolist()) == [5, 15]


def test_a_data_frame_stays_one(samples: Any) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = samples
    table = pandas.DataFrame(x, columns=list("abc"))
    for settings in ({"folds": 3}, {}):
        part = parted(table, pandas.Series(y), **settings).part(0)
        assert list(part.x.columns) == list("abc")
        assert len(part.x) + len(part.validation[0]) == 100
        np.testing.assert_array_equal(y[part.x["a"].astype(int)], part.y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"y": None}, "y is missing; a search parts the samples itself"),
        ({"y": np.zeros(3)}, "x has 100 samples but y has 3"),
        ({"validation": 1.5}, "share is 1.5"),
        ({"validation": "0.2"}, r"validation is '0.2', expected a share, a pynn.Split, or \(x, y\)"),
        ({"validation": (1, 2, 3, 4)}, "validation has 4 arrays"),
        ({"folds": 1}, "Search: folds is 1, expected an integer of at least 2"),
        ({"folds": 101}, "folds is 101, but there are 100 samples; take 100 folds or fewer"),
        ({"folds": 3, "groups": np.arange(100) % 2}, "folds is 3, but there are 2 groups"),
        ({"groups": np.zeros(100), "folds": 2}, "groups has one group"),
        ({"groups": np.zeros(5), "folds": 2}, r"groups has shape \(5,\), expected \(100,\)"),
        ({"groups": np.arange(100), "validation": (np.zeros((2, 3)), [0, 1])}, "groups need folds"),
        ({"weights": -np.ones(100)}, r"sample_weight\[0\] is -1.0"),
    ],
)
def test_what_is_refused(samples: Any, settings: Any, message: str) -> None:
    x, y = samples
    with pytest.raises((ValueError, TypeError), match=message):
        parted(x, settings.get("y", y), **{name: one for name, one in settings.items() if name != "y"})
