"""Several threads: one loss for several models, one model for several threads."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.locks import Claim

Points = tuple[np.ndarray, np.ndarray]

LOSSES: dict[str, tuple[Callable[[], pynn.Loss], int, Callable[[np.ndarray], Any]]] = {
    "softmax": (pynn.SoftmaxCrossEntropy, 3, lambda y: y),
    "focal": (pynn.Focal, 3, lambda y: y),
    "hinge": (pynn.Hinge, 3, lambda y: y),
    "l2": (pynn.SquaredError, 1, lambda y: y.astype(float)),
    "attributes": (pynn.BinaryCrossEntropy, 3, lambda y: np.eye(3)[y]),
    "structured": (lambda: pynn.StructuredHinge(pynn.ViterbiChain()), 4, lambda y: np.stack([y % 2, y // 2], 1)),
}


def network(outputs: int, seed: int = 0, last: tuple[pynn.Layer, ...] = ()) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(outputs), *last, seed=seed)


class FourthPower(pynn.Loss):
    """The example of the documentation: it keeps the difference; it can be made to wait between its two passes."""

    between: Callable[[], None] | None = None

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        if self.between is not None:
            self.between()
        return float((self.difference**4).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return np.asarray(4 * self.difference**3 / len(self.difference))


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("backend", "frequent_switches")
@pytest.mark.parametrize("name", list(LOSSES))
def test_models_in_threads_share_a_loss(name: str, points: Points) -> None:
    make, outputs, targets = LOSSES[name]
    x, y = points[0], targets(points[1])

    def trained(seed: int, loss: pynn.Loss) -> tuple[np.ndarray, dict[str, float]]:
        model = network(outputs, seed, (pynn.Transitions(2),) if name == "structured" else ())
        model.fit(x, y, loss=loss, epochs=12, batch_size=7 + seed % 2, progress=False)
        return model.parameters.copy(), model.evaluate(x, y)

    alone = [trained(seed, make()) for seed in range(8)]
    shared = make()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: trained(seed, shared), range(8)))
    for (parameters, measured), (expected, values) in zip(together, alone, strict=True):
        np.testing.assert_array_equal(parameters, expected)
        assert measured == values


def test_each_thread_reads_its_own_gradient_and_hits(backend: str) -> None:
    loss, labels = pynn.SoftmaxCrossEntropy(), np.array([0, 1])
    loss.forward(np.eye(2, dtype=np.float32), labels)
    mine = loss.backward().copy()

    def other() -> tuple[float | None, np.ndarray]:
        with pytest.raises(RuntimeError, match="was called before forward"):
            loss.backward()
        loss.forward(1 - np.eye(2, dtype=np.float32), labels)
        return loss.hits, loss.backward()

    with ThreadPoolExecutor(1) as pool:
        hits, gradient = pool.submit(other).result()
    assert (hits, loss.hits) == (0, 2)
    np.testing.assert_array_equal(loss.backward(), mine)
    assert not np.array_equal(gradient, mine)


def copied(loss: pynn.Loss, how: str) -> Any:
    return pickle.loads(pickle.dumps(loss)) if how == "pickle" else getattr(copy, how)(loss)


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_a_copy_of_a_loss_shares_nothing_with_it(how: str) -> None:
    loss = pynn.SoftmaxCrossEntropy(label_smoothing=0.1)
    loss.forward(np.zeros((2, 3), np.float32), np.array([0, 1]))
    twin = copied(loss, how)
    assert repr(twin) == repr(loss)
    assert twin.hits is None
    twin.forward(np.ones((2, 3), np.float32), np.array([2, 2]))
    assert twin.backward() is not loss.backward()


def test_a_copy_of_an_own_loss_is_free() -> None:
    own = FourthPower()
    with own.used(), ThreadPoolExecutor(1) as pool:
        for twin in (copy.copy(own), copy.deepcopy(own)):
            pool.submit(lambda twin=twin: twin.used().__enter__()).result()
        with pytest.raises(RuntimeError, match="in use by another thread"):
            pool.submit(lambda: own.used().__enter__()).result()


def test_a_claim_that_was_shared_is_that_of_who_still_has_it() -> None:
    claim, model, other = Claim("taken"), object(), object()
    with ThreadPoolExecutor(1) as pool:
        first = claim.use(model)
        pool.submit(first.__enter__).result()
        with claim.use(model):  # another thread's, for the same model
            pool.submit(first.__exit__, None, None, None).result()
            with pytest.raises(RuntimeError, match="taken"):
                pool.submit(claim.use(other).__enter__).result()
        pool.submit(claim.use(other).__enter__).result()


def in_a_step(own: FourthPower, work: Callable[[], Any]) -> Any:
    """What the work gives or raises in another thread while `own` stands between its passes in this one's step."""
    found: list[Any] = []

    def between() -> None:
        own.between = None

        def run() -> None:
            try:
                found.append(work())
            except Exception as error:
                found.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()

    own.between = between
    return found


