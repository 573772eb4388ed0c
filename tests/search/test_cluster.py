"""Trials in the workers of a Dask cluster: the same as in one process, whichever worker is lost."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("distributed")

import distributed
import optuna
import search_cases
from search_cases import build, noted, search, three_classes

import pynn
from pynn.search.dask import cluster, link, marks, remote
from pynn.search.dask.cluster import Cluster
from pynn.search.trials.trial import Task

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:the best .* trials sit at"),
    pytest.mark.filterwarnings("ignore:build was edited"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of Dask
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),  # on a slow disk, and on a busy port
    pytest.mark.filterwarnings("ignore:Creating scratch directories is taking"),
]
LOST = r"the Dask worker of trial \d+ at .* was lost; another takes the trial up"


@contextmanager
def started(workers: int = 2, threads: int = 1) -> Iterator[Any]:
    """A client of a new cluster with workers in processes."""
    options = {"threads_per_worker": threads, "processes": True, "dashboard_address": ":0"}
    made = distributed.LocalCluster(n_workers=workers, silence_logs=logging.CRITICAL, **options)
    with made, distributed.Client(made, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    with started() as client:
        yield client


@pytest.fixture
def client(shared: Any) -> Any:
    """A client of two workers, also after a test that has killed one; no test leaves anything in them."""
    revive(shared)
    yield shared
    limit = time.monotonic() + 20
    while not (idle(shared) and not shared.who_has()) and time.monotonic() < limit:
        time.sleep(0.05)
    assert idle(shared)
    assert not shared.who_has()


def revive(client: Any) -> None:
    """Wait until both workers are there, and could be killed again."""

    def ready() -> bool:
        states = [one.process.status.name for one in client.cluster.workers.values() if one.process is not None]
        return len(client.nthreads()) == 2 and states == ["running"] * 2

    limit = time.monotonic() + 10
    while not ready() and time.monotonic() < limit:
        time.sleep(0.05)
    if not ready():  # Dask does not start a worker again that was killed while it began
        client.cluster.scale(0)
        client.cluster.scale(2)
        client.wait_for_workers(2, timeout=60)


def idle(client: Any) -> bool:
    """Whether no worker does a trial."""
    return not any(client.run(lambda: len(remote._answers), on_error="ignore").values())


def gist(result: pynn.search.Result) -> list[Any]:
    return [(one.number, one.params, one.score, one.ended, one.curves, one.seed) for one in result.trials]


def serial(trials: int = 6, **settings: Any) -> pynn.search.Result:
    return search(*three_classes(), metric="val_loss", **settings).run(trials=trials, epochs=3)


def in_cluster(client: Any, build: Any = build, **settings: Any) -> pynn.search.Search:
    return search(*three_classes(), build=build, **{"metric": "val_loss", "jobs": client, **settings})


def later(action: Callable[[], Any], when: Callable[[], bool]) -> threading.Thread:
    """Do something in another thread, once something is the case."""

    def wait() -> None:
        limit = time.monotonic() + 60
        while not when() and time.monotonic() < limit:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def begun(file: Path, models: int) -> Callable[[], bool]:
    """Whether so many models were begun."""
    return lambda: file.exists() and len(noted(file)) >= models


# Results


def test_the_trials_are_those_of_one_process(client: Any, tmp_path: Path, backend: str) -> None:
    plain, noting = serial(8), search_cases.Meeting(tmp_path / "noted", 2)
    result = in_cluster(client, lambda params: noting(params), storage=tmp_path / "study.log").run(trials=8, epochs=3)
    assert gist(result) == gist(plain)
    assert result.best_model.to_bytes() == plain.best_model.to_bytes()
    lines = [one for one in noted(tmp_path / "noted") if one["process"] != os.getpid()]  # which made the best model
    assert len(lines) == 8
    assert {one["process"] for one in lines} == set(client.run(os.getpid).values())
    assert {one["threads"][2] for one in lines} == {backend}
    assert len(os.listdir(tmp_path / "study.log.models")) == 1


def test_stages_folds_and_weights_are_those_of_one_process(client: Any) -> None:
    plain, result = (
        search(*three_classes(), metric="val_loss", folds=3, jobs=jobs).coarse_to_fine([(8, 2), (3, 3)], go_on=True)
        for jobs in (1, client)
    )
    assert gist(result) == gist(plain)
    assert result.stages == plain.stages
    assert [one.to_bytes() for one in result.best_models] == [one.to_bytes() for one in plain.best_models]


def test_samples_are_sent_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, original = [], client.scatter
    monkeypatch.setattr(client, "scatter", lambda value, **options: sent.append(value) or original(value, **options))
    result = in_cluster(client).coarse_to_fine([(8, 1), (4, 1)], go_on=True)
    assert len(result.trials) == 12
    assert [type(one) for [one] in sent] == [remote.Cargo, list]  # the samples, and the weights of the first stage


def test_an_address_and_frames(client: Any) -> None:
    pandas = pytest.importorskip("pandas")
    x, y = three_classes()
    frame = pandas.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": np.array(["u", "v", "w"])[y]})
    address = client.scheduler.address
    plain, result = (
        search(frame, y, build=search_cases.tabular, metric="val_loss", jobs=jobs).run(trials=4, epochs=2)
        for jobs in (1, address)
    )
    assert gist(result) == gist(plain)


def test_a_pruner_is_told_of_epochs(client: Any) -> None:
    pruner = optuna.pruners.ThresholdPruner(upper=0.9, n_warmup_steps=1)
    plain, result = serial(10, pruner=pruner), in_cluster(client, pruner=pruner).run(trials=10, epochs=3)
    assert gist(result) == gist(plain)
    assert {one.ended for one in result.trials} == {"finished", "pruned"}


def test_trials_that_fail_or_diverge_are_those_of_one_process(client: Any) -> None:
    def wild(params: Any) -> Any:
        if params["units"] > 12:
            raise ArithmeticError("too wide")
        model = pynn.Sequential(pynn.Affine(params["units"]), pynn.ReLU(), pynn.Affine(3))
        return model, {"optimizer": pynn.SGD(3e4 * params["learning_rate"])}

    plain, result = (in_cluster(jobs, wild).run(trials=12, epochs=3) for jobs in (1, client))
    assert gist(result) == gist(plain)
    assert {one.ended for one in result.trials} >= {"failed", "diverged"}
    assert "ArithmeticError: too wide" in next(one.error for one in result.trials if one.error)


def test_a_bad_diagnosis_ends_trials(client: Any) -> None:
    def slow(params: Any) -> Any:
        model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
        return model, {"optimizer": pynn.SGD(params["learning_rate"] ** 3), "batch_size": 4}

    result = in_cluster(client, slow).run(trials=16, epochs=30)
    assert [one.verdicts for one in result.trials if one.ended == "stopped"]


def test_the_first_trials_all_fail(client: Any) -> None:
    def broken(params: Any) -> Any:
        raise ArithmeticError("always")

    with pytest.raises(RuntimeError, match=r"(?s)the first 3 trials failed.*ArithmeticError: always.*Traceback"):
        in_cluster(client, broken).run(trials=9, epochs=1)


def test_warnings_come_from_the_main_process_and_once(client: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        in_cluster(client, search_cases.Warned("")).run(trials=6, epochs=1)
    found = [one for one in caught if "strange" in str(one.message)]
    assert [(one.category, Path(one.filename).name) for one in found] == [(RuntimeWarning, "search_cases.py")]


def test_a_script_with_its_own_layers(client: Any, tmp_path: Path) -> None:
    text = f"""
