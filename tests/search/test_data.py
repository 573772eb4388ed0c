"""The parts of the samples: shares, own validation, folds, labels and groups; pieces of arrays, not copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import pynn
from pynn.search.data import Data, read
from pynn.search.parts import text


@pytest.fixture
def samples(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """100 samples whose first number is their place; a quarter of them has the label 1."""
    x = rng.standard_normal((100, 3))
    x[:, 0] = np.arange(100)
    return x, (np.arange(100) % 4 == 0).astype(int)


def parted(x: Any, y: Any, *, weights: Any = None, validation: Any = None, folds: Any = None, groups: Any = None,
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


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("labels", [False, True])
def test_groups_are_held_out_up_to_the_share(rng: np.random.Generator, share: float, labels: bool) -> None:
    groups = np.repeat(np.arange(60), rng.integers(1, 10, 60))
    x = np.arange(float(len(groups)))[:, None]
    y = (rng.random(len(x)) < 0.3).astype(int) if labels else rng.random(len(x))
    held = parted(x, y, validation=share, groups=groups).part(0).validation
    assert abs(len(held[0]) / len(x) - share) < 0.01
    if labels:
        assert abs(held[1].sum() / y.sum() - share) < 0.03


@pytest.mark.parametrize(
    ("sizes", "share", "held"), [((60, 10, 10, 10, 10), 0.2, 20), ((50, 50), 0.1, 50), ((90, 10), 0.9, 90),
     ((90, 10), 0.4, 10), ((97, 1, 1, 1), 0.01, 1), ((97, 1, 1, 1), 0.99, 99)],
)  # fmt: skip
def test_each_part_has_a_group(sizes: Any, share: float, held: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    data = parted(np.arange(100.0)[:, None], np.arange(100.0), validation=share, groups=groups)
    assert len(data.part(0).validation[0]) == held


def test_groups_are_held_out_as_a_split_says(samples: Any) -> None:
    x, y = samples
    groups = np.arange(100) // 2
    first, again, other = (
        both(parted(x, y, validation=pynn.Split(0.2, seed=split), groups=groups, seed=seed), 0)
        for split, seed in ((5, 0), (5, 1), (6, 0))
    )
    assert first == again != other
    assert both(parted(x, y, groups=groups), 0) != both(parted(x, y, groups=groups, seed=1), 0)
    labels = (np.arange(100) < 20).astype(int)
    held = [
        [parted(x, labels, validation=pynn.Split(0.1, stratify=stratify), groups=groups, seed=seed).part(0)
         .validation[1].sum() for seed in range(20)]
        for stratify in (True, False)
    ]  # fmt: skip
    assert held[0] == [2] * 20
    assert len(set(held[1])) > 2
    with pytest.raises(ValueError, match="y has dtype float64, expected labels to stratify by; pass stratify=False"):
        parted(x, x[:, 1], validation=pynn.Split(0.2), groups=groups)


def doubled(x: Any, y: Any) -> tuple[Any, Any]:
    """Some samples twice, some three times, and four with other labels too; none of them side by side."""
    more = np.r_[np.arange(40), np.arange(20)]
    return np.concatenate([x, x[more], x[60:64]]), np.concatenate([y, y[more], 1 - y[60:64]])


@pytest.mark.parametrize("kind", ["array", "frame", "text"])
@pytest.mark.parametrize("settings", [{"folds": 4}, {"validation": 0.25}, {"validation": pynn.Split(0.25, seed=3)}])
def test_equal_samples_stay_together(samples: Any, settings: Any, kind: str) -> None:
    x, y = doubled(*samples)
    given: Any = x
    if kind != "array":
        pandas = pytest.importorskip("pandas")
        given = pandas.DataFrame(x, columns=list("abc"))
        if kind == "text":
            given["b"] = [f"row {place:.0f}" for place in x[:, 0]]
            given.loc[given["a"] == 0, "b"] = None
    data = parted(given, y, **settings)
    for fold in range(data.folds):
        part = data.part(fold)
        train, held = (
            list(zip(places(rows), labels.tolist(), strict=True))
            for rows, labels in ((part.x, part.y), (part.validation[0], part.validation[1]))
        )
        assert sorted(train + held) == sorted(zip(x[:, 0].astype(int).tolist(), y.tolist(), strict=True))
        assert not set(train) & set(held)
        assert 37 <= len(held) <= 45
        assert 6 <= part.validation[1].sum() <= 16
    assert text(data.parts).endswith(", equal samples kept together")


def test_samples_that_all_occur_often_are_parted_like_others(samples: Any) -> None:
    """Twenty kinds of samples, ten times each: all of them are in both parts."""
    x, y = samples
    data = parted(np.repeat(x[:10], 10, axis=0), np.repeat(y[:10], 10))
    train, held = both(data, 0)
    assert set(train) == set(range(10))
    assert len(set(held)) > 5
    assert not data.parts["together"]


def test_a_sample_that_occurs_too_often_is_trained_on(samples: Any) -> None:
    x, y = samples
    more = np.full(90, 7)
    train, held = both(parted(np.concatenate([x, x[more]]), np.concatenate([y, y[more]])), 0)
    assert train.count(7) == 91
    assert len(held) == 20
    held = both(parted(np.repeat(x, 2, axis=0), np.repeat(np.arange(100), 2), validation=0.01), 0)[1]
    assert len(held) == 2
    assert held[0] == held[1]


def sizes(data: Data) -> list[int]:
    return [len(data.part(fold).validation[0]) for fold in range(data.folds)]


@pytest.mark.parametrize("labels", [False, True])
def test_folds_are_of_one_size_though_samples_are_equal(rng: np.random.Generator, labels: bool) -> None:
    """A tenth of the samples are equal, and others stand two to eight times."""
    x = rng.standard_normal((400, 3))
    y = (rng.random(400) < 0.2).astype(int) if labels else rng.standard_normal(400)
    places = np.r_[np.arange(400), np.full(100, 7), np.repeat(np.arange(8, 48), rng.integers(1, 8, 40))]
    data = parted(x[places], y[places], folds=5)
    assert max(sizes(data)) - min(sizes(data)) <= (2 if labels else 1)
    if labels:
        ones = [int(data.part(fold).validation[1].sum()) for fold in range(5)]
        assert max(ones) - min(ones) <= 1


def test_a_sample_that_is_more_than_a_fold_is_always_trained_on(samples: Any) -> None:
    x, y = samples
    places = np.r_[np.arange(100), np.full(90, 7), np.full(80, 8)]
    weights = np.arange(270) + 1.0
    data = parted(x[places], y[places], weights=weights, folds=4)
    assert sizes(data) == [25, 25, 24, 24]
    assert data.samples == 270
    out: list[int] = []
    for fold in range(4):
        part = data.part(fold)
        train, held = both(data, fold)
        assert (train.count(7), train.count(8)) == (91, 81)
        assert len(train) + len(held) == 270
        assert part.weights is not None
        assert sorted([*part.weights, *part.validation[2]]) == weights.tolist()
        np.testing.assert_array_equal(part.y, y[train])
        assert np.shares_memory(part.x, data.x)
        out += held
    assert sorted(out) == [place for place in range(100) if place not in (7, 8)]


def test_equal_samples_are_held_out_up_to_the_share(samples: Any) -> None:
    """A sample that is nearly the share does not come on top of it."""
    x, _ = samples
    places = np.r_[np.arange(100), np.full(19, 7)]
    for seed in range(20):
        assert sizes(parted(x[places], x[places, 1], validation=0.2, seed=seed)) == [24]


def test_labels_of_one_different_sample_each_are_no_reason_to_refuse(samples: Any) -> None:
    x, _ = samples
    train, held = both(parted(np.repeat(x, 5, axis=0), np.repeat(np.arange(100), 5), validation=0.2), 0)
    assert (len(set(train)), len(set(held))) == (80, 20)


def test_more_folds_than_different_samples_are_refused(samples: Any) -> None:
    with pytest.raises(ValueError, match="folds is 101, but there are 100 different samples; take 100 folds or fewer"):
        parted(*(np.repeat(part, 2, axis=0) for part in samples), folds=101)


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
        ({"folds": 3, "validation": 0.2}, "validation and folds=3 are two ways to score a trial; leave one out"),
        ({"folds": 3, "validation": (np.zeros((2, 3)), [0, 1])}, "validation and folds=3 are two ways"),
        ({"folds": 3, "validation": pynn.Split(0.1)}, "validation and folds=3 are two ways"),
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
