"""A model that is dropped is gone at once, without Python's cyclic collector; forked children use models as usual."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def network() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3))


def blocks() -> pynn.Sequential:
    inner = pynn.Sequential(pynn.Affine(4), pynn.Tanh(), pynn.Residual(pynn.Affine(4), pynn.ReLU()))
    return pynn.Sequential(pynn.Residual(inner, pynn.Affine(6), shortcut="auto"), pynn.ELU(), pynn.Affine(3))


def tree() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.HierarchicalSoftmax(3))


class Pair(pynn.Layer):
    """An own layer with layers inside."""

    def __init__(self) -> None:
        self.first, self.second = pynn.Affine(4), pynn.Sequential(pynn.Affine(4), pynn.ReLU())

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.second.build(self.first.build(input_shape))

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return self.second.forward(self.first.forward(x, training), training)

    def backward(self, dy: np.ndarray) -> Any:
        return self.first.backward(self.second.backward(dy))


MODELS: dict[str, Callable[[], pynn.Sequential]] = {
    "plain": network,
    "blocks": blocks,
    "tree": tree,
    "own": lambda: pynn.Sequential(Pair(), pynn.Affine(3)),
}


def fit(model: pynn.Sequential, points: Points, folder: Path, **settings: Any) -> pynn.Sequential:
    model.fit(*points, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


def with_everything(model: pynn.Sequential, points: Points, folder: Path) -> pynn.Sequential:
    callbacks = [pynn.EarlyStopping(patience=1), pynn.CSVLogger(folder / "run.csv"),
                 pynn.ModelCheckpoint(str(folder / "best.safetensors"))]  # fmt: skip
    return fit(
        model, points, folder, validation=0.2, callbacks=callbacks, checkpoint=folder / "run", prefetch=1,
        preprocessing=pynn.Standardization(), metrics=["accuracy", "f1"], class_weight="balanced",
        optimizer=pynn.Momentum(pynn.CosineDecay(0.1, 2)),
    )  # fmt: skip


def own_loop(model: pynn.Sequential, points: Points, folder: Path) -> pynn.Sequential:
    model.build((4,))
    loss, optimizer = model.own_loss() or pynn.SoftmaxCrossEntropy(), pynn.Adam()
    for _ in range(3):
        loss.forward(model.forward(points[0], training=True), points[1])
        model.backward(loss.backward(), input_gradient=True)
        optimizer.step(model)
    return model


def failed(model: pynn.Sequential, points: Points, folder: Path) -> pynn.Sequential:
    def fail(trainer: pynn.Trainer) -> None:
        raise RuntimeError("at an epoch's end")

    with pytest.raises(RuntimeError):
        fit(model, points, folder, callbacks=[fail])
    return model


def refused(model: pynn.Sequential, points: Points, folder: Path) -> pynn.Sequential:
    with pytest.raises(ValueError, match=r"labels|classes"):
        fit(model, (points[0], np.arange(30) % 9), folder)
    return fit(model, points, folder)


USES: dict[str, Callable[[pynn.Sequential, Points, Path], Any]] = {
    "never": lambda model, points, folder: model,
    "built": lambda model, points, folder: model.build((4,)) and model,
    "fit": fit,
    "everything": with_everything,
    "own loop": own_loop,
    "failed": failed,
    "refused": refused,
    "averaged": lambda *args: fit(*args, callbacks=[pynn.PolyakAverage()]),
    "copied": lambda *args: copy.deepcopy(fit(*args)),
    "pickled": lambda *args: pickle.loads(pickle.dumps(fit(*args))),
    "new head": lambda *args: fit(fit(*args).replace_head(pynn.Affine(3), pynn.ReLU(), pynn.Affine(3)), *args[1:]),
    "rebuilt": lambda *args: fit(*args).build((5,)) and args[0],
    "frozen": lambda *args: fit(fit(*args).freeze(0), *args[1:]),
    "used": lambda model, points, folder: (fit(model, points, folder), model.predict(points[0]), repr(model),
                                           model.evaluate(*points), model.tensors(), model.save(folder / "m"))[0],
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("make", MODELS)
def test_a_dropped_model_is_gone_at_once(make: str, use: str, points: Points, tmp_path: Path) -> None:
    made = MODELS[make]()
    model = USES[use](made, points, tmp_path)
    seen = [weakref.ref(model), weakref.ref(made), *(weakref.ref(layer) for layer in model.walk())]
    if model.built:
        seen.append(weakref.ref(model.parameters.base))
    del model, made
    assert not [one() for one in seen if one() is not None]


def test_ensembles_and_what_is_made_of_models_go_at_once(points: Points, tmp_path: Path) -> None:
    model = fit(network(), points, tmp_path)
    ensemble = pynn.Ensemble([model, fit(network(), points, tmp_path)])
    ensemble.predict(points[0])
    ensemble.save(tmp_path / "ensemble.safetensors")
    again = pynn.Ensemble.load(tmp_path / "ensemble.safetensors")
    pynn.transfer.features(model, points[0])
    pynn.reestimate_statistics(model, points[0])
    pynn.lsuv(model, points[0])
    loaded = pynn.Ensemble([again[0], again[1]])
    seen = [weakref.ref(one) for one in (model, ensemble[1], again[0], again[1], ensemble, again, loaded)]
    del model, ensemble, again, loaded
    assert not [one() for one in seen if one() is not None]


@pytest.mark.slow
def test_many_large_models_one_after_another_take_the_room_of_one(points: Points) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        for _ in range(25):
            model = pynn.Sequential(pynn.Affine(50_000), pynn.ReLU(), pynn.Affine(3))
            model.train_step(points[0][:2], points[1][:2], model.loss, pynn.SGD(0.1))
            size = model.parameters.nbytes
            del model
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * size  # parameters, gradients, buffers and the first weights in float64


FORK = """
    import os, signal, sys, threading, time
    import numpy as np, pynn

    x, y = np.random.default_rng(0).normal(size=(300, 4)).astype("f"), np.arange(300) % 3
    model = pynn.Sequential(pynn.Affine(32), pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    inside, go_on = threading.Event(), threading.Event()

    def wait(trainer):
        inside.set()
        go_on.wait(30)

    thread = threading.Thread(target=model.fit, args=(x, y), kwargs=dict(epochs=1, progress=False, callbacks=[wait]))
    thread.start()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # it hangs no longer
        model.predict(x)
        model.fit(x, y, epochs=1, progress=False)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    go_on.set()
    thread.join()
    model.predict(x)
    raise SystemExit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_a_child_that_was_forked_while_a_thread_trained_predicts(backend: str, tmp_path: Path) -> None:
    if backend == "native" and pynn.kernels.native_module() is None:
        pytest.skip("the native kernels were not built")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)], cwd=tmp_path, timeout=60, capture_output=True, check=False,
        env={**os.environ, "PYNN_BACKEND": backend},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
