"""Search: trials, samplers, pruners, stages, warnings; what goes on and what is refused."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import warnings
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna
from search_cases import SPACE, build, search

import pynn
from pynn.search import Search, Trial, choice, load, log_uniform, uniform
from pynn.search.space import Space

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _no_edges() -> Any:
    """Few trials of a small network often have their best ones at an end."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the best .* trials sit at")
        yield


def gist(trials: list[Trial]) -> list[Any]:
    """What must not depend on the process, nor on the time."""
    return [(one.number, one.params, one.score, one.ended, one.curves, one.seed) for one in trials]


def test_trials_are_random_and_the_same_with_the_same_seed(points: Points, backend: str) -> None:
    first, again, other = (search(*points, seed=seed).run(trials=8, epochs=2) for seed in (0, 0, 1))
    assert gist(first.trials) == gist(again.trials)
    assert [one.params for one in first.trials] != [one.params for one in other.trials]
    assert [one.seed for one in other.trials] == list(range(1, 9))
    assert len({one.params["learning_rate"] for one in first.trials}) == 8
    assert all(4 <= one.params["units"] <= 16 for one in first.trials)


def test_choices_of_numpy_numbers_are_kept_in_a_journal(points: Points, tmp_path: Path) -> None:
    space = {"units": choice(list(np.array([4, 8])))}
    result = Search(build, space, *points, storage=tmp_path / "study.log", progress=False).run(3, 1)
    assert {type(one.params["units"]) for one in result.trials} == {int}


def test_a_trial_can_be_done_again_by_hand(points: Points) -> None:
    job = search(*points)
    best = job.run(trials=4, epochs=3).best_trial
    part = job.data.part(0)
    model, settings = build(best.params)
    model = pynn.Sequential(*model.layers, seed=best.seed)
    history = model.fit(
        part.x, part.y, validation=part.validation, epochs=3, seed=best.seed, progress=False, **settings
    )
    assert max(history["val_accuracy"]) == best.score


def test_the_metric_is_the_accuracy_or_the_loss(points: Points) -> None:
    assert search(*points).metric == "val_accuracy"
    numbers = Search(
        lambda params: (pynn.Sequential(pynn.Affine(1)), {"loss": "l2", "optimizer": pynn.Adam(params["rate"])}),
        {"rate": log_uniform(1e-3, 1)}, points[0], points[0][:, 0], progress=False,
    )  # fmt: skip
    assert numbers.metric == "val_loss"
    result = numbers.run(trials=5, epochs=3)
    assert result.best_score == min(one.score for one in result.trials if one.score is not None)


def test_any_metric_and_direction(points: Points) -> None:
    def judged(params: Any) -> Any:
        model, settings = build(params)
        return model, {**settings, "metrics": ["accuracy", "f1"]}

    result = Search(judged, SPACE, *points, metric="val_f1", progress=False).run(trials=5, epochs=2)
    assert result.best_score == max(one.score for one in result.trials if one.score is not None)
    worst = search(*points, metric="val_accuracy", mode="min").run(trials=5, epochs=2)
    assert worst.best_score == min(one.score for one in worst.trials if one.score is not None)


def mine(y: Any, outputs: Any) -> float:
    return 0.5


def test_a_metric_is_refused_at_once_if_nothing_measures_it_or_nobody_knows_its_direction(
    points: Points, tmp_path: Path
) -> None:
    def judged(params: Any) -> Any:
        model, settings = build(params)
        return model, {**settings, "metrics": iter(["f1", mine])}

    path = tmp_path / "study.log"
    for mode in ("auto", "max"):
        with pytest.raises(
            ValueError, match="metric is 'val_typo', which is not measured; there are loss, accuracy, val_l"
        ):
            search(*points, metric="val_typo", mode=mode, storage=path)
    with pytest.raises(
        ValueError, match=r"metric is 'val_accuracy', .*there are loss, f1, mine, val_loss, val_f1, val_mi"
    ):
        search(*points, judged, metric="val_accuracy")
    with pytest.raises(ValueError, match="Search: it is not known whether lower or higher is better for val_mine"):
        search(*points, judged, metric="val_mine")
    assert len(search(*points, judged, metric="val_f1", storage=path).run(trials=2, epochs=1).ranked) == 2
    assert search(*points, judged, metric="val_mine", mode="max").run(trials=1, epochs=1).best_score == 0.5


