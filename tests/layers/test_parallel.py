"""Parallel: columns, branches, gradients that nothing needs, files, refusals."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.diagnostics import structure

Front = pynn.Parallel


def table(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Four numbers and two columns of categories, of 5 and 9 values."""
    rng = np.random.default_rng(3)
    x = np.column_stack([rng.normal(size=(n, 4)), rng.integers(-1, 5, n), rng.integers(-1, 9, n)])
    return x, ((x[:, 0] > 0) ^ (x[:, 4] > 1)).astype(np.int64)


def front() -> pynn.Parallel:
    return Front(
        None,
        pynn.Embedding([5, 9], units=3),
        [pynn.Affine(4), pynn.Tanh()],
        columns=[slice(0, 4), [4, 5], range(0, 4, 2)],
    )


def network() -> pynn.Sequential:
    return pynn.Sequential(front(), pynn.Affine(16), pynn.ReLU(), pynn.Affine(2), seed=4)


def test_branches_stand_side_by_side_on_their_columns(backend: str) -> None:
    layer = front()
    assert layer.build((6,)) == (14,)
    embedding, affine, _ = layer.children()
    x = table(20)[0].astype(np.float32)
    y = layer.forward(x, training=False)
    np.testing.assert_array_equal(y[:, :4], x[:, :4])
    np.testing.assert_array_equal(y[:, 4:10], embedding.forward(np.ascontiguousarray(x[:, 4:]), False))
    np.testing.assert_allclose(y[:, 10:], np.tanh(x[:, [0, 2]] @ affine.weight + affine.bias), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (None, [0, 1, 2, 3, 4, 5]), (slice(None), [0, 1, 2, 3, 4, 5]), (slice(4, None), [4, 5]),
        (slice(-2, None), [4, 5]), (slice(None, None, -1), [5, 4, 3, 2, 1, 0]), (slice(5, 0, -2), [5, 3, 1]),
        (range(1, 4), [1, 2, 3]), (range(4, -1, -2), [4, 2, 0]), ([3], [3]), ([5, 0, 0, 2, 3, 4], [5, 0, 0, 2, 3, 4]),
        ([-1, -6], [5, 0]), ((2, 1), [2, 1]), (np.array([4, 0, 1]), [4, 0, 1]), ([2, 2, 2], [2, 2, 2]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6)])
def test_columns_are_those_of_numpy(columns: Any, expected: list[int], shape: tuple[int, ...], backend: str) -> None:
    rng = np.random.default_rng(1)
    layer = Front(None, [pynn.Dropout(0)], columns=[columns, columns])
    model = pynn.Sequential(layer, dtype="float64")
    assert model.build(shape) == (*shape[:-1], 2 * len(expected))
    x = rng.normal(size=(7, *shape))
    np.testing.assert_array_equal(model.forward(x, training=True), np.concatenate([x[..., expected]] * 2, axis=-1))
    dy = rng.normal(size=model.outputs.shape)
    dx = np.zeros_like(x)
    for place, column in enumerate(expected * 2):
        dx[..., column] += dy[..., place]
    np.testing.assert_allclose(model.backward(dy, input_gradient=True), dx, rtol=1e-12)


