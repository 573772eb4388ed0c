"""Models with preprocessing: what it is fitted to, where it is applied, and that it stays with the model in files."""

from __future__ import annotations

import copy
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.cli import main
from pynn.preprocessing import NotFittedError, Transformer

Points = tuple[np.ndarray, np.ndarray]
FIT: dict[str, Any] = {"epochs": 2, "batch_size": 10, "progress": False}

MAKERS: dict[str, Callable[[], Transformer]] = {
    "mean": lambda: pynn.MeanSubtraction(),
    "mean of all": lambda: pynn.MeanSubtraction("all"),
    "standardization": lambda: pynn.Standardization(),
    "min-max": lambda: pynn.MinMaxScaling((0, 2)),
    "robust": lambda: pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip()),
    "clip to range": lambda: pynn.ClipToRange(),
    "pca": lambda: pynn.PCA(3),
    "pca, a share": lambda: pynn.PCA(0.8),
    "pca whitening": lambda: pynn.Whitening(epsilon=0.5),
    "zca whitening": lambda: pynn.Whitening("zca"),
    "pipeline": lambda: pynn.Pipeline(pynn.MeanSubtraction("all"), pynn.Pipeline(pynn.PCA(2), pynn.Whitening())),
}
every = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Flatten(), pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3), **settings
    )


def state(transformer: Transformer) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in transformer.tensors().items()}


# Training -----------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_raw_data_gives_what_data_transformed_by_hand_does(
    make: Callable[[], Transformer], dtype: str, points: Points
) -> None:
    x, y = points[0].astype(dtype), points[1]
    train, held_out = (x[:20], y[:20]), (x[20:] + 1, y[20:])
    model, by_hand, transformer = network(dtype=dtype), network(dtype=dtype), make().fit(train[0])
    history = model.fit(*train, validation=held_out, preprocessing=make(), **FIT)
    ready = transformer.transform(train[0]), train[1]
    expected = by_hand.fit(*ready, validation=(transformer.transform(held_out[0]), held_out[1]), **FIT)
    assert model.preprocessing is not None
    assert state(model.preprocessing) == state(transformer)
    np.testing.assert_array_equal(model.parameters, by_hand.parameters)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert history[name] == expected[name]
    assert model.input_shape == by_hand.input_shape == transformer.output_shape_
    raw = held_out[0]
    np.testing.assert_array_equal(model.predict(raw), by_hand.predict(transformer.transform(raw)))
    probabilities = by_hand.predict_proba(transformer.transform(raw))
    np.testing.assert_array_equal(model.predict_proba(raw), probabilities)
    np.testing.assert_allclose(model.predict_proba(raw, batch_size=3), probabilities, rtol=1e-4)
    measured = by_hand.evaluate(transformer.transform(raw), held_out[1])
    assert model.evaluate(*held_out) == measured
    assert model.evaluate(*held_out, batch_size=4) == pytest.approx(measured, rel=1e-5)


def test_a_model_with_preprocessing_learns_raw_images(digits: pynn.datasets.Dataset) -> None:
    model = pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(10))
    whitening = pynn.Pipeline(pynn.PCA(0.95), pynn.Whitening(epsilon=1e-2))
    x, y = digits.test
    settings = {"optimizer": pynn.Adam(1e-2), "epochs": 8, "progress": False}
    history = model.fit(*digits.train, validation=(x, y), preprocessing=whitening, **settings)
    assert history["val_accuracy"][-1] > 0.93
    assert model.evaluate(x, y)["accuracy"] == history["val_accuracy"][-1]
    assert (model.predict(x) == y).mean() == pytest.approx(history["val_accuracy"][-1])


def test_the_transformer_passed_to_fit_stays_as_it_was(points: Points) -> None:
    x, y = points
    given, fitted = pynn.Standardization(), pynn.Standardization().fit(x[:5])
    before = state(fitted)
    one, two = network(), network()
    one.fit(x, y, preprocessing=given, **FIT)
    two.fit(x * 2, y, preprocessing=given, **FIT)
    assert not given.fitted
    np.testing.assert_allclose(2 * one.preprocessing.mean_, two.preprocessing.mean_, rtol=1e-6)
    with pytest.warns(UserWarning, match="trained with another preprocessing"):
        two.fit(x, y, preprocessing=fitted, **FIT)
    assert state(fitted) == before
    assert state(two.preprocessing) == state(pynn.Standardization().fit(x)), "fitted anew to the training data"


