"""Monitor: a run with it is the run without it, and what it writes down is what can be computed by hand."""

from __future__ import annotations

import copy
import math
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resumed_runs
from resumed_runs import Killed, KilledAt, assert_same

import pynn
from pynn.diagnostics import VOCABULARY, Record
from pynn.diagnostics.observing import of_layer


@pytest.fixture
def images(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """30 images 8×8 of two channels in 3 classes that differ in brightness."""
    y = np.arange(30) % 3
    x = rng.standard_normal((30, 8, 8, 2)) + y[:, None, None, None]
    return x.astype(np.float32), y


def record_of(model: pynn.Sequential) -> Record:
    assert model.history is not None
    assert isinstance(model.history.record, Record)
    return model.history.record


def fit(model: pynn.Sequential, x: Any, y: Any = None, **settings: Any) -> Record:
    model.fit(x, y, **{"progress": False, "callbacks": [pynn.Monitor()], **settings})
    return record_of(model)


def computing(record: Record) -> list[str]:
    """Names of the layers, those left out that the layer before them computes: BatchNorm has the ReLU after it."""
    layers = record.layers
    fused = [
        before["activation"] == layer["activation"] != "" and before["kind"] in ("Affine", "Conv2d", "BatchNorm")
        for before, layer in zip([{"activation": ""}, *layers], layers, strict=False)
    ]
    return [layer["name"] for layer, one in zip(layers, fused, strict=True) if not one]


# The run stays as it is

SETTINGS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "augmentation": {"augmentation": [pynn.Flip(), pynn.PadCrop(1)]},
    "no validation": {"validation": None},
    "a share for validation": {"validation": 0.3},
    "accumulate": {"accumulate": 2, "batch_size": 5},
    "prefetch": {"prefetch": 2},
    "schedule": {"optimizer": pynn.Momentum(pynn.CosineDecay(0.02, 3))},
    "penalty": {"penalty": pynn.L2(0.01)},
    "class weights": {"class_weight": {0: 3.0}},
    "preprocessing": {"preprocessing": pynn.Standardization()},
    "unshuffled": {"shuffle": False},
    "clipped": {"optimizer": pynn.SGD(0.1, clip_norm=0.5)},
}


def run(data: Any, callbacks: Any, **settings: Any) -> pynn.Sequential:
    """A run with an optimizer of its own, which keeps its state."""
    optimizer = copy.deepcopy(settings.pop("optimizer", pynn.Adam(0.01)))
    return resumed_runs.fit(data, optimizer=optimizer, callbacks=callbacks, **settings)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_run_has_the_same_bits(name: str, images: Any, backend: str) -> None:
    plain, watched = (run(images, callbacks, **SETTINGS[name]) for callbacks in ((), [pynn.Monitor(interval=2)]))
    assert_same(plain, watched)
    assert len(record_of(watched).snapshots) > 3
    assert len(record_of(watched).losses) == watched.context.step


@pytest.mark.parametrize("kind", ["generator", "list"])
def test_a_run_over_an_iterable_has_the_same_bits(kind: str, images: Any) -> None:
    x, y = images

    class Batches:
        def __iter__(self) -> Any:
            return ((x[start : start + 10], y[start : start + 10]) for start in (0, 10, 20))

    batches = Batches() if kind == "generator" else list(Batches())
    models = []
    for callbacks in ([], [pynn.Monitor()]):
        models.append(resumed_runs.network())
        models[-1].fit(batches, epochs=3, progress=False, callbacks=callbacks)
    assert_same(*models)
    record = record_of(models[1])
    assert record.train is not None
    assert len(record.train.x) == 30
    assert list(record.snapshots[-1].layers) == computing(record)


def test_a_run_of_frozen_layers_has_the_same_bits(images: Any) -> None:
    models = []
    for callbacks in ([], [pynn.Monitor(interval=1)]):
        model = resumed_runs.network()
        model.build(images[0].shape[1:])
        model.freeze(0)
        resumed_runs.fit(images, model=model, callbacks=callbacks)
        model.unfreeze()  # between two fits the copy that is measured is out of date
        resumed_runs.fit(images, model=model, callbacks=callbacks)
        models.append(model)
    assert_same(*models)
    frozen = [one.layers["conv2d1"].weight_gradient for one in record_of(models[1]).snapshots]
    assert frozen[0] is None
    assert frozen[-1] is not None


def test_layers_frozen_by_a_callback_have_the_same_bits(images: Any) -> None:
    class Freezes(pynn.Callback):
        def on_epoch_begin(self, trainer: Any) -> None:
            if trainer.epoch == 1:
                trainer.model.freeze(0)

    plain, watched = (
        resumed_runs.fit(images, callbacks=[Freezes(), *extra]) for extra in ([], [pynn.Monitor(interval=1)])
    )
    assert_same(plain, watched)
    assert record_of(watched).snapshots[-1].layers["conv2d1"].weight_gradient is None


