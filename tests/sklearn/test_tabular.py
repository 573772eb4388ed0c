"""TabularClassifier and TabularRegressor: frames as they are, presets, members, time, files, errors."""

from __future__ import annotations

import copy
import pickle
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from pynn.sklearn import TabularClassifier, TabularRegressor  # noqa: E402

QUICK = {"epochs": 12, "hidden_layer_sizes": (32, 32), "random_state": 0}
PRESETS = pytest.mark.parametrize("preset", ["full", "simplified", "fast"])


@pytest.fixture
def frame(rng: np.random.Generator) -> Any:
    """Columns of many kinds, with gaps."""
    n = 240
    return pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, rng.uniform(0, 10, n)),
            "rooms": pd.array(rng.integers(1, 6, n), dtype="Int64"),
            "town": rng.choice(["Bath", "Leeds", "York"], n),
            "street": pd.Categorical(rng.choice([f"s{k}" for k in range(14)], n)),
            "old": rng.random(n) < 0.5,
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        }
    )


@pytest.fixture
def price(frame: Any, rng: np.random.Generator) -> np.ndarray:
    size = frame["size"].fillna(5).to_numpy()
    y = 10 * size + 20 * frame["rooms"].to_numpy(float) + 30 * (frame["town"] == "Bath")
    return np.asarray(y + rng.normal(0, 2, len(frame)))


@pytest.fixture
def label(price: np.ndarray) -> np.ndarray:
    return np.array(["cheap", "dear", "medium"])[np.digitize(price, np.quantile(price, [0.33, 0.67])) * 2 % 3]


@PRESETS
def test_classes_are_learned_from_a_frame_as_it_is(frame: Any, label: np.ndarray, preset: str, backend: str) -> None:
    model = TabularClassifier(preset, random_state=0, hidden_layer_sizes=(32, 32)).fit(frame[:180], label[:180])
    assert model.classes_.tolist() == ["cheap", "dear", "medium"]
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert model.score(frame[180:], label[180:]) > 0.75
    p = model.predict_proba(frame[180:])
    assert p.shape == (60, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(frame[180:]))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(frame[180:])), p, rtol=1e-5)


@PRESETS
def test_numbers_are_learned_from_a_frame_as_it_is(frame: Any, price: np.ndarray, preset: str, backend: str) -> None:
    model = TabularRegressor(preset, random_state=0, hidden_layer_sizes=(32, 32)).fit(frame[:180], price[:180])
    assert model.score(frame[180:], price[180:]) > 0.8
    predicted = model.predict(frame)
    assert predicted.dtype == np.float64
    assert predicted.shape == (240,)
    assert price[:180].min() - 1e-3 <= predicted.min()
    assert predicted.max() <= price[:180].max() + 1e-3


def test_columns_are_found_by_name(frame: Any, label: np.ndarray) -> None:
    model = TabularClassifier(**QUICK).fit(frame, label)
    expected = model.predict_proba(frame)
    np.testing.assert_array_equal(model.predict_proba(frame[frame.columns[::-1]].assign(more=1)), expected)
    with pytest.raises(ValueError, match="'town'"):
        model.predict(frame.drop(columns="town"))


def test_unknown_categories_and_new_gaps_are_predicted(frame: Any, label: np.ndarray) -> None:
    model = TabularClassifier(**QUICK).fit(frame, label)
    strange = frame.head(5).assign(town="Oslo", rooms=pd.array([None] * 5, dtype="Int64"), street=None)
    assert np.isfinite(model.predict_proba(strange)).all()


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_the_order_of_rows_makes_no_difference(
    frame: Any, price: np.ndarray, label: np.ndarray, rng: np.random.Generator, kind: Any
) -> None:
    y = label if kind is TabularClassifier else price
    shuffled = rng.permutation(len(frame))
    first = kind(**QUICK).fit(frame, y)
    second = kind(**QUICK).fit(frame.iloc[shuffled].reset_index(drop=True), y[shuffled])
    np.testing.assert_array_equal(first.models_[0].parameters, second.models_[0].parameters)