def test_a_second_fit_goes_on_with_the_models_own(points: Points) -> None:
    x, y = points
    model = network()
    model.fit(x, y, preprocessing=pynn.PCA(2), **FIT)
    own = model.preprocessing
    before = state(own)
    model.fit(x * 3 + 1, y, validation=(x, y), **FIT)
    assert model.preprocessing is own
    assert state(own) == before
    assert model.epoch == 4
    model.preprocessing = None
    with pytest.raises(ValueError, match=r"x has shape \(30, 4\), expected \(N, 2\)"):
        model.predict(x)


def test_forward_and_train_step_take_what_the_layers_take(points: Points) -> None:
    x, y = points
    model = network()
    model.fit(x, y, preprocessing=pynn.PCA(2), **FIT)
    assert model.preprocessing is not None
    ready = model.preprocessing.transform(x)
    np.testing.assert_array_equal(model.loss.predict(model.forward(ready)), model.predict(x))
    model.train_step(ready, y, model.loss, pynn.SGD(0.1))
    with pytest.raises(ValueError, match=r"expected \(N, 2\)"):
        model.forward(x)


def test_batches_of_an_iterable_are_transformed_as_they_come(points: Points) -> None:
    x, y = points
    transformer = pynn.PCA(2).fit(x)
    raw = [(x[:15], y[:15]), (x[15:], y[15:])]
    ready = [(transformer.transform(part), labels) for part, labels in raw]
    model, by_hand = network(), network()
    model.fit(raw, validation=(x, y), preprocessing=transformer, epochs=3, progress=False)
    by_hand.fit(ready, epochs=3, progress=False)
    np.testing.assert_array_equal(model.parameters, by_hand.parameters)
    assert model.preprocessing is not transformer
    transformer.fit(x * 2)
    np.testing.assert_array_equal(model.predict(x), by_hand.predict(np.concatenate([part for part, _ in ready])))
    model.fit(raw, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"batch 1 x has shape \(15, 3\), expected \(N, 4\): PCA was fitted on"):
        model.fit([raw[0], (x[15:, :3], y[15:])], epochs=1, progress=False)