@pytest.mark.parametrize("way", ["fit", "train_step", "evaluate", "minimize"])
@pytest.mark.parametrize("first", ["fit", "train_step"])
def test_an_own_loss_serves_one_thread_at_a_time(first: str, way: str, points: Points) -> None:
    if way == "minimize":
        pytest.importorskip("scipy")
    x, y = points[0], points[0][:, :2]
    own, model, other = FourthPower(), network(2), network(2, seed=1)
    other.fit(x, y, loss=own, epochs=1, progress=False)
    before, optimizer, loss = other.parameters.copy(), other.optimizer, other.loss

    def work() -> Any:
        if way == "fit":
            return other.fit(x, y, loss=own, optimizer=pynn.SGD(0.1), epochs=1, progress=False)
        if way == "train_step":
            return other.train_step(x, y, own, pynn.SGD(0.1))
        return other.evaluate(x, y) if way == "evaluate" else pynn.minimize(other, x, y, loss=own, progress=False)

    found = in_a_step(own, work)
    if first == "fit":
        model.fit(x, y, loss=own, epochs=1, progress=False)
    else:
        model.train_step(x, y, own, pynn.SGD(0.1))
    assert isinstance(found[0], RuntimeError)
    assert "this FourthPower is in use by another thread" in str(found[0])
    assert "loss=FourthPower(...)" in str(found[0])
    np.testing.assert_array_equal(other.parameters, before)
    assert (other.optimizer, other.loss) == (optimizer, loss)
    work()  # and when it is free, it works


def test_an_own_loss_that_changes_only_its_predictions_is_shared(points: Points) -> None:
    class Second(pynn.SoftmaxCrossEntropy):
        def predict(self, outputs: np.ndarray) -> np.ndarray:
            return np.asarray(outputs.argsort(axis=1)[:, -2])

    class Doubled(pynn.SoftmaxCrossEntropy):
        def _measure(self, *arguments: Any) -> tuple[float, float]:
            return super()._measure(*arguments)

    assert not Second.is_custom
    assert Doubled.is_custom
    assert FourthPower.is_custom
    assert not any(make().is_custom for make, _, _ in LOSSES.values())


def test_two_threads_cannot_fit_one_model(points: Points) -> None:
    x, y = points
    model = network(3)
    found: list[Any] = []

    def second(trainer: pynn.Trainer) -> None:
        if found:
            return
        before, kept = model.parameters.copy(), (model.loss, model.optimizer, model.preprocessing, model.epoch)

        def work() -> None:
            tries = [
                lambda: model.fit(x, y, loss="hinge", optimizer="sgd", progress=False),
                lambda: model.partial_fit(x, y),
                lambda: pynn.minimize(model, x, y, loss="hinge", progress=False),
            ]
            for one in tries:
                try:
                    found.append(one())
                except Exception as error:
                    found.append(error)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
        np.testing.assert_array_equal(model.parameters, before)
        assert (model.loss, model.optimizer, model.preprocessing, model.epoch) == kept

    model.fit(x, y, epochs=3, progress=False, callbacks=[second])
    assert len(found) == 3
    for error in found:
        assert isinstance(error, RuntimeError)
        assert "being trained by another thread" in str(error)
        assert "copy.deepcopy(model)" in str(error)
    alone = network(3)
    alone.fit(x, y, epochs=3, progress=False)
    np.testing.assert_array_equal(model.parameters, alone.parameters)
    model.fit(x, y, epochs=1, progress=False)  # in the same thread, and when it is free


