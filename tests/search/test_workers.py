"""Trials in worker processes: the same as in one, whichever process is killed, and nothing is left behind."""

from __future__ import annotations

import _thread
import functools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna
import search_cases
from search_cases import SPACE, build, in_processes, noted, search, three_classes

import pynn
from pynn.search import Search, data
from pynn.search.processes import process, worker, workers
from pynn.search.processes.workers import Workers
from pynn.search.trials.trial import Task
from pynn.search.work import Serial

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
pytestmark = [
    pytest.mark.filterwarnings("ignore:the best .* trials sit at"),
    pytest.mark.filterwarnings("ignore:build was edited"),  # one of a test may do other things than the next
]


def gist(result: pynn.search.Result) -> list[Any]:
    return [(one.number, one.params, one.score, one.ended, one.curves, one.seed) for one in result.trials]


def serial(trials: int = 6, **settings: Any) -> pynn.search.Result:
    return search(*three_classes(), metric="val_loss", **settings).run(trials=trials, epochs=3)


def lives(number: int) -> bool:
    """Whether the process runs; one that has ended, and that nobody has waited for, does not."""
    try:
        os.kill(number, 0)
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not os.path.exists("/proc/self")


def all_end(numbers: set[int], seconds: float = 10) -> bool:
    """Whether the processes end within some seconds."""
    limit = time.monotonic() + seconds
    while any(map(lives, numbers)) and time.monotonic() < limit:
        time.sleep(0.01)
    return not any(map(lives, numbers))


# Results


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2, 3])
def test_the_trials_are_those_of_one_process(jobs: int, tmp_path: Path, backend: str) -> None:
    plain = serial(8)
    build = search_cases.Meeting(tmp_path / "noted", jobs)
    result = in_processes(build, jobs=jobs, storage=tmp_path / "study.log").run(trials=8, epochs=3)
    assert gist(result) == gist(plain)
    assert result.best_model.to_bytes() == plain.best_model.to_bytes()
    lines = [one for one in noted(tmp_path / "noted") if one["process"] != os.getpid()]  # which made the best model
    numbers = {one["process"] for one in lines}
    assert len(lines) == 8
    assert len(numbers) == jobs
    assert {one["threads"][2] for one in lines} == {backend}
    assert not any(map(lives, numbers))
    assert len(os.listdir(tmp_path / "study.log.models")) == 1


@pytest.mark.slow
def test_stages_folds_and_weights_are_those_of_one_process() -> None:
    points = three_classes()
    plain, result = (
        search(*points, metric="val_loss", folds=3, jobs=jobs).coarse_to_fine([(8, 2), (3, 3)], go_on=True)
        for jobs in (1, 2)
    )
    assert gist(result) == gist(plain)
    assert result.stages == plain.stages
    assert [one.to_bytes() for one in result.best_models] == [one.to_bytes() for one in plain.best_models]


@pytest.mark.slow
def test_samples_are_given_to_processes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, original = [], workers.shared.written
    monkeypatch.setattr(workers.shared, "written", lambda value: written.append(value) or original(value))
    result = in_processes(search_cases.Meeting(tmp_path / "noted", 2)).coarse_to_fine([(8, 1), (8, 1), (3, 1)])
    assert len(result.trials) == 19
    assert len(written) == 1
    assert len({one["process"] for one in noted(tmp_path / "noted")}) == 2