def test_whole_weights_are_repetitions(frame: Any, price: np.ndarray, rng: np.random.Generator) -> None:
    weights = rng.integers(0, 4, len(frame))
    repeated = np.repeat(np.arange(len(frame)), weights)
    weighted = TabularRegressor(**QUICK).fit(frame, price, sample_weight=weights)
    plain = TabularRegressor(**QUICK).fit(frame.iloc[repeated], price[repeated])
    np.testing.assert_array_equal(weighted.models_[0].parameters, plain.models_[0].parameters)


def test_class_weights_draw_predictions_to_the_rare_class(rng: np.random.Generator) -> None:
    x = rng.standard_normal((400, 2))
    y = (x[:, 0] + rng.normal(0, 1.5, 400) > 2.2).astype(int)
    plain = TabularClassifier("fast", random_state=0, epochs=20).fit(x, y).predict(x).mean()
    balanced = TabularClassifier("fast", random_state=0, epochs=20, class_weight="balanced").fit(x, y).predict(x).mean()
    assert balanced > plain + 0.1


@pytest.mark.parametrize("bagging", ["seeds", "folds"])
def test_ensembles_average(frame: Any, label: np.ndarray, price: np.ndarray, bagging: str, tmp_path: Path) -> None:
    model = TabularClassifier(n_ens=3, bagging=bagging, **QUICK).fit(frame, label)
    assert len(model.models_) == len(model.best_epochs_) == 3
    members = [one.predict_proba(frame) for one in model.models_]
    np.testing.assert_allclose(model.predict_proba(frame), np.mean(members, axis=0), rtol=1e-5)
    assert not np.array_equal(members[0], members[1])
    together = model.to_model()
    assert isinstance(together, pynn.Ensemble)
    together.save(tmp_path / "all.safetensors")
    loaded = pynn.Ensemble.load(tmp_path / "all.safetensors")
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    regressor = TabularRegressor(n_ens=2, bagging=bagging, **QUICK).fit(frame, price)
    np.testing.assert_allclose(
        regressor.predict(frame), np.mean([one.predict(frame) for one in regressor.models_], axis=0), rtol=1e-5
    )


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_the_model_file_alone_is_enough(
    frame: Any, label: np.ndarray, price: np.ndarray, kind: Any, tmp_path: Path
) -> None:
    y = label if kind is TabularClassifier else price
    model = kind(**QUICK).fit(frame, y)
    model.to_model().save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    predicted = loaded.predict(frame[::-1])
    np.testing.assert_array_equal(predicted, model.predict(frame[::-1]).astype(predicted.dtype))
    assert loaded.columns == tuple(frame.columns)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_pickles_and_copies_predict_the_same(frame: Any, label: np.ndarray, price: np.ndarray, kind: Any) -> None:
    model = kind(n_ens=2, **QUICK).fit(frame, label if kind is TabularClassifier else price)
    data = pickle.dumps(model)
    for same in (pickle.loads(data), copy.deepcopy(model)):
        np.testing.assert_array_equal(same.predict(frame), model.predict(frame))
        assert same.best_epochs_ == model.best_epochs_
    numbers = sum(one.parameters.nbytes for one in model.models_)
    assert len(data) < 2 * numbers + 200_000


def test_own_validation_rows_choose_the_epoch(frame: Any, label: np.ndarray) -> None:
    model = TabularClassifier(**QUICK).fit(frame[:180], label[:180], validation=(frame[180:], label[180:]))
    assert model.validation_score_ == pytest.approx(model.score(frame[180:], label[180:]), abs=1e-6)
    assert 1 <= model.best_epochs_[0] <= model.n_iter_ == 12
    with pytest.raises(ValueError, match="validation y has the label 'new'"):
        TabularClassifier(**QUICK).fit(frame, label, validation=(frame[:3], ["cheap", "new", "dear"]))
    with pytest.raises(TypeError, match=r"validation is 0.2, expected \(X, y\)"):
        TabularClassifier(**QUICK).fit(frame, label, validation=0.2)


def test_without_validation_the_last_epoch_is_kept(frame: Any, label: np.ndarray) -> None:
    model = TabularClassifier(validation_fraction=0, **QUICK).fit(frame, label)
    assert model.best_epochs_ == [12]
    assert model.validation_score_ is None


