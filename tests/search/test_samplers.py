"""Samplers of Optuna: each that it ships does its trials, is asked for the first one too, and may end the study."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna
from optuna import samplers
from optuna.samplers import BaseSampler, RandomSampler
from search_cases import build, search

from pynn.search import Search, choice, integer, log_uniform

Points = tuple[np.ndarray, np.ndarray]
SPACE = {"units": integer(4, 6), "kind": choice(["a", "b"])}
GRID: dict[str, Any] = {"units": [4, 5, 6], "kind": ["a", "b"]}
MADE: dict[str, Callable[[], BaseSampler]] = {
    "BruteForceSampler": lambda: samplers.BruteForceSampler(seed=0),
    "CmaEsSampler": lambda: samplers.CmaEsSampler(seed=0, n_startup_trials=2, warn_independent_sampling=False),
    "GPSampler": lambda: samplers.GPSampler(seed=0, n_startup_trials=3),
    "GridSampler": lambda: samplers.GridSampler(GRID, seed=0),
    "NSGAIIISampler": lambda: samplers.NSGAIIISampler(seed=0, population_size=4),
    "NSGAIISampler": lambda: samplers.NSGAIISampler(seed=0, population_size=4),
    "PartialFixedSampler": lambda: samplers.PartialFixedSampler({"units": 5}, RandomSampler(0)),
    "QMCSampler": lambda: samplers.QMCSampler(seed=0, warn_independent_sampling=False),
    "RandomSampler": lambda: RandomSampler(seed=0),
    "TPESampler": lambda: samplers.TPESampler(seed=0, n_startup_trials=3, multivariate=True),
}
NEEDS = {"CmaEsSampler": ["cmaes"], "GPSampler": ["scipy", "torch"], "QMCSampler": ["scipy"]}
FINITE = ("BruteForceSampler", "GridSampler")


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best .* trials sit at")
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def run(points: Points, sampler: Any, trials: int, space: Any = None, **settings: Any) -> Any:
    given = {"metric": "val_loss", "validation": 0.3, "progress": False, **settings}
    return Search(build, space or SPACE, *points, sampler=sampler, **given).run(trials=trials, epochs=1)


def test_all_samplers_of_optuna_are_here() -> None:
    assert set(MADE) == {name for name in samplers.__all__ if name.endswith("Sampler") and not name.startswith("Base")}


@pytest.mark.parametrize("name", MADE)
def test_each_sampler_does_its_trials(points: Points, name: str) -> None:
    for package in NEEDS.get(name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{name} needs {package}")
    sampler, before = MADE[name](), []
    asked = type(sampler).before_trial

    def noting(study: Any, trial: Any) -> None:
        before.append(trial.number)
        asked(sampler, study, trial)

    sampler.before_trial = noting  # type: ignore[method-assign]
    trials = 20 if name in FINITE else 8
    space = {**SPACE, "learning_rate": log_uniform(1e-3, 1e-1)} if name not in FINITE else SPACE
    result = run(points, sampler, trials, space)
    count = 6 if name in FINITE else 8
    assert [one.ended for one in result.trials] == ["finished"] * count
    assert before == list(range(count))
    if name in FINITE:
        assert len({tuple(one.params.values()) for one in result.trials}) == 6
    if name == "PartialFixedSampler":
        assert {one.params["units"] for one in result.trials} == {5}


@pytest.mark.parametrize("name", FINITE)
def test_a_sampler_with_nothing_left_ends_the_study_for_good(points: Points, name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    assert len(run(points, MADE[name](), 4, storage=path).trials) == 4
    for _ in range(2):
        assert len(run(points, MADE[name](), 20, storage=path).trials) == 6
    assert len(run(points, "random", 8, storage=path).trials) == 8
    assert len(run(points, MADE[name](), 20, storage=path).trials) == 8


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_grid_of_optuna_with_a_pruner(points: Points, pruner: str) -> None:
    result = run(points, MADE["GridSampler"](), 20, pruner=pruner)
    assert len(result.trials) == 6


def test_a_larger_grid_of_optuna_goes_on(points: Points, tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    small = samplers.GridSampler({"units": [4, 6], "kind": ["a"]})
    assert len(run(points, small, 20, storage=path).trials) == 2
    assert len(run(points, MADE["GridSampler"](), 20, storage=path).trials) == 8


def test_a_sampler_may_stop_the_study_before_a_trial(points: Points) -> None:
    class Three(RandomSampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            if trial.number == 2:
                study.stop()

    result = run(points, Three(seed=0), 20)
    assert len(result.trials) == 3
    with pytest.raises(RuntimeError, match="supposed to be invoked inside an objective"):
        result.studies[0].stop()  # Optuna's own again


def test_a_trial_that_was_interrupted_before_its_parameters_is_done_by_the_next_run(points: Points) -> None:
    class Interrupted(RandomSampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            if trial.number == 2 and not calls:
                calls.append(1)
                raise KeyboardInterrupt

    calls: list[int] = []
    job = search(*points, metric="val_loss", sampler=Interrupted(seed=0))
    with pytest.raises(KeyboardInterrupt):
        job.run(trials=4, epochs=1)
    assert [one.ended for one in job.run(trials=4, epochs=1).trials] == ["finished"] * 4