def test_a_copy_is_trained_while_the_original_is(points: Points) -> None:
    model = network(3)
    found: list[int] = []

    def second(trainer: pynn.Trainer) -> None:
        with ThreadPoolExecutor(1) as pool:
            twin = copy.deepcopy(model)
            pool.submit(lambda: twin.fit(*points, optimizer="adam", epochs=2, progress=False)).result()
            found.append(twin.epoch)

    model.fit(*points, epochs=1, progress=False, callbacks=[second])
    assert found == [3]


@pytest.mark.parametrize("own", [False, True])
def test_another_thread_predicts_and_evaluates_while_a_model_is_fitted(own: bool, points: Points) -> None:
    x = points[0]
    y = x[:, :2] if own else points[1]
    model = network(2 if own else 3)
    model.fit(x, y, loss=FourthPower() if own else None, epochs=1, progress=False)
    stop, found = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            found.append((model.predict(x), model.evaluate(x, y)))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for _ in range(10):
            model.fit(x, y, epochs=20, batch_size=10, progress=False)
    finally:
        stop.set()
        thread.join()
    assert found
    assert all(np.isfinite(values["loss"]) for _, values in found)
    twin = network(2 if own else 3)
    twin.fit(x, y, loss=FourthPower() if own else None, epochs=1, progress=False)
    for _ in range(10):
        twin.fit(x, y, epochs=20, batch_size=10, progress=False)
    np.testing.assert_array_equal(model.parameters, twin.parameters)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_is_not_refused_for_a_thread_it_does_not_have() -> None:
    claim = Claim("taken")
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with claim.use():
            ready.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(20)
    with pytest.raises(RuntimeError, match="taken"), claim.use():
        pass
    child = os.fork()
    if child == 0:
        try:
            with claim.use():
                os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_metrics_with_lists_are_apart_in_threads(points: Points) -> None:
    class Rows(pynn.metrics.Metric):
        name = "rows"

        def __init__(self) -> None:
            self.seen: list[int] = []
            self.sums = np.zeros(1)

        def reset(self) -> None:
            self.seen.clear()
            self.sums[...] = 0

        def add(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> None:
            self.seen.append(len(outputs))
            self.sums += len(outputs)

        def value(self) -> float:
            assert sum(self.seen) == self.sums[0]
            return float(self.sums[0])

    metric, model, inner = Rows(), network(3), network(3, seed=1)
    inner.fit(*points, epochs=1, progress=False)

    def elsewhere(trainer: pynn.Trainer) -> None:
        inner.evaluate(*points, metrics=[metric])

    class InTheMiddle(pynn.Callback):
        on_step_end = staticmethod(elsewhere)

    history = model.fit(*points, epochs=1, batch_size=10, metrics=[metric], callbacks=[InTheMiddle()], progress=False)
    assert history["rows"] == [30]


@pytest.mark.parametrize("kind", ["EarlyStopping", "PolyakAverage"])
def test_objects_with_a_memory_of_a_run_serve_one_thread_at_a_time(kind: str, points: Points) -> None:
    shared: Any = pynn.EarlyStopping("loss", patience=2) if kind == "EarlyStopping" else pynn.PolyakAverage()
    found: list[Any] = []

    def run(model: pynn.Sequential, meanwhile: Callable[[pynn.Trainer], None] | None = None) -> None:
        callbacks = [shared, *([meanwhile] if meanwhile else [])]
        model.fit(*points, optimizer=pynn.SGD(0.1), epochs=2, progress=False, callbacks=callbacks)

    def elsewhere(trainer: pynn.Trainer) -> None:
        with ThreadPoolExecutor(1) as pool:
            found.append(pool.submit(run, network(3, seed=1)).exception())

    run(network(3), elsewhere)
    assert len(found) == 2
    for error in found:
        assert isinstance(error, RuntimeError)
        assert f"this {kind} is in use by a run in another thread" in str(error)
    run(network(3))  # one after the other, and copied
    copy.deepcopy(shared)
