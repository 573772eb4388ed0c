"""What other threads and forked children see of a model that one thread changes: all of a change or nothing of it."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import network

import pynn
from pynn import locks
from pynn.locks import Claim

Points = tuple[np.ndarray, np.ndarray]
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


def seconds(work: Callable[[], Any], limit: float = 20) -> Any:
    """What another thread makes of it; it may not hang."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    assert found, "it hangs"
    return found[0]


def everything(model: pynn.Sequential) -> bytes:
    return b"".join(array.tobytes() for array in model.get_weights())


class Batches:
    """Three an epoch, each after a look at the model by another thread, which this one waits for."""

    def __init__(self, points: Points, look: Callable[[], Any]) -> None:
        self.points, self.look, self.found = points, look, list[Any]()

    def __len__(self) -> int:
        return 6

    def __iter__(self) -> Iterator[Points]:
        for number in range(6):
            self.found.append(seconds(self.look))
            yield tuple(one[number * 5 : number * 5 + 5] for one in self.points)  # type: ignore[misc]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("how", ["get_weights", "deepcopy", "pickle", "save"])
def test_others_see_whole_steps_while_batches_are_waited_for(
    how: str, accumulate: int, points: Points, tmp_path: Path
) -> None:
    model, after = network(), list[bytes]()
    model.build((points[0].shape[1],))

    def saved() -> bytes:
        model.save(tmp_path / "model")
        return everything(pynn.load(tmp_path / "model"))

    looks: dict[str, Callable[[], bytes]] = {
        "get_weights": lambda: everything(model),
        "deepcopy": lambda: everything(copy.deepcopy(model)),
        "pickle": lambda: everything(pickle.loads(pickle.dumps(model))),
        "save": saved,
    }
    batches = Batches(points, looks[how])

    class Watch(pynn.Callback):
        def on_train_begin(self, trainer: pynn.Trainer) -> None:
            after.append(everything(model))

        on_step_end = on_train_begin

    model.fit(batches, epochs=1, accumulate=accumulate, callbacks=[Watch()], progress=False)
    assert len(set(after)) == 1 + 6 // accumulate
    assert batches.found == [after[number // accumulate] for number in range(6)]


@pytest.mark.usefixtures("backend")
def test_accumulated_statistics_are_those_of_batches_one_after_the_other(points: Points) -> None:
    norm = pynn.BatchNorm()
    model = pynn.Sequential(norm, pynn.Affine(3))
    model.fit(*points, epochs=1, batch_size=10, shuffle=False, accumulate=2, progress=False)
    mean = np.zeros(points[0].shape[1])
    for part in np.split(np.asarray(points[0], np.float64), 3):
        mean = norm.momentum * mean + (1 - norm.momentum) * part.mean(axis=0)
    np.testing.assert_allclose(norm.running_mean, mean, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@needs_forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_of_another_thread_is_whole_while_a_batch_is_waited_for(
    points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    model = network()
    model.build((points[0].shape[1],))

    def fork() -> int:
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(0 if model.predict(points[0]).shape == (30,) else 1)
            except BaseException:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    batches = Batches(points, fork)
    model.fit(batches, epochs=1, accumulate=3, progress=False)
    assert batches.found == [0] * 6


def _wide() -> tuple[pynn.Sequential, list[list[np.ndarray]]]:
    model = pynn.Sequential(*[pynn.Affine(300) for _ in range(6)])
    model.build((300,))
    return model, [[np.full_like(one, number) for one in model.get_weights()] for number in range(2)]


def _values(model: pynn.Sequential) -> set[float]:
    return {float(number) for one in model.get_weights() for number in (one.flat[0], one.flat[-1])}


def _set_list(model: pynn.Sequential, weights: list[np.ndarray]) -> None:
    model.set_weights(weights)


def _set_vector(model: pynn.Sequential, weights: list[np.ndarray]) -> None:
    model.parameters = np.full_like(model.parameters, weights[0].flat[0])


def _load(model: pynn.Sequential, weights: list[np.ndarray]) -> None:
    pynn.transfer.load_weights(model, dict(zip(model.tensors(), weights, strict=True)), layout="pynn")


@pytest.mark.slow
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("put", [_set_list, _set_vector, _load])
def test_weights_are_seen_as_they_were_set(put: Callable[[Any, Any], None]) -> None:
    model, weights = _wide()
    model.set_weights(weights[0])
    stop, torn = threading.Event(), list[set[float]]()

    def change() -> None:
        while not stop.is_set():
            for one in weights:
                put(model, one)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            torn += [found for found in (_values(model), _values(copy.deepcopy(model))) if len(found) > 1]
    finally:
        stop.set()
        thread.join()
    assert torn == []


@pytest.mark.parametrize("put", [_set_list, _set_vector, _load])
def test_weights_are_set_after_a_prediction_that_is_under_way(put: Callable[[Any, Any], None]) -> None:
    model, weights = _wide()
    model.set_weights(weights[0])
    with ThreadPoolExecutor(1) as pool:
        with model.lock.held():
            late = pool.submit(put, model, weights[1])
            with pytest.raises(TimeoutError):
                late.result(0.2)
            assert _values(model) == {0.0}
            put(model, weights[0])  # the thread that has it sets them at once
        late.result(20)
    assert _values(model) == {1.0}


@pytest.mark.slow
@needs_forks
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_children_have_all_of_the_weights_that_a_thread_sets() -> None:
    model, weights = _wide()
    model.set_weights(weights[0])
    stop, codes = threading.Event(), list[int]()

    def change() -> None:
        while not stop.is_set():
            for one in weights:
                model.set_weights(one)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                try:
                    os._exit(0 if len(_values(model)) == 1 else 1)
                except BaseException:
                    os._exit(2)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 40


class Handling(pynn.Sequential):
    """Holds what cannot be copied, and says so, as pickle wants it."""

    def __init__(self, *layers: pynn.Layer) -> None:
        super().__init__(*layers)
        self.handle = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["handle"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.handle = threading.Lock()


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_of_an_own_kind_is_copied_as_it_says(
    again: Callable[[Any], Any], training: bool, points: Points
) -> None:
    model = Handling(pynn.Affine(4), pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    found: list[Any] = []
    if training:

        class Elsewhere(pynn.Callback):
            def on_step_end(self, trainer: pynn.Trainer) -> None:
                found.append(seconds(lambda: again(model)))
                assert everything(found[-1]) == everything(model)

        model.fit(*points, epochs=1, progress=False, callbacks=[Elsewhere()])
    else:
        found.append(again(model))
        assert everything(found[-1]) == everything(model)
    for twin in found:
        assert type(twin) is Handling
        assert twin.handle is not model.handle
        twin.fit(*points, epochs=1, progress=False)


class Predicting:
    def __init__(self, model: pynn.Sequential, x: np.ndarray) -> None:
        self.model, self.x, self.errors = model, x, list[BaseException | None]()

    def __deepcopy__(self, memo: Any) -> str:
        try:
            self.model.predict(self.x)
            self.model.set_weights(self.model.get_weights())
            self.errors.append(None)
        except RuntimeError as error:
            self.errors.append(error)
            raise
        return "copied"


def test_a_copy_that_runs_the_model_does_not_hang(points: Points) -> None:
    model = network()
    model.fit(*points, epochs=1, progress=False)
    model.extra = Predicting(model, points[0])  # type: ignore[attr-defined]
    assert seconds(lambda: copy.deepcopy(model)).extra == "copied"  # nobody else has it

    stop = threading.Event()

    def train() -> None:
        while not stop.is_set():
            model.fit(*points, epochs=5, batch_size=5, progress=False)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    try:
        found = [seconds(lambda: copy.deepcopy(model)) for _ in range(20)]
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()
    refused = [one for one in found if isinstance(one, BaseException)]
    assert refused
    for one in refused:
        assert isinstance(one, RuntimeError)
        assert "this thread copies or saves the model while another thread trains it" in str(one)
    assert model.lock.waiters == []
    del model.extra  # type: ignore[attr-defined]
    assert everything(copy.deepcopy(model)) == everything(model)


def test_a_copy_waits_for_a_prediction_under_way() -> None:
    lock = locks.Lock()
    began, done = threading.Event(), threading.Event()

    def predict() -> None:
        with lock.held():
            began.set()
            done.wait(20)

    thread = threading.Thread(target=predict)
    thread.start()
    began.wait(20)

    def copies() -> int:
        with lock.between_changes():
            threading.Timer(0.1, done.set).start()
            with lock:
                return lock.changing

    assert seconds(copies) == 1
    thread.join()
    assert lock.changing == 0
    assert lock.waiters == []


def test_fork_hooks_are_not_public_names() -> None:
    assert not hasattr(network(), "in_child")
    assert not hasattr(Claim("taken"), "in_child")


class Alike(pynn.Sequential):
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alike)


class AlikeWithHash(Alike):
    def __hash__(self) -> int:
        return 1


@needs_forks
@pytest.mark.parametrize("kind", [Alike, AlikeWithHash])
def test_models_that_compare_equal_are_all_known_to_forks(kind: type[pynn.Sequential], points: Points) -> None:
    models = [kind(pynn.Affine(3)) for _ in range(3)]
    for model in models:
        model.fit(*points, epochs=1, progress=False)
    assert {id(one) for one in locks._registered()} >= {id(model) for model in models}
