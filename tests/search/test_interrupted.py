"""Searches that are killed: no trial that ended is lost, done again or counted twice, and the search goes on."""

from __future__ import annotations

import copy
import datetime
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import optuna
import search_cases
from optuna.trial import TrialState

import pynn
from pynn.saving import filelocks
from pynn.search import Result, choice, study, work
from pynn.search.storage import beats, claims, journal
from pynn.search.storage.claims import PROCESS
from pynn.search.trials import checkpoints

pytestmark = [
    pytest.mark.filterwarnings("ignore:the best .* trials sit at"),
    pytest.mark.filterwarnings("ignore:build was edited"),  # one of a test may do other things than the next
]
SCRIPT = """
import sys
sys.path[:0] = {path!r}
import search_cases
search_cases.run({storage!r}, {done!r}, {trials}, {together})
"""


def command(folder: Path, trials: int, together: int = 1, storage: str = "{}/study.log") -> list[str]:
    paths = [str(Path(pynn.__file__).parents[1]), str(Path(search_cases.__file__).parent)]
    files = {"storage": storage.format(folder), "done": str(folder / "done.txt")}
    code = SCRIPT.format(path=paths, **files, trials=trials, together=together)
    return [sys.executable, "-W", "ignore", "-c", code]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYNN_BACKEND": pynn.kernels.backend()}


def run_and_kill(folder: Path, trials: int, after: int, wait: float) -> None:
    """Run the search until `after` more models were begun and a moment has passed, then kill it."""
    done = folder / "done.txt"
    begun = done.stat().st_size if done.exists() else 0
    with subprocess.Popen(command(folder, trials), env=environment()) as process:
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit:
            if done.exists() and done.read_text().count("\n", begun) >= after:
                break
            time.sleep(0.001)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)


def gist(result: Result) -> list[Any]:
    return [(one.number, one.params, one.score, one.ended, one.curves) for one in result.trials]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize(("kills", "trials"), [(3, 12), (20, 60)])
def test_a_killed_search_ends_as_one_that_was_left_alone(kills: int, trials: int, tmp_path: Path) -> None:
    moments = random.Random(0)
    ended: dict[int, Any] = {}
    for _ in range(kills):
        run_and_kill(tmp_path, trials, after=moments.randint(1, 3), wait=moments.random() * 0.02)
        stored = optuna.load_study(study_name="search", storage=journal.opened(tmp_path / "study.log"))
        now = {one.number: one.datetime_complete for one in stored.trials if one.state.is_finished()}
        assert ended.items() <= now.items()
        ended = now
    before = (tmp_path / "done.txt").read_text().splitlines()
    subprocess.run(command(tmp_path, trials), env=environment(), check=True, timeout=120)
    search = search_cases.killed(tmp_path / "study.log", tmp_path / "more.txt")
    result = search.run(trials=trials, epochs=3)
    assert not (tmp_path / "more.txt").exists()  # nothing was left to do
    plain = search_cases.killed(None, tmp_path / "plain.txt").run(trials=trials, epochs=3)
    assert gist(result) == gist(plain)
    assert result.best_model.to_bytes() == plain.best_model.to_bytes()
    counts = Counter((tmp_path / "done.txt").read_text().split())
    assert sum(counts.values()) <= trials + kills  # a kill costs the trial that was under way
    assert len(counts) == trials
    assert len(before) >= kills
    assert len(os.listdir(tmp_path / "study.log.models")) == 1


def left_behind(storage: Any, signature: str | None, points: Any) -> Any:
    """A study with two trials that ended, and one under way that a process has signed, or not."""
    job = search_cases.search(*points, storage=storage)
    job.run(trials=2, epochs=2)
    with_space = job.result.studies[0]
    trial = with_space.ask()
    job.space.suggest(trial)
    if signature is not None:
        trial.set_user_attr(PROCESS, signature)
    return with_space


def of_dead_process(**changes: Any) -> str:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return json.dumps({**filelocks.signature(), "process": process.pid, "begun": "1", **changes})


@pytest.mark.slow
def test_trials_of_dead_processes_are_taken_up_and_those_of_living_ones_left(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "STALE", 0.5)
    parent = {"process": os.getppid(), "begun": filelocks._begun(os.getppid())}
    cases = {
        "dead": (of_dead_process(), True),
        "released": ("", True),
        "reused": (json.dumps({**filelocks.signature(), **parent, "begun": "1"}), os.path.exists("/proc")),
        "before a restart": (of_dead_process(machine="00000000"), True),
        "parent": (json.dumps({**filelocks.signature(), **parent}), False),
        "silent elsewhere": (of_dead_process(host="elsewhere", machine="00000000", run="1"), True),
    }
    for name, (signature, taken) in cases.items():
        path = tmp_path / f"{name}.log"
        left_behind(path, signature, points)
        result = search_cases.search(*points, storage=path).run(trials=3, epochs=2)
        assert [one.ended for one in result.trials] == ["finished"] * 2 + ["finished" if taken else "unfinished"], name


