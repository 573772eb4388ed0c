"""Training, evaluation and prediction, on data of every form; what is refused; and what stays the same to the bit."""

from __future__ import annotations

import gc
import io
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradients import PassThrough

import pynn

Points = tuple[np.ndarray, np.ndarray]
KEYS = ["loss", "accuracy", "learning_rate", "samples_per_second"]


def network(**settings: Any) -> pynn.Sequential:
    """Every layer and both kinds of fusion."""
    return pynn.Sequential(
        pynn.Flatten(), pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(6), pynn.Tanh(),
        pynn.Affine(3), **settings,
    )  # fmt: skip


def trained(x: Any, y: Any, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(x, y, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


def assert_same(one: pynn.Sequential, other: pynn.Sequential) -> None:
    """Bit for bit: parameters, running statistics, counters."""
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for name, value in one.tensors().items():
        np.testing.assert_array_equal(value, other.tensors()[name])
    assert (one.epoch, one.context.step) == (other.epoch, other.context.step)


# Learning -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_learns_the_digits(dtype: str, digits: pynn.datasets.Dataset) -> None:
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


# The same bits ------------------------------------------------------------------------------------


def test_two_runs_give_the_same_bits(points: Points) -> None:
    histories = []
    for _ in range(2):
        model = network(seed=4)
        histories.append(model.fit(*points, validation=points, epochs=3, batch_size=7, progress=False))
    assert_same(model, model)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert histories[0][name] == histories[1][name]
    assert_same(trained(*points), trained(*points))


def test_another_seed_gives_another_run(points: Points) -> None:
    by_seed = [trained(*points, seed=seed).parameters for seed in (None, 0, 1, 2**64 - 1)]
    np.testing.assert_array_equal(by_seed[0], by_seed[1])  # the model's own seed is 0
    assert (by_seed[0] != by_seed[2]).any()
    assert (by_seed[2] != by_seed[3]).any()


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_and_two_threads_give_the_same_bits(dtype: str, digits: pynn.datasets.Dataset) -> None:
    models = []
    for threads in (1, 2):
        pynn.set_num_threads(threads)
        model = pynn.Sequential(
            pynn.Flatten(), pynn.Affine(300), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(200),
            pynn.ELU(), pynn.Affine(10), dtype=dtype,
        )  # fmt: skip
        model.fit(*digits.train, epochs=1, batch_size=256, penalty=pynn.L2(1e-3), progress=False)
        models.append(model)
    assert_same(*models)


@pytest.mark.parametrize("optimizer", pynn.optimizers.OPTIMIZERS)
def test_both_backends_take_the_same_path(optimizer: str, points: Points, both_backends: tuple[str, ...]) -> None:
    ends = []
    for backend in both_backends:
        pynn.use_backend(backend)
        model = network(dtype="float64")
        if optimizer == "lion":  # biases before a normalization have gradients of rounding noise, and it takes the sign
            model = pynn.Sequential(*(layer for layer in model.layers if layer.kind != "BatchNorm"), dtype="float64")
        history = model.fit(
            *points, optimizer=optimizer, epochs=7, batch_size=10, penalty=pynn.L2(0.01), progress=False
        )
        assert model.context.step == 21
        ends.append((model.parameters.copy(), history["loss"], *model.tensors().values()))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_the_loop_of_the_documentation_gives_the_bits_of_fit(points: Points) -> None:
    x, y = points
    expected, model = network(), network()
    expected.fit(x, y, optimizer=pynn.Adam(1e-2), epochs=3, batch_size=8, progress=False)
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(1e-2)
    for epoch in range(3):
        for x_batch, y_batch in pynn.batches(x, y, 8, seed=0, epoch=epoch):
            loss.forward(model.forward(x_batch, training=True), y_batch)
            model.backward(loss.backward())
            optimizer.step(model)
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    in_steps = network()
    optimizer = pynn.Adam(1e-2)
    for epoch in range(3):
        for x_batch, y_batch in pynn.batches(x, y, 8, seed=0, epoch=epoch):
            in_steps.train_step(x_batch, y_batch, loss, optimizer)
    np.testing.assert_array_equal(in_steps.parameters, expected.parameters)


def test_train_step_returns_the_loss_before_the_update(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    expected = model.evaluate(*points)["loss"]
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.5)
    assert model.train_step(*points, loss, optimizer) == pytest.approx(expected, rel=1e-6)
    assert model.train_step(*points, loss, optimizer) < expected


def test_several_fits_are_one_long_fit(points: Points) -> None:
    """Optimizer state, masks and the order of samples go on."""
    together = trained(*points, epochs=5, optimizer=pynn.Adam())
    apart = trained(*points, epochs=2, optimizer=pynn.Adam())
    steps = apart.context.step
    apart.fit(*points, epochs=3, batch_size=10, progress=False)
    assert apart.context.step > steps
    assert apart.epoch == 5
    assert_same(together, apart)


def test_a_new_optimizer_starts_afresh(points: Points) -> None:
    continued, restarted = trained(*points), trained(*points)
    first = restarted.optimizer
    continued.fit(*points, epochs=1, batch_size=10, progress=False)
    restarted.fit(*points, optimizer="adam", epochs=1, batch_size=10, progress=False)
    assert restarted.optimizer is not first
    assert restarted.optimizer.steps == 3
    assert (continued.parameters != restarted.parameters).any()


def test_each_epoch_has_an_order_of_its_own(points: Points) -> None:
    seen: list[bytes] = []

    class Watched(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            seen.append(x.tobytes())
            return x

    model = pynn.Sequential(Watched(), pynn.Affine(3))
    for _ in range(2):
        model.fit(*points, epochs=2, batch_size=30, progress=False)
    assert len(seen) == len(set(seen)) == 4


# Forms of data ------------------------------------------------------------------------------------


def _memory_mapped(x: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", x)
    return np.load(folder / "x.npy", mmap_mode="r")


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "float64": lambda x, _: x.astype(np.float64),
    "Fortran order": lambda x, _: np.asfortranarray(x),
    "strided": lambda x, _: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": lambda x, _: _read_only(x),
    "memory-mapped": _memory_mapped,
    "big-endian": lambda x, _: x.astype(">f4"),
    "big-endian float64": lambda x, _: x.astype(">f8"),
    "lists of lists": lambda x, _: x.tolist(),
    "int64": lambda x, _: x.astype(np.int64),
    "int8": lambda x, _: x.astype(np.int8),
}
LABEL_FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "list": lambda y: y.tolist(),
    "uint8": lambda y: y.astype(np.uint8),
    "big-endian": lambda y: y.astype(">i4"),
    "strided": lambda y: np.repeat(y, 2)[::2],
    "read-only": lambda y: _read_only(y),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_data_trains_to_the_same_bits(form: str, points: Points, tmp_path: Path) -> None:
    x = np.round(points[0] * 4).astype(np.float32)
    changed = FORMS[form](x, tmp_path)
    expected = trained(x, points[1], validation=(x, points[1]))
    model = trained(changed, points[1], validation=(changed, points[1]))
    assert_same(model, expected)
    assert model.evaluate(changed, points[1]) == expected.evaluate(x, points[1])
    np.testing.assert_array_equal(model.predict_proba(changed), expected.predict_proba(x))
    np.testing.assert_array_equal(model.forward(changed), expected.forward(x))


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_every_form_of_the_labels_trains_to_the_same_bits(form: str, points: Points) -> None:
    assert_same(trained(points[0], LABEL_FORMS[form](points[1])), trained(*points))


def test_bool_inputs_are_0_and_1(points: Points) -> None:
    x = points[0] > 0
    assert_same(trained(x, points[1]), trained(x.astype(np.float32), points[1]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pixels_train_and_predict_to_the_bits_of_floats_divided_by_255(dtype: str, rng: np.random.Generator) -> None:
    pixels, y = rng.integers(0, 256, (30, 5, 5, 1)).astype(np.uint8), np.arange(30) % 3
    floats = (pixels / 255).astype(dtype)
    models = []
    for x in (pixels, floats):
        model = network(dtype=dtype)
        model.fit(x, y, validation=(x, y), epochs=2, batch_size=10, progress=False)
        models.append((model, x))
    assert_same(models[0][0], models[1][0])
    for name in ("predict", "predict_proba", "forward"):
        results = [getattr(model, name)(x) for model, x in models]
        np.testing.assert_array_equal(*results)
    assert models[0][0].evaluate(pixels, y) == models[1][0].evaluate(floats, y)


def test_a_float64_model_reads_float64_in_full(points: Points) -> None:
    x = points[0].astype(np.float64) + 1e-9
    models = [network(dtype="float64") for _ in range(2)]
    for model, data in zip(models, (x, x.astype(np.float32)), strict=True):
        model.fit(data, points[1], epochs=1, batch_size=10, progress=False)
    assert (models[0].parameters != models[1].parameters).any()
    probabilities = models[0].predict_proba(x)
    expected = -np.log(probabilities[np.arange(30), points[1]]).mean()
    assert models[0].evaluate(x, points[1])["loss"] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(("samples", "batch_size", "steps"), [(21, 10, 2), (11, 10, 1), (21, 1, 21), (22, 10, 3)])
def test_a_last_batch_of_one_is_left_out(samples: int, batch_size: int, steps: int, points: Points) -> None:
    """Batch normalization cannot train on it."""
    model = pynn.Sequential(pynn.Affine(3)) if batch_size == 1 else network()
    history = model.fit(points[0][:samples], points[1][:samples], epochs=1, batch_size=batch_size, progress=False)
    assert model.context.step == steps
    assert np.isfinite(history["loss"][0])


def test_a_single_sample_can_be_trained_on_without_batchnorm(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    history = model.fit(points[0][:1], points[1][:1], epochs=3, batch_size=1, progress=False)
    assert history["loss"][2] < history["loss"][0]


# Iterables of batches -----------------------------------------------------------------------------


class Loader:
    """What a data loader is at the least."""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches
        self.passes = 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _split(points: Points) -> list[Any]:
    x, y = points
    return [(x[:10], y[:10]), [x[10:20].astype(np.float64), y[10:20].tolist()], (x[20:].tolist(), y[20:].astype(">i2"))]


def test_iterables_of_batches_train_like_the_same_steps(points: Points) -> None:
    loader = Loader(_split(points))
    models = [network() for _ in range(3)]
    models[0].fit(_split(points), epochs=2, progress=False)
    models[1].fit(loader, epochs=2, progress=False)
    for _ in range(2):
        models[2].fit((batch for batch in _split(points)), epochs=1, progress=False)
    assert loader.passes == 2
    expected, loss, optimizer = network(), pynn.SoftmaxCrossEntropy(), pynn.Adam()
    for _ in range(2):
        for start in (0, 10, 20):
            part = slice(start, start + 10)
            expected.train_step(points[0][part], points[1][part], loss, optimizer)
    for model in models:
        np.testing.assert_array_equal(model.parameters, expected.parameters)
        assert model.epoch == 2


def test_iterables_may_be_validated_and_are_counted(points: Points) -> None:
    history = network().fit(_split(points), validation=points, epochs=2, progress=False)
    assert len(history["val_accuracy"]) == 2
    assert history["loss"][1] < history["loss"][0]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (lambda x, y: ((x, y) for _ in range(2)), TypeError, r"x is generator, which can be iterated only once"),
        (lambda x, y: iter([(x, y)]), TypeError, r"x is list_iterator, .* but epochs is 3"),
        (lambda x, y: [], ValueError, r"the iterable gave no batches"),
        (lambda x, y: x, TypeError, r"y is missing: fit takes arrays x and y, or one iterable of \(x, y\) batches"),
        (lambda x, y: 3, TypeError, r"y is missing"),
        (lambda x, y: None, TypeError, r"y is missing"),
        (lambda x, y: (x, y), TypeError, r"batch 0 is ndarray, expected a pair \(x, y\)"),
        (lambda x, y: {"x": x, "y": y}, TypeError, r"batch 0 is str, expected a pair \(x, y\)"),
        (lambda x, y: [x, y], TypeError, r"batch 0 is ndarray, expected a pair"),
        (lambda x, y: [(x, y, y, y)], TypeError, r"batch 0 .*expected a pair"),
        (lambda x, y: [(x, y), (x, y[:3])], ValueError, r"batch 1 x has 30 samples but batch 1 y has 3"),
        (lambda x, y: [(x, y), (x[:0], y[:0])], ValueError, r"batch 1 x is empty"),
        (lambda x, y: [(x, y), (x * np.nan, y)], ValueError, r"batch 1 x\[0, 0\] is nan"),
        (lambda x, y: [(x, y), (x, y + 1)], ValueError, r"batch 1.*y\[2\] is 3, expected a label of 0\.\.2"),
        (lambda x, y: [(x, y), (x[:, :2], y)], ValueError, r"batch 1 x has shape \(30, 2\), expected \(N, 4\)"),
        (lambda x, y: [(x, y), (x[:1], y[:1])], ValueError, r"a training batch of 1 sample has no variance"),
    ],
)  # fmt: skip
def test_iterables_that_give_no_batches_are_refused_with_the_place(
    source: Callable[[Any, Any], Any], error: type[Exception], message: str, points: Points
) -> None:
    with pytest.raises(error, match=message):
        network().fit(source(*points), epochs=3, progress=False)


# What is refused ----------------------------------------------------------------------------------


def _with(x: np.ndarray, place: tuple[int, int], value: float) -> np.ndarray:
    x = x.copy()
    x[place] = value
    return x


WRONG: dict[str, tuple[Callable[[np.ndarray, np.ndarray], dict[str, Any]], type[Exception], str]] = {
    "NaN": (lambda x, y: {"x": _with(x, (3, 1), np.nan)}, ValueError, r"^x\[3, 1\] is nan, expected finite numbers"),
    "infinity": (lambda x, y: {"x": _with(x, (0, 2), -np.inf)}, ValueError, r"^x\[0, 2\] is -inf, expected finite"),
    "no samples": (lambda x, y: {"x": x[:0], "y": y[:0]}, ValueError, r"^x is empty: its shape is \(0, 4\)"),
    "no features": (lambda x, y: {"x": x[:, :0]}, ValueError, r"input_shape is \(0,\), expected sizes of at least 1"),
    "fewer targets": (lambda x, y: {"y": y[:9]}, ValueError, r"^x has 30 samples but y has 9, expected one target for"),
    "text": (lambda x, y: {"x": x.astype(str)}, TypeError, r"^x has dtype <U\d+, expected numbers"),
    "complex": (lambda x, y: {"x": x.astype(complex)}, TypeError, r"^x has dtype complex128, expected numbers"),
    "label too high": (lambda x, y: {"y": y + (y == 2) * (np.arange(30) > 9)}, ValueError,
                       r"^y\[11\] is 3, expected a label of 0\.\.2.*y 4 classes; make the last layer one of 4 units"),
    "float labels": (lambda x, y: {"y": y / 2}, TypeError,
                     r"^y has dtype float64, expected integer class labels.*for numbers \(regression\) give loss='l2'"),
    "batch_size 0": (lambda x, y: {"batch_size": 0}, ValueError, r"^batch_size is 0, expected an integer of at least"),
    "batch_size 2.5": (lambda x, y: {"batch_size": 2.5}, ValueError, r"^batch_size is 2\.5, expected an integer"),
    "epochs -1": (lambda x, y: {"epochs": -1}, ValueError, r"^epochs is -1, expected an integer of at least 0"),
    "epochs 1.5": (lambda x, y: {"epochs": 1.5}, ValueError, r"^epochs is 1\.5, expected an integer"),
    "epochs True": (lambda x, y: {"epochs": True}, ValueError, r"^epochs is True, expected an integer"),
    "seed -1": (lambda x, y: {"seed": -1}, ValueError, r"^seed is -1, expected"),
    "seed 2^64": (lambda x, y: {"seed": 2**64}, ValueError, r"^seed is 18446744073709551616, expected"),
    "seed 0.5": (lambda x, y: {"seed": 0.5}, ValueError, r"^seed is 0\.5, expected"),
    "loss": (lambda x, y: {"loss": "mse"}, ValueError, r"^loss is 'mse', say 'l2', .*expected one of"),
    "optimizer": (lambda x, y: {"optimizer": "adamax"}, ValueError, r"^optimizer is 'adamax', say 'adam', .*expected"),
    "optimizer class": (lambda x, y: {"optimizer": pynn.Adam}, TypeError, r"^optimizer is .*; write Adam\(\)"),
    "penalty": (lambda x, y: {"penalty": 0.1}, TypeError, r"^penalty is 0\.1, expected"),
    "progress": (lambda x, y: {"progress": "bar"}, ValueError, r"^progress is 'bar', expected True, False or 'auto'"),
    "validation no pair": (lambda x, y: {"validation": x}, TypeError, r"^validation is ndarray, expected a pair"),
    "validation no share": (lambda x, y: {"validation": 1.5}, ValueError, r"^validation: share is 1\.5, exp"),
    "validation text": (lambda x, y: {"validation": "0.2"}, TypeError, r"^validation is str, expected a pair"),
    "metrics": (lambda x, y: {"metrics": ["f2"]}, ValueError, r"^metrics: 'f2' is unknown, expected one of acc"),
    "validation of four": (lambda x, y: {"validation": (x, y, y, y)}, TypeError, r"^validation .*expected a pair"),
    "validation shape": (
        lambda x, y: {"validation": (x[:, :3], y)}, ValueError, r"^validation x has shape \(30, 3\), expected \(N, 4\)"
    ),
    "validation lengths": (
        lambda x, y: {"validation": (x, y[:3])}, ValueError, r"^validation x has 30 samples but validation y has 3"
    ),
    "validation NaN": (lambda x, y: {"validation": (x * np.nan, y)}, ValueError, r"^validation x\[0, 0\] is nan"),
    "validation labels": (lambda x, y: {"validation": (x, y + 5)}, ValueError, r"^validation.*y\[0\] is 5"),
    "validation empty": (lambda x, y: {"validation": (x[:0], y[:0])}, ValueError, r"^validation x is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_fit_that_is_refused_changes_nothing(case: str, points: Points) -> None:
    """On a model that is not built it leaves it so; on one that was trained it leaves everything as it was."""
    change, error, message = WRONG[case]
    x, y = points

    def call(model: pynn.Sequential) -> None:
        model.fit(**{"x": x, "y": y, "epochs": 2, "batch_size": 10, "progress": False, **change(x, y)})

    fresh = network()
    with pytest.raises(error, match=message):
        call(fresh)
    assert not fresh.built
    assert fresh.optimizer is None
    assert fresh.fit(x[:, :3], y, epochs=1, batch_size=10, progress=False).epochs == 1

    if case == "no features":
        return
    model, expected = trained(x, y), trained(x, y)
    loss, optimizer = model.loss, model.optimizer
    with pytest.raises(error, match=message):
        call(model)
    assert model.loss is loss
    assert model.optimizer is optimizer
    assert_same(model, expected)


def test_a_refused_fit_does_not_replace_the_models_loss(points: Points) -> None:
    model = trained(*points)
    loss = model.loss
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(*points, loss=pynn.SoftmaxCrossEntropy(), batch_size=0, progress=False)
    assert model.loss is loss


def test_inputs_of_another_shape_after_building_are_refused(points: Points) -> None:
    model = trained(*points)
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"x has shape \(30, 3\), expected \(N, 4\): the model was built for such"):
            call(points[0][:, :3], points[1])


def test_images_into_affine_are_refused_with_a_hint(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"layer 0 \(Affine\): .*\(2, 2, 1\); put Flatten\(\) before it"):
        model.fit(points[0].reshape(30, 2, 2, 1), points[1], batch_size=10, progress=False)
    assert not model.built
    with pytest.raises(ValueError, match=r"y has shape \(30,\), expected \(N, 2\), .*one label, put Flatten\(\)"):
        model.fit(points[0].reshape(30, 2, 2), points[1], batch_size=10, progress=False)  # without channels
    assert not model.built


def test_batchnorm_on_batches_of_one_is_refused(points: Points) -> None:
    with pytest.raises(ValueError, match=r"batchnorm1: a training batch of 1 sample has no variance.*at least 2"):
        network().fit(*points, batch_size=1, progress=False)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_refuse_what_is_not_finite(method: str, value: float, points: Points) -> None:
    with pytest.raises(ValueError, match=rf"x\[1, 0\] is {value}, expected finite numbers"):
        getattr(trained(*points), method)(_with(points[0], (1, 0), value))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "evaluate"])
@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "7", True])
def test_batch_sizes_of_predictions_are_checked(method: str, batch_size: Any, points: Points) -> None:
    model = trained(*points)
    arguments = points if method == "evaluate" else points[:1]
    with pytest.raises(ValueError, match=rf"batch_size is {batch_size!r}, expected an integer of at least 1"):
        getattr(model, method)(*arguments, batch_size=batch_size)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((0, 4)), ValueError, r"x is empty: its shape is \(0, 4\)"),
        (np.zeros(4), ValueError, r"x has shape \(4,\), expected \(N, 4\)"),
        (3.0, ValueError, r"x is a single number"),
        ("text", TypeError, r"x has dtype <U4, expected numbers"),
        (None, TypeError, r"x has dtype object, expected numbers"),
    ],
)
def test_predictions_refuse_what_is_no_batch(
    method: str, x: Any, error: type[Exception], message: str, points: Points
) -> None:
    with pytest.raises(error, match=message):
        getattr(trained(*points), method)(x)