@pytest.mark.slow
def test_frames(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = three_classes()
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": np.array(["u", "v", "w"])[y]})
    job = functools.partial(Search, search_cases.tabular, SPACE, frame, y, metric="val_loss", progress=False)
    assert gist(job(jobs=2).run(trials=4, epochs=2)) == gist(job().run(trials=4, epochs=2))


@pytest.mark.slow
def test_a_pruner_is_told_of_epochs_in_processes() -> None:
    pruner = optuna.pruners.ThresholdPruner(upper=0.9, n_warmup_steps=1)
    plain, result = serial(10, pruner=pruner), in_processes(build, pruner=pruner).run(trials=10, epochs=3)
    assert gist(result) == gist(plain)
    assert {one.ended for one in result.trials} == {"finished", "pruned"}


@pytest.mark.slow
def test_trials_that_fail_are_those_of_one_process() -> None:
    result = in_processes(search_cases.Failing("")).run(trials=8, epochs=1)
    failed = {one.number for one in result.trials if one.ended == "failed"}
    assert failed == {one.number for one in result.trials if one.params["units"] > 8}
    assert 0 < len(failed) < 8
    assert 'raise ArithmeticError("too wide")' in result.trials[min(failed)].error


@pytest.mark.slow
def test_warnings_come_from_the_main_process_and_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        in_processes(search_cases.Warned("")).run(trials=6, epochs=1)
    found = [one for one in caught if "strange" in str(one.message)]
    assert [(one.category, Path(one.filename).name) for one in found] == [(RuntimeWarning, "search_cases.py")]


def test_of_equal_trials_the_earlier_is_the_best_whichever_ends_first(points: Any) -> None:
    class Backwards(Serial):
        """Does the last task first."""

        jobs = 3

        def start(self, task: Task, report: Any) -> None:
            self._tasks.insert(0, (task, report))

    def equal(params: Any) -> Any:
        model = pynn.Sequential(pynn.Affine(3, initializer=pynn.Zeros()))
        return model, {"optimizer": pynn.SGD(1e-9 * params["learning_rate"])}

    job = search(*points, build=equal, metric="val_accuracy")
    job._work._pool = Backwards(equal, job.data)
    result = job.run(trials=7, epochs=1)
    assert len({one.score for one in result.trials}) == 1
    assert result.best_trial.number == 0
    assert result.best_model.built


# Processes that die


@pytest.mark.slow
@posix
def test_a_killed_process_costs_nothing_but_time(tmp_path: Path) -> None:
    plain = serial()
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[2].params["learning_rate"])
    with pytest.warns(RuntimeWarning, match="the worker process of trial 2 was ended by SIGKILL; another takes the"):
        result = in_processes(dying).run(trials=6, epochs=3)
    assert gist(result) == gist(plain)
    counts = Counter(one["rate"] for one in noted(tmp_path / "noted") if one["rate"] is not None)
    assert counts.pop(dying.rate) == 2
    assert set(counts.values()) == {1}


@pytest.mark.slow
@posix
def test_a_trial_that_kills_its_process_twice_has_failed(tmp_path: Path) -> None:
    plain = serial()
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[2].params["learning_rate"], times=9)
    with pytest.warns(RuntimeWarning, match="another takes the trial up"):
        result = in_processes(dying).run(trials=6, epochs=3)
    failed = result.trials[2]
    assert failed.ended == "failed"
    assert "ended by SIGKILL, for the second time; if memory was short, take fewer than 2 jobs" in failed.why
    assert gist(result)[:2] + gist(result)[3:] == gist(plain)[:2] + gist(plain)[3:]
    assert sum(one["rate"] == dying.rate for one in noted(tmp_path / "noted")) == 2


@pytest.mark.slow
@posix
def test_a_search_whose_first_trial_kills_its_processes_does_not_blame_build(tmp_path: Path) -> None:
    dying = search_cases.Dying(tmp_path / "noted", serial(1).trials[0].params["learning_rate"], times=9)
    with pytest.raises(RuntimeError) as raised, pytest.warns(RuntimeWarning, match="another takes the trial up"):
        in_processes(dying).run(trials=1, epochs=3)
    assert re.fullmatch(
        r"the only trial failed: its worker process was ended by SIGKILL, for the second time; if memory was short, "
        r"take fewer than 2 jobs \(trial 0, of {.*}\). So the search has ended. Run it again to count it as failed",
        str(raised.value),
    )


@contextmanager
def killing(folder: Path, times: int) -> Iterator[list[int]]:
    """Kill one of the processes that last began a model, again and again; yields the numbers of the killed.

    Not before a trial has ended: a search whose first trials all fail ends.
    """
    moments, killed, over = random.Random(0), list[int](), threading.Event()

    def kill() -> None:
        while len(killed) < times and not over.wait(0.05 + moments.random() * 0.05):
            processes = [one["process"] for one in begun(folder)]
            number = moments.choice(processes[-2:]) if len(processes) > 2 else None  # the third follows a trial
            if number is not None and number not in killed and lives(number):
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