@pytest.mark.parametrize("kill", [2, 4, 7])
def test_a_resumed_run_has_the_same_bits(kill: int, images: Any, tmp_path: Path) -> None:
    plain = resumed_runs.fit(images)
    checkpoint = pynn.Checkpoint(tmp_path / "run", every_steps=1)
    with pytest.raises(Killed):
        resumed_runs.fit(images, checkpoint, callbacks=[pynn.Monitor(), KilledAt(kill)])
    resumed = resumed_runs.fit(images, pynn.Checkpoint(tmp_path / "run"), resume=True, callbacks=[pynn.Monitor()])
    assert_same(plain, resumed)
    record = record_of(resumed)
    assert len(record.losses) == plain.context.step - record.snapshots[0].step
    assert record.snapshots[-1].step == plain.context.step


# Snapshots


@pytest.mark.parametrize("interval", [1, 4, 10, 16, 250])
def test_snapshots_come_at_powers_of_four_and_then_at_every_interval(interval: int, points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    record = fit(model, *points, epochs=20, batch_size=10, callbacks=[pynn.Monitor(interval=interval)])
    powers = [0, *(4**power for power in range(10) if 4**power < interval)]
    expected = [step for step in (*powers, *range(interval, 60, interval)) if step < 60]
    assert [snapshot.step for snapshot in record.snapshots] == [*expected, 60]
    assert [snapshot.epoch for snapshot in record.snapshots] == [*(step // 3 for step in expected), 20]


def test_a_long_run_keeps_a_bounded_number_of_snapshots(points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    record = fit(model, *points, epochs=300, batch_size=10, callbacks=[pynn.Monitor(interval=1)])
    steps = [snapshot.step for snapshot in record.snapshots]
    assert len(steps) <= 202
    assert steps == sorted(set(steps))
    assert (steps[:3], steps[-1]) == ([0, 1, 2], 900)
    assert max(np.diff(steps)) <= 900 / 50
    assert len(record.losses) == 900
    assert len(record.epochs) == 300


def test_a_snapshot_has_the_loss_of_the_probe_and_the_rate(points: Any) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(6), pynn.Tanh(), pynn.Affine(3))
    model.build(x.shape[1:])
    expected = [model.evaluate(x, y)["loss"]]
    record = fit(model, x, y, optimizer=pynn.SGD(pynn.StepDecay(0.5, 2, 0.1)), epochs=4, penalty=pynn.L2(0.1))
    expected.append(model.evaluate(x, y)["loss"])
    first, last = record.snapshots[0], record.snapshots[-1]
    assert [first.loss, last.loss] == pytest.approx(expected, rel=1e-5)
    assert [first.loss_as_predicted, last.loss_as_predicted] == pytest.approx(expected, rel=1e-5)
    assert last.penalty == pytest.approx(
        sum(0.05 * np.square(layer.weight).sum() for layer in model.layers[::2]), rel=1e-5
    )
    assert (first.rate, last.rate) == pytest.approx((0.5, 0.05))


def test_the_gradients_of_a_layer_are_those_of_each_sample(rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 3)).astype(np.float32)
    y = rng.standard_normal((20, 1)).astype(np.float32)
    model = pynn.Sequential(pynn.Affine(1))
    model.build((3,))
    error = model.forward(x) - y
    record = fit(model, x, y, loss="l2", epochs=0)
    layer = record.snapshots[0].layers["affine1"]
    assert layer.gradient == pytest.approx(math.sqrt(np.mean(np.square(2 * error))), rel=1e-4)
    assert layer.weight_gradient == pytest.approx(math.sqrt(np.mean(np.square(2 * x.T @ error / 20))), rel=1e-4)
    norm = math.sqrt(np.square(2 * x.T @ error / 20).sum() + float((2 * error.mean()) ** 2))
    assert record.snapshots[0].norm == pytest.approx(norm, rel=1e-4)


def test_ratios_are_those_of_the_step_that_follows(points: Any) -> None:
    weights: list[np.ndarray] = []

    class Keeps(pynn.Callback):
        def on_step_begin(self, trainer: Any) -> None:
            weights.append(trainer.model.layers[2].weight.copy())

    model = pynn.Sequential(pynn.Affine(6), pynn.Tanh(), pynn.Affine(3))
    record = fit(model, *points, epochs=4, batch_size=10, callbacks=[Keeps(), pynn.Monitor(interval=1)])
    weights.append(model.layers[2].weight)
    by_hand = [np.linalg.norm(b - a) / np.linalg.norm(a) for a, b in pairwise(weights)]
    ratios = [snapshot.layers["affine2"].ratio for snapshot in record.snapshots]
    assert ratios[:-1] == pytest.approx(by_hand, rel=1e-4)
    assert ratios[-1] is None


def test_dead_and_saturated_units_are_counted() -> None:
    """Weights are set by hand: of 4 ReLUs one is dead, of 5 tanh 2 and of 5 sigmoids 3 are at an end."""
    x = np.linspace(-1, 1, 40, dtype=np.float32).reshape(-1, 1)
    model = pynn.Sequential(
        pynn.Affine(4), pynn.ReLU(), pynn.Affine(5), pynn.Tanh(), pynn.Affine(5), pynn.Sigmoid(), pynn.Affine(1)
    )
    model.build((1,))
    biases = [[1, 1, 0, -2], [3, 0, 0.5, -3, -0.5], [5, -5, 5, 0, 0.1], [0]]
    for layer, bias in zip(model.layers[::2], biases, strict=True):
        layer.weight[...] = 0
        layer.bias[...] = bias
    model.layers[0].weight[...] = [[0.5, -0.5, 1, 1]]
    record = fit(model, x, x, loss="l2", epochs=0)
    layers = record.snapshots[0].layers
    shares = [(layer.dead, layer.saturated) for layer in layers.values() if layer.dead or layer.saturated]
    assert shares == [(0.25, 0.0), (0.0, 0.4), (0.0, pytest.approx(0.6))]


def test_no_unit_of_an_image_is_dead_that_fires_somewhere(rng: np.random.Generator) -> None:
    x = rng.standard_normal((8, 5, 5, 1)).astype(np.float32)
    model = pynn.Sequential(pynn.Conv2d(2), pynn.ReLU(), pynn.Flatten(), pynn.Affine(2))
    model.build((5, 5, 1))
    model.layers[0].weight[..., 1] = 0
    model.layers[0].bias[1] = -1
    record = fit(model, x, np.arange(8) % 2, epochs=0)
    assert max(layer.dead for layer in record.snapshots[0].layers.values()) == 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", ["tiny", "huge"])
def test_numbers_at_the_ends_of_their_range_are_counted(scale: str, dtype: str) -> None:
    """Outputs and gradients that nearly overflow or vanish do not end the run."""
    limits = np.finfo(dtype)
    size = limits.max / 4 if scale == "huge" else 0.7 * limits.tiny
    x = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None].astype(dtype)
    model = pynn.Sequential(pynn.Affine(4), pynn.LeakyReLU(1.0), pynn.Affine(2), seed=0, dtype=dtype)
    model.build((1,))
    model.layers[0].weight[...] = 3 * size
    model.layers[2].weight[...] = 1e-40 if scale == "huge" else 1e-3
    record = fit(model, x, np.arange(40) % 2, epochs=0)
    layer = record.snapshots[0].layers["affine1"]
    assert layer.outputs is not None
    assert (layer.outputs.low, layer.outputs.high) == pytest.approx((-3 * size, 3 * size))
    assert layer.outputs.counts[[0, -1]].tolist() == [layer.outputs.counts.sum() / 2] * 2


# Runs that end early


def diverging(loss: str = "l2", **settings: Any) -> tuple[pynn.Sequential, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 4)).astype(np.float32)
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(1), seed=0, **settings)
    return model, (x, x[:, :1] + x[:, 1:2] ** 2)


