"""Grids: each point once, whatever the number of processes, and finer with more trials."""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from optuna.samplers import GridSampler
from optuna.trial import TrialState
from search_cases import build

from pynn.search import Result, Search, choice, integer, log_uniform, uniform
from pynn.search.space import Space
from pynn.search.space.grid import Grid

Points = tuple[np.ndarray, np.ndarray]
SPACE = {"units": integer(4, 64), "learning_rate": log_uniform(1e-4, 1e-1)}


@pytest.fixture(autouse=True)
def _no_edges() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best .* trials sit at")
        yield


def grid(points: Points, space: Any = SPACE, **settings: Any) -> Search:
    given = {"sampler": "grid", "metric": "val_loss", "progress": False, "stop": False, **settings}
    return Search(build, space, *points, **given)


def done(result: Result) -> list[str]:
    """The points of all trials; FAIL if one is there twice."""
    found = [json.dumps(one.params) for one in result.trials]
    assert max(Counter(found).values()) == 1
    return found


def whole(space: Any, fineness: int) -> set[str]:
    return {json.dumps(point) for point in Space(space).grid(fineness)}


def test_a_study_never_has_more_trials_than_asked_for(points: Points) -> None:
    job = grid(points)
    assert set(done(job.run(trials=4, epochs=1))) == whole(SPACE, 2)
    assert set(done(job.run(trials=9, epochs=1))) == whole(SPACE, 3)
    with pytest.warns(UserWarning, match="the next finer one that contains them has 25: raise trials"):
        assert set(done(job.run(trials=16, epochs=1))) == whole(SPACE, 3)
    assert set(done(job.run(trials=25, epochs=1))) == whole(SPACE, 5)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "all points of the grid")
        assert len(done(job.run(trials=25, epochs=1))) == 25
    assert set(done(grid(points).run(trials=16, epochs=1))) == whole(SPACE, 4)


def test_a_grid_goes_on_where_it_was_left(points: Points, tmp_path: Path) -> None:
    """Also if its process was killed before a trial had its point, and beside trials of another sampler."""
    path = tmp_path / "study.log"
    grid(points, sampler="random", storage=path).run(trials=3, epochs=1)
    job = grid(points, storage=path)
    study = job._stage(1, "search", job.space, 1).study
    study.begin(14)  # 3 and a grid of 9
    for asked in [study.ask(14) for _ in range(5)]:
        assert asked is not None
        study.release(asked)
    study.queue.release(study.queue.new({"pynn_grid": 3}), 8)
    result = grid(points, storage=path).run(trials=14, epochs=1)
    assert set(done(result)[3:]) == whole(SPACE, 3)
    assert {one.ended for one in result.trials} == {"finished"}


def test_a_coarsest_grid_that_does_not_fit_beside_other_trials(points: Points, tmp_path: Path) -> None:
    grid(points, sampler="random", storage=tmp_path / "study.log").run(trials=3, epochs=1)
    with pytest.raises(ValueError, match="has 4 points, more than the 3 trials; take 4 trials or more"):
        grid(points, storage=tmp_path / "study.log").run(trials=6, epochs=1)


def test_processes_that_begin_at_once_share_the_points(points: Points, tmp_path: Path) -> None:
    """Both look at an empty study before either has begun a trial."""
    both = [grid(points, storage=tmp_path / "study.log") for _ in range(2)]
    studies = [job._stage(1, "search", job.space, 1).study for job in both]
    for study in studies:
        study.begin(9)
    asked = [studies[place % 2].ask(9) for place in range(11)]
    assert [one is None for one in asked] == [False] * 9 + [True] * 2
    assert {json.dumps(one.params) for one in asked if one is not None} == whole(SPACE, 3)


def test_a_trial_that_comes_too_late_for_the_last_point(points: Points, tmp_path: Path) -> None:
    """Another process begins the last one between the look at the study and the new trial."""
    both = [grid(points, storage=tmp_path / "study.log") for _ in range(2)]
    first, second = (job._stage(1, "search", job.space, 1).study for job in both)
    for study in (first, second):
        study.begin(4)
    for _ in range(3):
        assert first.ask(4) is not None
    new = second.queue.new

    def overtaken(attributes: Any) -> int:
        second.queue.new = new  # type: ignore[method-assign]
        assert first.ask(4) is not None
        return new(attributes)

    second.queue.new = overtaken  # type: ignore[method-assign]
    assert second.ask(4) is None
    late = second.optuna.trials[4]
    assert late.state == TrialState.PRUNED
    assert second.trial(late).ended == "pruned"
    assert second.trial(late).why == "another process began the last trial at the same moment"


