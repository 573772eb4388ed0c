"""What is said of random search and of stages, at equal budgets, over 20 repetitions each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import pynn
from pynn.search import Search, log_uniform, uniform

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the best .* trials sit at")]
REPETITIONS = 20


def convex(params: Any) -> Any:
    """A linear model from weights of 0: only the learning rate matters, and few epochs want a certain one."""
    model = pynn.Sequential(pynn.Affine(3, initializer=pynn.Zeros()))
    return model, {"optimizer": pynn.SGD(params["learning_rate"]), "loss": "l2", "batch_size": 32}


def task(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((120, 8))
    return x, x @ rng.standard_normal((8, 3)) + 0.1 * rng.standard_normal((120, 3))


def best(seed: int, space: Any, stages: Any, **settings: Any) -> float:
    """The best val_loss, and the epochs that it took."""
    job = Search(convex, space, *task(seed), seed=seed, stop=False, progress=False, **settings)
    result = job.run(*stages[0]) if len(stages) == 1 else job.coarse_to_fine(stages)
    assert sum(one.epochs for one in result.trials) <= sum(trials * epochs for trials, epochs in stages)
    return result.best_score


def test_random_search_beats_a_grid_where_one_of_two_parameters_matters() -> None:
    won, ratios = 0, []
    for seed in range(REPETITIONS):
        shift = 10 ** np.random.default_rng(seed).uniform(-1, 1)
        space = {"learning_rate": log_uniform(1e-5 * shift, 1e1 * shift), "nothing": uniform(0, 1)}
        random, grid = (best(seed, space, [(16, 3)], sampler=sampler) for sampler in ("random", "grid"))
        won += random < grid
        ratios.append(random / grid)
    assert won >= 15
    assert np.median(ratios) < 0.8


def test_stages_beat_one_stage_where_the_range_was_chosen_off_centre() -> None:
    won, ratios = 0, []
    for seed in range(REPETITIONS):
        space = {"learning_rate": log_uniform(1e-6, 1e-2)}
        one, several = (best(seed, space, stages) for stages in ([(30, 3)], [(12, 3), (9, 3), (9, 3)]))
        won += several < one
        ratios.append(several / one)
    assert won >= 15
    assert np.median(ratios) < 0.8