@pytest.mark.parametrize("metric", [None, "val_accuracy"])
def test_the_middle_of_the_space_may_make_no_model(points: Points, metric: str | None) -> None:
    def choosy(params: Any) -> Any:
        if params["units"] == 8:
            raise ValueError("not even")
        return build(params)

    assert SPACE["units"].at(0.5) == 8
    job = search(*points, choosy, metric=metric)
    assert job.metric == "val_accuracy"
    assert job.run(trials=3, epochs=1).best_model.built


def test_a_metric_that_only_some_trials_measure_costs_the_others(points: Points) -> None:
    def some(params: Any) -> Any:
        model, settings = build(params)
        return model, {**settings, "metrics": ["f1"] if params["units"] < 12 else []}

    result = search(*points, some, metric="val_f1").run(trials=8, epochs=1)
    assert {one.params["units"] < 12: one.ended for one in result.trials} == {True: "finished", False: "failed"}
    lost = next(one for one in result.trials if one.ended == "failed")
    assert lost.why.startswith("ValueError: Search: metric is 'val_f1', which is not measured; there are loss, val_l")


def test_more_trials_are_added_to_those_there_are(points: Points) -> None:
    job, whole = search(*points), search(*points).run(trials=6, epochs=2)
    assert len(job.run(trials=4, epochs=2).trials) == 4
    assert gist(job.run(trials=6, epochs=2).trials) == gist(whole.trials)
    assert len(job.run(trials=3, epochs=2).trials) == 6


def test_folds(points: Points) -> None:
    result = search(*points, folds=3).run(trials=3, epochs=2)
    best = result.best_trial
    assert best.score == pytest.approx(np.mean(best.folds))
    assert best.epochs == 6
    assert len(result.best_models) == 3
    scores = best.folds
    job = search(*points, folds=3)
    held = job.data.part(int(np.argmax(scores))).validation
    assert result.best_model.evaluate(*held)["accuracy"] == pytest.approx(max(scores))


# Samplers and pruners


def test_a_grid_has_all_its_points_once_and_becomes_finer(points: Points) -> None:
    space = {"units": choice([4, 8]), "learning_rate": log_uniform(1e-3, 1e-1)}
    job = Search(build, space, *points, sampler="grid", progress=False)
    result = job.run(trials=7, epochs=1)
    rates = sorted({one.params["learning_rate"] for one in result.trials})
    assert len(result.trials) == 6
    assert rates == pytest.approx([1e-3, 1e-2, 1e-1])
    finer = job.run(trials=10, epochs=1).trials
    assert len(finer) == 10  # of five rates, three were there
    assert len({tuple(one.params.values()) for one in finer}) == 10
    with pytest.raises(ValueError, match=r"the coarsest grid of this space.* has 4 points, more than the 3 tr"):
        Search(build, space, *points, sampler="grid", progress=False).run(trials=3, epochs=1)


def test_a_grid_of_conditional_parts(points: Points) -> None:
    space = {"kind": choice({"a": {"learning_rate": log_uniform(1e-3, 1e-1)}, "b": {}})}
    result = Search(build, space, *points, sampler="grid", progress=False).run(trials=4, epochs=1)
    assert [one.params["kind"] for one in result.trials] == ["a", "a", "a", "b"]


@pytest.mark.slow
def test_tpe_and_samplers_of_optuna(points: Points) -> None:
    tpe, again = (search(*points, sampler="tpe").run(trials=14, epochs=1) for _ in range(2))
    assert gist(tpe.trials) == gist(again.trials)
    assert gist(tpe.trials) != gist(search(*points).run(trials=14, epochs=1).trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        quasi = search(*points, sampler=optuna.samplers.QMCSampler(seed=0, warn_independent_sampling=False))
        assert len(quasi.run(trials=4, epochs=1).trials) == 4


@pytest.mark.parametrize("pruner", ["median", "hyperband", "own"])
def test_pruners_end_trials_that_do_worse(points: Points, pruner: str) -> None:
    chosen = optuna.pruners.ThresholdPruner(lower=0.3, n_warmup_steps=3) if pruner == "own" else pruner
    result = search(*points, pruner=chosen, metric="val_accuracy").run(trials=24, epochs=6)
    pruned = [one for one in result.trials if one.ended == "pruned"]
    assert pruned
    assert all(one.epochs < 6 and "Pruner ended it after epoch" in one.why for one in pruned)
    assert result.best_trial.ended == "finished"
    frozen = result.studies[0].trials[pruned[0].number]
    assert frozen.state == optuna.trial.TrialState.PRUNED
    assert list(frozen.intermediate_values.values()) == pytest.approx(pruned[0].curves[0]["val_accuracy"])


@pytest.mark.slow
def test_hopeless_trials_are_stopped_by_their_diagnosis(points: Points) -> None:
    def slow(params: Any) -> Any:
        model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))
        return model, {"optimizer": pynn.SGD(params["rate"]), "batch_size": 5}

    space = {"rate": log_uniform(1e-8, 1e0)}
    results = [
        Search(slow, space, *points, validation=0.3, stop=stop, metric="val_loss", progress=False).run(24, 60)
        for stop in (True, False)
    ]
    stopped = [one for one in results[0].trials if one.ended == "stopped"]
    assert len(stopped) >= 5
    assert all(one.verdicts and one.why.startswith(one.verdicts[0]) for one in stopped)
    best = [[one.number for one in result.ranked[:5]] for result in results]
    assert best[0] == best[1]


