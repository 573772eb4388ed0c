"""Beats: runs on other machines are heard of, those that fall silent lose their trials, and clocks do not matter."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna")

import search_cases
from optuna.storages import InMemoryStorage

import pynn
from pynn.saving import filelocks
from pynn.search import load, work
from pynn.search.storage import beats, journal
from pynn.search.storage.beats import NAME, Beats
from pynn.search.storage.claims import PROCESS

posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
ELSEWHERE = {"process": 7, "host": "node3", "machine": "00000000", "begun": "1", "run": "theirs"}
SCRIPT = """
import sys
sys.path[:0] = {path!r}
import search_cases
from pynn.saving import filelocks
from pynn.search.storage import beats
filelocks.machine, filelocks.host = lambda: "00000000", lambda: "node3"
beats.BEAT = 0.2
search_cases.run_in_processes({storage!r}, {file!r}, {seconds}, 3)
"""


def new(path: Path) -> Any:
    storage = journal.opened(path)
    journal.study(storage, "search", True, None)
    return storage


def test_a_run_that_beats_is_heard_and_one_that_falls_silent_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(beats.time, "monotonic", lambda: now[0])
    ours = Beats(new(tmp_path / "study.log"), 0, "ours")

    def look(seconds: float, beat: str = "", runs: tuple[str, ...] = ()) -> tuple[bool, bool]:
        now[0] += seconds
        if beat:
            ours._storage.set_study_user_attr(0, f"{NAME}1", f"theirs {beat}")
        ours.look(runs)
        return ours.heard("theirs"), ours.gone("theirs")

    assert look(0, "noon", ("theirs", "another")) == (False, False)  # it may have been written long ago
    assert look(10) == (False, False)
    assert look(10, "an hour before noon") == (True, False)  # its clock was set
    for _ in range(11):
        assert look(10) == (True, False)
    assert look(10) == (False, True)
    assert ours.gone("another")
    assert look(10, "evening", ("theirs",)) == (True, False)  # the machine had slept
    assert look(3600) == (True, False)  # this process stood still itself
    assert not ours.heard("nobody")
    assert not ours.gone("nobody")


def test_a_run_beats_as_long_as_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "BEAT", 0.05)
    storage = new(tmp_path / "study.log")
    ours, other = Beats(storage, 0, "ours"), Beats(journal.opened(tmp_path / "study.log"), 0, "other")
    other.look(["ours"])
    ours.start()
    ours.start()
    limit = time.monotonic() + 30
    while not other.heard("ours") and time.monotonic() < limit:
        time.sleep(0.02)
        other.look(())
    assert other.heard("ours")
    ours.stop()
    ours.stop()
    last = storage.get_study_user_attrs(0)
    time.sleep(0.2)
    assert storage.get_study_user_attrs(0) == last
    assert last == {f"{NAME}1": ""}
    assert not other.gone("ours")
    other.stop()
    assert not [one for one in threading.enumerate() if one.name == "pynn-search-beats"]


def test_runs_do_not_leave_ever_more_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the first that is free: of runs that ended, and of those that were killed long ago."""
    monkeypatch.setattr(beats, "BEAT", 0.02)
    storage = new(tmp_path / "study.log")
    storage.set_study_user_attr(0, f"{NAME}1", f"killed {beats._now() - timedelta(hours=2)}")
    storage.set_study_user_attr(0, f"{NAME}2", f"alive {beats._now()}")
    for place in range(3):
        ours = Beats(storage, 0, f"ours-{place}")
        ours.start()
        until(lambda run=ours._run: run in beats.read(storage.get_study_user_attrs(0)))
        ours.stop()
        found = storage.get_study_user_attrs(0)
        assert set(found) == {f"{NAME}1", f"{NAME}2"}
        assert found[f"{NAME}1"] == ""


def test_two_runs_that_take_the_same_attribute_part_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "BEAT", 0.02)
    storage = new(tmp_path / "study.log")
    ours = Beats(storage, 0, "ours")
    ours.start()
    until(lambda: "ours" in beats.read(storage.get_study_user_attrs(0)))
    storage.set_study_user_attr(0, f"{NAME}1", f"theirs {beats._now()}")
    until(lambda: "ours" in beats.read(storage.get_study_user_attrs(0)))
    ours.stop()
    assert set(beats.read(storage.get_study_user_attrs(0))) == {"theirs"}


def until(holds: Any) -> None:
    limit = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_storage_that_fails_for_a_while_ends_no_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "BEAT", 0.02)
    storage, calls = new(tmp_path / "study.log"), []
    write = storage.set_study_user_attr

    def failing(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) < 3:
            raise OSError("no room")
        write(*arguments)

    monkeypatch.setattr(storage, "set_study_user_attr", failing)
    ours = Beats(storage, 0, "ours")
    ours.start()
    limit = time.monotonic() + 30
    while not storage.get_study_user_attrs(0) and time.monotonic() < limit:
        time.sleep(0.01)
    ours.stop()
    assert storage.get_study_user_attrs(0)