def test_an_iterable_cannot_fit_a_transformer(points: Points) -> None:
    model = network()
    with pytest.raises(NotFittedError, match="an iterable of batches cannot fit it"):
        model.fit([points], preprocessing=pynn.PCA(2), epochs=1, progress=False)
    assert model.preprocessing is None
    assert not model.built


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"preprocessing": "pca"}, TypeError, "preprocessing is 'pca', expected a pynn Transformer"),
        ({"preprocessing": pynn.PCA}, TypeError, r"expected a pynn Transformer; write PCA\(\)"),
        ({"preprocessing": pynn.PCA(9)}, ValueError, "components is 9, but 30 samples of 4 features have only 4"),
        ({"x": np.full((30, 4), np.nan)}, ValueError, r"x\[0, 0\] is nan"),
        ({"y": None}, TypeError, "y is missing"),
        ({"y": [0, 1]}, ValueError, "x has 30 samples but y has 2"),
        ({"y": np.full(30, 7)}, ValueError, "7"),
        ({"validation": (np.ones((5, 3)), [0] * 5)}, ValueError, r"validation x has shape \(5, 3\), expected \(N, 4\)"),
        ({"validation": (np.full((5, 4), np.inf), [0] * 5)}, ValueError, r"validation x\[0, 0\] is inf"),
        ({"validation": (np.ones((5, 4)), [0] * 4)}, ValueError, "validation x has 5 samples but validation y has 4"),
        ({"validation": np.ones((5, 4))}, TypeError, r"validation is ndarray, expected a pair \(x, y\)"),
        ({"batch_size": 0}, ValueError, "batch_size is 0"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_a_fit_that_is_refused_changes_nothing(
    change: dict[str, Any], error: type[Exception], message: str, again: bool, points: Points
) -> None:
    model = network()
    if again:
        model.fit(*points, preprocessing=pynn.Standardization(), **FIT)
    before = model.preprocessing, model.built, model.built and model.parameters.copy()
    given = {"x": points[0], "y": points[1], "preprocessing": pynn.PCA(4), **FIT, **change}
    with pytest.raises(error, match=message):
        model.fit(given.pop("x"), given.pop("y"), **given)
    assert model.preprocessing is before[0]
    assert model.built == before[1]
    np.testing.assert_array_equal(model.built and model.parameters, before[2])


def test_predict_and_evaluate_check_inputs_of_the_preprocessing(points: Points) -> None:
    x, y = points
    model = network()
    model.fit(x, y, preprocessing=pynn.PCA(2), **FIT)
    for call in (model.predict, model.predict_proba, lambda x: model.evaluate(x, y)):
        with pytest.raises(
            ValueError, match=r"x has shape \(30, 2\), expected \(N, 4\): PCA was fitted on such samples"
        ):
            call(x[:, :2])
        with pytest.raises(ValueError, match=r"x\[29, 1\] is nan"):
            call(np.where(x == x[29, 1], np.nan, x))
    model.preprocessing = pynn.PCA(2)
    with pytest.raises(NotFittedError, match=r"PCA: the model needs it to be fitted"):
        model.predict(x)
    with pytest.raises(NotFittedError, match="PCA: fit needs it to be fitted"):
        model.fit(x, y, **FIT)


def test_numbers_beyond_the_models_dtype_may_be_raw(points: Points) -> None:
    x, y = points[0].astype(np.float64) * 1e60, points[1]
    model = network()
    model.fit(x, y, preprocessing=pynn.Standardization(), **FIT)
    assert np.isfinite(model.predict_proba(x)).all()
    with pytest.raises(ValueError, match="too large for float32"):
        model.predict(x * 1e60)


def test_the_summary_names_the_preprocessing(points: Points) -> None:
    model = network()
    assert "preprocessing" not in repr(model)
    model.fit(*points, preprocessing=pynn.PCA(2), **FIT)
    assert "preprocessing of inputs (N, 4): PCA(components=2)" in model.summary()


# Files --------------------------------------------------------------------------------------------


@pytest.fixture
def whitened(points: Points) -> pynn.Sequential:
    model = network()
    model.fit(*points, preprocessing=pynn.Pipeline(pynn.MeanSubtraction("all"), pynn.PCA(3)), **FIT)
    return model


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4,), (2, 2, 1)])
def test_a_saved_model_predicts_the_same(
    make: Callable[[], Transformer], dtype: str, shape: tuple[int, ...], points: Points, tmp_path: Path
) -> None:
    x, y = points[0].reshape(30, *shape), points[1]
    model = network(dtype=dtype)
    model.fit(x, y, preprocessing=make(), **FIT)
    model.save(tmp_path / "one")
    back = pynn.load(tmp_path / "one")
    assert back.preprocessing is not None
    assert repr(back.preprocessing) == repr(model.preprocessing).replace("(0, 2)", "[0, 2]")
    assert state(back.preprocessing) == state(model.preprocessing)
    assert (back.preprocessing.input_shape_, back.preprocessing.n_features_in_) == (shape, 4)
    np.testing.assert_array_equal(back.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(
        back.preprocessing.inverse_transform(back.preprocessing.transform(x)),
        model.preprocessing.inverse_transform(model.preprocessing.transform(x)),
    )
    if make is not MAKERS["min-max"]:
        back.save(tmp_path / "two")
        assert (tmp_path / "two").read_bytes() == (tmp_path / "one").read_bytes()
    back.fit(x, y, **FIT)


def test_the_names_of_its_tensors(whitened: pynn.Sequential, tmp_path: Path) -> None:
    whitened.save(tmp_path / "model")
    names = {name for name in read(tmp_path / "model")[1] if name.startswith("preprocessing.")}
    parts = ("mean", "components", "explained_variance", "explained_variance_ratio")
    assert names == {"preprocessing.0.mean", *(f"preprocessing.1.{part}" for part in parts)}


@every
def test_copies_and_pickles_of_models_keep_the_preprocessing(make: Callable[[], Transformer], points: Points) -> None:
    model = network()
    model.fit(*points, preprocessing=make(), **FIT)
    expected = model.predict_proba(points[0])
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict_proba(points[0]), expected)
        assert twin.preprocessing is not model.preprocessing


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The description and the tensors of a model file."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    description = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["pynn"])
    del description["crc"]  # as in a file of older pynn
    return description, pytest.importorskip("safetensors.numpy").load(content)