def test_temperature_scaling_makes_validation_rows_likelier(frame: Any, label: np.ndarray) -> None:
    held_out = (frame[160:], label[160:])
    settings = {**QUICK, "label_smoothing": 0.3}
    plain = TabularClassifier(**settings).fit(frame[:160], label[:160], validation=held_out)
    scaled = TabularClassifier(calibration="temperature", **settings).fit(frame[:160], label[:160], validation=held_out)
    np.testing.assert_array_equal(plain.predict(frame), scaled.predict(frame))
    places = np.searchsorted(plain.classes_, held_out[1])

    def surprise(model: Any) -> float:
        return float(-model.predict_log_proba(held_out[0])[np.arange(len(places)), places].mean())

    assert scaled.temperatures_[0] != 1
    assert surprise(scaled) < surprise(plain)
    np.testing.assert_allclose(scaled.models_[0].predict_proba(frame), scaled.predict_proba(frame), rtol=1e-6)


def test_quantiles_never_cross_and_cover(rng: np.random.Generator) -> None:
    x = rng.uniform(-2, 2, (1500, 1))
    y = x[:, 0] ** 2 + rng.standard_normal(1500) * (0.2 + np.abs(x[:, 0]))
    model = TabularRegressor("fast", quantiles=[0.05, 0.5, 0.95], random_state=0, epochs=40).fit(x[:1000], y[:1000])
    quantiles = model.predict_quantiles(x[1000:])
    assert quantiles.shape == (500, 3)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    np.testing.assert_array_equal(model.predict(x[1000:]), quantiles[:, 1])
    low, high = model.predict_interval(x[1000:], coverage=0.9)
    assert 0.8 < ((low <= y[1000:]) & (y[1000:] <= high)).mean() < 0.98
    wide, narrow = np.abs(x[1000:, 0]) > 1.5, np.abs(x[1000:, 0]) < 0.3
    assert (high - low)[wide].mean() > 2 * (high - low)[narrow].mean()
    with pytest.raises(ValueError, match="outside of those"):
        model.predict_interval(x, coverage=0.99)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "gaussian_nll"])
def test_intervals_of_every_loss_cover(rng: np.random.Generator, loss: str) -> None:
    x = rng.uniform(-2, 2, (1200, 2))
    y = 50 + 10 * x[:, 0] + 3 * rng.standard_normal(1200)
    model = TabularRegressor("fast", loss=loss, random_state=0, epochs=30).fit(x[:800], y[:800])
    assert model.score(x[800:], y[800:]) > 0.85
    low, high = model.predict_interval(x[800:], coverage=0.8)
    assert 0.7 < ((low <= y[800:]) & (y[800:] <= high)).mean() < 0.9


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_log_links_predict_means(rng: np.random.Generator, loss: str) -> None:
    x = rng.uniform(-1, 1, (2000, 2))
    mean = np.exp(3 + x[:, 0])
    y = rng.poisson(mean).astype(float) if loss != "gamma" else rng.gamma(4, mean / 4)
    model = TabularRegressor("fast", loss=loss, random_state=0, epochs=30).fit(x, y)
    predicted = model.predict(x)
    assert (predicted > 0).all()
    assert predicted.mean() == pytest.approx(y.mean(), rel=0.05)
    assert np.corrcoef(predicted, mean)[0, 1] > 0.97


def test_several_targets(frame: Any, price: np.ndarray) -> None:
    both = np.column_stack([price, -2 * price])
    model = TabularRegressor("fast", random_state=0).fit(frame, both)
    assert model.predict(frame).shape == (240, 2)
    assert model.score(frame, both) > 0.8
    low, high = model.predict_interval(frame)
    assert low.shape == high.shape == (240, 2)


def test_a_time_budget_is_kept(frame: Any, label: np.ndarray) -> None:
    big = pd.concat([frame.assign(size=frame["size"] + k * 1e-6) for k in range(20)], ignore_index=True)
    begun = time.perf_counter()
    model = TabularClassifier(time_budget=1.5, random_state=0).fit(big, np.tile(label, 20))
    spent = time.perf_counter() - begun
    assert 1 <= model.n_iter_ < 256
    assert spent < 6
    assert model.score(frame, label) > 0.5


def test_the_first_of_an_ensemble_is_trained_even_without_time(frame: Any, label: np.ndarray) -> None:
    with pytest.warns(Warning, match="was enough for"):
        model = TabularClassifier(n_ens=50, time_budget=0.01, random_state=0).fit(frame, label)
    assert 1 <= len(model.models_) < 50
    assert np.isfinite(model.predict_proba(frame)).all()