@pytest.mark.slow
@posix
def test_processes_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    """A trial ends as it does alone, or has failed since two processes of it were killed."""
    job = in_processes(search_cases.Slow(tmp_path / "noted", 0.05))
    with killing(tmp_path, 20) as killed, pytest.warns(RuntimeWarning, match="another takes the trial up"):
        result = job.run(trials=150, epochs=3)
    assert len(killed) >= 5
    plain, failed = serial(150).trials, [one for one in result.trials if one.ended == "failed"]
    assert [one.number for one in result.trials] == list(range(150))
    assert all("SIGKILL, for the second time" in one.why for one in failed)
    assert len(failed) <= len(killed) / 2
    assert all(
        (one.params, one.curves) == (other.params, other.curves)
        for one, other in zip(result.trials, plain, strict=True)
        if one not in failed
    )
    assert len(begun(tmp_path)) <= 150 + len(killed)


@pytest.mark.slow
@posix
def test_a_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    plain = serial(2)
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[1].params["learning_rate"], every=0.0)
    with pytest.warns(RuntimeWarning, match="another takes the trial up"):
        result = in_processes(dying, storage=tmp_path / "study.log").run(trials=2, epochs=3)
    assert gist(result) == gist(plain)
    epochs = [one["epoch"] for one in noted(tmp_path / "noted") if one["rate"] is None]
    assert epochs == [1, 2, 3]
    assert not list((tmp_path / "study.log.models").glob("*.checkpoint"))


@pytest.mark.slow
@posix
def test_a_process_that_leaves_a_child_is_missed_nevertheless(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"the worker process of trial \d ended with exit code 7; another takes"):
        result = in_processes(search_cases.Forking(tmp_path / "noted", 0.0)).run(trials=3, epochs=3)
    os.kill(noted(tmp_path / "noted")[0]["child"], signal.SIGKILL)
    assert gist(result) == gist(serial(3))


@pytest.mark.slow
def test_processes_that_cannot_begin() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)no worker process could begin: .*ArithmeticError: not here"):
        in_processes(search_cases.Unborn()).run(trials=3, epochs=1)
    with pytest.raises(RuntimeError, match="no worker process could begin: the last of 3 ended with exit code 9; see"):
        in_processes(search_cases.Unborn(9)).run(trials=3, epochs=1)


def test_how_a_process_ended() -> None:
    assert process.how(3) == "ended with exit code 3"
    assert process.how(-250) == "was ended by signal 250"


# The main process


def run_script(folder: Path, trials: int, seconds: float = 0.01, child: Any = None) -> subprocess.Popen[bytes]:
    """A search in two processes, as a script of its own."""
    paths = [str(Path(pynn.__file__).parents[1]), str(Path(search_cases.__file__).parent)]
    arguments = f"{str(folder / 'study.log')!r}, {str(folder / 'noted')!r}, {seconds}, {trials}, {child!r}"
    code = f"import sys; sys.path[:0] = {paths!r}; import search_cases; search_cases.run_in_processes({arguments})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYNN_BACKEND": pynn.kernels.backend()}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, stderr=subprocess.PIPE, start_new_session=True
    )


def begun(folder: Path) -> list[dict[str, Any]]:
    return noted(folder / "noted") if (folder / "noted").exists() else []


def wait_for(folder: Path, models: int) -> None:
    """Wait until so many models were begun."""
    limit = time.monotonic() + 60
    while len(begun(folder)) < models and time.monotonic() < limit:
        time.sleep(0.002)


@pytest.mark.slow
@posix
@pytest.mark.parametrize(("kills", "trials"), [(2, 8), (20, 60)])
def test_a_search_whose_main_process_is_killed_goes_on(kills: int, trials: int, tmp_path: Path) -> None:
    moments = random.Random(0)
    ended: dict[int, Any] = {}
    for _ in range(kills):
        with run_script(tmp_path, trials, 0.05) as main:
            wait_for(tmp_path, len(begun(tmp_path)) + moments.randint(2, 4))
            time.sleep(moments.random() * 0.1)
            main.kill()
        assert all_end({one["process"] for one in begun(tmp_path)})
        stored = optuna.load_study(
            study_name="search", storage=pynn.search.storage.journal.opened(tmp_path / "study.log")
        )
        now = {one.number: one.datetime_complete for one in stored.trials if one.state.is_finished()}
        assert ended.items() <= now.items()
        ended = now
    with run_script(tmp_path, trials) as main:
        assert main.wait(timeout=120) == 0
    result = in_processes(build, storage=tmp_path / "study.log").run(trials=trials, epochs=3)
    assert gist(result) == gist(serial(trials))
    assert result.best_model.built
    counts = Counter(one["rate"] for one in begun(tmp_path))
    assert len(counts) == trials
    # A kill costs the trials that were under way, and those that had ended but were not written yet.
    assert sum(counts.values()) <= trials + 4 * kills


