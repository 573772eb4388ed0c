"""Embedding: vectors of categories and tokens, what is no code, unknown ones, and training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn


def table(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of categories, of 6 and 4 values; the class is whether their sum is even."""
    rng = np.random.default_rng(5)
    codes = np.column_stack([rng.integers(0, 6, n), rng.integers(0, 4, n)])
    return codes, (codes.sum(axis=1) % 2).astype(np.int64)


def test_each_column_has_its_own_rows_and_unknown_is_zeros(backend: str) -> None:
    layer = pynn.Embedding([2, 3], units=4)
    assert layer.build((2,)) == (8,)
    assert layer.weight.shape == (5, 4)
    y = layer.forward(np.array([[0, 0], [1, 2], [-1, 1]], np.float32), training=False)
    expected = [[layer.weight[0], layer.weight[2]], [layer.weight[1], layer.weight[4]], [np.zeros(4), layer.weight[3]]]
    np.testing.assert_array_equal(y.reshape(3, 2, 4), expected)


def test_tokens_share_one_table(backend: str) -> None:
    layer = pynn.Embedding(7, units=3)
    assert layer.build((5,)) == (5, 3)
    assert layer.weight.shape == (7, 3)
    tokens = np.arange(10).reshape(2, 5) % 7
    y = layer.forward(tokens.astype(np.float32), training=False)
    np.testing.assert_array_equal(y, layer.weight[tokens])


def test_the_first_vectors_are_standard_normal_by_default() -> None:
    layer = pynn.Embedding(5000)
    layer.build((1,))
    assert abs(float(layer.weight.mean())) < 0.02
    assert float(layer.weight.std()) == pytest.approx(1, abs=0.02)
    assert repr(layer) == "Embedding(sizes=5000)"
    constant = pynn.Embedding(3, initializer=pynn.Constant(2))
    constant.build((1,))
    np.testing.assert_array_equal(constant.weight, 2)


def test_rows_that_no_sample_reads_have_gradient_0(backend: str) -> None:
    layer = pynn.Embedding([3, 2], units=2)
    layer.build((2,))
    layer.dweight = np.full((5, 2), 9.0)
    layer.forward(np.array([[1, -1], [1, 1]], np.float32), training=True)
    layer.backward(np.array([[1, 2, 3, 4], [10, 20, 30, 40]], np.float32))
    np.testing.assert_array_equal(layer.dweight, [[0, 0], [11, 22], [0, 0], [0, 0], [30, 40]])


@pytest.mark.parametrize("code", [4.0, -2.0, 1.5, -0.5, np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_no_code_is_refused_by_column_code_and_sample(code: float, dtype: str, backend: str) -> None:
    layer = pynn.Embedding([9, 4], units=2)
    layer.context.dtype = np.dtype(dtype)
    layer.build((2,))
    x = np.zeros((8, 2), dtype)
    x[5, 1] = code
    shown = f"{x[5, 1]:.10g}".replace(".", r"\.").replace("+", r"\+")
    expected = (
        rf"column 1 has the code {shown} at sample 5 of the batch, expected whole numbers 0\.\.3, or -1 for unknown"
    )
    with pytest.raises(ValueError, match=rf"^Embedding: {expected}$"):
        layer.forward(x, training=True)
    tokens = pynn.Embedding(4).named("words")
    tokens.context.dtype = np.dtype(dtype)
    tokens.build((2,))
    with pytest.raises(ValueError, match=rf"^words: position 1 has the code {shown} at sample 5 of the batch"):
        tokens.forward(x, training=True)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (0, r"sizes is 0, expected an integer of at least 1, or a list of them"),
        (2.5, r"sizes is 2\.5"),
        (True, r"sizes is True"),
        ("12", r"sizes is '12'"),
        ([], r"sizes is empty, expected the number of codes of each column"),
        ([3, 0], r"sizes\[1\] is 0, expected an integer of at least 1"),
        ([3, None], r"sizes\[1\] is None"),
    ],
)
def test_wrong_sizes_are_refused(sizes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pynn.Embedding(sizes)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"sizes has 2 numbers, one for each column, but the inputs have 3 columns"):
        pynn.Embedding([3, 4]).build((3,))
    with pytest.raises(ValueError, match=r"expected codes \(N, K\) of K columns, or \(N, T\) of T tokens, got"):
        pynn.Embedding([3, 4]).build((3, 4))
    with pytest.raises(ValueError, match=r'float32 holds only the whole numbers up to 16777216: pass dtype="float64"'):
        pynn.Embedding(2**24 + 1, 1).build((3,))


def test_numpy_integers_and_arrays_are_sizes() -> None:
    assert pynn.Embedding(np.int64(3)).sizes == 3
    assert pynn.Embedding(np.array([3, 4])).sizes == [3, 4]  # type: ignore[arg-type]


