"""What a trial is compared with: the score of the best quarter, and how far the loss of half had fallen."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("optuna")

from pynn.search.trials.middles import Middles
from pynn.search.trials.watching import Middle, fall


def curve(score: float, loss: float, epochs: int = 10, name: str = "val_accuracy") -> list[dict[str, list[float]]]:
    """Scores that rise to `score` at the last epoch, a loss that falls by `loss` in each."""
    return [{name: [score * (epoch + 1) / epochs for epoch in range(epochs)],
             "loss": [5.0 - loss * epoch for epoch in range(epochs)]}]  # fmt: skip


def test_the_best_quarter_and_the_middle() -> None:
    middles = Middles("val_accuracy", "auto", 10)
    for place in range(8):
        assert middles.now() == {} if place < 5 else set(middles.now()) == {2, 3, 4}
        middles.add(curve(place / 8, place / 8))
    found = middles.now()[4]
    assert found == Middle(pytest.approx(5 / 8 * 0.4), pytest.approx(3 * 3 / 8))  # of 0..7 sixth and fourth


def test_smaller_scores_may_be_better() -> None:
    middles = Middles("val_loss", "auto", 10)
    for place in range(8):
        middles.add([{"val_loss": [5.0 - place] * 10, "loss": [5.0 - place * epoch for epoch in range(10)]}])
    assert middles.now()[2].score == 5.0 - 5


def test_a_trial_that_ended_early_counts_as_the_worst() -> None:
    middles = Middles("val_accuracy", "auto", 10)
    for _ in range(5):
        middles.add(curve(0.9, 0.1, epochs=10))
    for _ in range(20):
        middles.add([{"val_accuracy": [0.1, 0.1], "loss": [2.0, 2.0]}])
    assert middles.now()[2].score == pytest.approx(0.1)
    assert middles.now()[3] == Middle(-math.inf, -math.inf)
    middles.add([])
    middles.add([{"val_accuracy": [math.nan] * 10, "loss": [math.nan] * 10}])
    assert middles.now()[2].score == pytest.approx(0.1)


def test_short_trials_are_not_compared() -> None:
    middles = Middles("val_accuracy", "auto", 4)
    for _ in range(9):
        middles.add(curve(0.9, 0.1, epochs=4))
    assert middles.now() == {}


def test_how_far_the_loss_fell() -> None:
    assert fall({"loss": [5.0, 4.0, 3.5]}, 3) == 1.5
    assert fall({"loss": [5.0, 4.0], "data_loss": [2.0, 1.9]}, 2) == pytest.approx(0.1)  # without penalties
    assert math.isnan(fall({"loss": [5.0]}, 2))
    assert math.isnan(fall({}, 1))