def test_an_error_names_step_layer_and_cause(points: Any) -> None:
    class Overflows(pynn.Layer):
        """The identity, for four steps."""

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x * np.float32(np.inf if training and self.context.step >= 4 else 1)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    x, y = points
    model = pynn.Sequential(pynn.Affine(5), pynn.Tanh(), Overflows().named("overflows"), pynn.Affine(3))
    with pytest.raises(FloatingPointError, match=r"step 4.*outputs of overflows are the first") as caught:
        fit(model, x, y, batch_size=10, epochs=5)
    assert any(f": {name}" in str(caught.value) for name in VOCABULARY)
    record = record_of(model)
    assert "FloatingPointError" in record.ended["error"]
    assert pynn.diagnose(model).names


@pytest.mark.parametrize("preprocessed", [False, True])
def test_an_error_of_a_huge_rate_names_it(preprocessed: bool) -> None:
    model, (x, y) = diverging()
    settings: dict[str, Any] = {"preprocessing": pynn.Standardization()} if preprocessed else {}
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="learning_rate_too_large"):
        fit(model, x, y, loss="l2", optimizer=pynn.SGD(1e12), batch_size=16, epochs=50, **settings)
    assert pynn.diagnose(model).names[0] == "learning_rate_too_large"
    assert np.isfinite(model.parameters).all()