@pytest.mark.parametrize("hours", [-5, 0, 5])
def test_a_trial_that_nobody_signed_is_taken_up_after_a_moment_whatever_the_clocks(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(claims, "YOUNG", 0.5)
    left_behind(tmp_path / "study.log", None, points)
    job = search_cases.search(*points, storage=tmp_path / "study.log")
    all_trials = job._storage.get_all_trials

    def elsewhere(*arguments: Any, **settings: Any) -> Any:
        """As a storage that has the local times of a machine in another time zone."""
        found = copy.deepcopy(all_trials(*arguments, **settings))
        for one in found:
            one.datetime_start = datetime.datetime.now() + datetime.timedelta(hours=hours)
        return found

    monkeypatch.setattr(job._storage, "get_all_trials", elsewhere)
    started = time.monotonic()
    result = job.run(trials=3, epochs=2)
    assert 0.5 <= time.monotonic() - started < 30
    assert [one.ended for one in result.trials] == ["finished"] * 3


def test_a_trial_that_is_signed_in_a_moment_is_left_to_its_process(points: Any, tmp_path: Path) -> None:
    study = left_behind(tmp_path / "study.log", None, points)
    parent = {"process": os.getppid(), "begun": filelocks._begun(os.getppid())}
    signature = json.dumps({**filelocks.signature(), **parent})
    signing = threading.Timer(0.3, study._storage.set_trial_user_attr, [study.trials[-1]._trial_id, PROCESS, signature])
    signing.start()
    result = search_cases.search(*points, storage=tmp_path / "study.log").run(trials=3, epochs=2)
    signing.join()
    assert [one.ended for one in result.trials] == ["finished", "finished", "unfinished"]
    assert result.trials[2].why == f"running in process {os.getppid()} on {filelocks.host()}"


@pytest.mark.parametrize("sampler", ["random", pytest.param("tpe", marks=pytest.mark.slow)])
def test_a_trial_killed_before_all_its_parameters_were_chosen_gets_the_others(
    points: Any, tmp_path: Path, sampler: str
) -> None:
    trials = 4 if sampler == "random" else 14
    job = search_cases.search(*points, storage=tmp_path / "study.log", sampler=sampler)
    job.run(trials=trials - 1, epochs=1)
    stage = job._stages[0].study
    stage.begin(trials)
    asked = stage.ask(trials)
    assert asked is not None
    units = asked.params["units"]
    lines = (tmp_path / "study.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "study.log").write_bytes(b"".join(lines[:-1]).replace(*signed_by_dead(lines, stage.others.claim.text)))
    again = search_cases.search(*points, storage=tmp_path / "study.log", sampler=sampler).run(trials=trials, epochs=1)
    plain = search_cases.search(*points, sampler=sampler).run(trials=trials, epochs=1)
    assert again.trials[-1].params["units"] == units
    assert gist(again) == gist(plain)


def signed_by_dead(lines: list[bytes], signature: str) -> tuple[bytes, bytes]:
    """The signature of a run in a journal's lines, and that of a process that has ended."""
    plain, other = (json.dumps(text).encode() for text in (signature, of_dead_process()))
    assert any(plain in line for line in lines)
    return plain, other


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_a_process_may_be_killed_between_two_parameters(points: Any, sampler: str, chosen: int, tmp_path: Path) -> None:
    job = search_cases.search(*points, storage=tmp_path / "study.log", sampler=sampler)
    killed = job._stage(1, "search", job.space, 2).study
    killed.begin(4)
    partial = pynn.search.space.Space(dict(list(search_cases.SPACE.items())[:chosen]) or {"fixed": choice([1])})
    killed.settings = killed.settings._replace(space=partial)
    for _ in range(2):
        killed.release(killed.ask(4))
    plain = search_cases.search(*points, sampler=sampler).run(trials=4, epochs=2)
    assert gist(job.run(trials=4, epochs=2)) == gist(plain)


def test_what_a_trial_was_trained_is_not_lost_before_it_is_told(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(work, "EVERY", 0.0)
    trained, ends = [], [True]
    tell = study.Study.tell

    def killed(self: Any, asked: Any, outcome: Any) -> bool:
        if asked.number == 1 and ends:
            ends.clear()
            raise KeyboardInterrupt
        return tell(self, asked, outcome)

    def noting(params: Any) -> Any:
        model, settings = search_cases.build(params)
        return model, {**settings, "callbacks": lambda trainer: trained.append(trainer.epoch)}

    monkeypatch.setattr(study.Study, "tell", killed)
    settings = {"metric": "val_loss", "storage": tmp_path / "study.log", "build": noting}
    with pytest.raises(KeyboardInterrupt):
        search_cases.search(*points, **settings).run(trials=3, epochs=4)
    result = search_cases.search(*points, **settings).run(trials=3, epochs=4)
    assert trained == [1, 2, 3, 4] * 3
    assert gist(result) == gist(search_cases.search(*points, metric="val_loss").run(trials=3, epochs=4))
    assert len(os.listdir(tmp_path / "study.log.models")) == 1


def test_a_trial_that_another_process_has_ended_in_the_meantime_is_not_told_twice(points: Any, tmp_path: Path) -> None:
    calls = []

    def overtaken(params: Any) -> Any:
        calls.append(params)
        if len(calls) == 3:
            other = optuna.load_study(study_name="search", storage=journal.opened(tmp_path / "study.log"))
            other.tell(2, 0.125)
        return search_cases.build(params)

    job = pynn.search.Search(
        overtaken, search_cases.SPACE, *points, metric="val_loss", storage=tmp_path / "study.log", progress=False
    )  # fmt: skip
    job.run(trials=4, epochs=1)
    states = [one.state for one in job.result.studies[0].trials]
    assert states == [TrialState.COMPLETE] * 4
    assert job.result.studies[0].trials[2].value == 0.125


def test_two_searches_share_a_study(points: Any, tmp_path: Path) -> None:
    """Each finds the trials of the other, and both together do what was asked for."""
    path, others = tmp_path / "study.log", []

    def sharing(params: Any) -> Any:
        if not others:
            others.append(search_cases.search(*points, storage=path))
            others[0].run(trials=3, epochs=1)
        return search_cases.build(params)

    job = pynn.search.Search(
        sharing, search_cases.SPACE, *points, metric="val_accuracy", validation=0.3, storage=path, progress=False
    )  # fmt: skip
    result = job.run(trials=6, epochs=1)
    assert [one.ended for one in result.trials] == ["finished"] * 6
    plain = search_cases.search(*points).run(trials=6, epochs=1)
    assert gist(result) == gist(plain)


def test_the_best_model_of_another_process_is_not_removed(points: Any, tmp_path: Path) -> None:
    """Two searches with one folder: the second has the best trial, and the first finds a better one than its own."""
    path, others, folder = tmp_path / "study.log", [], tmp_path / "study.log.models"

    def sharing(params: Any) -> Any:
        if not others:
            others.append(search_cases.search(*points, metric="val_loss", storage=path))
            others[0].run(trials=5, epochs=4)
        model, settings = search_cases.build(params)
        return model, {**settings, "optimizer": pynn.SGD(1e-9)}

    job = pynn.search.Search(
        sharing, search_cases.SPACE, *points, metric="val_loss", validation=0.3, storage=path, progress=False
    )  # fmt: skip
    result = job.run(trials=9, epochs=4)
    best = result.best_trial
    assert 1 <= best.number <= 4
    (name,) = os.listdir(folder)
    assert name.startswith(f"search-trial-{best.number}-")
    assert result.best_model.built


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["{}/study.log", "sqlite:///{}/study.db"])
def test_two_processes_share_a_study(tmp_path: Path, storage: str) -> None:
    """They come to a storage that is not there yet at the same moment."""
    processes = [subprocess.Popen(command(tmp_path, 40, 2, storage), env=environment()) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    done = (tmp_path / "done.txt").read_text().split()
    there = search_cases.killed(storage.format(tmp_path), tmp_path / "more.txt", tmp_path / "study.log.models")
    result = there.run(trials=40, epochs=3)
    assert {one.ended for one in result.trials} == {"finished"}
    assert 40 <= len(result.trials) <= 41  # both may begin the last one at the same moment
    assert len(done) == len(set(done)) == len(result.trials)
    plain = search_cases.killed(None, tmp_path / "plain.txt").run(trials=len(result.trials), epochs=3)
    assert gist(result) == gist(plain)
    assert result.best_model.to_bytes() == plain.best_model.to_bytes()
    assert len({one.user_attrs[PROCESS] for one in result.studies[0].trials}) == 2