def test_a_trial_of_a_run_that_is_gone_gets_its_point_also_if_it_began_later(points: Points, tmp_path: Path) -> None:
    """Its process was killed before it had the point."""
    both = [grid(points, storage=tmp_path / "study.log") for _ in range(2)]
    first, second = (job._stage(1, "search", job.space, 1).study for job in both)
    for study in (first, second):
        study.begin(4)
    asked = [first.ask(4) for _ in range(3)]
    second.queue.new({"pynn_grid": 2})
    second.close()
    assert first.others.look_again()
    asked.append(first.ask(4))
    assert {json.dumps(one.params) for one in asked if one is not None} == whole(SPACE, 2)


@pytest.mark.slow
def test_threads_with_studies_of_their_own_do_each_point_once(points: Points, tmp_path: Path) -> None:
    path, results = tmp_path / "study.log", []
    jobs = [grid(points, storage=path) for _ in range(2)]
    threads = [threading.Thread(target=lambda job=job: results.append(job.run(25, 1))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = [one for one in grid(points, storage=path).run(25, 1).trials if one.ended == "finished"]
    assert Counter(json.dumps(one.params) for one in ended) == dict.fromkeys(whole(SPACE, 5), 1)


def test_a_trial_of_enqueue_trial_comes_first_and_is_no_point(points: Points) -> None:
    job = grid(points)
    job.run(trials=4, epochs=1).studies[0].enqueue_trial({"units": 7, "learning_rate": 0.05})
    result = job.run(trials=10, epochs=1)
    assert result.trials[4].params == {"units": 7, "learning_rate": 0.05}
    assert set(done(result)) >= whole(SPACE, 3)
    assert len(result.trials) == 10


def test_the_finest_grid() -> None:
    line, steps = Space({"a": uniform(0, 1)}), Space({"a": integer(1, 5), "b": choice([1, 2])})
    assert [Grid(line).finest(trials) for trials in (1, 2, 3, 1000)] == [2, 2, 3, 1000]
    assert len(steps.grid(Grid(steps).finest(1000))) == 10
    assert len(steps.grid(Grid(steps).finest(9))) == 8
    begun = Grid(line)
    begun.take(4)
    assert [begun.finest(trials) for trials in (2, 4, 5, 6, 7, 9, 10)] == [4, 4, 4, 4, 7, 7, 10]


def time_of_asks(points: Points, count: int, sampler: str) -> float:
    job = grid(points, {"a": uniform(0, 1)}, sampler=sampler)
    study = job._stage(1, "search", job.space, 1).study
    begun = time.process_time()
    study.begin(count)
    for _ in range(count):
        asked = study.ask(count)
        assert asked is not None
        key = study._storage.get_trial_id_from_study_id_trial_number(study._id, asked.number)
        study._storage.set_trial_state_values(key, TrialState.COMPLETE, [0.0])
    assert study.ask(count) is None
    return time.process_time() - begun


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_a_trial_costs_the_same_however_many_there_are(points: Points, sampler: str) -> None:
    few, many = (min(time_of_asks(points, count, sampler) for _ in range(2)) for count in (1000, 4000))
    assert many < 6 * few


# Stages


@pytest.mark.parametrize("stages", [((30, 3), (15, 10), (5, 30)), [(7, 1)]])
def test_stages_into_which_the_grid_does_not_fit_are_refused_at_once(points: Points, stages: Any, capsys: Any) -> None:
    job = grid(points, {**SPACE, "other": uniform(0, 1)})
    enough = [(max(trials, 8), epochs) for trials, epochs in stages]
    with pytest.raises(
        ValueError, match=rf"has 8 points: each stage needs .* stages={re.escape(str(enough))}; or take"
    ):
        job.coarse_to_fine(stages)
    with pytest.raises(ValueError, match="the search has not begun"):
        _ = job.result
    result = job.coarse_to_fine([(trials, 1) for trials, _ in enough])
    assert [one.stage for one in result.trials].count(1) in (8, 27)
    assert len(result.spaces) == len(stages)


def test_stages_of_conditional_spaces_fit_if_the_first_does(points: Points) -> None:
    inner = {"a": integer(1, 2), "b": log_uniform(1e-3, 1)}
    space = {"kind": choice({"x": inner, "y": {}}), "units": integer(4, 6), "learning_rate": log_uniform(1e-3, 1e-1)}
    size = Space(space).grid_size(2)
    result = grid(points, space).coarse_to_fine([(size, 1), (size, 1), (size, 1)])
    assert len(result.spaces) == 3


def test_a_grid_of_optuna_has_no_stages(points: Points) -> None:
    sampler = GridSampler({"units": [4, 8], "learning_rate": [0.01]})
    with pytest.raises(ValueError, match="Optuna's GridSampler has the same points in all stages; use sampler='grid'"):
        grid(points, sampler=sampler).coarse_to_fine([(2, 1), (2, 1)])