def test_short_runs_and_those_in_memory_write_nothing(points: Any, tmp_path: Path) -> None:
    result = search_cases.search(*points, storage=tmp_path / "study.log").run(trials=3, epochs=1)
    assert not [name for name in result.studies[0].user_attrs if name.startswith(NAME)]
    ours = Beats(InMemoryStorage(), 0, "ours")
    ours.start()
    assert ours._thread is None


# Trials of other machines ---------------------------------------------------------------------------


def held_elsewhere(path: Path, points: Any, signature: Any = None) -> Any:
    """A search of two trials that ended, and one that a process on another machine has signed."""
    job = search_cases.search(*points, storage=path)
    job.run(trials=2, epochs=2)
    trial = job.result.studies[0].ask()
    job.space.suggest(trial)
    trial.set_user_attr(PROCESS, json.dumps(ELSEWHERE if signature is None else signature))
    return job


@pytest.mark.parametrize("host", ["node3", ""])  # two containers may have the same name
def test_a_trial_of_a_silent_run_elsewhere_is_taken_up_after_a_while_which_is_said(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(work, "PATIENCE", 0.5)
    monkeypatch.setattr(work, "LOOK", 0.25)
    monkeypatch.setattr(beats, "STALE", 1.0)
    held_elsewhere(tmp_path / "study.log", points, {**ELSEWHERE, "host": host or filelocks.host()})
    job = search_cases.search(*points, storage=tmp_path / "study.log")
    with pytest.warns(
        RuntimeWarning, match=r"'search' waits for trial 2 \(process 7 on .*\); one whose process is silent for 1 s"
    ):
        result = job.run(trials=4, epochs=2)
    assert [one.ended for one in result.trials] == ["finished"] * 4


def test_a_trial_of_a_run_that_is_heard_of_is_left_to_it(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "LOOK", 0.1)
    storage = held_elsewhere(tmp_path / "study.log", points)._storage
    beat = threading.Timer(0.5, storage.set_study_user_attr, [0, f"{NAME}1", "theirs 2026-01-01 12:00:00"])
    beat.start()
    result = search_cases.search(*points, storage=tmp_path / "study.log").run(trials=3, epochs=2)
    beat.join()
    assert [one.ended for one in result.trials] == ["finished", "finished", "unfinished"]
    why = "running in process 7 on node3, last heard of at 2026-01-01 12:00:00"
    assert result.trials[2].why == load(tmp_path / "study.log").trials[2].why == why
    assert result.table().endswith(f"3 trials: 2 finished, 1 unfinished; 1 unfinished: {why}")


def test_the_time_of_a_run_ends_its_waiting(points: Any, tmp_path: Path) -> None:
    held_elsewhere(tmp_path / "study.log", points)
    started = time.monotonic()
    result = search_cases.search(*points, storage=tmp_path / "study.log").run(trials=3, epochs=2, time=1.0)
    assert time.monotonic() - started < 30
    assert result.trials[2].why == "running in process 7 on node3, which has not reported yet"


@posix
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:build was edited")
def test_a_killed_search_on_another_machine_goes_on_here_but_not_as_long_as_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "STALE", 6.0)
    monkeypatch.setattr(beats, "BEAT", 0.5)
    file, storage = tmp_path / "noted", tmp_path / "study.log"
    paths = [str(Path(pynn.__file__).parents[1]), str(Path(search_cases.__file__).parent)]
    code = SCRIPT.format(path=paths, storage=str(storage), file=str(file), seconds=40)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYNN_BACKEND": pynn.kernels.backend()}
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment) as process:
        while not file.exists() or len(search_cases.noted(file)) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)  # the next one may be asked for in advance
        result = search_cases.in_processes(search_cases.build, storage=storage, jobs=1).run(trials=4, epochs=3)
        assert [one.ended for one in result.trials][:2] == ["unfinished"] * 2
        assert f"running in process {process.pid} on node3, last heard of at" in result.trials[0].why
        process.send_signal(signal.SIGKILL)
    job = search_cases.in_processes(search_cases.build, storage=storage, jobs=1)
    with pytest.warns(RuntimeWarning, match=rf"waits for trials 0 \(process {process.pid} on node3\), 1"):
        result = job.run(trials=4, epochs=3)
    plain = search_cases.in_processes(search_cases.build, jobs=1).run(trials=4, epochs=3)
    assert [(one.ended, one.score) for one in result.trials] == [("finished", one.score) for one in plain.trials]