@pytest.mark.slow
@posix
def test_processes_end_even_if_a_child_of_the_main_process_lives_on(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with run_script(tmp_path, 4, 60, str(child)) as main:
        wait_for(tmp_path, 2)
        while not (child.exists() and child.read_text()):
            time.sleep(0.01)
        main.kill()
        numbers = {one["process"] for one in begun(tmp_path)}
        assert len(numbers) == 2
        ended = all_end(numbers)
        assert lives(int(child.read_text()))
        os.kill(int(child.read_text()), signal.SIGKILL)  # it has the pipe of stderr open too
    assert ended


def checkpoints(folder: Path) -> list[Path]:
    """Folders of trials under way: each is there before its training."""
    return list((folder / "study.log.models").glob("*.checkpoint"))


@pytest.mark.slow
@posix
def test_ctrl_c_ends_all_processes_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with run_script(tmp_path, 4, seconds=6) as main:
        limit = time.monotonic() + 60
        while len(checkpoints(tmp_path)) < 2 and time.monotonic() < limit:
            time.sleep(0.002)
        time.sleep(0.2)
        pressed = time.monotonic()
        os.killpg(main.pid, signal.SIGINT)
        assert main.wait(timeout=30) != 0
        assert time.monotonic() - pressed < 15  # the trials would take longer
        assert b"KeyboardInterrupt" in main.stderr.read()  # type: ignore[union-attr]
    assert all_end({one["process"] for one in begun(tmp_path)}, 0.5)
    assert len(checkpoints(tmp_path)) == 2
    job = in_processes(build, storage=tmp_path / "study.log")
    result = job.run(trials=4, epochs=3)
    assert gist(result) == gist(serial(4))


@posix
def test_a_trial_that_ends_in_spite_of_ctrl_c_is_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "noted"

    def press() -> None:
        while not file.exists() or sum("waits" in one for one in noted(file)) < 2:
            time.sleep(0.01)
        time.sleep(0.3)
        _thread.interrupt_main()

    job = in_processes(search_cases.Deaf(file), storage=tmp_path / "study.log")
    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="the search was interrupted after 2 trials; the next run goes on"):
        job.run(trials=4, epochs=2)
    assert not checkpoints(tmp_path)
    assert [one.ended for one in job.result.trials].count("finished") == 2
    assert "Traceback" not in capfd.readouterr().err
    result = in_processes(build, storage=tmp_path / "study.log").run(trials=4, epochs=2)
    assert gist(result) == gist(in_processes(build, jobs=1).run(trials=4, epochs=2))


def test_what_ended_and_was_not_heard_of_is_returned_when_processes_are_ended(points: Any) -> None:
    parts = data.read(*points, None, 0.3, None, None, 0)
    pool = Workers(build, parts, 1)
    pool.start(Task(5, {}, 1, 0, "val_loss", "min"), None)
    while not (pool._processes[0].given and pool._processes[0].line.poll()):
        if pool._processes[0].line.poll():
            pool._heard(pool._processes[0])
        time.sleep(0.01)
    [(number, outcome)] = pool.close()
    assert (number, outcome.ended) == (5, "finished")
    assert pool.close() == []


@pytest.mark.slow
def test_time_holds(tmp_path: Path) -> None:
    job = in_processes(search_cases.Slow(tmp_path / "noted", 10), storage=tmp_path / "study.log")
    started = time.monotonic()
    result = job.run(trials=4, epochs=3, time=2.0)
    assert 2 <= time.monotonic() - started < 25  # a trial takes longer
    assert {one.ended for one in result.trials} == {"unfinished"}
    result = in_processes(build, storage=tmp_path / "study.log").run(trials=4, epochs=3)
    assert gist(result) == gist(serial(4))