import sys
sys.path[:0] = {[str(Path(pynn.__file__).parents[1])]!r}
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

y = np.arange(60) % 3
x = np.eye(3, dtype=np.float32)[y]
def build(params):
    return pynn.Sequential(pynn.Affine(3), Double()), {{"optimizer": pynn.Adam(params["learning_rate"])}}
space = {{"learning_rate": log_uniform(1e-3, 1e-1)}}
result = Search(build, space, x, y, jobs={client.scheduler.address!r}).run(trials=3, epochs=1)
print(len(result.ranked), result.best_model.layers[1].kind, result.best_model.predict(x).shape)
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYNN_BACKEND": pynn.kernels.backend()}
    command = [sys.executable, "-W", "ignore", "-"]  # a script that is in no file
    done = subprocess.run(command, input=text, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3 Double (60,)\n", "")


# Workers that are lost, and new ones


@posix
def test_a_killed_worker_costs_nothing_but_time(client: Any, tmp_path: Path) -> None:
    plain = serial()
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[2].params["learning_rate"])
    with pytest.warns(RuntimeWarning, match=LOST):
        result = in_cluster(client, dying).run(trials=6, epochs=3)
    assert gist(result) == gist(plain)
    counts = Counter(one["rate"] for one in noted(tmp_path / "noted") if one["rate"] is not None)
    assert counts.pop(dying.rate) == 2
    assert set(counts.values()) == {1}


