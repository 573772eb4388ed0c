"""Data frames, sparse matrices, objects and uint8 as inputs: what is numeric is taken, columns go by their names."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

FRAMES = ["pandas", "polars", "records"]


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Any:
    """A function of a dict of columns that makes a table of them."""
    if request.param == "records":

        def records(columns: dict[str, Any]) -> np.ndarray:
            parts = [np.asarray(column) for column in columns.values()]
            kinds = [(name, part.dtype) for name, part in zip(columns, parts, strict=True)]
            return np.array(list(zip(*parts, strict=True)), dtype=kinds)

        return records
    return pytest.importorskip(request.param).DataFrame


@pytest.fixture
def columns(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "age": rng.integers(20, 60, 80),
        "smoker": rng.random(80) > 0.5,
        "height": rng.normal(1.7, 0.1, 80),
        "visits": rng.integers(0, 9, 80).astype(np.uint8),
    }


def _matrix(columns: dict[str, np.ndarray]) -> np.ndarray:
    return np.column_stack([np.asarray(column, float) for column in columns.values()])


def _trained(x: Any, y: Any, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(2))
    model.fit(x, y, preprocessing=pynn.Standardization(), epochs=3, progress=False, **settings)
    return model


def test_mixed_columns_are_numbers_and_known_by_name(
    frame: Any, columns: dict[str, np.ndarray], tmp_path: Path, backend: str
) -> None:
    table, y = frame(columns), columns["smoker"]
    model, expected = _trained(table, y, validation=0.2), _trained(_matrix(columns), y, validation=0.2)
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert model.columns == ("age", "smoker", "height", "visits")
    answers = expected.predict_proba(_matrix(columns))
    model.save(tmp_path / "model.safetensors")
    shuffled = {name: columns[name] for name in ("visits", "height", "age", "smoker")}
    wider = {"name": np.arange(80), **shuffled}
    for one in (model, pynn.load(tmp_path / "model.safetensors")):
        assert one.columns == model.columns
        for same in (table, frame(shuffled), frame(wider), _matrix(columns)):
            np.testing.assert_array_equal(one.predict_proba(same), answers)
        assert one.evaluate(frame(shuffled), y) == expected.evaluate(_matrix(columns), y)
        less = {name: column for name, column in columns.items() if name not in ("age", "visits")}
        with pytest.raises(
            ValueError, match=r"x has no column 'age', 'visits': the model was fitted to the columns 'age',"
        ):
            one.predict(frame(less))
    model.fit(frame(shuffled), y, validation=(frame(shuffled), y), epochs=1, progress=False)
    expected.fit(_matrix(columns), y, epochs=1, progress=False)
    np.testing.assert_array_equal(model.parameters, expected.parameters)


def test_every_way_into_a_model_goes_by_the_columns(frame: Any, columns: dict[str, np.ndarray]) -> None:
    table, y = frame(columns), columns["smoker"]
    turned = frame(dict(reversed(columns.items())))
    model = _trained(table, y)
    for call in (
        lambda x: pynn.monte_carlo(model, x, 2)[0],
        lambda x: pynn.transfer.features(model, x),
        lambda x: pynn.Ensemble([model]).predict_proba(x),
        lambda x: np.array(list(model.evaluate([(x, y)]).values())),
    ):
        np.testing.assert_array_equal(call(turned), call(table))
    (train, _), (test, _) = pynn.split(table, y)
    assert _trained(train, y[: len(train)]).columns == model.columns
    assert len(train) + len(test) == 80


def test_pandas_columns_of_every_numeric_kind_are_taken() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({
        "a": pandas.array([1, 2, 3], dtype="Int64"),
        "b": pandas.array([True, False, True], dtype="boolean"),
        "c": pandas.array([1.5, 2.5, 3.5], dtype="Float32"),
        "d": pandas.Series([1, 2.5, Decimal("3")], dtype=object),
        "e": pandas.arrays.SparseArray([0, 0, 1]),
        "f": np.array([1, 2, 3], np.uint8),
        "g": pandas.Categorical([3, 1, 3]),
    })  # fmt: skip
    found = pynn.data.arrays.samples("x", table)
    np.testing.assert_array_equal(found, [[1, 1, 1.5, 1, 0, 1, 3], [2, 0, 2.5, 2.5, 0, 2, 1], [3, 1, 3.5, 3, 1, 3, 3]])
    dummies = pandas.get_dummies(pandas.DataFrame({"x": [1.0, 2.0, 3.0], "city": ["Bern", "Rom", "Bern"]}))
    np.testing.assert_array_equal(pynn.data.arrays.samples("x", dummies), [[1, 1, 0], [2, 0, 1], [3, 1, 0]])


def test_columns_that_are_not_numeric_are_named_with_a_remedy() -> None:
    pandas = pytest.importorskip("pandas")
    good = np.arange(3.0)
    for column, error, message in (
        (["Bern", "Rom", None], TypeError, r"dtype (object|str), expected numbers; it holds 'Bern'.*get_dummies"),
        (pandas.Categorical(["u", "v", "u"]), TypeError, r"dtype category.*drop\(columns='city'\)"),
        (pandas.to_datetime(["2020-01-01"] * 3), TypeError, r"dtype datetime64.*the days since a date"),
        (pandas.array([1, None, None], dtype="Int64"), ValueError, r"2 of 3 values, the first in row 1"),
        ([1.0, np.nan, 2.0], ValueError, r"1 of 3 values, the first in row 1; fill them"),
    ):  # fmt: skip
        model = pynn.Sequential(pynn.Affine(1))
        with pytest.raises(error, match=r"^x: column 'city' (has|lacks) " + message):
            model.fit(pandas.DataFrame({"good": good, "city": column}), good, loss="l2", progress=False)
        assert (model.built, model.inputs) == (False, None)
    with pytest.raises(ValueError, match="x has two columns named 'a'"):
        pynn.data.arrays.samples("x", pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_targets_come_from_frames_and_series(columns: dict[str, np.ndarray]) -> None:
    pandas = pytest.importorskip("pandas")
    x, names = _matrix(columns), np.where(columns["smoker"], "yes", "no")
    expected = _trained(x, columns["smoker"])
    for y in (
        pandas.Series(names), pandas.Series(names, dtype="category"), pandas.Series(names, dtype="string"),
        pandas.DataFrame({"smokes": names}), pandas.Series(columns["smoker"].astype(int), dtype="Int64"),
        pandas.Series(columns["smoker"], dtype="boolean"),
    ):  # fmt: skip
        model = _trained(x, y)
        np.testing.assert_array_equal(model.parameters, expected.parameters)
        assert model.predict(x).shape == y.shape
    two = pandas.DataFrame({"a": columns["height"], "b": columns["age"]})
    model = pynn.Sequential(pynn.Affine(2))
    model.fit(x, two, loss="l2", epochs=1, progress=False)
    assert model.predict(x).shape == (80, 2)


def test_sparse_matrices_and_objects_are_arrays(columns: dict[str, np.ndarray]) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = _matrix(columns) * (np.arange(80)[:, None] % 2)
    y = columns["smoker"]
    expected = _trained(x, y)
    for same in (sparse.csr_matrix(x), sparse.coo_array(x), x.astype(object), x.tolist()):
        np.testing.assert_array_equal(_trained(same, y).parameters, expected.parameters)
        np.testing.assert_array_equal(expected.predict_proba(same), expected.predict_proba(x))


# uint8 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preprocessing", [None, pynn.Standardization()])
def test_a_table_of_uint8_is_plain_numbers(
    preprocessing: pynn.Transformer | None, rng: np.random.Generator, backend: str
) -> None:
    """Survey answers 1..5, flags 0 and 1: the same as in any other dtype, in training and in prediction."""
    answers = rng.integers(0, 6, (90, 7))
    y = (answers[:, 0] > 2).astype(int)
    models = []
    for kind in (np.uint8, np.int64, np.float32):
        model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(2))
        model.fit(answers.astype(kind), y, preprocessing=preprocessing, epochs=3, progress=False)
        models.append(model)
    for model in models[1:]:
        np.testing.assert_allclose(model.parameters, models[0].parameters, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(model.predict_proba(answers.astype(np.uint8)), model.predict_proba(answers))
    (batch, _), *_ = pynn.batches(answers.astype(np.uint8), y, 10)
    np.testing.assert_array_equal(batch, answers[:10])
    np.testing.assert_array_equal(models[0].forward(answers.astype(np.uint8)), models[0].forward(answers.astype(float)))


def test_tokens_come_into_an_embedding_as_they_are() -> None:
    seen = []

    class Embedding(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            return (2,)

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            seen.append(x.copy())
            return np.zeros((len(x), 2), x.dtype)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return np.zeros_like(seen[-1])

    tokens = np.arange(40, dtype=np.uint8).reshape(10, 4)
    pynn.Sequential(Embedding()).fit(tokens, np.arange(10) % 2, epochs=1, shuffle=False, progress=False)
    np.testing.assert_array_equal(seen[0], tokens)


def test_a_model_of_pixels_refuses_other_numbers_and_the_other_way_round(tmp_path: Path, backend: str) -> None:
    x, y = (part[:200] for part in pynn.datasets.digits().train)
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    model.fit(x, y, epochs=1, progress=False)
    model.save(tmp_path / "model.safetensors")
    for one in (model, pynn.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(one.predict_proba(x), one.predict_proba((x / 255).astype(np.float32)))
        for wrong in (x.astype(np.int64), x.astype(np.float32)):
            for call in (
                one.predict,
                one.predict_proba,
                lambda x, one=one: one.evaluate(x, y),
                lambda x, one=one: one.fit(x, y),
            ):
                with pytest.raises(
                    ValueError, match=r"numbers up to 255, but the model was fitted to uint8 pixels.*/ 255"
                ):
                    call(wrong)
    numbers = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    numbers.fit(x.astype(np.float32), y, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"read as pixels 0\.\.1, but the model was fitted to images of other numbers"):
        numbers.predict(x)
    scaled = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    scaled.fit(x / 255, y, epochs=1, progress=False)
    np.testing.assert_allclose(scaled.predict_proba(x), scaled.predict_proba(x / 255), rtol=1e-5)


def test_an_autoencoder_reads_its_targets_as_its_inputs(backend: str) -> None:
    x = pynn.datasets.digits().train[0][:100]
    models = [pynn.Sequential(pynn.Conv2d(4), pynn.ReLU(), pynn.Conv2d(1)) for _ in range(2)]
    models[0].fit(x, x, loss="l2", epochs=2, progress=False)
    models[1].fit(x, (x / 255).astype(np.float32), loss="l2", epochs=2, progress=False)
    np.testing.assert_allclose(models[0].parameters, models[1].parameters, rtol=1e-6)
    assert models[0].history["loss"][0] < 64  # of 64 pixels of 0..1
    assert models[0].evaluate(x, x)["loss"] == pytest.approx(models[1].evaluate(x, x / 255)["loss"], rel=1e-5)
    table = np.random.default_rng(0).integers(0, 6, (50, 4)).astype(np.uint8)
    plain = pynn.Sequential(pynn.Affine(4))
    plain.fit(table, table, loss="l2", epochs=1, optimizer=pynn.SGD(0), progress=False)
    assert plain.history["loss"][0] > 5


def test_flat_pixels_are_warned_of(backend: str) -> None:
    x, y = (part[:100] for part in pynn.datasets.digits().train)
    model = pynn.Sequential(pynn.Affine(10))
    with pytest.warns(
        UserWarning, match=r"x is uint8 of shape \(100, 64\) and taken as plain numbers 0\.\.255.*Flatten"
    ) as seen:
        model.fit(x.reshape(100, 64), y, epochs=1, progress=False)
    assert seen[0].filename == __file__


def test_a_file_of_before_keeps_reading_uint8_tables_as_pixels(tmp_path: Path) -> None:
    from pynn.models import file

    x, y = (part[:100] for part in pynn.datasets.digits().train)
    flat = x.reshape(100, 64)
    model = pynn.Sequential(pynn.Affine(10))
    model.fit((flat / 255).astype(np.float32), y, epochs=1, progress=False)
    tensors, description = file.content(model)
    del description["inputs"]  # as version 0.1.0 wrote it
    file.write(tmp_path / "old.safetensors", tensors, file.ENTRY, description)
    old = pynn.load(tmp_path / "old.safetensors")
    np.testing.assert_array_equal(old.predict_proba(flat), model.predict_proba((flat / 255).astype(np.float32)))
    old.save(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "again.safetensors").predict(flat), old.predict(flat))
