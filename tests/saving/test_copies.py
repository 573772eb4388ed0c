"""Copies and pickles carry what a model file carries and the optimizer, nothing of a batch; and they can be trained."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]
MARK = 12345.678  # a number of the data that no copy may hold


def _joblib(mode: str | None) -> Callable[[Any], Any]:
    def again(thing: Any) -> Any:
        joblib = pytest.importorskip("joblib")
        from tempfile import mkdtemp

        path = Path(mkdtemp()) / "thing.joblib"
        joblib.dump(thing, path)
        return joblib.load(path, mmap_mode=mode)

    return again


def _cloudpickle(thing: Any) -> Any:
    module = pytest.importorskip("cloudpickle")
    return module.loads(module.dumps(thing))


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda thing, n=n: pickle.loads(pickle.dumps(thing, n)) for n in range(2, 6)},
    "joblib": _joblib(None),
    "joblib, mapped to read": _joblib("r"),
    "joblib, mapped to copy": _joblib("c"),
    "cloudpickle": _cloudpickle,
}
ways = pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)


class Keeps(pynn.Layer):
    """An own layer that keeps what it has seen, as textbooks write it."""

    def __init__(self) -> None:
        self.x = None
        self.first = self.second = None
        self.table = np.arange(3.0)
        self.calls = 0

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("factor", input_shape, pynn.Constant(1))
        self.mean = np.zeros(input_shape)
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x, self.shape = x, x.shape
        self.pair = [x, (x, 2)]
        self._note(x)
        self.calls += 1
        self.mean = 0.5 * self.mean
        return self.factor * x

    def _note(self, x: np.ndarray) -> None:
        self.first = self.second = x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dfactor[...] = (dy * self.x).sum(axis=0)
        self.dx = dy * self.factor
        return self.dx


class KeepsLoss(pynn.Loss):
    def __init__(self, power: int = 2) -> None:
        self.power = power
        self.difference = None

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        return float((self.difference**2).mean())

    def backward(self) -> np.ndarray:
        return 2 * self.difference / self.difference.size


def images() -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.MaxPool2d(2), pynn.GroupNorm(2),
        pynn.FractionalMaxPool2d(1.5),
        pynn.Residual(pynn.Conv2d(4), pynn.PReLU(), pynn.SpatialDropout(0.1), pynn.Conv2d(6), shortcut="auto"),
        pynn.ELU(), pynn.AvgPool2d(2), pynn.Flatten(), pynn.DropConnect(9, 0.1), pynn.SiLU(), pynn.Maxout(5), Keeps(),
        pynn.Scale(), pynn.PSELU(), pynn.Affine(6, parametrization="ntk"), pynn.PMish(),
        pynn.Dropout(0.1),
        pynn.GaussianNoise(0.1), pynn.LayerNorm(), pynn.Softplus(), pynn.Affine(3, constraint=pynn.MaxNorm(1)),
    )  # fmt: skip


def _trained(model: pynn.Sequential) -> tuple[pynn.Sequential, np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(12, 8, 8, 2)).astype(np.float32)
    x[:, 3, 3] = MARK
    y = np.arange(12) % 3
    model.fit(x, y, epochs=2, batch_size=5, progress=False, optimizer=pynn.Adam(1e-3))
    model.predict(x)
    return model, x, y


def held(thing: Any, seen: set[int] | None = None) -> list[np.ndarray]:
    """All arrays that can be reached from it."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, (type, str, bytes, np.dtype)):
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return [thing]
    parts: list[Any] = []
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, (list, tuple, set)):
        parts = list(thing)
    elif hasattr(thing, "__dict__"):
        parts = list(vars(thing).values())
    return [array for part in parts for array in held(part, seen)]


@ways
def test_a_copy_goes_on_as_the_model_does(again: Callable[[Any], Any], backend: str) -> None:
    model, x, y = _trained(images())
    before = model.predict_proba(x)
    optimizer: Any = model.optimizer
    other = again(model)
    np.testing.assert_array_equal(other.predict_proba(x), before)
    assert other.optimizer is not optimizer
    assert other.optimizer.steps == optimizer.steps
    for one in (other, model):
        assert one.context.built
        one.fit(x, y, epochs=2, batch_size=5, progress=False)
    np.testing.assert_array_equal(other.parameters, model.parameters)
    np.testing.assert_array_equal(other.optimizer.first, optimizer.first)
    np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
    assert other.predict_proba(x).tobytes() != before.tobytes()
    for array in other.tensors().values():
        assert array.flags.writeable
        assert type(array) is np.ndarray
    for layer in other.layers:
        for parameter in layer.declared:
            assert np.shares_memory(getattr(layer, parameter.name), other.parameters)
            assert np.shares_memory(getattr(layer, f"d{parameter.name}"), other.gradients)


