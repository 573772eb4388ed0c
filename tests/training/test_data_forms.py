"""The forms of data that `fit` takes: arrays of every kind, and iterables of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_fits import Points, assert_same, network, trained

import pynn

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
