"""Training, evaluation and prediction: learning, divergence, progress, and memory in the steady state."""

from __future__ import annotations

import gc
import io
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from gradients import PassThrough
from small_fits import Points, assert_same, network, trained

import pynn

KEYS = ["loss", "accuracy", "learning_rate", "samples_per_second"]


# Learning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_learns_the_digits(dtype: str, digits: pynn.datasets.Dataset) -> None:
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(64), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(10), dtype=dtype
    )
    x, y = digits.test
    history = model.fit(*digits.train, validation=(x, y), epochs=12, batch_size=64, progress=False)
    assert history["val_accuracy"][-1] > 0.95
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    measured = model.evaluate(x, y)
    assert measured == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}
    labels = model.predict(x)
    assert labels.shape == y.shape
    assert labels.dtype.kind == "i"
    assert (labels == y).mean() == pytest.approx(measured["accuracy"], abs=1e-12)
    probabilities = model.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), labels)
    assert -np.log(probabilities[np.arange(len(y)), y]).mean() == pytest.approx(measured["loss"], rel=1e-4)


def test_history_has_one_number_an_epoch(points: Points) -> None:
    history = network().fit(*points, epochs=3, batch_size=10, optimizer=pynn.SGD(0.25), progress=False)
    assert list(history) == KEYS
    assert history.epochs == 3
    assert all(len(values) == 3 for values in history.values())
    assert all(type(value) is float for values in history.values() for value in values)
    assert history["learning_rate"] == [0.25] * 3
    assert min(history["samples_per_second"]) > 0


def test_history_has_the_validation_too(points: Points) -> None:
    history = network().fit(*points, validation=points, epochs=2, batch_size=10, progress=False)
    assert sorted(history) == sorted([*KEYS, "val_loss", "val_accuracy"])
    assert all(len(values) == 2 for values in history.values())


def test_history_of_no_epochs_is_empty(points: Points) -> None:
    model = network()
    before = network()
    before.build((4,))
    history = model.fit(*points, epochs=0, batch_size=10, progress=False)
    assert history.epochs == len(history) == 0
    np.testing.assert_array_equal(model.parameters, before.parameters)


def test_loss_and_accuracy_are_means_over_samples_not_batches(points: Points) -> None:
    """With a learning rate of 0 and no dropout the epoch's numbers are those of all data, whatever the batches."""
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    expected = model.evaluate(*points)
    for batch_size in (7, 30):
        history = model.fit(*points, optimizer=pynn.SGD(0), epochs=1, batch_size=batch_size, progress=False)
        assert history["loss"][0] == pytest.approx(expected["loss"], rel=1e-6)
        assert history["accuracy"][0] == expected["accuracy"]
        assert model.evaluate(*points, batch_size=batch_size)["loss"] == pytest.approx(expected["loss"], rel=1e-6)


def test_validation_changes_nothing_in_training(points: Points) -> None:
    assert_same(trained(*points), trained(*points, validation=(points[0][:7], points[1][:7])))


def test_evaluation_and_prediction_change_nothing(points: Points) -> None:
    model, expected = trained(*points), trained(*points)
    for _ in range(2):
        model.evaluate(*points)
        model.predict(points[0])
        model.predict_proba(points[0])
        model.forward(points[0])
    assert_same(model, expected)
    for one in (model, expected):
        one.fit(*points, epochs=1, batch_size=10, progress=False)
    assert_same(model, expected)


@pytest.mark.parametrize("batch_size", [1, 7, 30, 1000])
def test_predictions_do_not_depend_on_the_batch_size(batch_size: int, points: Points) -> None:
    model = trained(*points)
    expected = model.predict_proba(points[0])
    np.testing.assert_allclose(model.predict_proba(points[0], batch_size), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.predict(points[0], batch_size), expected.argmax(axis=1))