@ways
def test_a_copy_holds_nothing_of_a_batch(again: Callable[[Any], Any]) -> None:
    model, *_ = _trained(images())
    assert sum(array.nbytes for array in held(model)) > 20 * model.parameters.nbytes
    other = again(model)
    arrays = held(other)
    assert not any((np.asarray(array) == np.float32(MARK)).any() for array in arrays)
    assert len(pickle.dumps(other)) < 3 * model.parameters.nbytes + 60_000


def test_a_pickle_is_about_as_large_as_what_a_model_file_and_a_checkpoint_hold() -> None:
    model = pynn.models.resnet20()
    x, y = np.full((6, 32, 32, 3), MARK, np.float32), np.arange(6)
    model.fit(x, y, epochs=1, progress=False, optimizer=pynn.Adam())
    model.predict(x)
    size = model.parameters.nbytes
    content = pickle.dumps(model)
    assert np.float32(MARK).tobytes() * 8 not in content
    assert len(content) < 3 * size + 100_000  # the parameters and Adam's two vectors
    model.optimizer = None
    assert len(pickle.dumps(model)) < size + 100_000


def test_the_parameters_are_in_a_pickle_once(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(20_000))
    model.build((4,))
    assert len(pickle.dumps(model)) < model.parameters.nbytes + 5000


def test_own_layers_keep_what_they_made_and_leave_what_they_saw() -> None:
    model, *_ = _trained(pynn.Sequential(pynn.Flatten(), Keeps(), pynn.Affine(3)))
    layer: Any = model.layers[1]
    layer.mask = np.ones(3)  # by the user, in no pass
    other: Any = copy.deepcopy(model).layers[1]
    for name in ("x", "first", "second"):
        assert getattr(layer, name) is not None
        assert getattr(other, name) is None  # as its constructor left it
    for name in ("pair", "dx"):
        assert hasattr(layer, name)
        assert not hasattr(other, name)
    assert other.calls == layer.calls > 0
    assert other.shape == layer.shape
    np.testing.assert_array_equal(other.table, layer.table)
    np.testing.assert_array_equal(other.mean, layer.mean)
    np.testing.assert_array_equal(other.mask, 1)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (pynn.SoftmaxCrossEntropy(0.1), np.arange(6) % 3),
        (pynn.SquaredError(), np.ones((6, 3))),
        (KeepsLoss(3), np.ones((6, 3))),
        (pynn.StructuredHinge(pynn.ViterbiChain()), np.zeros((6, 2), int)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_losses_leave_their_gradients(loss: Any, y: np.ndarray, rng: np.random.Generator) -> None:
    structured = isinstance(loss, pynn.StructuredHinge)
    outputs = rng.normal(size=(6, 5, 3) if structured else (6, 3)).astype(np.float32)
    value = loss.forward(outputs, loss.targets(y, outputs.shape[1:]))
    assert held(loss)
    for way in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        other = way(loss)
        assert not held(other)
        assert repr(other) == repr(loss)
        assert other.forward(outputs, loss.targets(y, outputs.shape[1:])) == value
        np.testing.assert_array_equal(other.backward(), loss.backward())


@ways
def test_an_optimizer_alone_brings_its_state_and_no_parameters(again: Callable[[Any], Any], points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False, optimizer=pynn.Adam(pynn.CosineDecay(1e-2, 3)))
    optimizer: Any = model.optimizer
    other = again(optimizer)
    np.testing.assert_array_equal(other.first, optimizer.first)
    assert other.steps == optimizer.steps
    assert sum(array.size for array in held(other)) == 2 * model.parameters.size
    fresh = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match="already trains another model"):
        fresh.fit(*points, epochs=1, progress=False, optimizer=other)
    unused = again(pynn.Adam(0.01))
    fresh.fit(*points, epochs=1, progress=False, optimizer=unused)


@ways
def test_a_model_and_the_optimizer_of_an_own_loop_go_on_together(again: Callable[[Any], Any], points: Points) -> None:
    if again is copy.copy:
        again = copy.deepcopy  # of a dict
    model, optimizer = pynn.Sequential(pynn.Affine(3)), pynn.Adam(0.01)
    loss = pynn.SoftmaxCrossEntropy()
    for _ in range(3):
        model.train_step(*points, loss, optimizer)
    found = again({"optimizer": optimizer, "model": model})
    apart = again(optimizer)
    for one, driver in ((found["model"], found["optimizer"]), (model, optimizer)):
        one.train_step(*points, pynn.SoftmaxCrossEntropy(), driver)
    np.testing.assert_array_equal(found["model"].parameters, model.parameters)
    for driver in (apart, optimizer):
        with pytest.raises(ValueError, match="already trains another model"):
            found["model"].train_step(*points, loss, driver)
    found = again({"optimizer": optimizer, "model": model})
    found["model"].build((4,))
    with pytest.raises(ValueError, match="or this model before it was rebuilt"):
        found["model"].train_step(*points, loss, found["optimizer"])