# Stages


def test_a_stage_of_few_trials_leaves_the_ranges_as_they_are(points: Points, tmp_path: Any) -> None:
    storage = tmp_path / "study.log"
    with pytest.warns(UserWarning, match="stage 1: the ranges stay, because only 7 trials finished; 8 would narrow"):
        result = search(*points, storage=storage).coarse_to_fine([(7, 1), (2, 1)])
    assert [one.data() for one in result.spaces] == [Space(SPACE).data()] * 2
    assert result.stages[0].endswith("; the ranges stay, because only 7 trials finished; 8 would narrow them")
    assert load(storage).stages == result.stages


def test_an_option_that_was_hardly_tried_is_tried_in_the_next_stage(points: Points) -> None:
    """With eleven options and ten trials, none is left out but those of which three are not among the best."""
    space = {"units": choice(list(range(4, 15)))}
    result = Search(build, space, *points, metric="val_loss", progress=False).coarse_to_fine([(10, 1), (2, 1)])
    tried = Counter(one.params["units"] for one in result.trials if one.stage == 1)
    best = {one.params["units"] for one in sorted(result.trials[:10], key=lambda one: one.score or 0)[:3]}
    kept = result.spaces[1].parts["units"].labels  # type: ignore[union-attr]
    assert kept == [value for value in range(4, 15) if value in best or tried[value] < 3]
    assert len(kept) > 8


def test_stages_narrow_the_space_and_say_so(points: Points) -> None:
    result = search(*points).coarse_to_fine([(18, 1), (8, 2), (3, 4)])
    assert [one.stage for one in result.trials] == [1] * 18 + [2] * 8 + [3] * 3
    assert [one.epochs for one in result.trials] == [1] * 18 + [2] * 8 + [4] * 3
    assert result.stages[0].startswith("stage 1: 18 trials of 1 epoch; ")
    assert "learning_rate: log_uniform(0.0001, 0.1) became log_uniform(" in result.stages[0]
    assert result.stages[2] == "stage 3: 3 trials of 4 epochs"
    rates = [[one.params["learning_rate"] for one in result.trials if one.stage == stage] for stage in (1, 2)]
    best = sorted(
        (one for one in result.trials if one.stage == 1), key=lambda one: (-(one.score or 0), one.number)
    )[:3]  # fmt: skip
    space = result._stages[1].study.settings.space
    ends = space.parts["learning_rate"]
    assert all(ends.low <= one.params["learning_rate"] <= ends.high for one in best)  # type: ignore[union-attr]
    assert all(ends.low <= rate <= ends.high for rate in rates[1])  # type: ignore[union-attr]
    assert gist(search(*points).coarse_to_fine([(18, 1), (8, 2), (3, 4)]).trials) == gist(result.trials)
    assert len(result.studies) == 3
    assert result.best_trial.score == max(one.score for one in result.trials if one.score is not None)
    assert result.best_model.built


@pytest.mark.filterwarnings("ignore:stage 1. the ranges stay")
def test_stages_may_come_from_a_generator(points: Points) -> None:
    assert len(search(*points).coarse_to_fine((trials, 1) for trials in (4, 2)).spaces) == 2  # type: ignore[arg-type]


def test_stages_go_on_from_weights(points: Points) -> None:
    space = {"learning_rate": log_uniform(1e-4, 1e-2)}
    job = Search(build, space, *points, validation=0.3, metric="val_loss", progress=False)
    result = job.coarse_to_fine([(8, 3), (4, 3)], go_on=True)
    assert all(one.went_on == (one.stage == 2) for one in result.trials)
    best = min(result.trials[:8], key=lambda one: one.score or 0)
    assert result.stages[1] == f"stage 2: 4 trials of 3 epochs, 4 of them on from the weights of trial {best.number}"
    assert max(one.curves[0]["val_loss"][0] for one in result.trials[8:]) < best.curves[0]["val_loss"][0]
    assert result.best_trial.stage == 2