def test_a_run_whose_loss_has_tripled_is_stopped() -> None:
    model, (x, y) = diverging()
    with pytest.warns(UserWarning, match="over 3 times the first"):
        fit(model, x, y, loss="l2", optimizer=pynn.Adam(3.0), batch_size=16, epochs=50)
    record = record_of(model)
    assert model.history is not None
    assert "over 3 times the first" in str(model.history.stopped)
    assert record.ended["stopped"] == model.history.stopped
    assert f"at step {model.context.step}" in str(model.history.stopped)
    assert len(record.losses) == model.context.step < 200
    assert np.mean(record.losses[-20:]) > 3 * record.losses[0]


def test_a_monitor_that_does_not_stop_goes_on() -> None:
    models: list[pynn.Sequential] = []
    for callbacks in ([], [pynn.Monitor(stop=False)]):
        model, (x, y) = diverging()
        optimizer = pynn.Adam(3.0)
        model.fit(x, y, loss="l2", optimizer=optimizer, batch_size=16, epochs=30, progress=False, callbacks=callbacks)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    record = record_of(models[1])
    assert (len(record.losses), record.ended["stopped"]) == (120, None)
    assert np.mean(record.losses[20:40]) > 3 * record.losses[0]


def test_a_run_that_goes_well_is_not_stopped(points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    record = fit(model, *points, epochs=60, batch_size=10, optimizer=pynn.Adam(0.01))
    assert record.ended["stopped"] is None
    assert record.ended["error"] is None
    assert record.ended["steps"] == 180


def test_a_run_of_no_steps_has_statistics(points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    record = fit(model, *points, epochs=0)
    assert [snapshot.step for snapshot in record.snapshots] == [0]
    assert list(record.snapshots[0].layers) == computing(record) == ["affine1", "affine2"]
    assert record.losses == record.epochs == []
    pynn.diagnose(model)


@pytest.mark.parametrize("hook", ["on_train_begin", "on_step_begin", "on_step_end", "on_epoch_begin", "on_epoch_end"])
def test_an_error_of_a_callback_comes_through(hook: str, points: Any) -> None:
    class Broken(pynn.Callback):
        pass

    def fails(self: Any, trainer: Any) -> None:
        raise OSError("the disk is full")

    setattr(Broken, hook, fails)
    for callbacks in ([Broken(), pynn.Monitor()], [pynn.Monitor(), Broken()]):
        model = pynn.Sequential(pynn.Affine(3))
        with pytest.raises(OSError, match=r"^the disk is full$"):
            fit(model, *points, callbacks=callbacks)
        if hook != "on_train_begin":
            assert record_of(model).ended["error"] == "OSError: the disk is full"


# Threads


def test_runs_in_two_threads_have_their_own_records(points: Any) -> None:
    models = [pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), seed=seed) for seed in (1, 2)]
    alone = [pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), seed=seed) for seed in (1, 2)]
    threads = [threading.Thread(target=fit, args=(model, *points), kwargs={"batch_size": 10}) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model, other in zip(models, alone, strict=True):
        expected = fit(other, *points, batch_size=10)
        record = record_of(model)
        assert record.losses == expected.losses
        assert [one.norm for one in record.snapshots] == [one.norm for one in expected.snapshots]


def test_a_model_that_predicts_in_another_thread_is_not_disturbed(points: Any) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    model.build(x.shape[1:])
    thread = threading.Thread(target=fit, args=(model, x, y), kwargs={"epochs": 30, "batch_size": 10})
    thread.start()
    while thread.is_alive():
        assert np.isfinite(model.predict_proba(x)).all()
    thread.join()
    assert len(record_of(model).losses) == 90


def test_first_weights_count_the_scale_of_the_product() -> None:
    model = pynn.Sequential(pynn.Affine(64, parametrization="ntk"), seed=0)
    model.build((16,))
    assert of_layer(model.layers[0])["first_weight"] == pytest.approx(1 / 4, rel=0.1)


# In the middle of a run


def test_verdicts_in_the_middle_leave_the_run_as_it_is(points: Any, backend: str) -> None:
    found: list[list[str]] = []
    monitor = pynn.Monitor(stop=False)

    def ask(trainer: Any) -> None:
        found.append(monitor.verdicts(trainer).names)

    models = []
    for callbacks in ([], [monitor, ask]):
        model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))
        optimizer = pynn.SGD(1e-7)
        model.fit(*points, optimizer=optimizer, epochs=30, batch_size=5, progress=False, callbacks=callbacks)
        models.append(model)
    assert_same(*models)
    assert len(found) == 30
    assert found[-1] == pynn.diagnose(models[1]).names == ["learning_rate_too_small"]
    assert len(pynn.Monitor().verdicts(None)) == 0  # type: ignore[arg-type]  # before the first step