@ways
def test_a_layer_alone_brings_its_weights_into_another_model(again: Callable[[Any], Any], points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    model.fit(*points, epochs=2, progress=False)
    x = points[0]
    hidden = pynn.transfer.features(model, x, "relu1")
    kept = [again(layer) for layer in model.layers[:3]]
    other = pynn.Sequential(*kept, pynn.Affine(2), seed=5)
    other.build((4,))
    np.testing.assert_array_equal(pynn.transfer.features(other, x, "relu1"), hidden)
    other.fit(x, points[1] % 2, epochs=1, progress=False)
    np.testing.assert_array_equal(pynn.transfer.features(model, x, "relu1"), hidden)
    with pytest.raises(ValueError, match=r"Affine was built alone, where its weight had the shape \(4, 5\).* \(6, 5\)"):
        pynn.Sequential(again(model.layers[0])).build((6,))


def test_a_layer_alone_leaves_the_activation_that_ran_inside_it(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(5), pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    x = points[0]
    assert (model.layers[0].forward(x, False) >= 0).all()  # the model's own runs it
    other = copy.deepcopy(model)
    assert other.layers[1].fused_into is other.layers[0]  # type: ignore[attr-defined]
    for layer in (model.layers[0], other.layers[0]):
        alone: Any = copy.deepcopy(layer)
        np.testing.assert_allclose(alone.forward(x, False), x @ alone.weight + alone.bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(other.forward(x), model.forward(x))


def test_copies_of_models_that_are_not_built(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(5), pynn.ReLU(), pynn.Affine(3), seed=3)
    others = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for one in (model, *others):
        assert not one.built
        one.fit(*points, epochs=1, progress=False)
        np.testing.assert_array_equal(one.parameters, model.parameters)
    empty = pynn.Sequential()
    empty.build((4,))
    assert copy.deepcopy(empty).built


def test_a_tree_and_its_loss_stay_a_pair(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(4), pynn.HierarchicalSoftmax(3))
    model.fit(*points, epochs=1, progress=False)
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.loss is other.layers[1].loss
        assert other.loss.layer is other.layers[1]
        assert not hasattr(other.loss, "_walked") or other.loss._walked is None
        other.fit(*points, epochs=1, progress=False)
    alone = copy.deepcopy(model.loss)
    with pytest.raises(ValueError, match="has no tree"):
        alone.predict(points[0])


def test_ensembles_and_callbacks_hold_nothing_of_a_batch(points: Points) -> None:
    x = points[0] + 0
    x[::5, 2] = MARK
    stopping, average = pynn.EarlyStopping("loss", patience=9), pynn.PolyakAverage()
    ensemble = pynn.Ensemble.fit(lambda seed: pynn.Sequential(pynn.Affine(3), seed=seed), 2, x, points[1],
                                 epochs=2, progress=False, callbacks=[stopping])  # fmt: skip
    before = ensemble.predict_proba(x)
    other = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(other.predict_proba(x), before)
    model = pynn.Sequential(pynn.BatchNorm(), pynn.Affine(3))
    model.fit(x, points[1], epochs=2, progress=False, callbacks=[average])
    again = pickle.loads(pickle.dumps((ensemble, model, average, stopping)))
    assert not any((array == np.float32(MARK)).any() for array in held(again))
    again[2].swap(again[1])
    average.swap(model)
    np.testing.assert_array_equal(again[1].parameters, model.parameters)


@pytest.mark.slow
def test_loky_trains_models_whose_arrays_it_maps(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    code = """
        import numpy as np, pynn, joblib

        def more(model, x, y):
            model.fit(x, y, epochs=1, progress=False)
            return model

        if __name__ == "__main__":
            x, y = np.random.default_rng(0).normal(size=(30, 4)).astype("f"), np.arange(30) % 3
            model = pynn.Sequential(pynn.Affine(50), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
            model.fit(x, y, epochs=1, progress=False)
            found = joblib.Parallel(n_jobs=2, max_nbytes=100)(joblib.delayed(more)(model, x, y) for _ in range(2))
            model.fit(x, y, epochs=1, progress=False)
            for other in found:
                assert (other.parameters == model.parameters).all()
                other.fit(x, y, epochs=1, progress=False)
            print("done")
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, timeout=120, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.strip() == "done", done.stderr


def test_a_pickle_is_read_by_a_process_that_has_built_nothing(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "x.npy", points[0])
    code = """
        import pickle, numpy as np
        model = pickle.load(open("model.pickle", "rb"))
        model.layers[0].weight = model.layers[0].weight * 1
        np.save("y.npy", model.predict_proba(np.load("x.npy")))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict_proba(points[0]))


def test_a_copy_says_that_backward_has_nothing_to_go_back_through(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    outputs = model.forward(points[0], training=True)
    for other in (copy.deepcopy(model), pickle.load(io.BytesIO(pickle.dumps(model)))):
        with pytest.raises(RuntimeError, match=r"must follow forward\(x, training=True\)"):
            other.backward(outputs)
    model.backward(outputs)