def test_settings_without_effect_are_named(frame: Any, label: np.ndarray) -> None:
    with pytest.warns(UserWarning, match="dropout has no effect with preset='fast', only with 'full'"):
        TabularClassifier("fast", dropout=0.3, epochs=2).fit(frame, label)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "slow"}, "preset"),
        ({"n_ens": 0}, "n_ens"),
        ({"bagging": "folds"}, "n_ens is 1, expected at least 2"),
        ({"epochs": 0}, "epochs"),
        ({"dropout": 1.0}, "dropout"),
        ({"time_budget": 0}, "time_budget"),
        ({"class_weight": "balance"}, "class_weight"),
        ({"calibration": "platt"}, "calibration"),
        ({"hidden_layer_sizes": (0,)}, "hidden"),
        ({"validation_fraction": 1}, "validation_fraction"),
    ],
)
def test_wrong_settings_are_named(frame: Any, label: np.ndarray, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        TabularClassifier(**settings).fit(frame, label)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"] * 240, "one class, 'a'"),
        (np.linspace(0, 1, 240), "TabularRegressor"),
        ([0, 1], "inconsistent numbers of samples"),
        (None, "y"),
    ],
)
def test_wrong_labels_are_named(frame: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularClassifier().fit(frame, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [(["a"] * 240, "the text 'a' in row 0.*TabularClassifier"), ([np.nan] * 240, "NaN"), (None, "y")],
)
def test_wrong_numbers_are_named(frame: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularRegressor().fit(frame, y)


def test_wrong_quantiles_are_named(frame: Any, price: np.ndarray) -> None:
    for quantiles, message in (([0.5, 0.1], "levels"), ([], "quantiles"), ([0, 0.5], "levels")):
        with pytest.raises(ValueError, match=message):
            TabularRegressor(quantiles=quantiles).fit(frame, price)
    with pytest.raises(ValueError, match="quantiles have a loss of their own"):
        TabularRegressor(quantiles=[0.5], loss="huber").fit(frame, price)
    model = TabularRegressor("fast", epochs=2).fit(frame, price)
    with pytest.raises(ValueError, match="fitted without quantiles"):
        model.predict_quantiles(frame)


def test_a_failed_fit_leaves_the_estimator_as_it_was(frame: Any, label: np.ndarray) -> None:
    model = TabularClassifier(**QUICK).fit(frame, label)
    before = model.predict_proba(frame)
    with pytest.raises((ValueError, TypeError)):
        model.fit(frame.assign(town=1j), label)
    np.testing.assert_array_equal(model.predict_proba(frame), before)


def test_few_rows_are_enough() -> None:
    frame = pd.DataFrame({"x": [1.0, 2, 3, 4], "c": ["a", "b", "a", "b"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = TabularClassifier(**QUICK).fit(frame, [0, 1, 0, 1])
    assert model.predict(frame).shape == (4,)


def test_one_row_is_predicted_like_many(rng: np.random.Generator) -> None:
    x = rng.standard_normal((50, 6))
    model = TabularClassifier(**QUICK).fit(x, x[:, 0] > 0)
    many = model.predict_proba(x)
    for row in range(5):
        np.testing.assert_allclose(model.predict_proba(x[row : row + 1])[0], many[row], rtol=1e-4, atol=1e-6)
    x[3, 2] = np.nan
    assert np.isfinite(model.predict_proba(x)).all()
    with pytest.raises(ValueError, match="inf"):
        model.predict(np.full((1, 6), np.inf))


def test_verbose_names_the_network_and_writes_lines(frame: Any, label: np.ndarray, capsys: Any) -> None:
    TabularClassifier("fast", n_ens=2, verbose=True, **{**QUICK, "epochs": 2}).fit(frame, label)
    err = capsys.readouterr().err
    assert "\r" not in err  # stderr is no terminal here
    lines = [line.split(":")[0] for line in err.splitlines()]
    assert lines == ["network 1/2", "epoch 1/2", "epoch 2/2", "network 2/2", "epoch 1/2", "epoch 2/2"]
    TabularClassifier("fast", verbose=True, **{**QUICK, "epochs": 1}).fit(frame, label)
    assert capsys.readouterr().err.startswith("epoch 1/1: ")