# Threads


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch, native: None) -> None:
    for threads, jobs, expected in ((8, 2, [4, 4]), (7, 3, [3, 2, 2]), (2, 2, [1, 1]), (1, 3, [1, 1, 1])):
        monkeypatch.setattr(pynn.kernels, "get_num_threads", lambda threads=threads: threads)
        assert process.shares(jobs) == expected
    monkeypatch.setattr(pynn.kernels, "native_module", lambda: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert process.shares(2) == [3, 3]


@pytest.mark.slow
def test_each_process_has_its_share(tmp_path: Path, native: None) -> None:
    pynn.set_num_threads(3)
    in_processes(search_cases.Meeting(tmp_path / "noted", 2)).run(trials=12, epochs=3)
    given = {one["process"]: one["threads"][:2] for one in noted(tmp_path / "noted")}
    assert sorted(given.values()) == [["1", 1], ["2", 2]]


@pytest.mark.slow
def test_no_more_processes_than_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    original = process._started
    monkeypatch.setattr(process, "_started", lambda *given: started.append(given) or original(*given))
    in_processes(search_cases.Noting(tmp_path / "noted"), jobs=8).run(trials=1, epochs=1)
    assert len(started) == 1


# What is refused


@pytest.mark.parametrize("jobs", [0, -1, 1.5, True, "2", None])
def test_jobs_that_are_refused(points: Any, jobs: Any) -> None:
    with pytest.raises(ValueError, match=r"Search: jobs is .*, expected an integer of at least 1"):
        search(*points, jobs=jobs)


def test_builds_that_processes_cannot_find(points: Any) -> None:
    def nested(params: Any) -> Any:
        return build(params)

    holding = search_cases.Noting("")
    holding.lock = open(os.devnull)  # type: ignore[attr-defined] # noqa: SIM115
    for other in (nested, lambda params: build(params), functools.partial(nested), holding):
        with pytest.raises(TypeError, match=r"jobs needs a build that .* cannot be pickled .*define it with def at"):
            search(*points, build=other, metric="val_loss", jobs=2)
    holding.lock.close()  # type: ignore[attr-defined]
    assert search(*points, build=nested, metric="val_loss", jobs=1).jobs == 1


SCRIPT = """
import sys
sys.path[:0] = {path!r}
import numpy as np
import pynn
from pynn.search import Search, log_uniform

class Double(pynn.Layer):
    def build(self, shape):
        return shape
    def forward(self, x, training):
        return 2 * x
    def backward(self, dy):
        return 2 * dy

def build(params):
    model = pynn.Sequential(pynn.Affine(3), Double())
    return model, {{"optimizer": pynn.Adam(params["learning_rate"])}}

def main():
    y = np.arange(60) % 3
    x = np.eye(3, dtype=np.float32)[y]
    result = Search(build, {{"learning_rate": log_uniform(1e-3, 1e-1)}}, x, y, jobs=2).run(trials=3, epochs=1)
    print(len(result.ranked), result.best_model.layers[1].kind)

"""
GUARD = 'if __name__ == "__main__":\n    main()\n'


def run_text(text: str, *options: str, folder: Path) -> tuple[str, str]:
    paths = [str(Path(pynn.__file__).parents[1])]
    script = folder / "script.py"
    script.write_text(SCRIPT.format(path=paths) + text)
    command = [sys.executable, "-W", "ignore", *(options or ("script.py",))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYNN_BACKEND": pynn.kernels.backend()}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-m", "script")])
def test_a_script_with_its_own_build_and_layers(options: tuple[str, ...], tmp_path: Path) -> None:
    assert run_text(GUARD, *options, folder=tmp_path) == ("3 Double\n", "")


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_what_to_do(tmp_path: Path) -> None:
    out, error = run_text("main()\n", folder=tmp_path)
    assert out == ""
    assert "RuntimeError: no worker process could begin: worker processes import the main script to find build" in error
    assert 'under a line\n\n    if __name__ == "__main__":\n\nand leave build above it' in error
    assert error.count("Traceback") == 1


@pytest.mark.slow
def test_code_that_is_in_no_file(tmp_path: Path) -> None:
    text = (tmp_path / "script.py", run_text("", folder=tmp_path))[0].read_text()
    error = run_text("", "-c", text + "main()", folder=tmp_path)[1]
    assert "TypeError: Search: jobs needs a build that other processes can import, but <function build at" in error
    assert "is in no file: it comes from a notebook, a prompt or python -c; write it to a file" in error
    assert run_text("", "-c", "import script; script.main()", folder=tmp_path) == ("3 Double\n", "")


def test_the_script_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", str(tmp_path / "gone.py"), raising=False)
    assert worker.script() is None
    (tmp_path / "gone.py").touch()
    assert worker.script() == ("file", str(tmp_path / "gone.py"))
    monkeypatch.delattr(main, "__file__")
    assert worker.script() is None