@posix
def test_a_trial_that_kills_its_worker_twice_has_failed(client: Any, tmp_path: Path) -> None:
    plain = serial()
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[2].params["learning_rate"], times=9)
    with pytest.warns(RuntimeWarning, match=LOST):
        result = in_cluster(client, dying).run(trials=6, epochs=3)
    assert result.trials[2].ended == "failed"
    assert "was lost, for the second time; it may lack memory" in result.trials[2].why
    assert gist(result)[:2] + gist(result)[3:] == gist(plain)[:2] + gist(plain)[3:]
    assert sum(one["rate"] == dying.rate for one in noted(tmp_path / "noted")) == 2


@posix
@pytest.mark.parametrize("same", [True, False])
def test_a_trial_goes_on_from_its_checkpoint_if_workers_see_the_folder(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    if not same:
        monkeypatch.setattr(marks, "mark", lambda folder: (os.makedirs(folder, exist_ok=True), "elsewhere")[1])
    plain = serial(2)
    dying = search_cases.Dying(tmp_path / "noted", plain.trials[1].params["learning_rate"], every=0.0)
    with pytest.warns(RuntimeWarning, match=LOST):
        result = in_cluster(client, dying, storage=tmp_path / "study.log").run(trials=2, epochs=3)
    assert gist(result) == gist(plain)
    epochs = [one["epoch"] for one in noted(tmp_path / "noted") if one["rate"] is None]
    assert epochs == ([1, 2, 3] if same else [1, 2, 1, 2, 3])
    assert not list((tmp_path / "study.log.models").glob("*.checkpoint"))


@posix
def test_all_workers_may_be_killed_at_once(client: Any, tmp_path: Path) -> None:
    """The samples are gone with them, and are sent again."""
    numbers = list(client.run(os.getpid).values())
    killer = later(lambda: [os.kill(one, signal.SIGKILL) for one in numbers], begun(tmp_path / "noted", 6))
    with pytest.warns(RuntimeWarning, match=LOST):
        result = in_cluster(client, search_cases.Slow(tmp_path / "noted", 0.1)).run(trials=12, epochs=3)
    killer.join()
    assert gist(result) == gist(serial(12))


def test_workers_may_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search waits for the first worker, a second one gets work, and one that is sent away costs no trial."""
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    file = tmp_path / "noted"
    with started(workers=0) as client:
        grow = [
            later(lambda: (time.sleep(1.5), client.cluster.scale(1)), lambda: True),
            later(lambda: client.cluster.scale(2), begun(file, 2)),
        ]
        with pytest.warns(RuntimeWarning, match="the Dask cluster has no workers; the search waits for one to join"):
            result = in_cluster(client, search_cases.Slow(file, 0.3)).run(trials=8, epochs=3)
        assert gist(result) == gist(serial(8))
        assert len({one["process"] for one in noted(file)} - {os.getpid()}) == 2

        again = tmp_path / "again"
        leave = later(lambda: client.retire_workers([min(client.nthreads())]), begun(again, 3))
        result = in_cluster(client, search_cases.Slow(again, 0.3)).run(trials=4, epochs=3)  # no warning
        assert gist(result) == gist(serial(4))
        assert len(client.nthreads()) == 1
        for thread in (*grow, leave):
            thread.join()


# The main process, and the scheduler


@posix
def test_ctrl_c_frees_the_workers_and_the_next_run_goes_on(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "noted"
    job = in_cluster(client, search_cases.Slow(file, 4), storage=tmp_path / "study.log")
    pressed = later(lambda: (time.sleep(0.3), _thread.interrupt_main()), begun(file, 2))
    with pytest.raises(KeyboardInterrupt, match="the search was interrupted after 0 trials; the next run goes on"):
        job.run(trials=4, epochs=3)
    pressed.join()
    assert idle(client)
    assert {one.ended for one in job.result.trials} == {"unfinished"}
    checkpoints = list((tmp_path / "study.log.models").glob("*.checkpoint"))
    assert [len(list(one.glob("0/checkpoint-*"))) for one in checkpoints] == [1, 1]
    assert gist(in_cluster(client, storage=tmp_path / "study.log").run(trials=4, epochs=3)) == gist(serial(4))
    assert not list((tmp_path / "study.log.models").glob("*.checkpoint"))


@posix
def test_workers_leave_trials_whose_main_process_was_killed(client: Any, tmp_path: Path) -> None:
    paths = [str(Path(pynn.__file__).parents[1]), str(Path(search_cases.__file__).parent)]
    code = f"""
import sys; sys.path[:0] = {paths!r}; import search_cases as cases
cases.search(*cases.three_classes(), build=cases.Slow({str(tmp_path / "noted")!r}, 5), metric="val_loss",
    jobs={client.scheduler.address!r}, storage={str(tmp_path / "study.log")!r}).run(trials=4, epochs=3)"""
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}) as main:
        later(main.kill, begun(tmp_path / "noted", 2)).join()
    limit = time.monotonic() + 20
    while not idle(client) and time.monotonic() < limit:
        time.sleep(0.05)
    assert idle(client)
    assert gist(in_cluster(client, storage=tmp_path / "study.log").run(trials=4, epochs=3)) == gist(serial(4))


@posix
def test_a_lost_scheduler_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    def dask(*arguments: str) -> subprocess.Popen[bytes]:
        code = "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"
        nothing = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, env=environment, cwd=tmp_path, **nothing)  # type: ignore[call-overload,no-any-return]

    found, file, journal = tmp_path / "scheduler.json", tmp_path / "noted", tmp_path / "study.log"
    scheduler = dask("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(found))
    worker = dask("worker", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--scheduler-file", str(found))
    try:
        later(lambda: None, found.exists).join()
        with distributed.Client(scheduler_file=str(found), set_as_default=False) as client:
            job = in_cluster(client, search_cases.Slow(file, 0.3), storage=journal)
            killer = later(scheduler.kill, begun(file, 4))
            with pytest.raises(ConnectionError, match=r"the connection to Dask's scheduler at tcp://.* is lost. All"):
                job.run(trials=50, epochs=3)
            killer.join()
            assert sum(one.ended == "finished" for one in job.result.trials) >= 2
            with pytest.raises(ConnectionError, match="is lost"):
                job.run(trials=50, epochs=3)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()
    assert gist(search(*three_classes(), metric="val_loss", storage=journal).run(trials=8, epochs=3)) == gist(serial(8))


def test_time_holds(client: Any, tmp_path: Path) -> None:
    begin = time.monotonic()
    result = in_cluster(client, search_cases.Slow(tmp_path / "noted", 10)).run(trials=4, epochs=3, time=1.5)
    assert 1.5 <= time.monotonic() - begin < 20  # a trial takes longer
    assert {one.ended for one in result.trials} == {"unfinished"}


def test_time_holds_without_workers() -> None:
    with started(workers=0) as client:
        result = in_cluster(client).run(trials=4, epochs=3, time=0.5)
        assert {one.ended for one in result.trials} == {"unfinished"}


# Threads


def test_a_worker_does_one_trial_at_a_time_with_all_its_threads(tmp_path: Path, native: None) -> None:
    """Two searches share a worker of three threads; neither sees the other, and the worker is left as it was."""
    with started(workers=1, threads=3) as client:
        before = client.run(pynn.get_num_threads)
        files = [tmp_path / "one", tmp_path / "two"]
        found: dict[int, list[Any]] = {}

        def run(place: int) -> None:
            job = in_cluster(client, search_cases.Alone(files[place]))
            found[place] = gist(job.run(trials=6, epochs=3))

        threads = [threading.Thread(target=run, args=(place,)) for place in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == dict.fromkeys(range(2), gist(serial(6)))
        assert {one["threads"][1] for file in files for one in noted(file) if one["process"] != os.getpid()} == {3}
        assert client.run(pynn.get_num_threads) == before


def test_workers_that_are_threads() -> None:
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as made, distributed.Client(made, set_as_default=False) as client:
        threads = pynn.get_num_threads()
        assert gist(in_cluster(client).run(trials=6, epochs=3)) == gist(serial())
        assert pynn.get_num_threads() == threads


# What is refused


def test_builds_that_workers_cannot_have(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holding = search_cases.Noting("")
    holding.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"which cannot be sent to a Dask cluster, .*; make that in build itself"):
        in_cluster(client, holding)
    text = "import search_cases\n\ndef build(params):\n    return search_cases.build(params)\n"
    (tmp_path / "only_here.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    with pytest.raises(RuntimeError, match=r"build cannot be read there: ModuleNotFoundError: .*upload_file"):
        in_cluster(client, only_here.build).run(trials=2, epochs=1)


def test_workers_with_another_pynn(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "__version__", "0.0.7")
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match=r"the Dask worker at .* cannot do trials: .* the main process 0\.0\.7"):
            in_cluster(client).run(trials=2, epochs=1)


def test_a_worker_that_is_refused_is_left_out(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left = min(client.nthreads())
    original = link.Link.call

    def call(self: Any, address: str, function: Any, *args: Any) -> str:
        return original(self, address, function, *(("0", "numpy") if address == left and len(args) == 2 else args))

    monkeypatch.setattr(link.Link, "call", call)
    with pytest.warns(RuntimeWarning, match=f"the Dask worker at {left} cannot do trials: .*goes on without it"):
        assert gist(in_cluster(client).run(trials=6, epochs=3)) == gist(serial())


def test_no_scheduler_at_an_address() -> None:
    import dask

    refused = pytest.raises(
        ConnectionError, match=r"no scheduler of Dask answers at tcp://127.0.0.1:9: .*dask scheduler"
    )
    with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}), refused:
        in_cluster("tcp://127.0.0.1:9").run(trials=2, epochs=1)


def test_an_asynchronous_client_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(client), "asynchronous", True)
    with pytest.raises(TypeError, match="Search: jobs is an asynchronous Client"):
        in_cluster(client)


def test_without_distributed_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'a Dask cluster needs distributed: pip install "pynn-cpu\[dask\]"'):
        in_cluster("tcp://127.0.0.1:8786")


def test_a_pool_that_has_not_begun_closes() -> None:
    assert Cluster(build, in_cluster(1).data, "tcp://127.0.0.1:9").close() == []


def test_answers_that_have_arrived_are_returned_when_the_pool_closes(client: Any) -> None:
    pool = Cluster(build, in_cluster(1).data, client)
    for number in range(2):
        pool.start(Task(number, {}, 1, 0, "val_loss", "min"), None)
    connection: Any = pool._link
    inbox, heard = connection._inbox, []
    while len(heard) < 2:
        message = inbox.get(timeout=60)
        if message[0] == link.ENDED and isinstance(message[2], remote.Answer):
            heard.append(message)
        else:
            pool._hear(connection, *message)
            pool._hand_out(connection)
    for message in heard:
        inbox.put(message)
    ended = pool.close()
    assert sorted((number, outcome.ended) for number, outcome in ended) == [(0, "finished"), (1, "finished")]
    assert pool.close() == []