def write(path: Path, description: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    metadata = {"pynn": json.dumps(description)}
    path.write_bytes(pytest.importorskip("safetensors.numpy").save(tensors, metadata))


MEAN, COMPONENTS = "preprocessing.0.mean", "preprocessing.1.components"
DAMAGE: dict[str, tuple[Callable[[dict[str, Any], dict[str, np.ndarray]], Any], str]] = {
    "a tensor is missing": (lambda d, t: t.pop(MEAN), r"lacks the tensors preprocessing\.0\.mean"),
    "a tensor too many": (
        lambda d, t: t.update({"preprocessing.2.mean": t[MEAN]}), r"has tensors that its description does not"
    ),
    "another shape": (
        lambda d, t: t.update({MEAN: np.zeros(4)}), r"preprocessing\.0\.mean is float64 \(4,\), expected float64 \(\)"
    ),
    "another dtype": (
        lambda d, t: t.update({MEAN: t[MEAN].astype(np.float32)}), r"preprocessing\.0\.mean is float32 \(\), expected"
    ),
    "NaN": (lambda d, t: t.update({MEAN: np.full((), np.nan)}), r"preprocessing\.0\.mean holds NaN or infinity"),
    "components of others": (
        lambda d, t: t.update({COMPONENTS: np.zeros((3, 5))}), r"components is float64 \(3, 5\), expected .* \(3, 4\)"
    ),
    "a component too few": (
        lambda d, t: t.update({COMPONENTS: t[COMPONENTS][:2]}), r"variance is float64 \(3,\), expected .*\(2,\)"
    ),
    "no components": (
        lambda d, t: t.update({COMPONENTS: t[COMPONENTS][:0]}), r"components has shape \(0, 4\), expected \(1\.\.4, 4\)"
    ),
    "components are one number": (
        lambda d, t: t.update({COMPONENTS: np.zeros(())}), r"components has shape \(\), expected \(1\.\.4, 4\)"
    ),
    "fewer components all over": (
        lambda d, t: t.update({n: a[:2] for n, a in t.items() if n.startswith("preprocessing.1") and "mean" not in n}),
        r"the preprocessing makes samples of shape \(2,\), but the model was built for \(3,\)",
    ),
    "another raw shape": (lambda d, t: d.update(raw_shape=[5]), r"preprocessing\.1\.mean is float64 \(4,\), expected"),
    "no raw shape": (lambda d, t: d.pop("raw_shape"), "raw_shape"),
    "raw shape empty": (lambda d, t: d.update(raw_shape=[]), r"raw_shape is \[\], expected a list of sizes"),
    "raw shape in words": (lambda d, t: d.update(raw_shape=["4"]), "expected a list of sizes of at least 1"),
    "raw shape negative": (lambda d, t: d.update(raw_shape=[-4]), "expected a list of sizes of at least 1"),
    "raw shape beyond memory": (lambda d, t: d.update(raw_shape=[10**30]), r"expected float64 \(10{30},\)"),
    "no transformer": (lambda d, t: d.update(preprocessing=3), "preprocessing is 3, expected a pynn Transformer"),
    "a layer": (lambda d, t: d.update(preprocessing={"kind": "ReLU"}), "expected a pynn Transformer"),
    "unknown": (lambda d, t: d.update(preprocessing={"kind": "Magic"}), r"'Magic' is not a pynn class"),
    "bad argument": (
        lambda d, t: d["preprocessing"]["items"][1].update(arguments={"components": -1}), "components is -1"
    ),
    "no steps": (lambda d, t: d["preprocessing"].update(items=[]), "expected at least one transformer"),
    "no preprocessing": (lambda d, t: d.pop("preprocessing"), "has tensors that its description does not"),
    "among the layers": (
        lambda d, t: d["layers"].append({"kind": "PCA"}), r"layer 6 is PCA\(\), expected a pynn Layer"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damaged_files_are_refused(
    damage: Callable[..., Any], message: str, whitened: pynn.Sequential, tmp_path: Path
) -> None:
    file = tmp_path / "model"
    whitened.save(file)
    description, tensors = read(file)
    write(file, description, tensors)
    pynn.load(file)  # what was only read and written again is whole
    damage(description, tensors)
    write(file, description, tensors)
    with pytest.raises(ValueError, match=message) as caught:
        pynn.load(file)
    assert str(caught.value).startswith(str(file))


def test_save_refuses_preprocessing_that_does_not_fit_the_model(points: Points, tmp_path: Path) -> None:
    model = network()
    model.fit(*points, **FIT)
    model.preprocessing = pynn.PCA(2)
    with pytest.raises(NotFittedError, match="PCA: saving needs it to be fitted"):
        model.save(tmp_path / "model")
    model.preprocessing.fit(points[0])
    with pytest.raises(ValueError, match=r"makes samples of shape \(2,\), but the model was built for \(4,\)"):
        model.save(tmp_path / "model")
    clash = pynn.Sequential(pynn.Affine(4), pynn.BatchNorm().named("preprocessing"), pynn.Affine(3))
    clash.fit(*points, preprocessing=pynn.MeanSubtraction(), **FIT)
    clash.save(tmp_path / "model")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model").predict(points[0]), clash.predict(points[0]))
    layer = Drift().named("preprocessing")
    clash = pynn.Sequential(layer, pynn.Affine(3))
    clash.fit(*points, preprocessing=pynn.MeanSubtraction(), **FIT)
    with pytest.raises(ValueError, match=r"a layer and the preprocessing both have a tensor preprocessing\.mean"):
        clash.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()


class Drift(pynn.Layer):
    """An own layer whose state bears a name of the preprocessing."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_state("mean", np.zeros(input_shape))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Halving(Transformer):
    """An own transformer."""

    state = ("mean_",)

    def _learn(self, rows: Any) -> None:
        self.mean_ = np.zeros(())

    def _apply(self, x: np.ndarray) -> np.ndarray:
        return x / 2

    def _undo(self, y: np.ndarray) -> np.ndarray:
        return y * 2

    def _state_shapes(self, found: Any) -> dict[str, tuple[int, ...]]:
        return {"mean_": ()}


def test_an_own_transformer(points: Points, tmp_path: Path) -> None:
    model = network()
    model.fit(*points, preprocessing=pynn.Pipeline(pynn.PCA(2), Halving()), **FIT)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"pass your own as pynn.load\(path, own=\[Halving\]\)"):
        pynn.load(tmp_path / "model")
    back = pynn.load(tmp_path / "model", own=[Halving])
    np.testing.assert_array_equal(back.predict_proba(points[0]), model.predict_proba(points[0]))


def test_the_command_line_gives_raw_images_to_the_preprocessing(
    digits: pynn.datasets.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    model = pynn.Sequential(pynn.Affine(32), pynn.ReLU(), pynn.Affine(10))
    model.notes.update(dataset="digits", classes=list(digits.classes))
    model.fit(*digits.train, preprocessing=pynn.PCA(20), epochs=3, progress=False)
    file, picture = tmp_path / "model.safetensors", tmp_path / "digit.png"
    model.save(file)
    assert main(["evaluate", str(file)]) == 0
    assert f"test accuracy {model.evaluate(*digits.test)['accuracy']:.4f}" in capsys.readouterr().out
    image.fromarray(digits.test[0][0, :, :, 0]).save(picture)
    assert main(["predict", str(file), str(picture)]) == 0
    assert f": {model.predict(digits.test[0][:1])[0]} " in capsys.readouterr().out