def test_a_table_of_categories_is_learned_saved_and_copied(backend: str, tmp_path: Path) -> None:
    x, y = table()
    model = pynn.Sequential(pynn.Embedding([6, 4], units=4), pynn.Affine(16), pynn.ReLU(), pynn.Affine(2), seed=1)
    model.fit(x, y, optimizer=pynn.Adam(0.02), epochs=30, batch_size=32, progress=False)
    assert model.evaluate(x, y)["accuracy"] == 1
    model.save(tmp_path / "model.safetensors")
    for other in (pynn.load(tmp_path / "model.safetensors"), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
        assert repr(other.layers[0]) == "Embedding(sizes=[6, 4], units=4)"


def test_a_wrong_code_is_named_by_its_place_in_the_data(backend: str) -> None:
    """Also inside of branches with columns of their own, whatever the batches."""
    inner = pynn.Parallel(None, pynn.Embedding([3, 4]), columns=[[0], [2, 1]])
    model = pynn.Sequential(pynn.Parallel(None, inner, columns=[[0], [4, 3, 1]]), pynn.Affine(2))
    x, y = np.zeros((50, 5)), np.arange(50) % 2
    model.fit(x, y, epochs=1, progress=False)
    x[43, 3] = 7
    named = r"column 3 has the code 7 at sample 43, expected whole numbers 0\.\.3"
    parts = [(x[:20], y[:20]), (x[20:45], y[20:45]), (x[45:], y[45:])]
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (model.evaluate, (iter(parts),), {}),
        (model.fit, (x[:40], y[:40]), {"validation": (x, y), "epochs": 1, "progress": False}),
    ]
    for size in (None, 10):
        calls += [
            (call, (x, size), {}) for call in (model.predict, model.predict_proba, pynn.Ensemble([model]).predict)
        ]
        calls += [(model.predict, (iter(parts), size), {}), (model.evaluate, (x, y, size), {})]
    for call, arguments, options in calls:
        with pytest.raises(ValueError, match=named):
            call(*arguments, **options)
    with pytest.raises(ValueError, match=r"column 3 has the code 7 at sample \d+ of the batch"):
        model.fit(x, y, epochs=1, batch_size=10, progress=False)
    with pytest.raises(ValueError, match=r"column 3 has the code 7 at sample 3 of the batch"):
        model.forward(x[40:])
    steps = pynn.Parallel(pynn.Sequential(pynn.Flatten(), pynn.Embedding(3)), columns=[[1, 0]])  # other columns
    steps.build((4, 2))
    with pytest.raises(ValueError, match="position 7 has the code 7 at sample 0 of the batch"):
        steps.forward(np.array([[[0, 0]] * 3 + [[7, 0]]], np.float32), training=True)


def test_a_code_that_training_never_saw_is_refused_by_predict(backend: str) -> None:
    x, y = table()
    model = pynn.Sequential(pynn.Embedding([6, 4]), pynn.Affine(2))
    model.fit(x, y, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"column 0 has the code 6 at sample 2,"):
        model.predict(np.array([[0, 0], [1, 1], [6, 0]]))
    assert np.isfinite(model.predict_proba(np.array([[-1, -1]]))).all()


def test_the_gradient_of_codes_is_zeros_and_a_layer_below_gets_it(backend: str) -> None:
    """What is below an embedding gives whole numbers, so there is nothing that it could learn from a gradient."""
    x, y = table(20)
    model = pynn.Sequential(pynn.Embedding([6, 4]), pynn.Affine(2))
    model.build((2,))
    np.testing.assert_array_equal(model.input_gradient(x, y), np.zeros((20, 2)))
    model.train_step(x.astype(np.float32), y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    assert model.layers[0].needs_dx is False
    assert model.layers[0].backward(np.ones((20, 16), np.float32)) is None
    below = pynn.Sequential(pynn.Affine(2, initializer=pynn.Zeros()), pynn.Embedding([6, 4]), pynn.Affine(2))
    below.build((2,))
    below.train_step(x.astype(np.float32), y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    np.testing.assert_array_equal(below.layers[0].dweight, 0)
    assert below.layers[1].dweight.any()


def test_a_frozen_embedding_stays_and_inputs_only_changes_nothing(backend: str) -> None:
    x, y = table()
    model = pynn.Sequential(pynn.Embedding([6, 4]), pynn.Affine(2))
    model.build((2,))
    model.freeze(0)
    before = model.layers[0].weight.copy()
    model.fit(x, y, epochs=2, progress=False)
    np.testing.assert_array_equal(model.layers[0].weight, before)


def test_the_gradient_has_the_same_bits_with_any_number_of_threads(native: None) -> None:
    sizes = [3, 500, 2, 40, 7, 7, 7, 7, 7, 90]  # enough columns for several pieces, enough samples for several runs
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(-1, size, 3000) for size in sizes]).astype(np.float32)
    dy = rng.standard_normal((3000, 80)).astype(np.float32)
    found = set()
    for threads in (1, 2, 5):
        pynn.set_num_threads(threads)
        layer = pynn.Embedding(sizes)
        layer.build((10,))
        layer.forward(x, training=True)
        layer.backward(dy)
        found.add(layer.dweight.tobytes())
    assert len(found) == 1
