"""diagnose takes models, histories and records of every kind of run; Monitor copes with what users write."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.diagnostics import SEVERITIES, VOCABULARY, Record, Verdict, Verdicts


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), **settings)


def fit(model: pynn.Sequential, *data: Any, **settings: Any) -> Record:
    model.fit(*data, **{"progress": False, "callbacks": [pynn.Monitor()], "batch_size": 10, **settings})
    assert model.history is not None
    assert isinstance(model.history.record, Record)
    return model.history.record


# What users write


class Scaling(pynn.Layer):
    """A custom layer with a parameter; locked: one that cannot be copied."""

    def __init__(self, locked: bool = False) -> None:
        self.held = threading.Lock() if locked else None
        self.calls = 0

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("factor", input_shape, pynn.Constant(1))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        self.calls += 1
        return x * self.factor

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dfactor[...] = (dy * self.x).sum(axis=0)
        return dy * self.factor


class Distance(pynn.Loss):
    """A custom loss for numbers, which counts its calls; locked: one that cannot be copied."""

    def __init__(self, locked: bool = False) -> None:
        self.held = threading.Lock() if locked else None
        self.calls = 0

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.calls += 1
        self.error = outputs - targets.reshape(outputs.shape)
        return float(np.square(self.error).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return 2 * self.error / len(self.error)


def numbers(points: Any) -> tuple[np.ndarray, np.ndarray]:
    x, _ = points
    return x, np.stack([x[:, 0] * x[:, 1], x[:, 2], np.abs(x[:, 3])], axis=1)


@pytest.mark.parametrize("locked", [False, True], ids=["plain", "not to be copied"])
def test_a_custom_layer_is_watched_if_it_can_be_copied(locked: bool, points: Any) -> None:
    models = []
    for callbacks in ([], [pynn.Monitor(interval=1)]):
        model = pynn.Sequential(pynn.Affine(8), Scaling(locked).named("scaling"), pynn.Tanh(), pynn.Affine(3))
        model.fit(*points, batch_size=10, epochs=3, progress=False, callbacks=callbacks)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    assert models[0].layers[1].calls == models[1].layers[1].calls
    record = models[1].history.record
    assert len(record.losses) == 9
    assert len(record.epochs) == 3
    assert ("unwatched" in record.settings) == locked
    if not locked:
        assert record.snapshots[0].layers["scaling"].weight == 1
        assert record.layer("scaling")["custom"]
    assert isinstance(pynn.diagnose(models[1]), Verdicts)


@pytest.mark.parametrize("locked", [False, True], ids=["plain", "not to be copied"])
def test_a_custom_loss_is_not_disturbed(locked: bool, points: Any) -> None:
    models, losses = [], [Distance(locked), Distance(locked)]
    for loss, callbacks in zip(losses, ([], [pynn.Monitor(interval=1)]), strict=True):
        model = network(dtype="float64")
        model.fit(*numbers(points), loss=loss, batch_size=10, epochs=3, progress=False, callbacks=callbacks)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    assert losses[0].calls == losses[1].calls
    assert isinstance(pynn.diagnose(models[1]), Verdicts)


def test_a_custom_layer_that_draws_random_numbers_draws_the_same(points: Any) -> None:
    class Shakes(pynn.Layer):
        def __init__(self) -> None:
            self.generator = np.random.default_rng(0)

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x + self.generator.normal(0, 0.1, x.shape).astype(x.dtype) if training else x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    models = [pynn.Sequential(Shakes(), pynn.Affine(3), seed=0) for _ in range(2)]
    models[0].fit(*points, epochs=2, progress=False)
    fit(models[1], *points, epochs=2, batch_size=None)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_record_of_every_type_of_numbers_is_complete(dtype: str, points: Any, backend: str) -> None:
    block = pynn.Residual(pynn.LayerNorm(), pynn.Affine(8), pynn.ReLU(), pynn.Affine(8))
    model = pynn.Sequential(pynn.Affine(8), block, pynn.Sequential(pynn.Tanh(), pynn.Affine(3)), seed=0, dtype=dtype)
    record = fit(model, *points, epochs=3, validation=0.2)
    assert record.settings["dtype"] == dtype
    assert record.train is not None
    assert record.train.x.dtype == dtype
    for snapshot in record.snapshots:
        assert {"layernorm1", "affine1", "affine2", "affine3", "affine4"} <= set(snapshot.layers)
        for layer in snapshot.layers.values():
            assert np.isfinite([layer.mean, layer.spread, layer.gradient]).all()
            assert layer.outputs is not None
            assert layer.outputs.low <= layer.mean <= layer.outputs.high
    pynn.diagnose(record)


@pytest.mark.parametrize(
    ("last", "loss", "kind"),
    [
        (3, "hinge", "labels"), (3, pynn.SoftmaxCrossEntropy(0.1), "labels"), (3, "binary_cross_entropy", "answers"),
        (1, "binary_cross_entropy", "answer"), (3, "l1", "numbers"), (3, "huber", "numbers"), (1, "l2", "number"),
        (2, "l2", "words"),
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_of_target_can_be_diagnosed(last: int, loss: Any, kind: str, points: Any) -> None:
    x, y = points
    targets = {
        "labels": np.array(["ape", "bee", "cat"])[y], "answers": np.eye(3)[y], "answer": y == 1,
        "numbers": numbers(points)[1], "number": x[:, 0] * 3, "words": np.stack([x[:, 0], y], axis=1),
    }[kind]  # fmt: skip
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(last), seed=0)
    record = fit(model, x, targets, loss=loss, validation=0.3, epochs=20)
    assert record.train is not None
    assert record.train.outputs is not None
    assert record.train.outputs.reshape(len(record.train.y), -1).shape == (21, last)
    assert record.validation is not None
    assert len(record.validation.x) == 9
    assert isinstance(pynn.diagnose(model), Verdicts)


@pytest.mark.parametrize("epochs", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_tiny_data_can_be_diagnosed(count: int, epochs: int, points: Any) -> None:
    x, y = points
    model = network()
    fit(model, x[:count], y[:count], epochs=epochs, validation=(x[:1], y[:1]))
    assert isinstance(pynn.diagnose(model), Verdicts)
    numeric = pynn.Sequential(pynn.Affine(1))
    fit(numeric, x[:count], x[:count, 0], loss="l2", epochs=epochs)
    assert isinstance(pynn.diagnose(numeric), Verdicts)


def test_sequences_and_labels_of_images_can_be_diagnosed(rng: np.random.Generator) -> None:
    x = rng.standard_normal((24, 6, 5)).astype(np.float32)
    model = pynn.Sequential(pynn.Conv1d(4), pynn.ReLU(), pynn.GlobalAvgPool1d(), pynn.Affine(2))
    fit(model, x, np.arange(24) % 2, epochs=3)
    assert isinstance(pynn.diagnose(model), Verdicts)


# Several runs of one model


def test_the_record_goes_on_in_the_next_fit(points: Any) -> None:
    model = network()
    first = fit(model, *points, epochs=2)
    second = fit(model, *points, epochs=3)
    assert len(second.losses) == 15
    assert second.losses[:6] == first.losses
    assert len(second.epochs) == 5
    steps = [snapshot.step for snapshot in second.snapshots]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 15)
    assert len(first.losses) == 6, "the record of the first run stays as it was"
    assert model.history is not None
    assert model.history.epochs == 3


def test_another_task_begins_another_record(points: Any) -> None:
    x, y = points
    model = network()
    fit(model, x, y, epochs=2)
    assert len(fit(model, x[:20], y[:20], epochs=2).losses) == 4
    assert len(fit(model, x, (y + 1) % 3, epochs=2).losses) in (6, 10)
    assert len(fit(model, x, np.eye(3)[y], loss="l2", epochs=2).losses) == 6


def test_one_monitor_serves_several_runs(points: Any) -> None:
    monitor, models = pynn.Monitor(), [network(seed=1), network(seed=2)]
    records = [fit(model, *points, epochs=2, callbacks=[monitor]) for model in models]
    assert monitor.record is records[1]
    assert records[0] is not records[1]
    assert [len(record.losses) for record in records] == [6, 6]
    assert records[0].losses != records[1].losses


def test_a_run_after_partial_fit_is_watched(points: Any) -> None:
    x, y = points
    model = network()
    model.partial_fit(x, y, batch_size=10)
    record = fit(model, x, y, epochs=2)
    assert (record.snapshots[0].step, len(record.losses)) == (3, 6)
    model.partial_fit(x, y, batch_size=10)
    assert isinstance(pynn.diagnose(model), Verdicts)
    assert isinstance(pynn.diagnose(record), Verdicts)
    assert record.snapshots[-1].step == 9


def test_a_copy_of_a_model_brings_no_rows_of_data(points: Any) -> None:
    model = network()
    record = fit(model, *points, epochs=2)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.history.record is None
        assert "only the curves were seen" in str(pynn.diagnose(other))
        other.fit(*points, epochs=1, progress=False, callbacks=[pynn.Monitor()])
    assert len(record.losses) == 6


def test_a_model_with_a_record_is_saved_as_ever(points: Any, tmp_path: Path) -> None:
    model = network()
    fit(model, *points, epochs=2)
    model.save(tmp_path / "model")
    again = pynn.load(tmp_path / "model")
    np.testing.assert_array_equal(again.parameters, model.parameters)


def test_a_monitor_can_be_copied_and_pickled(points: Any) -> None:
    monitor = pynn.Monitor(interval=7, stop=False)
    record = fit(network(), *points, epochs=1, callbacks=[monitor])
    for other in (copy.deepcopy(monitor), pickle.loads(pickle.dumps(monitor))):
        assert (other.interval, other.stop) == (7, False)
        assert other.record.losses == record.losses


@pytest.mark.parametrize(("name", "value"), [("interval", 0), ("interval", 2.5), ("stop", "no")])
def test_arguments_of_a_monitor_are_checked(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=f"Monitor.*{name}"):
        pynn.Monitor(**{name: value})


# diagnose


def test_without_a_monitor_the_curves_are_judged(points: Any) -> None:
    x, y = points
    model = network()
    history = model.fit(x, y, epochs=8, optimizer=pynn.SGD(1e-7), progress=False)
    assert pynn.diagnose(history).names == pynn.diagnose(model).names == ["learning_rate_too_small"]
    model.fit(x, y, epochs=60, optimizer=pynn.Adam(0.02), progress=False)
    assert pynn.diagnose(model).names == []
    model = network()
    model.fit(x, y, epochs=0, progress=False)
    assert pynn.diagnose(model).names == []


def test_without_a_monitor_overfitting_is_seen(rng: np.random.Generator) -> None:
    x = rng.standard_normal((200, 20)).astype(np.float32)
    y = (x[:, 0] + rng.standard_normal(200) > 0).astype(int)
    model = pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(2), seed=0)
    model.fit(x[:40], y[:40], validation=(x[40:], y[40:]), epochs=100, optimizer=pynn.Adam(0.01), progress=False)
    assert pynn.diagnose(model).names == ["overfitting"]


def test_an_untrained_model_is_refused() -> None:
    with pytest.raises(ValueError, match="not trained"):
        pynn.diagnose(network())


@pytest.mark.parametrize("run", [None, 3, {"loss": [1.0]}, [1.0], np.zeros(3)], ids=repr)
def test_anything_else_is_refused(run: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a model, an estimator, a history, a Record or the folder"):
        pynn.diagnose(run)


@pytest.mark.parametrize("own", [False, True], ids=["its own monitor", "the user's monitor"])
def test_fit_prints_what_is_wrong(own: bool, points: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model, monitor = network(), pynn.Monitor()
    x, y = points
    settings: dict[str, Any] = {"callbacks": [monitor]} if own else {}
    model.fit(1000 * x, y, optimizer="sgd", epochs=5, progress=False, diagnose=True, **settings)
    said = capsys.readouterr().out
    assert said == f"{pynn.diagnose(model)}\n"
    assert said.startswith("warning: unscaled_inputs (x): ")
    assert model.history is not None
    assert monitor.record is (model.history.record if own else None)


def test_fit_prints_that_nothing_is_wrong(points: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = network()
    model.fit(*points, optimizer=pynn.Adam(0.02), epochs=40, progress=False, diagnose=True)
    assert capsys.readouterr().out == "nothing is wrong as far as can be seen\n"


def test_fit_prints_what_is_wrong_after_an_error(points: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(4))
    x, _ = points
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        model.fit(x, x, loss="l2", optimizer=pynn.SGD(1e12), epochs=50, batch_size=10, progress=False, diagnose=True)
    assert "learning_rate_too_large" in capsys.readouterr().out


# Verdicts


def test_verdicts_come_in_the_order_of_what_to_try_first() -> None:
    names = list(VOCABULARY)
    mixed = [Verdict(name, SEVERITIES[place % 3], "", "a", "B.") for place, name in enumerate(names)]
    verdicts = Verdicts(mixed[::-1])
    assert verdicts.names == [name for place, name in enumerate(names) if place % 3 != 2]
    assert [one.name for one in verdicts] == verdicts.names + names[2::3], "those of severity info come last"
    assert str(Verdicts([Verdict("order", "warning", "y", "it is sorted", "Shuffle it.")])) == (
        "warning: order (y): it is sorted. Shuffle it."
    )


def test_verdicts_are_true_from_a_warning_on() -> None:
    assert not Verdicts()
    assert str(Verdicts()) == "nothing is wrong as far as can be seen"
    assert not Verdicts([Verdict("order", "info", "", "a", "B.")])
    assert Verdicts([Verdict("order", "warning", "", "a", "B.")])
