"""What comes in: labels of every kind, frames, sparse matrices, weights; and the errors for what cannot be learned."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError

import pynn
from pynn.sklearn import MLPClassifier, MLPRegressor
from pynn.sklearn.rows import Rows, Shuffled

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype(np.float32)
PLACES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
WORDS = np.array(["ant", "bee", "cat"])[PLACES]


def quick(**settings: Any) -> MLPClassifier:
    return MLPClassifier((16,), **{"max_iter": 60, "learning_rate_init": 0.02, "random_state": 0, **settings})


@pytest.mark.parametrize(
    "y",
    [
        WORDS, WORDS.astype(object), WORDS.tolist(), tuple(WORDS.tolist()), PLACES, PLACES - 7, PLACES.astype(float),
        PLACES > 0, (PLACES > 0).tolist(), np.array(["no", "yes"])[(PLACES > 0).astype(int)], PLACES.astype(np.uint8),
    ],
    ids=["text", "objects", "list", "tuple", "numbers", "negative", "floats", "booleans", "list of booleans",
         "two words", "uint8"],
)  # fmt: skip
def test_labels_of_every_kind(y: Any) -> None:
    classifier = quick().fit(X, y)
    predicted = classifier.predict(X)
    assert np.mean(predicted == np.asarray(y)) > 0.9
    assert predicted.dtype == classifier.classes_.dtype
    np.testing.assert_array_equal(classifier.classes_, np.unique(np.asarray(y)))
    assert classifier.predict_proba(X).shape == (90, len(classifier.classes_))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), classifier.predict_proba(X), rtol=1e-5)
    np.testing.assert_array_equal(classifier.model_.predict(X), predicted)  # the network knows the labels, too
    again = quick(warm_start=True).fit(X, y).fit(X, y)
    assert again.score(X, y) > 0.9


def test_categories_and_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    classifier = quick().fit(frame, pandas.Series(WORDS, dtype="category"))
    assert classifier.feature_names_in_.tolist() == list("abcde")
    assert classifier.model_.columns == tuple("abcde")
    assert classifier.score(frame, WORDS) > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[["b", "a", "c", "d", "e"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        classifier.predict(X[:1])
    nullable = frame.convert_dtypes().assign(e=pandas.array([1, 0] * 45, dtype="Int64"), d=pandas.array([True] * 90))
    assert quick().fit(nullable, pandas.Series(WORDS, dtype="string")).classes_.tolist() == ["ant", "bee", "cat"]


def test_frames_of_polars() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: X[:, place] for place, name in enumerate("abcde")})
    classifier = quick().fit(frame, polars.Series(WORDS))
    assert classifier.feature_names_in_.tolist() == list("abcde")
    assert classifier.score(frame, polars.Series(WORDS)) > 0.9
    assert MLPRegressor(max_iter=3).fit(frame, polars.Series(X[:, 0])).predict(frame).shape == (90,)


@pytest.mark.parametrize("dtype", [None, "float64"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix, sparse.coo_matrix])
def test_sparse_gives_the_bits_of_dense(form: Any, solver: str, dtype: str | None) -> None:
    dense = np.where(RNG.random((90, 5)) < 0.6, 0, X).astype(np.float64)
    settings: dict[str, Any] = {"batch_size": 16, "solver": solver, "dtype": dtype, "early_stopping": solver == "adam"}
    one, other = quick(**settings).fit(dense, WORDS), quick(**settings).fit(form(dense), WORDS)
    np.testing.assert_array_equal(one.model_.parameters, other.model_.parameters)
    np.testing.assert_array_equal(one.predict_proba(dense), other.predict_proba(form(dense)))
    assert one.loss_ == other.loss_


def test_numbers_of_a_sparse_matrix_that_share_a_place_are_added_up() -> None:
    twice = sparse.csr_array((np.array([1.0, 2.0, 5.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    classifier = quick(batch_size=2).fit(twice, [0, 1])
    np.testing.assert_array_equal(classifier.predict_proba(twice), classifier.predict_proba([[3.0, 0], [0, 5]]))
    assert twice.nnz == 3


def test_a_large_sparse_table_is_never_dense() -> None:
    """20,000 x 10,000 numbers would take 800 MB in float32; a batch of 50 takes 2."""
    wide = sparse.random_array((20_000, 10_000), density=1e-5, format="csr", rng=np.random.default_rng(0))
    classifier = MLPClassifier((4,), max_iter=1, random_state=0, batch_size=50)
    tracemalloc.start()
    try:
        classifier.fit(wide, np.arange(20_000) % 2)
        assert classifier.predict(wide[:2000]).shape == (2000,)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_several_labels_and_outputs() -> None:
    y = np.column_stack([X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0]).astype(int)
    classifier = quick(max_iter=150).fit(X, y)
    assert classifier.predict(X).shape == classifier.predict_proba(X).shape == (90, 3)
    assert classifier.score(X, y) > 0.8
    same = quick(max_iter=150).fit(X, sparse.csr_array(y))
    np.testing.assert_array_equal(same.predict(X), classifier.predict(X))
    regressor = MLPRegressor(max_iter=300, learning_rate_init=0.02, random_state=0).fit(X, X[:, :2] * 2)
    assert regressor.predict(X).shape == (90, 2)
    assert regressor.score(X, X[:, :2] * 2) > 0.95


def test_a_column_of_numbers_is_flat_with_a_warning() -> None:
    with pytest.warns(DataConversionWarning):
        regressor = MLPRegressor(max_iter=2).fit(X, X[:, :1])
    assert regressor.predict(X).shape == (90,)


def test_class_weights_are_sample_weights() -> None:
    weights = np.array([1.0, 3.0, 0.5])
    one = quick(class_weight={"ant": 1, "bee": 3.0, "cat": 0.5}).fit(X, WORDS)
    other = quick().fit(X, WORDS, sample_weight=weights[PLACES])
    np.testing.assert_array_equal(one.model_.parameters, other.model_.parameters)
    balanced = quick(class_weight="balanced").fit(X, WORDS)
    counts = np.bincount(PLACES)
    other = quick().fit(X, WORDS, sample_weight=(90 / (3 * counts))[PLACES])
    np.testing.assert_allclose(balanced.model_.parameters, other.model_.parameters, rtol=1e-5)
    assert not np.array_equal(one.model_.parameters, balanced.model_.parameters)


def test_weights_of_zero_leave_samples_out() -> None:
    weights = np.ones(90)
    weights[40:] = 0
    one = quick(shuffle=False, batch_size=10).fit(X, WORDS, sample_weight=weights)
    other = quick(shuffle=False, batch_size=10).fit(X[:40], WORDS[:40])
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-4, atol=1e-6)


ERRORS: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]] = [
    (quick(class_weight="balance"), (X, WORDS), {}, "class_weight is 'balance'.*did you mean 'balanced'"),
    (quick(class_weight={"dog": 1}), (X, WORDS), {}, "weight for 'dog', which is none of the classes, 'ant', 'bee'"),
    (quick(), (X, WORDS), {"eval_set": [(X, WORDS)]}, r"fit has no 'eval_set'; .*validation=\(X_val, y_val\)"),
    (quick(), (X, WORDS), {"sample_weights": WORDS}, "it is called sample_weight here"),
    (quick(), (X, WORDS), {"validation": 0.1}, "validation is float.*early_stopping=True"),
    (quick(), (X, WORDS), {"X_val": X}, "both X_val and y_val"),
    (quick(), (X, WORDS), {"validation": (X, ["dog"] * 90)}, "y of validation has the label 'dog'"),
    (quick(), (X, WORDS), {"sample_weight": np.zeros(90)}, "zero for all samples"),
    (quick(), (X, WORDS), {"sample_weight": -np.ones(90)}, r"sample_weight\[0\] is -1"),
    (quick(), ([[]], [1]), {}, "0 feature"),
    (quick(), (X * np.nan, WORDS), {}, "NaN"),
    (quick(dtype="float32"), (X.astype(float) * 1e300, WORDS), {}, "too large for float32"),
    (quick(activation="relus"), (X, WORDS), {}, "did you mean 'relu'"),
    (quick(solver="adma"), (X, WORDS), {}, "did you mean 'adam'"),
    (quick(loss="l2"), (X, WORDS), {}, "of numbers; MLPClassifier predicts labels"),
    (quick(loss="binary_hinge"), (X, WORDS), {}, "more than two classes"),
    (quick(dropout=1.0), (X, WORDS), {}, "dropout is 1"),
    (quick(max_iter=0), (X, WORDS), {}, "max_iter is 0"),
    (quick(batch_size="all"), (X, WORDS), {}, "batch_size is 'all'"),
    (quick(shuffle=1), (X, WORDS), {}, "shuffle is 1"),
    (quick(layers=["relu"]), (X, WORDS), {}, "layers holds 'relu'"),
    (quick(layers=[pynn.ReLU()], dropout=0.5), (X, WORDS), {}, "dropout and batch_norm have no effect"),
    (quick(solver="lbfgs", dropout=0.5), (X, WORDS), {}, "'lbfgs'.*Dropout"),
    (quick(solver="lbfgs"), (X, WORDS), {"validation": (X, WORDS)}, "validation needs epochs"),
    (quick(callbacks=[pynn.EarlyStopping("val_loss")]), (X, WORDS), {}, "val_loss, which is not measured"),
    (quick(early_stopping=True, validation_fraction=0.01), (X, WORDS), {}, "validation set is too small"),
    (quick(batch_norm=True, batch_size=1), (X, WORDS), {}, "batch normalization needs batches"),
    (MLPRegressor(), (X, WORDS), {}, "y holds the text 'ant'|'cat'|'bee'.*MLPClassifier"),
    (MLPRegressor("focal"), (X, X[:, 0]), {}, "of labels; MLPRegressor predicts numbers"),
    (MLPRegressor(), (X, np.full(90, np.inf)), {}, "infinity|NaN"),
]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[3][:30])
def test_errors_say_what_to_do(case: tuple[Any, ...]) -> None:
    estimator, data, options, message = case
    with pytest.raises((ValueError, TypeError), match=f"(?s){message}"):
        estimator.fit(*data, **options)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    assert not hasattr(estimator, "coefs_")


def test_missing_numbers_are_named_by_column() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    frame.loc[7, "c"] = np.nan
    with pytest.raises(ValueError, match=r"column 'c' has 1 of 90 values .* the first in row 7(?s:.*)NaN"):
        quick().fit(frame, WORDS)


def test_the_wrong_number_of_features() -> None:
    classifier = quick(max_iter=2).fit(X, WORDS)
    for width in (4, 6):
        with pytest.raises(ValueError, match=f"X has {width} features, but MLPClassifier is expecting 5 features"):
            classifier.predict(np.zeros((1, width)))
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            classifier.predict(np.full((1, 5), value))
    with pytest.raises(ValueError, match="too large for float32"):
        MLPClassifier(dtype="float32", max_iter=2).fit(X, WORDS).predict(np.full((1, 5), 1e300))


@pytest.mark.parametrize("count", [1, 64, 65, 3000])
def test_predictions_do_not_depend_on_the_path(count: int) -> None:
    """A plain array of few rows is checked less than others."""
    classifier = quick().fit(X, WORDS)
    rows = RNG.normal(size=(count, 5))
    np.testing.assert_allclose(
        classifier.predict_proba(rows), classifier.predict_proba(rows.tolist()), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_array_equal(classifier.predict(np.asfortranarray(rows)), classifier.predict(rows.tolist()))
    np.testing.assert_array_equal(classifier.predict(rows.astype(">f8")), classifier.predict(rows))


def test_warm_start_and_partial_fit_refuse_other_labels() -> None:
    classifier = quick(warm_start=True).fit(X, WORDS)
    with pytest.raises(ValueError, match="warm_start can only be used where"):
        classifier.fit(X, PLACES)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        quick().partial_fit(X, WORDS)
    started = quick().partial_fit(X, WORDS, classes=["ant", "bee", "cat", "dog"])
    assert started.predict_proba(X).shape == (90, 4)
    with pytest.raises(ValueError, match="classes not in"):
        started.partial_fit(X, ["eel"] * 90)
    with pytest.raises(ValueError, match="not the same as on last call"):
        started.partial_fit(X, WORDS, classes=["ant", "bee", "cat"])
    with pytest.raises(AttributeError) as caught:
        quick(solver="lbfgs").partial_fit  # noqa: B018
    assert "only available for stochastic" in str(caught.value.__cause__)


def test_warnings_point_at_the_line_of_the_user() -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_pipeline(StandardScaler(), quick(max_iter=2)).fit(X, WORDS)
        quick(max_iter=2, solver="lbfgs").fit(X, WORDS)
        quick(max_iter=2, batch_size=1000).fit(X, WORDS)
    assert {warning.filename for warning in caught} == {__file__}
    assert len(caught) == 4


@pytest.mark.parametrize("dense", [True, False])
def test_each_row_is_in_one_batch_of_an_epoch(dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.arange(70.0).reshape(35, 2)
    taken: list[int] = []
    rows = Rows(x if dense else sparse.csr_matrix(x), np.dtype(np.float32))
    monkeypatch.setattr(rows, "take", lambda chosen, out: taken.append(len(chosen)) or Rows.take(rows, chosen, out))
    source = Shuffled(rows, np.arange(35), None, np.arange(35), 10, np.random.RandomState(0))
    for first, count in ((0, 35), (2, 15)):
        batches = [(x.copy(), y) for x, y, _ in source.epoch(0, first)]
        assert sum(len(y) for _, y in batches) == count
        assert all((batch == x[y]).all() for batch, y in batches)
    assert taken == ([10, 10, 10, 5, 10, 5] if dense else [35, 15])  # SciPy's calls cost more than a small batch
