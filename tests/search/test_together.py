"""Searches that share a storage: stages have the same space in all, and what a run has left over is taken up."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
import search_cases

import pynn
from pynn.search import Search, choice, load, log_uniform, samplers, study, work

pytestmark = [
    pytest.mark.filterwarnings("ignore:the best .* trials sit at"),
    pytest.mark.filterwarnings("ignore:build was edited"),  # one of a test may do other things than the next
]
STAGES = [(8, 1), (4, 2)]


def first_is_best(points: Any) -> Any:
    """A build with which the first trial is the best."""
    [first] = search_cases.search(*points, name="search stage 1").run(trials=1, epochs=1).trials

    def build(params: dict[str, Any]) -> Any:
        model, settings = search_cases.build(params)
        return model, {**settings, "optimizer": pynn.SGD(0.3 if params == first.params else 1e-9)}

    return build


def test_a_stage_begins_once_the_trials_of_all_processes_have_ended(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, storage = first_is_best(points), tmp_path / "study.log"
    begun, waits = threading.Event(), threading.Event()
    wait = work._Run._wait

    def seen(self: Any) -> bool:
        waits.set()
        return wait(self)

    def slow(params: dict[str, Any]) -> Any:
        begun.set()
        waits.wait(10)
        return build(params)

    monkeypatch.setattr(work._Run, "_wait", seen)
    monkeypatch.setattr(work, "LOOK", 0.05)
    found: dict[str, Any] = {}

    def search(name: str, build: Any) -> None:
        job = search_cases.search(*points, build=build, storage=storage, metric="val_loss", stop=False)
        try:
            found[name] = job.coarse_to_fine(STAGES)
        except Exception as error:
            found[name] = error

    first = threading.Thread(target=search, args=("slow", slow))
    first.start()
    begun.wait(30)
    search("fast", build)
    first.join()
    search("later", build)
    alone = search_cases.search(*points, build=build, metric="val_loss", stop=False).coarse_to_fine(STAGES)
    assert alone.trials[0].score == min(one.score for one in alone.trials[:8])  # type: ignore[type-var]
    params = [one.params for one in alone.trials]
    for result in found.values():
        assert repr(result.spaces) == repr(alone.spaces)
        assert [one.params for one in result.trials[:8]] == params[:8]
        for one in result.trials[8:]:  # of the last stage the other may have some under way
            assert one.params == params[one.number + 8] or one.ended == "unfinished" or one.why == study.SURPLUS
    assert [one.params for one in found["later"].trials if one.why != study.SURPLUS] == params


def test_a_trial_that_two_processes_begin_for_the_last_one_is_not_done_and_does_not_count(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [search_cases.search(*points, storage=tmp_path / "study.log") for _ in range(2)]
    first, second = (job._stage(1, "search", job.space, 1).study for job in jobs)
    for one in (first, second):
        one.begin(1)
    monkeypatch.setattr(second, "_has", lambda trials: False)  # it looked a moment before
    assert first.ask(1) is not None
    assert second.ask(1) is None
    assert second.optuna.trials[1].state.name == "PRUNED"
    for one in (first, second):
        one.close()
    result = jobs[0].run(trials=3, epochs=1)
    assert [one.ended for one in result.trials] == ["finished", "pruned", "finished", "finished"]
    assert result.trials[1].why == study.SURPLUS


def test_a_run_that_was_taken_to_be_gone_does_not_give_back_the_trial_of_another(points: Any, tmp_path: Path) -> None:
    both = [search_cases.search(*points, storage=tmp_path / "study.log") for _ in range(2)]
    slow, other = (job._stage(1, "search", job.space, 1).study for job in both)
    for one in (slow, other):
        one.begin(4)
    asked = slow.ask(4)
    assert asked is not None
    slow.queue._claim.end()  # as if nothing was heard of it
    assert other.others.look_again()
    taken = other.ask(4)
    assert taken is not None
    assert taken.number == asked.number
    slow.release(asked)
    assert other.optuna.trials[asked.number].user_attrs["pynn_process"] == other.queue._claim.text
    other.release(taken)
    assert other.optuna.trials[asked.number].user_attrs["pynn_process"] == ""


@pytest.mark.filterwarnings("ignore:stage 1. the ranges stay")
def test_the_waiting_of_a_stage_is_said_and_ends_with_the_time(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LOOK", 0.1)
    monkeypatch.setattr(work, "PATIENCE", 0.2)
    held, free = threading.Event(), threading.Event()

    def holding(params: dict[str, Any]) -> Any:
        held.set()
        free.wait(30)
        return search_cases.build(params)

    settings: dict[str, Any] = {"storage": tmp_path / "study.log", "metric": "val_loss"}
    other = search_cases.search(*points, build=holding, **settings)
    thread = threading.Thread(target=lambda: other.coarse_to_fine([(3, 1), (2, 1)]))
    thread.start()
    held.wait(30)
    job = search_cases.search(*points, **settings)
    with pytest.warns(RuntimeWarning, match=r"'search stage 1' waits for trial 0 \(process \d+ on .*\). Ctrl-C ends"):
        result = job.coarse_to_fine([(3, 1), (2, 1)], time=1.5)
    assert [one.ended for one in result.trials] == ["unfinished", "finished", "finished"]
    free.set()
    thread.join()
    assert len(job.coarse_to_fine([(3, 1), (2, 1)]).trials) == 5


def test_searches_whose_trials_all_fail_do_not_wait_for_each_other(points: Any, tmp_path: Path) -> None:
    begun, errors = [threading.Event(), threading.Event()], []

    def search(place: int) -> None:
        def failing(params: dict[str, Any]) -> Any:
            begun[place].set()
            begun[1 - place].wait(30)
            raise ValueError("no model")

        job = search_cases.search(*points, build=failing, storage=tmp_path / "study.log", metric="val_loss")
        try:
            job.coarse_to_fine([(2, 1), (2, 1)])
        except RuntimeError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=search, args=(place,), daemon=True) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 2
    assert all("ValueError: no model" in error for error in errors)


def test_a_stage_that_was_begun_keeps_its_space(points: Any, tmp_path: Path) -> None:
    """Its values have the types that they had: a storage has text for keys, and lists for tuples."""
    inner = {"learning_rate": log_uniform(1e-4, 1e-1)}
    space = {"units": choice({4: inner, 8: inner, None: inner}), "shape": choice([(1,), (2, 3)])}

    def build(params: dict[str, Any]) -> Any:
        assert type(params["units"]) in (int, type(None))
        assert type(params["shape"]) is tuple
        return search_cases.build({**params, "units": params["units"] or 6})

    def search() -> Search:
        return Search(build, space, *points, storage=tmp_path / "study.log", metric="val_loss", progress=False)

    before = search().coarse_to_fine([(8, 1), (2, 1)])
    with pytest.warns(
        UserWarning, match="stage 2 was begun before all trials of the stage before had ended, and keeps"
    ):
        after = search().coarse_to_fine([(30, 1), (6, 1)])
    assert repr(after.spaces) == repr(before.spaces)
    assert [one.ended for one in after.trials] == ["finished"] * 36
    assert load(tmp_path / "study.log").stages == after.stages


def test_a_study_has_no_more_trials_than_were_asked_for_if_another_process_does_the_last(
    points: Any, tmp_path: Path
) -> None:
    others: list[Any] = []

    def sharing(params: dict[str, Any]) -> Any:
        if not others:
            others.append(search_cases.search(*points, storage=tmp_path / "study.log"))
            others[0].run(trials=4, epochs=1)
        return search_cases.build(params)

    result = search_cases.search(*points, build=sharing, storage=tmp_path / "study.log").run(trials=4, epochs=1)
    assert [one.ended for one in result.trials] == ["finished"] * 4


GRID = {"units": choice([4, 8]), "learning_rate": log_uniform(1e-3, 1e-1)}


def on_grid(points: Any, storage: Path) -> Search:
    return Search(search_cases.build, GRID, *points, sampler="grid", progress=False, metric="val_loss", storage=storage)


def places(result: Any) -> list[Any]:
    return [tuple(one.params.values()) for one in result.trials if one.ended == "finished"]


def test_searches_that_begin_at_once_share_a_grid(points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)
    begin = study.Study.begin

    def at_once(self: Any, trials: int) -> None:
        begin(self, trials)
        together.wait(30)

    monkeypatch.setattr(study.Study, "begin", at_once)
    threads = [threading.Thread(target=on_grid(points, tmp_path / "study.log").run, args=(6, 1)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    result = on_grid(points, tmp_path / "study.log").run(trials=6, epochs=1)
    assert len(set(places(result))) == 6
    assert 6 <= len(result.trials) <= 7  # both may begin the last one at the same moment
    finer = on_grid(points, tmp_path / "study.log").run(trials=10, epochs=1)
    assert len(set(places(finer))) == 10


@pytest.mark.parametrize("where", ["set_trial_system_attr", "get_trial_number_from_id"])
def test_a_point_of_a_grid_is_not_lost(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    job, calls = on_grid(points, tmp_path / "study.log"), []
    real = getattr(job._storage, where)

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(job._storage, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        job.run(trials=6, epochs=1)
    plain = on_grid(points, tmp_path / "plain.log").run(trials=6, epochs=1)
    assert places(on_grid(points, tmp_path / "study.log").run(trials=6, epochs=1)) == places(plain)


# What a run has left over ---------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("where", ["created", "trial", "sampler", "suggested"])
@pytest.mark.parametrize("given_back", [True, False])
def test_a_trial_that_could_not_be_asked_for_is_taken_up_by_the_same_process(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type, where: str, given_back: bool
) -> None:
    job = search_cases.search(*points, storage=tmp_path / "study.log")
    job.run(trials=1, epochs=1)

    def fail(*arguments: Any, **settings: Any) -> Any:
        if where == "created":
            create(*arguments, **settings)
        raise error("now")

    create = job._storage.create_new_trial
    with monkeypatch.context() as patch:
        owner, name = {
            "created": (job._storage, "create_new_trial"), "trial": (optuna, "Trial"),
            "sampler": (samplers, "sampler"), "suggested": (type(job.space), "walk"),
        }[where]  # fmt: skip
        patch.setattr(owner, name, fail)
        if not given_back:
            patch.setattr(job._storage, "set_trial_user_attr", fail)
        with pytest.raises(error):
            job.run(trials=3, epochs=1)
    assert [one.ended for one in job.result.trials] == ["finished", "unfinished"]
    assert [one.ended for one in job.run(trials=3, epochs=1).trials] == ["finished"] * 3


def test_trials_that_cannot_be_given_back_are_taken_up_by_the_same_process(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(params: dict[str, Any]) -> Any:
        raise KeyboardInterrupt

    def lost(*arguments: Any, **settings: Any) -> None:
        raise OSError("the storage is lost")

    job = search_cases.search(*points, build=interrupted, storage=tmp_path / "study.log", metric="val_loss")
    with monkeypatch.context() as patch:
        patch.setattr(job._storage, "set_trial_user_attr", lost)
        with pytest.raises(OSError, match="the storage is lost"):
            job.run(trials=3, epochs=1)
    again = search_cases.search(*points, storage=tmp_path / "study.log", metric="val_loss").run(trials=3, epochs=1)
    assert [one.ended for one in again.trials] == ["finished"] * 3
