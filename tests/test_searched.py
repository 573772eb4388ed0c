"""What pictures and pages show of a search: the order and scores of trials, and where parameters lie."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("optuna")

from pynn import searched
from pynn.search import choice, integer, log_uniform, uniform


def trial(ended: str, score: float | None) -> Any:
    return SimpleNamespace(ended=ended, score=score)


def test_only_trials_that_finished_or_ended_early_have_a_score() -> None:
    assert [searched.score(trial(one, 0.5)) for one in ("finished", "stopped", "pruned")] == [0.5] * 3
    for lost in (trial("diverged", 0.5), trial("failed", 0.5), trial("unfinished", 0.5), trial("finished", None)):
        assert math.isnan(searched.score(lost))


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_best_come_first_then_those_that_ended_early(mode: str) -> None:
    best, worse = trial("finished", 0.5), trial("finished", 0.6)
    early, hopeless, failed = trial("stopped", 0.1), trial("pruned", 0.9), trial("failed", None)
    result = SimpleNamespace(mode=mode, ranked=[best, worse], trials=[failed, worse, hopeless, early, best])
    others = [early, hopeless] if mode == "min" else [hopeless, early]
    assert searched.ordered(result) == [best, worse, *others, failed]


def test_folds_have_a_mean_and_a_range() -> None:
    one = SimpleNamespace(curves=[{"loss": [1.0, 3.0, 9.0]}, {"loss": [2.0, math.nan]}])
    found = searched.of_folds(one, "loss")
    assert found is not None
    assert [each[0] for each in found] == [1.5, 1, 2]
    assert all(len(each) == 2 and math.isnan(each[1]) for each in found)
    assert searched.of_folds(one, "accuracy") is None
    assert searched.of_folds(SimpleNamespace(curves=[]), "loss") is None


def test_scores_far_apart_need_a_logarithmic_axis() -> None:
    wide = [0.01, math.nan, 1.0]
    assert searched.is_wide(SimpleNamespace(mode="min"), wide)
    assert not searched.is_wide(SimpleNamespace(mode="max"), wide)
    assert not searched.is_wide(SimpleNamespace(mode="min"), [0.1, 1.0])
    assert not searched.is_wide(SimpleNamespace(mode="min"), [0.0, 1.0])


def test_a_parameter_has_the_ends_of_all_its_ranges() -> None:
    found = searched.Parameter([log_uniform(1e-3, 1e-1), log_uniform(1e-2, 1)])
    assert (found.low, found.high, found.log, found.whole, found.named) == (1e-3, 1, True, False, False)
    assert found.three() == [1e-3, pytest.approx(10**-1.5), 1]
    assert found.beside(7) == 0
    assert searched.Parameter([integer(1, 4), integer(2, 9)]).three() == [1, 5, 9]
    assert not searched.Parameter([integer(1, 4), uniform(0, 1)]).whole


def test_trials_of_the_same_value_stand_side_by_side() -> None:
    named = searched.Parameter([choice(["a", "b"]), choice(["b", (1, 2)])])
    assert [named.place(value) for value in ("a", "b", (1, 2))] == [0, 1, 2]
    assert math.isnan(named.place("c"))
    for parameter, most in ((named, 0.25), (searched.Parameter([integer(1, 4)]), 0.1)):
        places = [parameter.beside(number) for number in range(100)]
        assert len(set(places)) == 100
        assert max(map(abs, places)) <= most
