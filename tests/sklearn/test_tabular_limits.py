"""TabularClassifier and TabularRegressor at their limits: little time, few held-out rows, many categories, weights."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.exceptions import ConvergenceWarning  # noqa: E402

import pynn  # noqa: E402
from pynn.sklearn import TabularClassifier, TabularRegressor, members, one_hot, recipe, tabular  # noqa: E402

QUICK = {"epochs": 6, "hidden_layer_sizes": (16,), "random_state": 0}


@pytest.fixture
def easy(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.standard_normal((30_000, 6))
    return x, 3 * x[:, 0] + x[:, 1] ** 2


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["full", "simplified", "fast"])
def test_a_budget_below_an_epoch_trains_a_short_one(
    easy: tuple[np.ndarray, np.ndarray], preset: str, backend: str
) -> None:
    x, y = easy
    with pytest.warns(
        ConvergenceWarning, match=r"time_budget=0.001 s was too short for an epoch: [1-8],[0-9]{3} of 24,000"
    ):
        model = TabularRegressor(preset, time_budget=0.001, random_state=0).fit(x, y)
    assert model.n_iter_ == 1
    assert model.best_epochs_ == [1]
    assert model.validation_score_ > 0
    assert model.score(x, y) > 0.3
    with pytest.warns(ConvergenceWarning, match="too short for an epoch"):
        labels = TabularClassifier(preset, time_budget=0.001, random_state=0).fit(x, y > 1)
    assert labels.score(x, y > 1) > max(np.mean(y > 1), np.mean(y <= 1)) + 0.1


def test_the_rows_of_a_short_epoch_are_drawn(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    seen: list[members.Table] = []
    fitted = members._fitted

    def watched(task: Any, recipe: Any, model: Any, train: members.Table, validation: Any, own: Any) -> Any:
        seen.extend((train, validation))
        return fitted(task, recipe, model, train, validation, own)

    monkeypatch.setattr(members, "_fitted", watched)
    x = rng.standard_normal((30_000, 2))
    with pytest.warns(ConvergenceWarning):
        TabularRegressor("fast", time_budget=0.001, random_state=0).fit(
            x[:20_000], x[:20_000, 0], validation=(x, x[:, 0])
        )
    train, validation = seen
    assert len(train) == 32 * 256
    assert len(np.unique(train.x, axis=0)) == len(train)
    assert len(validation) == 32 * 256 // 4


def test_batches_that_are_too_large_for_the_time_become_smaller(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = easy
    with pytest.warns(ConvergenceWarning, match="too short for an epoch: [1-8],[0-9]{3} of 24,000"):
        model = TabularRegressor(batch_size=20_000, time_budget=0.001, random_state=0).fit(x, y)
    assert model.models_[0].context.step > 8
    assert model.score(x, y) > 0.3


def test_few_rows_are_trained_on_some_times(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:1000] for part in easy)
    model = TabularRegressor("fast", time_budget=0.001, random_state=0).fit(x, y, validation=easy)
    assert 1 < model.n_iter_ <= 10  # of 3 steps; fewer where other programs hold it up
    assert model.score(x, y) > 0.3


def test_an_epoch_that_the_deadline_cuts_is_measured(
    easy: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = easy
    monkeypatch.setattr(
        members, "_planned", lambda *_: members.Plan(50, 256, seconds=0.01)
    )  # as if there were time for so many
    with pytest.warns(ConvergenceWarning, match="too short for an epoch"):
        model = TabularClassifier("full", time_budget=0.001, random_state=0).fit(x, y > 1)
    assert model.n_iter_ == 1
    assert 0 <= model.validation_score_ <= 1
    assert model.models_[0].epoch == 0


def test_the_clock_starts_with_fit(easy: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    until: list[float] = []
    trained, encoded = members.trained, tabular.Tabular._encoded

    def slow(self: Any, *rest: Any) -> Any:
        time.sleep(1)
        return encoded(self, *rest)

    def watched(*rest: Any) -> Any:
        until.append(rest[-1] - time.perf_counter())
        return trained(*rest)

    monkeypatch.setattr(tabular.Tabular, "_encoded", slow)
    monkeypatch.setattr(members, "trained", watched)
    x, y = (part[:1000] for part in easy)
    TabularRegressor("fast", n_ens=2, time_budget=3, random_state=0, epochs=2).fit(x, y)
    assert until[0] < 1.01  # half of what the encoding left
    assert until[1] < 2.01


def test_the_network_is_made_once(easy: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    network = recipe.Recipe.network

    def counted(*rest: Any) -> Any:
        made.append(network(*rest))
        return made[-1]

    monkeypatch.setattr(recipe.Recipe, "network", counted)
    x, y = (part[:1000] for part in easy)
    model = TabularRegressor("full", time_budget=60, epochs=1, random_state=0).fit(x, y)
    assert len(made) == 1
    unlimited = TabularRegressor("full", epochs=1, random_state=0).fit(x, y)
    assert_array_equal(model.models_[0].parameters, unlimited.models_[0].parameters)  # the trial left no trace


def test_schedules_shrink_to_the_time(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:2000] for part in easy)
    model = TabularRegressor("full", time_budget=1.0, random_state=0).fit(x, y)
    planned = {layer.rate.epochs for layer in model.models_[0].walk() if type(layer).__name__ == "Dropout"}
    assert len(planned) == 1
    assert model.n_iter_ <= planned.pop() < 256


@pytest.mark.parametrize("value", [5.0, 0.0, -1e20])
def test_a_constant_target_with_a_budget(rng: np.random.Generator, value: float) -> None:
    x = rng.standard_normal((300, 4))
    model = TabularRegressor(time_budget=0.5, random_state=0).fit(x, np.full(300, value))
    assert_allclose(model.predict(x), value, rtol=1e-6)


def test_the_trial_makes_no_warning(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:500] for part in easy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for settings in ({}, {"batch_size": 500}, {"batch_size": 1}):
            TabularRegressor("fast", time_budget=20, epochs=1, random_state=0, **settings).fit(x, y)


# Weights and means --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_only_proportions_of_weights_count(easy: tuple[np.ndarray, np.ndarray], kind: Any) -> None:
    x, y = (part[:120] for part in easy)
    y = y > 1 if kind is TabularClassifier else y
    weights = np.arange(120) % 3 + 1.0
    plain, weighted = kind(**QUICK).fit(x, y), kind(**QUICK).fit(x, y, sample_weight=weights)
    for equal in (2.0, 7, 0.25):
        same = kind(**QUICK).fit(x, y, sample_weight=np.full(120, equal))
        assert_array_equal(same.models_[0].parameters, plain.models_[0].parameters)
    same = kind(**QUICK).fit(x, y, sample_weight=4 * weights)
    assert_array_equal(same.models_[0].parameters, weighted.models_[0].parameters)


@pytest.mark.parametrize("weighted", [False, True])
def test_each_output_of_a_log_link_begins_at_its_mean(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, weighted: bool, backend: str
) -> None:
    x, y = rng.standard_normal((200, 3)), rng.poisson([1.0, 50, 400], (200, 3)).astype(float)
    weights = rng.uniform(0.1, 3, 200) if weighted else None
    begun: list[Any] = []
    prior = recipe.prior

    def watched(model: Any, y: Any, weights: Any) -> None:
        prior(model, y, weights)
        begun.append((model.layers[-1].bias.copy(), y, weights))

    monkeypatch.setattr(recipe, "prior", watched)
    model = TabularRegressor("fast", loss="poisson", validation_fraction=0, random_state=0).fit(x, y, weights)
    assert_allclose(begun[0][0], np.log(np.average(y, axis=0, weights=weights)), rtol=1e-5)
    assert_allclose(model.predict(x).mean(axis=0), y.mean(axis=0), rtol=0.3)


def test_an_output_that_is_always_0_is_left_out_of_the_start(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((200, 3)), np.column_stack([np.zeros(200), rng.poisson(300, 200)]).astype(float)
    model = TabularRegressor("fast", loss="poisson", random_state=0).fit(x, y)
    assert_allclose(model.predict(x)[:, 1].mean(), 300, rtol=0.1)


# Held-out rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "passed", "message"),
    [
        (
            {"calibration": "temperature", "validation_fraction": 0},
            False,
            "needs held-out rows, but validation_fraction",
        ),
        ({"bagging": "folds", "n_ens": 2}, True, "but validation was passed, too: leave it out"),
        ({"bagging": "folds", "n_ens": 2, "validation_fraction": 0}, False, "but validation_fraction is 0"),
        ({"bagging": "folds", "n_ens": 101}, False, "the table has 100 different rows: lower n_ens"),
    ],
)
def test_settings_that_hold_out_nothing_are_refused(
    easy: tuple[np.ndarray, np.ndarray], settings: dict[str, Any], passed: bool, message: str
) -> None:
    x, y = easy[0][:100], easy[1][:100] > 1
    with pytest.raises(ValueError, match=message):
        TabularClassifier(**QUICK, **settings).fit(x, y, validation=(x, y) if passed else None)


def test_calibration_of_a_table_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too few different rows"):
        TabularClassifier(calibration="temperature", **QUICK).fit([[0.0], [1], [2], [3]], [0, 1, 0, 1])


def test_small_classes_are_validated_and_calibrated(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((60, 3)), np.repeat(np.arange(30), 2)
    model = TabularClassifier(calibration="temperature", **QUICK).fit(x, y)
    assert model.validation_score_ is not None
    assert model.temperatures_[0] != 1


def test_errors_on_own_validation_rows_are_those_of_the_ensemble(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:400] for part in easy)
    model = TabularRegressor(n_ens=3, **QUICK).fit(x[:300], y[:300], validation=(x[300:], y[300:]))
    errors = np.sort(np.abs(model.predict(x[300:]) - y[300:]))
    low, high = model.predict_interval(x[:5], coverage=0.8)
    assert_allclose((high - low) / 2, errors[80], rtol=1e-6)  # the 81st of 100


def test_errors_on_held_out_rows_count_once(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:200] for part in easy)
    folds = TabularRegressor(n_ens=4, bagging="folds", **QUICK).fit(x, y)
    assert len(folds._residuals.errors) == 200
    seeds = TabularRegressor(n_ens=4, **QUICK).fit(x, y)
    assert 40 < len(seeds._residuals.errors) < 160


def test_intervals_heed_weights(rng: np.random.Generator, backend: str) -> None:
    x = rng.uniform(-1, 1, (2000, 2))
    noisy = rng.random(2000) < 0.3
    y = x[:, 0] + rng.normal(0, np.where(noisy, 5, 0.1))
    held_out = (x[1000:], y[1000:])
    few, many = (
        TabularRegressor(**QUICK)
        .fit(x[:1000], y[:1000], validation=(*held_out, np.where(noisy[1000:], weight, 1.0)))
        .predict_interval(x[:1], coverage=0.5)
        for weight in (0.01, 7.5)
    )
    assert many[1] - many[0] > 3 * (few[1] - few[0])


def test_few_held_out_rows_make_infinite_intervals(easy: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (part[:40] for part in easy)
    model = TabularRegressor(**QUICK).fit(x, y)
    assert np.isfinite(model.predict_interval(x, coverage=0.8)).all()
    with pytest.warns(UserWarning, match=r"of 9 held-out rows, there are 8: its ends are infinite"):
        low, high = model.predict_interval(x, coverage=0.9)
    assert (low == -np.inf).all()
    assert (high == np.inf).all()


# Many categories ----------------------------------------------------------------------------------


@pytest.fixture
def words(rng: np.random.Generator) -> Any:
    """20 columns of 200 words, the first of which are the most frequent."""
    chances = 1 / np.arange(1, 201)
    codes = rng.choice(200, (3000, 20), p=chances / chances.sum())
    codes[:200] = np.arange(200)[:, None]
    return pd.DataFrame({f"c{k}": [f"w{code:03}" for code in codes[:, k]] for k in range(20)})


@pytest.mark.parametrize("preset", ["simplified", "fast"])
def test_many_categories_are_limited_to_the_most_frequent(words: Any, preset: str) -> None:
    y = (words["c0"] == "w000").to_numpy()
    with pytest.warns(
        UserWarning, match=r"X has 20 columns .* 4,000 one-hot columns: of each only the 99 most frequent"
    ):
        model = TabularClassifier(preset, **QUICK).fit(words, y)
    start, stop = model.encoder_.one_hot_.start, model.encoder_.one_hot_.stop
    assert stop - start == 2000
    kept = model.encoder_.columns_[0].categories
    assert set(words["c0"].value_counts().index[:60]) <= set(kept)
    assert np.isfinite(model.predict_proba(words.head(5).assign(c0="new"))).all()


def test_the_limit_of_categories_can_be_chosen(words: Any) -> None:
    y = np.arange(len(words)) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        full = TabularClassifier(**QUICK).fit(words, y)
        wide = TabularClassifier("fast", max_categories=256, **QUICK).fit(words, y)
        few = TabularRegressor("fast", max_categories=20, **QUICK).fit(words, y)
    assert full.encoder_.sizes_ == [200] * 20
    assert wide.encoder_.one_hot_.stop == 4000
    assert few.encoder_.one_hot_.stop == 400
    with pytest.raises(ValueError, match="max_categories"):
        TabularClassifier("fast", max_categories=1, **QUICK).fit(words, y)


def test_long_tables_have_room_for_fewer_categories(words: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_hot, "BYTES", 4 * len(words) * 1000)  # as of a table that is much longer
    with pytest.warns(UserWarning, match="of each only the 49 most frequent"):
        model = TabularClassifier("fast", **QUICK).fit(words, np.arange(len(words)) % 2)
    assert model.encoder_.one_hot_.stop == 1000


# Rows that count several times ------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["full", "fast"])
def test_ids_are_left_out_with_weights_too(rng: np.random.Generator, preset: str) -> None:
    frame = pd.DataFrame({"a": rng.standard_normal(100), "id": [f"customer-{row}" for row in range(100)]})
    y = (frame["a"] > 0).astype(int)
    for weights in (None, {0: 1, 1: 3}, {0: 1, 1: 2.5}):
        with pytest.warns(UserWarning, match="'id' has another value in nearly every row"):
            model = TabularClassifier(preset, class_weight=weights, **QUICK).fit(frame, y)
        assert [column.kind for column in model.encoder_.columns_] == ["number", "id"]


def test_a_row_that_stands_several_times_is_one_error(rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 2))
    weights = np.tile([1.0, 3.0], 20)
    model = TabularRegressor("fast", **QUICK).fit(x, x[:, 0], sample_weight=weights)
    assert len(model._residuals.errors) == len(np.unique(model._residuals.errors)) == 8
    assert model._residuals.shares[-1] == pytest.approx(8)
    with pytest.warns(UserWarning, match="needs errors of 9 held-out rows, there are 8"):
        low, high = model.predict_interval(x)
    assert np.isinf(high - low).all()


@pytest.mark.parametrize("budget", [None, 0.05])
def test_vectors_of_categories_without_a_training_row_are_0(rng: np.random.Generator, budget: float | None) -> None:
    frame = pd.DataFrame({"number": rng.standard_normal(300), "code": [f"c{row // 2}" for row in range(300)]})
    y = np.where(frame["number"] > 0, "yes", "no")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of categories that are rare, and of little time
        model = TabularClassifier(random_state=0, epochs=20, time_budget=budget).fit(frame, y)
    network = model.models_[0]
    (embedding,) = [layer for layer in network.walk() if isinstance(layer, pynn.Embedding)]
    unseen = ~embedding.weight.any(axis=1)
    assert 0 < unseen.sum() < 150
    known = pd.DataFrame({"number": [0.3], "code": [model.encoder_.columns_[1].categories[np.argmax(unseen)]]})
    never = known.assign(code="never seen")
    assert_array_equal(model.predict_proba(known), model.predict_proba(never))


# Callbacks that end it ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_a_callback_may_end_the_first_epoch(rng: np.random.Generator, kind: Any) -> None:
    x = rng.standard_normal((200, 2))
    model = kind("fast", batch_size=16, callbacks=[pynn.Deadline(1e-9)], random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"ended within the first epoch \(.*\): [0-9]+ of 160 rows"):
        model.fit(x, (x[:, 0] > 0).astype(int))
    assert model.predict(x).shape == (200,)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@pytest.mark.parametrize("several", [False, True])
def test_a_callback_needs_no_list(rng: np.random.Generator, kind: Any, several: bool) -> None:
    x, epochs = rng.standard_normal((60, 2)), []

    def note(run: Any) -> None:
        epochs.append(run.epoch)

    kind("fast", epochs=3, random_state=0, callbacks=[note] if several else note).fit(x, (x[:, 0] > 0).astype(int))
    assert epochs == [1, 2, 3]


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x, y: m.fit(x, y, eval_set=[(x, y)]), "eval_set.*validation"),
        (lambda m, x, y: m.fit(x, y, epochs=3), r"setting of the estimator: Tabular\w+\(epochs=...\)"),
        (lambda m, x, y: m.fit(x, y, max_iter=3), r"setting of the estimator: Tabular\w+\(epochs=...\)"),
        (lambda m, x, y: m.fit({"a": [1, 2], "b": [0, 1]}, y), r"X is dict, expected a data frame .*pandas.DataFrame"),
        (lambda m, x, y: m.fit(np.zeros(3, [("a", "f"), ("b", "f")]), y), r"X is a record array.*pandas.DataFrame"),
        (lambda m, x, y: m.fit(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), y), "X has two columns named 'a'"),
    ],
)
def test_errors_of_fit_say_what_to_do(rng: np.random.Generator, call: Any, message: str) -> None:
    x = rng.standard_normal((60, 2))
    for kind in (TabularClassifier, TabularRegressor):
        with pytest.raises((TypeError, ValueError), match=message):
            call(kind("fast", **QUICK), x, np.arange(60) % 2)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ({"price": [1.0, np.nan] * 30}, "y contains NaN or infinity, first in row 1; drop"),
        ({"price": ["cheap", "dear"] * 30}, "y holds the text 'cheap' in row 0.*TabularClassifier"),
        ({"a": [1.0] * 60, "b": ["?"] * 60}, "y holds the text '?.*in row 0"),
    ],
)
def test_frames_of_targets_get_advice_for_targets(rng: np.random.Generator, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularRegressor("fast", **QUICK).fit(rng.standard_normal((60, 2)), pd.DataFrame(y))


@pytest.mark.parametrize("coverage", ["0.9", None, 0, 1, 90, np.nan])
def test_a_coverage_is_a_share(rng: np.random.Generator, coverage: Any) -> None:
    x = rng.standard_normal((60, 2))
    model = TabularRegressor("fast", **QUICK).fit(x, x[:, 0])
    with pytest.raises(ValueError, match=r"coverage is .*, expected a number between 0 and 1"):
        model.predict_interval(x, coverage)


@pytest.mark.parametrize(
    ("preset", "settings"),
    [("full", {"max_categories": 3}), ("fast", {"dropout": 0.1}), ("simplified", {"weight_decay": 0.1})],
)
def test_settings_without_effect_are_said(rng: np.random.Generator, preset: str, settings: dict[str, Any]) -> None:
    x = rng.standard_normal((60, 2))
    (name,) = settings
    with pytest.warns(UserWarning, match=f"{name} has no effect with preset='{preset}', only with 'f|s"):
        TabularRegressor(preset, **QUICK, **settings).fit(x, x[:, 0])