def test_a_column_that_no_branch_reads_has_no_effect(backend: str) -> None:
    layer = Front(None, columns=[[1]])
    layer.build((3,))
    layer.forward(np.ones((2, 3), np.float32), training=True)
    np.testing.assert_array_equal(layer.backward(np.ones((2, 1), np.float32)), [[0, 1, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Front(), ValueError, "expected at least one layer"),
        (lambda: Front([pynn.ReLU(), pynn.Tanh()]), TypeError, r"takes the branches one by one; write Parallel\("),
        (lambda: Front(None, 3), TypeError, "layer 1 is 3, expected a pynn Layer"),
        (lambda: Front(None, pynn.ReLU), TypeError, r"layer 1 is .*write ReLU\(\)"),
        (lambda: Front(None, []), ValueError, "layer 1 is an empty list; None passes the numbers on"),
        (lambda: Front(None, [pynn.ReLU(), None]), TypeError, "layer 1 of branch 1 is None, expected a pynn Layer"),
        (lambda: Front(*[pynn.ReLU()] * 2), ValueError, "the same layer occurs twice"),
        (lambda: Front(None, None, columns=[None]), ValueError, "columns has 1 entries, expected one for each of 2"),
        (lambda: Front(None, columns=slice(3)), TypeError, "columns is slice.*expected a list with a slice"),
        (lambda: Front(None, columns=[3]), TypeError, r"columns\[0\] is 3, expected a slice.*\[3\] is that column"),
        (lambda: Front(None, columns=[[1.0]]), TypeError, r"columns\[0\] is \[1\.0\], expected a slice"),
        (lambda: Front(None, columns=[[True, False]]), TypeError, r"np\.flatnonzero\(mask\) are the columns"),
        (lambda: Front(None, columns=[["age"]]), TypeError, "columns go by their numbers here"),
        (lambda: Front(None, columns=["age"]), TypeError, "columns go by their numbers here"),
        (lambda: Front(None, columns=[[]]), ValueError, r"columns\[0\] is empty"),
        (lambda: Front(None, columns=[slice(0, 2.5)]), ValueError, "expected integers in the slice"),
        (lambda: Front(None, columns=[slice(0, 2, 0)]), ValueError, "a step that is not 0"),
    ],
)
def test_wrong_branches_and_columns_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([6], r"columns\[0\] has the column 6, expected 0\.\.5: the inputs have 6 columns"),
        ([-7], r"columns\[0\] has the column -7"),
        (slice(0, 7), r"columns\[0\] is slice\(0, 7, None\), columns that are not there: the inputs have 6 columns"),
        (slice(6, None), r"columns\[0\] is slice\(6, None, None\), no column"),
        (slice(3, 3), r"columns\[0\] is slice\(3, 3, None\), no column"),
        (range(4, 8), r"columns\[0\] is slice\(4, 8, None\), columns that are not there"),
    ],
)
def test_columns_that_are_not_there_are_refused_when_it_is_built(columns: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"layer 0 \(Parallel\): {message}"):
        pynn.Sequential(Front(None, columns=[columns])).build((6,))


def test_branches_that_cannot_be_joined_are_refused() -> None:
    with pytest.raises(ValueError, match=r"branch 1 ends in shape \(4,\), branch 0 in \(2, 2\): expected shapes that"):
        Front(None, pynn.Flatten()).build((2, 2))
    with pytest.raises(ValueError, match=r"branch 1: layer 0 \(Affine\): expected vectors"):
        Front(None, pynn.Affine(3)).build((2, 2, 2))
    with pytest.raises(ValueError, match="expected inputs with columns"):
        Front(None).build(())


def test_a_model_with_it_trains_and_is_saved_copied_and_pickled(backend: str, tmp_path: Path) -> None:
    x, y = table()
    model = network()
    model.fit(x, y, optimizer=pynn.Adam(0.02), epochs=40, batch_size=32, progress=False)
    assert model.evaluate(x, y)["accuracy"] > 0.95
    model.layer("embedding1").freeze()
    model.layer("affine1").learning_rate_factor = 0.5
    model.save(tmp_path / "model.safetensors")
    for other in (pynn.load(tmp_path / "model.safetensors"), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(x), model.predict_proba(x))
        assert repr(other.layers[0]) == repr(model.layers[0])
        assert other.layer("embedding1").frozen
        assert other.layer("affine1").learning_rate_factor == 0.5
        other.fit(x, y, epochs=1, progress=False)
        np.testing.assert_array_equal(other.layer("embedding1").weight, model.layer("embedding1").weight)


def test_its_text_shows_branches_and_columns() -> None:
    assert repr(front()) == (
        "Parallel(None, Embedding(sizes=[5, 9], units=3), [Affine(units=4), Tanh()], "
        "columns=[slice(0, 4, None), [4, 5], slice(0, 3, 2)])"
    )
    model = network()
    model.build((6,))
    for name in ("parallel1", "embedding1", "affine1", "tanh1"):
        assert f"[{name}]" in model.summary()
    assert "fused into affine1" in model.summary()


