"""Forked children: while threads of the parent train, predict, draw bars or prepare batches."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import network, predicted, trained

import pynn
from pynn import locks
from pynn.callbacks import progress
from pynn.locks import Claim

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.skipif(sys.platform == "darwin", reason="Apple's libraries fail in such children"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

Points = tuple[np.ndarray, np.ndarray]
CHILDREN = 20


def child(work: Callable[[], Any], seconds: float = 30) -> None:
    """Do the work in a forked child, which must come to its end in time and well."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode()[:4000])
            os._exit(1)
    os.close(writing)
    deadline = time.monotonic() + seconds
    done = 0
    while done == 0 and time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.001)
    if done == 0:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    assert done, "the child hangs"
    assert os.waitstatus_to_exitcode(status) == 0, said


@contextmanager
def busy(*works: Callable[[], Any]) -> Iterator[None]:
    """Threads that do this again and again meanwhile."""
    stop, errors = threading.Event(), []

    def run(work: Callable[[], Any]) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []


def fitted(points: Points, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(*points, optimizer="adam", epochs=2, batch_size=10, progress=False, **settings)
    return model


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
def test_children_use_the_model_that_threads_predict_with(points: Points, tmp_path: Path) -> None:
    x, y = points
    model, twin = fitted(points), fitted(points)
    expected = model.predict_proba(x).tobytes()
    twin.fit(x, y, epochs=1, progress=False)
    further = twin.parameters.tobytes()

    def work() -> None:
        assert model.predict_proba(x).tobytes() == expected
        pynn.set_num_threads(3)
        assert model.evaluate(x, y)["loss"] > 0
        path = tmp_path / f"{os.getpid()}.safetensors"
        model.save(path)
        assert pynn.load(path).predict_proba(x).tobytes() == expected
        assert copy.deepcopy(model).predict_proba(x).tobytes() == expected
        model.fit(x, y, epochs=1, progress=False)
        assert model.parameters.tobytes() == further

    with busy(*[lambda: model.predict_proba(x)] * 3, lambda: model.evaluate(x, y)):
        for _ in range(CHILDREN):
            child(work)


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}], ids=["steps", "accumulated"])
def test_children_have_whole_steps_of_a_model_in_training(settings: dict[str, Any], points: Points) -> None:
    """Their numbers are those after some step of the run, all of them of the same one."""
    seen: dict[int, bytes] = {}
    reading, writing = os.pipe()

    def state(model: Any) -> bytes:
        moments = [getattr(model.optimizer, slot) for slot in model.optimizer.slots]
        assert len(moments) == 2
        return b"".join(one.tobytes() for one in (model.parameters, *model.statistics(), *moments))

    class Watch(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            seen[trainer.step] = state(trainer.model)

    model = network()
    model.fit(*points, optimizer="adam", epochs=1, batch_size=5, progress=False, callbacks=[Watch()], **settings)

    def work() -> None:
        now = model.context.step, state(model), model.predict(points[0]).shape
        model.fit(*points, epochs=1, progress=False)
        data = pickle.dumps(now)
        os.write(writing, len(data).to_bytes(4, "big") + data)

    train = {"optimizer": None, "epochs": 1, "batch_size": 5, "progress": False, "callbacks": [Watch()], **settings}
    with busy(lambda: model.fit(*points, **train)), os.fdopen(reading, "rb") as pipe:
        for _ in range(CHILDREN):
            child(work)
            step, found, shape = pickle.loads(pipe.read(int.from_bytes(pipe.read(4), "big")))
            assert found == seen[step]
            assert shape == (30,)
    os.close(writing)


@pytest.mark.slow
def test_a_saved_or_copied_model_has_whole_steps_while_another_thread_trains_it(points: Points, tmp_path: Path) -> None:
    seen: set[bytes] = set()

    class Watch(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            seen.add(trainer.model.parameters.tobytes())

    model = network()
    model.fit(*points, epochs=1, batch_size=5, progress=False, callbacks=[Watch()])
    twin = copy.deepcopy(model)
    found = []
    with busy(lambda: model.fit(*points, epochs=1, batch_size=5, progress=False, callbacks=[Watch()])):
        for _ in range(100):
            found.append(copy.deepcopy(model).parameters.tobytes())
            found.append(pickle.loads(pickle.dumps(model)).parameters.tobytes())
            twin.set_weights(model.get_weights())
            found.append(twin.parameters.tobytes())
            model.save(tmp_path / "model")
            found.append(pynn.load(tmp_path / "model").parameters.tobytes())
    assert set(found) <= seen


def test_a_change_that_does_not_end_is_refused_in_the_child(
    points: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    x, y = points
    model = fitted(points)
    begun, go_on = threading.Event(), threading.Event()

    def change() -> None:
        with model.lock:
            begun.set()
            go_on.wait(20)

    def work() -> None:
        tries: list[Callable[[], Any]] = [
            lambda: model.predict(x),
            lambda: model.evaluate(x, y),
            lambda: model.fit(x, y, progress=False),
            lambda: model.forward(x),
            lambda: model.train_step(x, y, pynn.SoftmaxCrossEntropy(), pynn.SGD()),
            lambda: model.save(tmp_path / "model"),
            lambda: copy.deepcopy(model),
            lambda: pickle.dumps(model),
            model.get_weights,
        ]
        for one in tries:
            with pytest.raises(RuntimeError, match=r"forked while another thread was changing the model.*load it"):
                one()
        network().fit(x, y, epochs=1, progress=False)

    thread = threading.Thread(target=change)
    thread.start()
    begun.wait(20)
    try:
        child(work)
    finally:
        go_on.set()
        thread.join()
    child(lambda: model.predict(x))
    model.predict(x)


def test_a_child_forked_in_the_middle_of_its_own_run_goes_on(points: Points) -> None:
    """By a callback of the thread that trains; the child's other threads are refused as the parent's are."""
    x, y = points
    alone = network()
    alone.fit(x, y, epochs=2, batch_size=10, progress=False)
    home, model = os.getpid(), network()

    def fork(trainer: pynn.Trainer) -> None:
        if os.getpid() == home and trainer.step == 2:
            child(lambda: (_refused(model, x, y), model.predict(x)))

    class Forks(pynn.Callback):
        on_step_end = staticmethod(fork)

    model.fit(x, y, epochs=2, batch_size=10, progress=False, callbacks=[Forks()])
    np.testing.assert_array_equal(model.parameters, alone.parameters)


def _refused(model: pynn.Sequential, x: np.ndarray, y: np.ndarray) -> None:
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(model.fit, x, y, progress=False).exception()
    assert "being trained by another thread" in str(error)


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_a_run_that_goes_on_in_a_child_ends(prefetch: int, points: Points) -> None:
    """With the right bits; or, where the batches come from a thread that the child lacks, in an error that says so."""
    x, y = points
    alone = network()
    alone.fit(x, y, epochs=2, batch_size=10, progress=False)
    reading, writing = os.pipe()
    home, model, pids = os.getpid(), network(), []

    class Forks(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if os.getpid() == home and trainer.step == 2:
                pids.append(os.fork())

    try:
        model.fit(x, y, epochs=2, batch_size=10, progress=False, callbacks=[Forks()], prefetch=prefetch)
        if os.getpid() != home:
            os.write(writing, model.parameters.tobytes())
            os._exit(0)
    except BaseException as error:
        if os.getpid() != home:
            os.write(writing, str(error).encode())
            os._exit(0)
        raise
    assert model.parameters.tobytes() == alone.parameters.tobytes()
    os.waitpid(pids[0], 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    if prefetch:
        assert b"forked while a thread prepared batches" in found
    else:
        assert found == alone.parameters.tobytes()


def test_children_show_bars_while_threads_draw_them(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    from tqdm import tqdm

    lock = tqdm.get_lock()
    held = threading.Event()

    def draw() -> None:
        with lock:
            held.set()
            time.sleep(0.3)  # the child is forked meanwhile

    thread = threading.Thread(target=draw)
    thread.start()
    held.wait(20)
    child(lambda: network().fit(*points, epochs=1, progress=True))
    thread.join()
    assert all(part.acquire(timeout=60) for part in lock.locks), "the child kept the lock of all processes"
    lock.release()
    network().fit(*points, epochs=1, progress=True)
    progress._free_bars()  # without a fork: the lock is free, and stays as it is
    assert "loss" in capsys.readouterr().err


def test_a_claim_stays_that_of_the_thread_which_forked() -> None:
    claim, free = Claim("taken"), Claim("taken")
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with free.use():
            held.set()
            done.wait(20)

    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            assert "taken" in str(pool.submit(claim.use().__enter__).exception())
        with free.use(), claim.use():
            pass

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with claim.use():
        child(work)
    done.set()
    thread.join()


@pytest.mark.slow
def test_many_threads_fork_at_once(points: Points) -> None:
    model, x = fitted(points), points[0]
    expected = model.predict_proba(x).tobytes()

    def work() -> None:
        assert network().fit(*points, epochs=1, progress=False)["loss"]
        assert model.predict_proba(x).tobytes() == expected

    other = fitted(points)
    with busy(lambda: other.fit(*points, epochs=1, progress=False)), ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(child, work) for _ in range(16)]:
            one.result()
    assert model.lock.waiters == other.lock.waiters == []
    assert locks._FORKING == {}


@pytest.mark.slow
def test_locks_that_forks_know_are_dropped_with_their_model() -> None:
    import gc

    gc.collect()
    before = len(locks._REGISTRY)
    models = [network() for _ in range(10)]
    assert len(locks._REGISTRY) > before
    del models
    gc.collect()
    assert len(locks._REGISTRY) == before


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_pools_of_processes(method: str, points: Points) -> None:
    model, (x, y) = fitted(points), points
    context = multiprocessing.get_context(method)
    with busy(lambda: model.predict_proba(x)), ProcessPoolExecutor(2, mp_context=context) as pool:
        said = [pool.submit(predicted, model, x) for _ in range(4)]
        learned = [pool.submit(trained, seed, x, y) for seed in range(4)]
        assert {one.result(60) for one in said} == {model.predict_proba(x).tobytes()}
        assert [one.result(60) for one in learned] == [trained(seed, x, y) for seed in range(4)]


@pytest.mark.slow
@pytest.mark.parametrize("backend_of_joblib", ["loky", "multiprocessing", "threading"])
def test_pools_of_joblib(backend_of_joblib: str, points: Points) -> None:
    joblib = pytest.importorskip("joblib")
    x, y = points
    model = fitted(points)
    with busy(lambda: model.predict_proba(x)):
        found = joblib.Parallel(2, backend=backend_of_joblib)(
            joblib.delayed(trained)(seed, x, y) for seed in range(4)
        )  # fmt: skip
    assert found == [trained(seed, x, y) for seed in range(4)]


def test_a_fork_while_a_model_is_copied(points: Points) -> None:
    model, pids = fitted(points), list[int]()

    class Forks(pynn.Layer):
        def __deepcopy__(self, memo: Any) -> Any:
            pids.append(os.fork())
            return Forks()

    model.notes["layer"] = Forks()
    alone = True
    try:
        copy.deepcopy(model)
    except BaseException:
        alone = False
    if pids[0] == 0:
        os._exit(0 if alone and model.predict(points[0]).shape == (30,) else 1)
    assert alone
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
    assert model.lock.waiters == []


def test_an_interrupt_while_a_change_waits_lets_the_lock_go(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locks.Lock()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    lock.waiters.append(None)
    with pytest.raises(KeyboardInterrupt), lock:
        pass
    lock.waiters.clear()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: lock.__enter__() or lock.__exit__()).result(20) is None
    assert lock.changing == 0