def test_the_best_at_an_edge_are_warned_of_and_the_range_is_moved(points: Points) -> None:
    def convex(params: Any) -> Any:
        """From weights of 0 a larger rate does better, whatever the seed."""
        model = pynn.Sequential(pynn.Affine(3, initializer=pynn.Zeros()))
        return model, {"optimizer": pynn.SGD(params["learning_rate"])}

    space = {"learning_rate": log_uniform(1e-5, 1e-3)}
    job = Search(convex, space, *points, validation=0.3, metric="val_loss", progress=False)
    warnings.filterwarnings("always", "the best")
    with pytest.warns(UserWarning, match=r"the best 4 of 24 trials sit at the upper end of learning_rate, .*move the"):
        job.run(trials=24, epochs=3)
    with pytest.warns(UserWarning, match=r"upper end of learning_rate, .*; the next stage goes beyond it"):
        result = job.coarse_to_fine([(24, 3), (6, 3)])
    assert "beyond the upper end, where the best sat" in result.stages[0]
    assert max(one.params["learning_rate"] for one in result.trials) > 1.2e-3


@pytest.mark.parametrize("stages", [3, [], [(1, 2, 3)], [(0, 1)], [(3, 1.5)], ["ab"]])
def test_stages_that_are_refused(points: Points, stages: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"stages (is|has) .*, expected"):
        search(*points).coarse_to_fine(stages)


def test_a_stage_without_a_finished_trial_ends_the_search(points: Points) -> None:
    job = Search(build, {"learning_rate": uniform(1e30, 1e31)}, *points, progress=False)
    with pytest.raises(FloatingPointError, match=r"no trial of stage 1 .* 3 diverged.*Lower the range of the learning"):
        job.coarse_to_fine([(3, 1), (3, 1)])


# Failures


def test_failed_trials_cost_only_themselves(points: Points) -> None:
    def fragile(params: Any) -> Any:
        if params["learning_rate"] > 3e-3:
            raise ArithmeticError("too fast")
        return build(params)

    result = Search(fragile, SPACE, *points, metric="val_accuracy", progress=False).run(trials=12, epochs=1)
    failed = [one for one in result.trials if one.ended == "failed"]
    assert 0 < len(failed) < 12
    assert {one.params["learning_rate"] > 3e-3 for one in failed} == {True}
    assert failed[0].why == "ArithmeticError: too fast"
    assert 'raise ArithmeticError("too fast")' in failed[0].error
    states = [trial.state.name for trial in result.studies[0].trials]
    assert states.count("FAIL") == len(failed)


def test_if_the_first_trials_fail_the_search_ends_with_their_error_and_can_go_on(points: Points) -> None:
    broken = [True]
    calls = []

    def mended_later(params: Any) -> Any:
        calls.append(params)
        if broken:
            raise KeyError("nuits")
        return build(params)

    job = Search(mended_later, SPACE, *points, metric="val_loss", progress=False)
    with pytest.raises(
        RuntimeError,
        match=r"(?s)^the first 3 trials failed: KeyError: 'nuits' \(.*raise KeyError",
    ):
        job.run(trials=60, epochs=1)
    assert len(calls) == 3
    assert "no trial has finished; 3 trials: 3 unfinished" in repr(job.result)
    broken.clear()
    result = job.run(trials=5, epochs=1)
    assert [one.ended for one in result.trials] == ["finished"] * 5
    assert gist(result.trials) == gist(
        Search(build, SPACE, *points, metric="val_loss", progress=False).run(trials=5, epochs=1).trials
    )


def fragile(params: Any) -> Any:
    """Half of the space makes no model."""
    if params["units"] > 7:
        raise ValueError("does not fit")
    return build(params)


def failing_first(points: Points, build: Any, **settings: Any) -> Search:
    """A search whose first three trials have more than 7 units."""
    given = {"metric": "val_loss", "validation": 0.3, "progress": False, "name": "search 28", **settings}
    job = Search(build, SPACE, *points, **given)
    units = [one.params["units"] for one in search(*points, **{**given, "storage": None}).run(5, 1).trials]
    assert min(units[:3]) > 7 >= min(units)
    return job