@pytest.mark.parametrize("method", ["predict", "evaluate"])
def test_a_model_that_is_not_built_says_so_rather_than_guess(method: str, points: Points) -> None:
    model = network()
    with pytest.raises(RuntimeError, match=f"{method} was called on a model that is not built yet: fit it"):
        getattr(model, method)(*(points[:1] if method == "predict" else points))
    assert not model.built


def test_two_threads_may_predict_with_one_model(points: Points) -> None:
    """Layers reuse their buffers: without a lock each thread reads the other's numbers."""
    model = trained(*points)
    parts = [points[0][:15], points[0][15:]]
    expected = [model.predict_proba(part) for part in parts]

    def right(which: int) -> bool:
        return all(np.array_equal(model.predict_proba(parts[which]), expected[which]) for _ in range(300))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(right, (0, 1)))


def test_weights_that_are_replaced_rather_than_written_into_are_taken_over(points: Points) -> None:
    model, other = trained(*points), trained(*points)
    weight = next(layer for layer in model.layers if isinstance(layer, pynn.Affine)).weight
    for one in (model, other):
        layer = next(layer for layer in one.layers if isinstance(layer, pynn.Affine))
        if one is model:
            layer.weight = np.zeros(weight.shape)
        else:
            layer.weight[...] = 0
    model.tensors()
    assert_same(model, other)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    other.fit(*points, epochs=2, batch_size=10, progress=False)
    assert_same(model, other)
    model.parameters *= 2
    np.testing.assert_array_equal(model.parameters, 2 * other.parameters)


def test_training_works_where_there_is_no_stderr(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert network().fit(*points, epochs=1, batch_size=10).epochs == 1


def test_a_second_fit_keeps_the_models_own_loss(points: Points) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    model = network()
    model.fit(*points, loss=loss, epochs=1, batch_size=10, progress=False)
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    assert model.loss is loss


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_float64_numbers_too_large_for_float32_are_refused(call: str, points: Points) -> None:
    """Silently turned into infinity they would give NaN, and predictions of class 0."""
    x = _with(points[0].astype(np.float64), (4, 2), 1e300)
    model = trained(*points)
    arguments = (x,) if call == "predict" else (x, points[1])
    settings = {"batch_size": 10, "progress": False} if call == "fit" else {}
    with pytest.raises(ValueError, match=r"x\[4, 2\] is 1e\+300, .*float32"):
        getattr(model, call)(*arguments, **settings)
    wide = network(dtype="float64")
    wide.build((4,))
    assert wide.predict(x).shape == (30,)


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
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            model.train_step(x, y, loss, driver, pynn.L2(1e-4))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 16384, f"{peak} bytes; the smallest activation here takes {128 * 100 * 4}"


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