@pytest.mark.parametrize(("width", "size"), [(8, 1024), (64, 1024), (65, 1008), (2048, 32), (1 << 17, 1)])
def test_large_layers_work_on_fewer_samples_at_a_time(width: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pynn.training.evaluate, "LARGEST_OUTPUT", 1 << 16)
    model = pynn.Sequential(pynn.Residual(pynn.Affine(width), pynn.Affine(4)), pynn.Affine(2))
    model.build((4,))
    x, y = np.zeros((1030 if size > 1 else 3, 4), np.float32), np.arange(1030 if size > 1 else 3) % 2
    seen: list[int] = []
    forward = pynn.Sequential.forward

    def spy(self: pynn.Sequential, x: np.ndarray, training: bool = False) -> np.ndarray:
        seen.extend([] if training else [len(x)])
        return forward(self, x, training)

    monkeypatch.setattr(pynn.Sequential, "forward", spy)
    for use in (
        lambda: model.evaluate(x, y),
        lambda: model.predict(x),
        lambda: pynn.Ensemble([model]).predict(x),
        lambda: pynn.Ensemble([model]).evaluate(x, y),
        lambda: model.fit(x[:2], y[:2], validation=(x, y), epochs=1, progress=False),
    ):
        seen.clear()
        use()
        assert seen == [len(x[start : start + size]) for start in range(0, len(x), size)]


def test_predictions_are_arrays_of_their_own(points: Points) -> None:
    model = trained(*points)
    first = model.predict_proba(points[0])
    kept = first.copy()
    model.predict_proba(points[0][::-1])
    np.testing.assert_array_equal(first, kept)


def test_data_are_not_changed(points: Points) -> None:
    x, y = points[0].copy(), points[1].copy()
    model = trained(x, y, validation=(x, y), penalty=pynn.L2(0.1))
    model.evaluate(x, y)
    model.predict_proba(x)
    np.testing.assert_array_equal(x, points[0])
    np.testing.assert_array_equal(y, points[1])


def _split(points: Points) -> list[Any]:
    x, y = points
    return [(x[:10], y[:10]), [x[10:20].astype(np.float64), y[10:20].tolist()], (x[20:].tolist(), y[20:].astype(">i2"))]


# What is refused ----------------------------------------------------------------------------------


def _with(x: np.ndarray, place: tuple[int, int], value: float) -> np.ndarray:
    x = x.copy()
    x[place] = value
    return x


# When training diverges ---------------------------------------------------------------------------


def test_a_loss_that_is_not_finite_stops_before_the_parameters_change(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    optimizer = pynn.Adam(0.125)
    model.train_step(x, y, pynn.SoftmaxCrossEntropy(), optimizer)
    model.layers[0].weight.fill(1e30)
    model.layers[2].weight.fill(1e30)
    before = model.parameters.copy()
    moments = optimizer.first.copy(), optimizer.second.copy()
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) at step 1; .*before this step.*rate \(0\.125\)"):
        model.train_step(x, y, pynn.SoftmaxCrossEntropy(), optimizer, pynn.L2(0.1))
    np.testing.assert_array_equal(model.parameters, before)
    np.testing.assert_array_equal(optimizer.first, moments[0])
    np.testing.assert_array_equal(optimizer.second, moments[1])
    assert (optimizer.steps, model.context.step) == (1, 1)