def test_if_the_first_trials_fail_again_the_search_goes_on(points: Points, tmp_path: Path) -> None:
    first, again = (failing_first(points, fragile, storage=tmp_path / "study.log") for _ in range(2))
    with pytest.raises(
        RuntimeError, match=r"the first 3 trials failed.*Run it again to count such trials as failed, and"
    ):
        first.run(trials=12, epochs=1)
    result = again.run(trials=12, epochs=1)
    assert {one.params["units"] > 7: one.ended for one in result.trials} == {True: "failed", False: "finished"}
    assert gist(first.run(trials=12, epochs=1).trials) == gist(result.trials)


def test_another_error_in_the_next_run_ends_it_too(points: Points) -> None:
    def broken(params: Any) -> Any:
        if len(raised) < 3:
            raised.append(1)
            raise KeyError("units")
        raise KeyError("rate")

    raised: list[int] = []
    job = Search(broken, SPACE, *points, metric="val_loss", progress=False)
    for name in ("units", "rate"):
        with pytest.raises(RuntimeError, match=f"KeyError: '{name}'"):
            job.run(trials=5, epochs=1)
    assert {one.ended for one in job.result.trials} == {"unfinished"}
    assert {one.ended for one in job.run(trials=5, epochs=1).trials} == {"failed"}


def test_first_trials_that_fail_in_different_ways_do_not_end_the_search(points: Points) -> None:
    def several(params: Any) -> Any:
        if params["units"] > 7:
            calls.append(1)
            raise ValueError("odd") if len(calls) % 2 else ValueError("even")
        return build(params)

    def elsewhere(params: Any) -> Any:
        if params["units"] > 7:
            calls.append(1)
            if len(calls) % 2:
                raise ValueError("the same")
            raise ValueError("the same")
        return build(params)

    def kinds(params: Any) -> Any:
        if params["units"] > 7:
            calls.append(1)
            raise (ValueError if len(calls) % 2 else TypeError)("the same")
        return build(params)

    for one, ends in ((elsewhere, False), (kinds, False), (several, True)):
        calls: list[int] = []
        job = failing_first(points, one)
        if ends:  # the text is no matter: it often names the parameters
            with pytest.raises(RuntimeError, match="the first 3 trials failed"):
                job.run(trials=6, epochs=1)
        else:
            assert {trial.ended for trial in job.run(trials=6, epochs=1).trials} == {"failed", "finished"}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_build_may_prune_parameters_that_make_no_model(points: Points, sampler: str) -> None:
    def choosy(params: Any) -> Any:
        if params["units"] > 7:
            raise optuna.TrialPruned("too wide")
        return build(params)

    result = failing_first(points, choosy, sampler=sampler).run(trials=12, epochs=1)
    assert {one.params["units"] > 7: (one.ended, one.why) for one in result.trials} == {
        True: ("pruned", "TrialPruned was raised: too wide"), False: ("finished", ""),
    }  # fmt: skip
    states = [one.state for one in result.studies[0].trials]
    assert states.count(optuna.trial.TrialState.PRUNED) == sum(one.ended == "pruned" for one in result.trials)


def test_one_trial_that_fails_is_an_error(points: Points) -> None:
    with pytest.raises(RuntimeError, match=r"the only trial failed.*ZeroDivisionError"):
        Search(lambda params: 1 / 0, SPACE, *points, metric="val_accuracy", progress=False).run(trials=1, epochs=1)


# Time and Ctrl-C


@pytest.mark.slow
def test_no_trial_begins_after_the_time(points: Points) -> None:
    def late(params: Any) -> Any:
        time.sleep(0.1)
        return build(params)

    job = Search(late, SPACE, *points, metric="val_accuracy", progress=False)
    first = job.run(trials=1000, epochs=1, time=0.35)
    assert 1 <= len(first.trials) <= 5
    whole = job.run(trials=6, epochs=1)
    assert [one.ended for one in whole.trials] == ["finished"] * 6
    assert gist(whole.trials)[: len(first.ranked)] == gist(first.trials)[: len(first.ranked)]


@pytest.mark.filterwarnings("ignore:build was edited")
def test_ctrl_c_keeps_all_and_the_next_run_goes_on(points: Points, tmp_path: Path) -> None:
    calls = []

    def interrupted(params: Any) -> Any:
        calls.append(params)
        model, settings = build(params)
        if len(calls) == 4:
            settings["callbacks"] = lambda trainer: signal.raise_signal(signal.SIGINT)
        return model, settings

    settings: dict[str, Any] = {"metric": "val_loss", "progress": False, "storage": tmp_path / "study.log"}
    job = Search(interrupted, SPACE, *points, **settings)
    with pytest.raises(KeyboardInterrupt, match="the search was interrupted after 3 trials; the next run goes on"):
        job.run(trials=6, epochs=3)
    assert [one.ended for one in job.result.trials] == ["finished"] * 3 + ["unfinished"]
    result = Search(build, SPACE, *points, **settings).run(trials=6, epochs=3)
    plain = Search(build, SPACE, *points, metric="val_loss", progress=False).run(trials=6, epochs=3)
    assert gist(result.trials) == gist(plain.trials)
    assert result.best_model.to_bytes() == plain.best_model.to_bytes()
    assert not [name for name in os.listdir(tmp_path / "study.log.models") if name.endswith(".checkpoint")]


