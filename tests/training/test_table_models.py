"""Models that take data frames as they are: training, prediction, files, and files that are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

safetensors = pytest.importorskip("safetensors")
FIT: dict[str, Any] = {"epochs": 3, "progress": False, "batch_size": 32}
ROWS = 120


def _scaling() -> pynn.Pipeline:
    return pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())


@pytest.fixture
def columns(rng: np.random.Generator) -> dict[str, Any]:
    city = rng.choice(["Bern", "Rom", "Wien"], ROWS).tolist()
    return {
        "age": [None if row % 7 == 0 else float(row) for row in range(ROWS)],
        "city": city,
        "job": [f"j{row % 12}" for row in range(ROWS)],
        "smoker": (rng.random(ROWS) > 0.5).tolist(),
        "day": (np.datetime64("2020-01-01") + np.arange(ROWS)).astype(object).tolist(),
        "same": ["x"] * ROWS,
    }


@pytest.fixture
def y(columns: dict[str, Any]) -> np.ndarray:
    return np.array(["yes" if city == "Rom" else "no" for city in columns["city"]])


FRAMES = ["pandas", "polars", "dict"]


def _frame(library: str, columns: dict[str, Any]) -> Any:
    return columns if library == "dict" else pytest.importorskip(library).DataFrame(columns)


def _network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(2), **settings)


def _fitted(x: Any, y: Any, **settings: Any) -> pynn.Sequential:
    model = _network()
    encoder = pynn.TableEncoder(embedding=False, numbers=_scaling())
    model.fit(x, y, preprocessing=encoder, **{**FIT, **settings})
    return model


# Training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_trains_as_its_encoded_columns_do(
    columns: dict[str, Any], y: np.ndarray, library: str, backend: str
) -> None:
    frame = _frame(library, columns)
    model = _fitted(frame, y, validation=(frame, y))
    encoder = pynn.TableEncoder(embedding=False, numbers=_scaling())
    by_hand = _network()
    x = encoder.fit_transform(frame)
    expected = by_hand.fit(x, y, validation=(x, y), **FIT)
    np.testing.assert_array_equal(model.parameters, by_hand.parameters)
    assert model.history["val_loss"] == expected["val_loss"]
    np.testing.assert_array_equal(model.predict_proba(frame), by_hand.predict_proba(x))
    np.testing.assert_array_equal(model.predict(frame, batch_size=7), by_hand.predict(x, batch_size=7))
    assert model.evaluate(frame, y) == by_hand.evaluate(x, y)
    assert model.columns == tuple(columns)
    assert set(model.predict(frame)) <= {"yes", "no"}


@pytest.mark.parametrize("validation", [0.25, pynn.Split(0.25)])
def test_a_share_held_out_is_not_learned_from(
    columns: dict[str, Any], y: np.ndarray, validation: Any, backend: str
) -> None:
    frame = _frame("pandas", columns)
    model = _fitted(frame, y, validation=validation)
    split = validation if isinstance(validation, pynn.Split) else pynn.Split(validation, stratify=False)
    train, held_out = split.places(frame, y, 0)
    same = _fitted(frame.iloc[train], y[train], validation=(frame.iloc[held_out], y[held_out]))
    np.testing.assert_array_equal(model.parameters, same.parameters)
    assert model.history["val_loss"] == same.history["val_loss"]
    for name, tensor in model.preprocessing.tensors().items():
        np.testing.assert_array_equal(tensor, same.preprocessing.tensors()[name])


def test_training_goes_on_with_the_fitted_encoder(columns: dict[str, Any], y: np.ndarray, backend: str) -> None:
    frame = _frame("pandas", columns)
    model = _fitted(frame, y)
    encoder = model.preprocessing
    model.partial_fit(frame[:50], y[:50])
    model.fit(frame.iloc[:, ::-1], y, **FIT)
    model.fit([(frame[:60], y[:60]), (frame[60:], y[60:])], validation=[(frame, y)], epochs=1, progress=False)
    assert model.preprocessing is encoder
    new = frame.assign(city="Paris", age=np.nan)
    assert model.predict(new).shape == (ROWS,)
    fresh = _network()
    fresh.fit([(frame, (y == "yes").astype(int))], preprocessing=encoder, epochs=1, progress=False)
    assert fresh.columns == tuple(columns)
    np.testing.assert_array_equal(fresh.predict(frame.iloc[:, ::-1]), fresh.predict(frame))


def test_another_encoder_is_warned_of(columns: dict[str, Any], y: np.ndarray) -> None:
    model = _fitted(_frame("pandas", columns), y)
    columns["age"] = [row % 50 for row in range(ROWS)]
    columns["city"][0] = None
    other = pynn.TableEncoder(embedding=False, numbers=_scaling(), indicator=False)
    with pytest.raises(ValueError, match="the model was built for such inputs"):
        model.fit(_frame("pandas", columns), y, preprocessing=other, **FIT)
    assert model.preprocessing is not other


def test_every_way_into_a_model_takes_the_frame(columns: dict[str, Any], y: np.ndarray) -> None:
    frame = _frame("pandas", columns)
    model, other = _fitted(frame, y), _fitted(frame, y, seed=1)
    turned = frame.iloc[:, ::-1]
    for call in (
        lambda x: pynn.monte_carlo(model, x, 2)[0],
        lambda x: pynn.transfer.features(model, x),
        lambda x: pynn.Ensemble([model, other]).predict_proba(x),
        lambda x: np.array(list(pynn.Ensemble([model]).evaluate(x, y).values())),
        lambda x: np.array(list(model.evaluate([(x, y)]).values())),
        lambda x: model.predict(iter([x[:60], x[60:]])),
    ):
        np.testing.assert_array_equal(call(turned), call(frame))
    (train, y_train), (test, y_test) = pynn.split(frame, y, 0.25)
    assert (len(train), len(test), len(y_train), len(y_test)) == (90, 30, 90, 30)
    pynn.minimize(model, frame, y, steps=2, progress=False)


def test_layers_take_what_the_encoder_makes(columns: dict[str, Any], y: np.ndarray) -> None:
    frame = _frame("pandas", columns)
    model = _fitted(frame, y)
    x = model.preprocessing.transform(frame)
    np.testing.assert_array_equal(model.forward(x.tolist()), model.forward(x))
    with pytest.raises(TypeError, match=r"but x is a table: pass model\.preprocessing\.transform\(x\)"):
        model.forward(frame)
    with pytest.raises(TypeError, match="a gradient cannot pass through TableEncoder"):
        model.input_gradient(frame, y)


def test_numbers_alone_predict_rows_of_arrays(rng: np.random.Generator, backend: str) -> None:
    x, y = rng.normal(size=(60, 4)), np.arange(60) % 2
    model = _network()
    model.fit(x, y, preprocessing=pynn.TableEncoder(numbers=_scaling()), **FIT)
    expected = model.predict_proba(x)
    for row in range(3):
        np.testing.assert_allclose(model.predict_proba(x[row : row + 1]), expected[row : row + 1], rtol=1e-5)
    gaps = x.copy()
    gaps[3, 1] = np.nan
    assert np.isfinite(model.predict_proba(gaps)).all()
    with pytest.raises(ValueError, match="x: column 1 is inf in row 0"):
        model.predict([[0.0, np.inf, 0.0, 0.0]])
    with pytest.raises(ValueError, match=r"x has 3 columns, expected the 4 of fit"):
        model.predict(x[:, :3])


def test_wrong_frames_are_refused_before_anything_changes(columns: dict[str, Any], y: np.ndarray) -> None:
    frame = _frame("pandas", columns)
    model = _network()
    for broken, message in (
        (frame.assign(age=np.inf), r"^x: column 'age' is inf in row 0"),
        (frame.assign(age=[[1]] * ROWS), r"^x: column 'age' has dtype object"),
        (frame[:50], "x has 50 samples but y has 120"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            model.fit(broken, y, preprocessing=pynn.TableEncoder(embedding=False), **FIT)
        assert (model.built, model.inputs, model.preprocessing) == (False, None, None)
    with pytest.raises(TypeError, match=r"validation x: column 'age' .* holds 'x'"):
        model.fit(frame, y, validation=(frame.assign(age="x"), y), preprocessing=pynn.TableEncoder(), **FIT)
    assert not model.built
    with pytest.raises(TypeError, match=r"preprocessing=pynn\.TableEncoder\(embedding=False\)\) reads it"):
        model.fit(frame.drop(columns=["age"]), y, **FIT)


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", FRAMES)
def test_a_loaded_model_predicts_frames(
    columns: dict[str, Any], y: np.ndarray, library: str, tmp_path: Path, backend: str
) -> None:
    frame = _frame(library, columns)
    model = _fitted(frame, y)
    model.save(tmp_path / "m")
    loaded = pynn.load(tmp_path / "m")
    for other in FRAMES:
        np.testing.assert_array_equal(loaded.predict_proba(_frame(other, columns)), model.predict_proba(frame))
    assert repr(loaded.preprocessing) == repr(model.preprocessing)
    assert loaded.preprocessing.columns_ == model.preprocessing.columns_
    assert loaded.columns == model.columns
    for name in ("medians_", "numbers_", "one_hot_", "codes_", "sizes_", "n_features_in_", "feature_names_in_"):
        np.testing.assert_array_equal(getattr(loaded.preprocessing, name), getattr(model.preprocessing, name))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    with pytest.raises(ValueError, match="x has no column 'age'"):
        loaded.predict(_frame(library, {name: columns[name] for name in columns if name != "age"}))


def test_files_hold_values_of_every_type(tmp_path: Path, rng: np.random.Generator) -> None:
    columns = {
        "mixed": [(1, "1", 2.5, True, '\ud800 é\n"', None)[row % 6] for row in range(60)],
        "n": rng.random(60).tolist(),
    }
    y = np.arange(60) % 2
    encoder = pynn.TableEncoder(3, numbers=pynn.Standardization(), max_categories=4, embedding=False)
    for chosen in (encoder, pynn.Pipeline(encoder, pynn.PCA(2)), pynn.TableEncoder(categorical=["n"])):
        model = _network()
        model.fit(columns, y, preprocessing=chosen, **FIT)
        model.save(tmp_path / "m")
        loaded = pynn.load(tmp_path / "m")
        np.testing.assert_array_equal(loaded.predict_proba(columns), model.predict_proba(columns))


@pytest.fixture
def saved(columns: dict[str, Any], y: np.ndarray, tmp_path: Path) -> Path:
    _fitted(columns, y).save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def _with(path: Path, change: Callable[[list[dict[str, Any]]], Any]) -> Path:
    """The file with other columns, and without a checksum, as files of older pynn."""
    import safetensors.numpy

    with safetensors.safe_open(path, framework="numpy") as opened:
        description = json.loads(opened.metadata()["pynn"])
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    del description["crc"]
    columns = json.loads(tensors["preprocessing.columns"].tobytes())
    changed = change(columns)
    text = changed if isinstance(changed, bytes) else json.dumps(columns if changed is None else changed).encode()
    tensors["preprocessing.columns"] = np.frombuffer(text, np.uint8)
    safetensors.numpy.save_file(tensors, path, {"pynn": json.dumps(description)})
    return path


def _set(place: int, **fields: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda columns: columns[place].update(fields)


DAMAGED: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "not JSON": (lambda c: b"[{", r"preprocessing\.columns is not JSON"),
    "not ASCII": (lambda c: b"\xff\xfe", "is not JSON"),
    "nested": (lambda c: b"[" * 5000, "is not JSON"),
    "no list": (lambda c: {"a": 1}, "expected a list of columns"),
    "no columns": (lambda c: [], "expected a list of columns"),
    "no object": (lambda c: [1, 2], r"column 0 is 1, expected an object"),
    "a column less": (lambda c: c[:-1], r"describes 5 columns, expected \(6,\)"),
    "twice": (_set(1, name="age"), "expected different names"),
    "a place among names": (_set(1, name=1), "expected different names, or places"),
    "no name": (_set(1, name=None), "column 1: name is None"),
    "no kind": (_set(0, kind="wood"), "column 0: kind is 'wood'"),
    "missing": (_set(0, missing=-1), "column 0: missing is -1"),
    "origin": (_set(4, origin=float("inf")), "column 4: origin is inf"),
    "medians": (_set(0, medians=[1, 2]), "column 0: medians is"),
    "infinite": (_set(0, medians=[float("nan")]), "column 0: medians is"),
    "text": (_set(0, text="no"), "column 0: text is 'no'"),
    "aware": (_set(0, aware=None), "column 0: aware is None"),
    "parts": (_set(4, parts=["weekday", "days"]), "column 4: parts is"),
    "no parts": (_set(4, parts=[]), "column 4: "),
    "unknown parts": (_set(4, parts=["days", "year"]), "column 4: parts is"),
    "categories": (_set(1, categories=["a", "a", "b"]), "column 1: categories is"),
    "nested categories": (_set(1, categories=[["a"], "b", "c"]), "column 1: categories is"),
    "no categories": (_set(1, categories=[], counts=[]), "column 1: categories is"),
    "categories of numbers": (_set(0, categories=["a"], counts=[1]), "column 0: categories is"),
    "counts": (_set(1, counts=[1]), "column 1: counts is"),
    "other": (_set(0, other=True), "column 0: other is True"),
    "no list of counts": (_set(1, counts="abc"), "column 1: counts is 'abc', expected a list"),
    "a new field": (_set(1, colour="red"), "has the key 'colour', unknown here"),
    "a field less": (lambda c: [{"name": "a", "kind": "number"}] * 6, "lacks 'dtype'"),
    "more categories": (_set(1, categories=list("abcd"), counts=[1] * 4), r"expected"),
    "no numbers": (_set(0, kind="constant", medians=[], missing=0), r"expected"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_columns_are_refused(saved: Path, case: str) -> None:
    change, message = DAMAGED[case]
    with pytest.raises(ValueError, match=message) as caught:
        pynn.load(_with(saved, change))
    assert "m.safetensors" in str(caught.value)


def test_unchanged_columns_load(saved: Path) -> None:
    assert pynn.load(_with(saved, lambda columns: None)).preprocessing.fitted


def test_a_flipped_byte_is_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    place = content.index(b"Wien")
    saved.write_bytes(content[:place] + b"wien" + content[place + 4 :])
    with pytest.raises(ValueError, match="is damaged: its checksum is wrong"):
        pynn.load(saved)


def test_many_categories_do_not_make_a_small_file_large(saved: Path) -> None:
    """A file of n categories costs memory in proportion to n, though they become n columns."""
    names = [f"c{number}" for number in range(20_000)]
    with pytest.raises(ValueError, match="expected"):
        pynn.load(_with(saved, _set(1, categories=names, counts=[1] * 20_000)))


def test_a_table_of_codes_alone_comes_back_from_its_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = {"a": [f"a{k}" for k in rng.integers(0, 20, 200)], "b": [f"b{k}" for k in rng.integers(0, 17, 200)]}
    encoder = pynn.TableEncoder(numbers=pynn.RobustScaling())
    model = pynn.Sequential(pynn.Embedding([20, 17]), pynn.Affine(2))
    model.fit(frame, rng.integers(0, 2, 200), preprocessing=encoder, epochs=1, progress=False)
    model.save(tmp_path / "m.safetensors")
    loaded = pynn.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()