def test_a_fit_that_diverges_stops_with_finite_parameters(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    with pytest.raises(
        FloatingPointError, match=r"the loss is .* Lower the learning rate \(1e\+30\) or scale the inputs"
    ):
        model.fit(*points, optimizer=pynn.SGD(1e30), epochs=50, batch_size=10, progress=False)
    assert np.isfinite(model.parameters).all()


def test_a_fit_that_diverges_leaves_a_model_that_evaluates_and_trains_on(points: Points) -> None:
    """A running statistic that is NaN once stays NaN for ever: the refused step must not leave one behind."""
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(8), pynn.BatchNorm(), pynn.Affine(3))
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    model.layers[0].weight[...] = 1e30
    model.layers[2].weight[...] = 1e30
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        model.fit(*points, epochs=1, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        assert np.isfinite(value).all(), f"{name} is not finite"


def test_a_batch_that_is_not_finite_does_not_poison_running_statistics(points: Points) -> None:
    """The step is refused: the model must evaluate as before it, and go on training."""
    model, expected = trained(*points), trained(*points)
    optimizer = model.optimizer
    with pytest.raises(FloatingPointError, match="the loss is nan"):
        model.train_step(_with(points[0], (0, 0), np.nan), points[1], pynn.SoftmaxCrossEntropy(), optimizer)
    assert_same(model, expected)


# Progress -----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_false_shows_nothing(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    trained(*points, progress=False)
    assert capsys.readouterr() == ("", "")


def test_progress_auto_without_a_terminal_is_a_line_an_epoch(
    points: Points, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(*points, progress="auto", validation=points)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    for word in ("loss ", "accuracy ", "val_loss ", "val_accuracy ", " samples/s"):
        assert all(word in line for line in lines)


@pytest.mark.parametrize("progress", [True, "auto"])
@pytest.mark.parametrize("sized", [True, False])
def test_progress_on_a_terminal_is_a_bar(
    progress: bool | str, sized: bool, points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    if sized:
        network().fit(*points, epochs=2, batch_size=10, progress=progress)
    else:
        for _ in range(2):
            network().fit(iter(_split(points)), epochs=1, progress=progress)
    shown = terminal.getvalue()
    assert "\r" in shown
    assert "epoch 2/2" in shown if sized else "epoch 1/1" in shown
    assert "loss " in shown
    assert "accuracy " in shown
    assert "samples/s" in shown
    if sized:
        assert "100%" in shown
        assert "3/3" in shown


def test_the_bar_counts_the_batches_that_are_trained_on(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    network().fit(points[0][:21], points[1][:21], epochs=1, batch_size=10, progress=True)
    assert "2/2" in terminal.getvalue()


def test_progress_changes_nothing_in_training(points: Points) -> None:
    assert_same(trained(*points, progress="auto"), trained(*points, progress=False))


def test_a_bar_is_closed_when_training_stops(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(FloatingPointError, match="the loss is"):
        model.fit(*points, optimizer=pynn.SGD(1e38), epochs=9, batch_size=10, progress=True)
    assert not tqdm.tqdm._instances


# Steady state -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("optimizer", pynn.optimizers.OPTIMIZERS)
def test_a_training_step_allocates_nothing(optimizer: str, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(128, 100)).astype(np.float32), rng.integers(0, 100, 128)
    model = pynn.Sequential(
        pynn.Affine(200), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(100), pynn.ELU(),
        PassThrough(), pynn.Sigmoid(), pynn.Affine(100),
    )  # fmt: skip
    loss, driver = pynn.SoftmaxCrossEntropy(), pynn.optimizers.OPTIMIZERS[optimizer](0.001)
    for _ in range(3):
        model.train_step(x, y, loss, driver, pynn.L2(1e-4))
    gc.collect()
    peaks = []
    for _ in range(3):  # threads that other tests left behind allocate now and then
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(50):
                model.train_step(x, y, loss, driver, pynn.L2(1e-4))
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
        finally:
            tracemalloc.stop()
    assert min(peaks) < 16384, f"{peaks} bytes; the smallest activation here takes {128 * 100 * 4}"


@pytest.mark.usefixtures("native")
def test_the_batches_of_an_epoch_allocate_one_batch(rng: np.random.Generator) -> None:
    x, y = rng.integers(0, 256, (6400, 500)).astype(np.uint8), np.zeros(6400, np.int64)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in pynn.batches(x, y, 128, seed=0, reuse=True):
            pass
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * (128 * 500 * 4 + 3 * 6400 * 8)


def test_buffers_stay_where_they_are(points: Points) -> None:
    model = trained(*points)

    def addresses() -> list[int]:
        places = [buffer.ctypes.data for layer in model.walk() for buffer in layer._buffers.values()]
        assert model._shared is not None
        places += [vector.ctypes.data for vector in model._shared.vectors]
        return [*places, model.outputs.ctypes.data, model.parameters.ctypes.data, model.gradients.ctypes.data]

    model.fit(*points, validation=points, epochs=1, batch_size=8, progress=False)
    before = addresses()
    assert len(before) > 10
    model.fit(*points, validation=points, epochs=2, batch_size=8, progress=False)
    assert addresses() == before