# Storage


@pytest.mark.slow
def test_a_study_goes_on_in_its_storage(points: Points, tmp_path: Path) -> None:
    for storage in (tmp_path / "study.log", f"sqlite:///{tmp_path}/study.db"):
        first = search(*points, storage=storage, folder=tmp_path / "models").run(trials=3, epochs=2)
        result = search(*points, storage=storage, folder=tmp_path / "models").run(trials=5, epochs=2)
        assert gist(result.trials)[:3] == gist(first.trials)
        assert gist(result.trials) == gist(search(*points).run(trials=5, epochs=2).trials)


def test_models_are_kept_of_the_best_trial_only(points: Points, tmp_path: Path) -> None:
    result = search(*points, storage=tmp_path / "study.log").run(trials=6, epochs=2)
    (name,) = os.listdir(tmp_path / "study.log.models")
    assert re.fullmatch(rf"search-trial-{result.best_trial.number}-[0-9a-f]{{8}}\.safetensors", name)
    assert sorted(os.listdir(tmp_path)) == ["study.log", "study.log.models"]
    again = search(*points, storage=tmp_path / "study.log").run(trials=6, epochs=2)
    np.testing.assert_array_equal(again.best_model.parameters, result.best_model.parameters)
    (tmp_path / "study.log.models" / name).unlink()
    with pytest.raises(
        LookupError, match=r"the model of trial \d is not there: .*safetensors is not there: it was rem"
    ):
        _ = search(*points, storage=tmp_path / "study.log").run(trials=6, epochs=2).best_model


def test_several_studies_in_one_storage(points: Points, tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    one = search(*points, storage=path, name="one").run(trials=2, epochs=1)
    two = search(*points, storage=path, name="two").run(trials=3, epochs=1)
    assert (len(one.trials), len(two.trials)) == (2, 3)
    assert one.trials[0].params != two.trials[0].params
    assert len(os.listdir(tmp_path / "study.log.models")) == 2


def test_other_settings_are_refused_with_their_names(points: Points, tmp_path: Path) -> None:
    path, (x, y) = tmp_path / "study.log", points
    search(x, y, storage=path).run(trials=2, epochs=1)
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({}, 2, "epochs was 1, now it is 2"),
        ({"metric": "val_loss"}, 1, "metric was 'val_accuracy', now it is 'val_loss'"),
        ({"seed": 1}, 1, "seed was 0, now it is 1"),
        ({"folds": 3}, 1, "parts was a share of 0.3, now it is 3 folds"),
    ]
    for settings, epochs, message in cases:
        with pytest.raises(ValueError, match=f"'search' was begun with other settings: .*{message}.*another name="):
            search(x, y, storage=path, **settings).run(trials=2, epochs=epochs)
    with pytest.raises(ValueError, match=r"Its trials are in .*study.log: go on with the same settings, or"):
        search(x, y, storage=path, seed=1).run(trials=2, epochs=1)
    with pytest.raises(ValueError, match="samples was 30, now it is 27"):
        search(x[:27], y[:27], storage=path).run(trials=2, epochs=1)
    other = {"units": SPACE["units"], "learning_rate": log_uniform(1e-5, 1e-1), "layers": choice([1])}
    message = (
        r"in the space, learning_rate was .*0.0001.*, now it is .*1e-05.*; in the space, layers was not there, now"
    )
    with pytest.raises(ValueError, match=message):
        Search(build, other, x, y, validation=0.3, storage=path, progress=False).run(trials=2, epochs=1)