def test_a_file_with_a_damaged_slice_is_refused(tmp_path: Path) -> None:
    from pynn.saving import config

    for ends in ([1, 2], [1, "2", None], "1:2", [1, 2, True]):
        with pytest.raises(ValueError, match="slice: its ends are"):
            config.from_data({"kind": "slice", "items": ends}, {})


def test_first_layers_compute_no_gradient_that_nothing_needs(backend: str) -> None:
    """As in a model, below the first trained layer of a branch there is no backward pass."""
    x, y = table(30)
    model = network()
    model.build((6,))
    embedding, affine, _ = model.layers[0].children()
    step = model.train_step, x.astype(np.float32), y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)
    step[0](*step[1:])
    assert not embedding.needs_dx
    assert not affine.needs_dx
    model.input_gradient(x, y)
    assert affine.needs_dx
    step[0](*step[1:])
    assert not affine.needs_dx
    affine.freeze()
    before, weight = affine.weight.copy(), embedding.weight.copy()
    affine.dweight[...] = 0
    step[0](*step[1:])
    np.testing.assert_array_equal(affine.weight, before)
    np.testing.assert_array_equal(affine.dweight, 0)
    assert (embedding.weight != weight).any()


def test_a_layer_below_gets_the_gradients_of_all_branches(backend: str) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 6))
    model = pynn.Sequential(
        pynn.Affine(3), Front(pynn.Affine(2), None, pynn.Affine(1), columns=[[0, 2], None, [2]]), dtype="float64"
    )
    model.build((4,))
    below, side = model.layers
    first, second = side.children()
    model.forward(x, training=True)
    model.backward(dy)
    dz = dy[:, 2:5].copy()
    dz[:, [0, 2]] += dy[:, :2] @ first.weight.T
    dz[:, [2]] += dy[:, 5:] @ second.weight.T
    np.testing.assert_allclose(below.dweight, x.T @ dz, rtol=1e-10)


def test_parallel_inside_parallel_and_residual(backend: str, tmp_path: Path) -> None:
    inner = Front(pynn.Affine(2), None, columns=[None, [0]])
    model = pynn.Sequential(
        pynn.Residual(Front(inner, pynn.Sequential(pynn.Affine(1), pynn.Tanh()), columns=[[0, 1], [2, 3]])),
        pynn.Affine(2),
    )
    x, y = table()
    model.fit(x[:, :4], y, epochs=2, progress=False)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(
        pynn.load(tmp_path / "model.safetensors").predict_proba(x[:, :4]), model.predict_proba(x[:, :4])
    )


def test_a_steady_step_allocates_no_batch(backend: str) -> None:
    """A branch's columns are copied into arrays that stay."""
    layer = Front(None, pynn.Affine(200), columns=[slice(0, 400), [3, 1, 399, *range(0, 300, 3)]])
    layer.build((400,))
    x, dy = np.ones((2000, 400), np.float32), np.ones((2000, 600), np.float32)

    def step() -> None:
        layer.forward(x, training=True)
        layer.backward(dy)

    for _ in range(2):
        step()
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (200_000 if pynn.kernels.backend() == "native" else 10_000_000)


def test_what_is_side_by_side_is_not_judged_as_a_sequence() -> None:
    model = pynn.Sequential(Front(pynn.Affine(4), pynn.Affine(4)), pynn.Affine(2))
    model.build((6,))
    assert list(structure.of_model(model, pynn.SoftmaxCrossEntropy())) == []


def test_diagnosis_of_a_table_finds_nothing(tmp_path: Path) -> None:
    x, y = table()
    model = network()
    model.fit(x, y, optimizer=pynn.Adam(0.01), epochs=8, batch_size=32, progress=False, diagnose=True)
    assert [one for one in pynn.diagnose(model) if one.severity == "error"] == []