@pytest.mark.parametrize("changed", ["x", "y", "sample_weight", "validation", "table"])
def test_a_study_does_not_go_on_with_other_samples(points: Points, tmp_path: Path, changed: str) -> None:
    x, y = points
    given: dict[str, Any] = {"x": x, "y": y}
    if changed == "sample_weight":
        given["sample_weight"] = np.ones(len(y))
    elif changed == "validation":
        given["validation"] = (x[:20].copy(), y[:20])
    elif changed == "table":
        pandas = pytest.importorskip("pandas")
        given["x"] = pandas.DataFrame(x, columns=[f"column {place}" for place in range(x.shape[1])])
    path = tmp_path / "study.log"
    search(**given, storage=path).run(trials=1, epochs=1)
    assert len(search(**given, storage=path).run(trials=2, epochs=1).trials) == 2
    if changed == "validation":
        given["validation"][0][3, 0] += 1
    elif changed == "table":
        given["x"] = given["x"].rename(columns={"column 0": "first"})
    else:
        given[changed] = given[changed].copy()
        given[changed][3] = given[changed][4] + 1 if changed != "y" else (given[changed][3] + 1) % 2
    with pytest.raises(ValueError, match="other settings: values of x, y, sample_weight or validation were others"):
        search(**given, storage=path).run(trials=3, epochs=1)


@pytest.mark.slow
def test_a_study_of_another_program_is_refused(points: Points, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.logging.get_logger("optuna"), "disabled", True)
        study = optuna.create_study(study_name="search", storage=url)
    study.tell(study.ask(), 1.0)
    with pytest.raises(ValueError, match="the study 'search' was not made by pynn; pass Search another name="):
        search(*points, storage=url).run(trials=2, epochs=1)


def test_trials_that_the_user_enqueues_are_done_first(points: Points) -> None:
    job = search(*points)
    study = job.run(trials=1, epochs=1).studies[0]
    study.enqueue_trial({"units": 7, "learning_rate": 0.05})
    assert job.run(trials=3, epochs=1).trials[1].params == {"units": 7, "learning_rate": 0.05}


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_a_trial_that_optuna_adds_is_neither_the_best_nor_ranked(points: Points, tmp_path: Path, metric: str) -> None:
    """It has no model, and its score is not one of the search's."""
    settings: dict[str, Any] = {"metric": metric, "storage": tmp_path / "study.log", "folder": tmp_path / "models"}
    first = search(*points, **settings).run(trials=4, epochs=1)
    study, value = first.studies[0], 1e-9 if metric == "val_loss" else 1.0
    study.add_trial(
        optuna.trial.create_trial(
            params={"units": 8, "learning_rate": 0.01}, distributions=study.trials[0].distributions, value=value
        )
    )
    study.tell(study.ask(), value)  # without parameters
    job = search(*points, **settings)
    result = job.run(trials=8, epochs=1)
    foreign = [one for one in result.trials if one.number in (4, 5)]
    assert [one.ended for one in result.trials if one not in foreign] == ["finished"] * 6
    assert {(one.ended, one.why, one.score) for one in foreign} == {
        ("unfinished", "another program told Optuna of it", None)
    }
    ranked = job._stages[0].study.ranked()
    assert [one.number for one in ranked] == [one.number for one in result.ranked]
    assert not {4, 5} & {one.number for one in ranked}
    assert len(os.listdir(tmp_path / "models")) == 1
    assert result.best_model.built


# Arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "bayes"}, "sampler is 'bayes', expected one of random, grid, tpe, or a sampler of Optuna"),
        ({"sampler": optuna.samplers.TPESampler}, "or a sampler of Optuna; make an object of it"),
        ({"pruner": "mean"}, "pruner is 'mean', expected one of median, hyperband, or a pruner of Optuna"),
        ({"pruner": 3}, "pruner is 3"),
        ({"mode": "lowest"}, "mode is 'lowest', expected one of auto, min, max"),
        ({"stop": 1}, "stop is 1, expected True or False"),
        ({"name": 3}, "name is 3, expected the name of the study"),
        ({"seed": -1}, "seed is -1"),
        ({"progress": "yes"}, "progress is 'yes'"),
        ({"metric": 3}, "metric is 3, expected the name of a measurement"),
        ({"epochs": 3}, "Search has no 'epochs'"),
    ],
)
def test_what_is_refused(points: Points, settings: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        search(*points, **settings)


def test_a_build_that_cannot_be_called_or_has_errors_is_refused_at_once(points: Points) -> None:
    with pytest.raises(TypeError, match="build is 3, expected a function that makes a model of parameters"):
        Search(3, SPACE, *points)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        Search(lambda params: 1 / 0, SPACE, *points)
    with pytest.raises(ValueError, match="the search has not begun"):
        _ = search(*points).result


def test_other_settings_of_trials_in_memory_want_a_new_search(points: Points) -> None:
    job = search(*points)
    job.run(trials=1, epochs=1)
    with pytest.raises(ValueError, match=r"epochs was 1, now it is 2\. Its trials are in memory: .* make a new Search"):
        job.run(trials=1, epochs=2)


@pytest.mark.skipif(find_spec("cmaes") is not None, reason="the package is there")
def test_a_sampler_without_its_package_is_refused_at_once(points: Points) -> None:
    with pytest.raises(ImportError, match=r"sampler is a CmaEsSampler, .*: pip install cmaes$"):
        search(*points, sampler=optuna.samplers.CmaEsSampler())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have no notes")
def test_errors_of_build_tell_the_parameters(points: Points) -> None:
    def lacking(params: Any) -> Any:
        return build({"units": params["unit"]})

    def pruned(params: Any) -> Any:
        raise optuna.TrialPruned("why")

    with pytest.raises(KeyError) as raised:
        Search(lacking, SPACE, *points)
    assert raised.value.__notes__[0].startswith("Search tried build with {'units': 8, 'learning_rate': 0.003")
    assert raised.value.__notes__[0].endswith("and with 9 others, which failed too")
    with pytest.raises(optuna.TrialPruned) as raised_too:
        Search(pruned, SPACE, *points)
    assert "metric='val_loss', or another, has the search begin" in raised_too.value.__notes__[0]


@pytest.mark.parametrize(
    ("metric", "advice"),
    [
        ("acuracy", "did you mean 'val_accuracy'\\?$"),
        ("val_acc", "did you mean 'val_accuracy'\\?$"),
        ("val_los", "did you mean 'val_loss'\\?$"),
        ("learning_rates", "did you mean 'learning_rate'\\?$"),
        ("val_f1", r'have build return it among the settings of fit: \{"metrics": \["f1"\]\}$'),
        ("val_top3", r'\{"metrics": \["top3"\]\}$'),
        ("neg_log_loss", r'\{"metrics": \["log_loss"\]\}, and take metric=\'val_log_loss\'$'),
        ("val_typo", "build may return further metrics among the settings of fit$"),
    ],
)
def test_a_metric_that_is_not_measured_is_told_what_to_write(points: Points, metric: str, advice: str) -> None:
    with pytest.raises(ValueError, match=f"which is not measured; there are loss, .*{advice}"):
        search(*points, metric=metric)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (50, "validation is 50, expected a share of the samples, such as 0.2$"),
        (0, "validation is 0, expected a share"),
        (np.zeros((9, 8, 8)), r"validation is one array, of shape \(9, 8, 8\), .*: validation=\(x_val, y_val\)$"),
        (True, "validation is True, expected a share, a pynn.Split, or"),
    ],
)
def test_validation_that_is_refused(points: Points, validation: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        search(*points, validation=validation)


def test_the_names_of_other_libraries_are_answered(points: Points) -> None:
    job = search(*points)
    for call, message in (
        (lambda: job.run(n_trials=3), "run has no 'n_trials'; it is called trials here"),
        (lambda: job.run(timeout=3), "run has no 'timeout'; it is called time here"),
        (lambda: job.run(n_jobs=2), r"it is an argument of Search: Search\(..., jobs=2\)"),
        (lambda: job.coarse_to_fine(timeout=3), "coarse_to_fine has no 'timeout'; it is called time here"),
        (
            lambda: job.coarse_to_fine(n_trials=3),
            r"each stage has its own: coarse_to_fine\(\[\(30, 3\), \(15, 10\)\]\)",
        ),
        (lambda: search(*points, n_trials=3), r"run takes it: Search\(...\).run\(trials=60, epochs=10\)"),
        (lambda: search(*points, n_jobs=3), "it is called jobs here"),
        (lambda: search(*points, study_name="a"), "it is called name here"),
        (lambda: search(*points, cv=3), "it is called folds here"),
        (lambda: search(*points, direction="minimize"), "mode='min' or 'max' says whether lower or higher is better"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


@pytest.mark.parametrize("settings", [{"trials": 0}, {"epochs": 0}, {"epochs": 1.5}, {"time": 0}, {"time": "1h"}])
def test_runs_that_are_refused(points: Points, settings: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"run: {next(iter(settings))} is "):
        search(*points).run(**settings)


@pytest.mark.slow
def test_the_bar_shows_the_best(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    def late(params: Any) -> Any:
        time.sleep(0.12)  # tqdm draws ten times a second
        return build(params)

    Search(late, SPACE, *points, progress=True).run(trials=4, epochs=1)
    assert "best val_accuracy" in capsys.readouterr().err
    search(*points, progress="auto").run(trials=3, epochs=1)
    assert capsys.readouterr().err == ""
