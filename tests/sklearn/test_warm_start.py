"""WarmStart: halving goes on from the weights of the last rung; an epoch is trained once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone, is_classifier, is_regressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the next import work)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.neural_network import MLPClassifier as Original
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pynn
from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, WarmStart

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(2)
X = RNG.normal(size=(150, 4))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
Z = X[:, 0] - X[:, 1] ** 2
RATES = {"estimator__learning_rate_init": [1e-7, 1e-6, 0.01, 0.03]}


class Epochs(pynn.Callback):
    """Counts the epochs of all estimators, in a file: copies and other processes too."""

    def __init__(self, file: Any) -> None:
        self.file = str(file)

    def on_epoch_end(self, trainer: Any) -> None:
        with open(self.file, "a", encoding="utf-8") as file:
            file.write("epoch\n")

    def taken(self) -> int:
        """The epochs since the last call."""
        count = len(Path(self.file).read_text("utf-8").splitlines())
        Path(self.file).unlink()
        return count


def network(kind: Any = MLPClassifier, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (16,), "random_state": 0, "max_iter": 12, "batch_size": 30, **settings})


def halving(estimator: Any, grid: Any, resource: str, **settings: Any) -> Any:
    return HalvingGridSearchCV(
        estimator, grid, factor=2, cv=3, resource=resource, min_resources=3, max_resources=12, random_state=0,
        error_score="raise", **settings,
    )  # fmt: skip


def test_a_rung_of_halving_costs_its_further_epochs_only(tmp_path: Path) -> None:
    counted = Epochs(tmp_path / "epochs.txt")
    estimator = network(callbacks=[counted])
    plain = halving(estimator, {"learning_rate_init": RATES["estimator__learning_rate_init"]}, "max_iter", refit=False)
    plain.fit(X, Y)
    assert counted.taken() == 3 * (4 * 3 + 2 * 6 + 1 * 12)  # folds, and candidates times epochs of each rung
    warm = halving(WarmStart(estimator, tmp_path / "kept"), RATES, "estimator__max_iter", refit=False)
    warm.fit(X, Y)
    assert counted.taken() == 3 * (4 * 3 + 2 * 3 + 1 * 6)
    assert warm.n_resources_ == [3, 6, 12]
    assert warm.best_params_["estimator__learning_rate_init"] >= 0.01
    assert warm.best_params_["estimator__max_iter"] == 12
    assert warm.best_score_ == pytest.approx(plain.best_score_, abs=0.1)
    assert len(list((tmp_path / "kept").iterdir())) == 3 * 4


@pytest.mark.slow
def test_in_several_processes_it_is_the_same(tmp_path: Path) -> None:
    first, second = (
        halving(WarmStart(network(), tmp_path / str(jobs)), RATES, "estimator__max_iter", n_jobs=jobs).fit(X, Y)
        for jobs in (1, 2)
    )
    assert (first.cv_results_["mean_test_score"] == second.cv_results_["mean_test_score"]).all()
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == sorted(
        path.name for path in (tmp_path / "2").iterdir()
    )


def test_the_best_is_trained_on_all_samples_from_the_beginning(tmp_path: Path) -> None:
    search = halving(WarmStart(network(), tmp_path), RATES, "estimator__max_iter").fit(X, Y)
    best = search.best_estimator_
    assert best.went_on_from_ == 0
    alone = network(learning_rate_init=search.best_params_["estimator__learning_rate_init"]).fit(X, Y)
    assert (search.predict_proba(X) == alone.predict_proba(X)).all()
    assert list(search.classes_) == ["no", "yes"]


@pytest.mark.parametrize(("kind", "y"), [(MLPClassifier, Y), (MLPRegressor, Z), (Original, Y)])
def test_it_goes_on_as_warm_start_does(tmp_path: Path, kind: Any, y: Any) -> None:
    by_hand = network(kind, warm_start=True, max_iter=4).fit(X, y).set_params(max_iter=3).fit(X, y)
    wrapped = WarmStart(network(kind, max_iter=4), tmp_path)
    first = clone(wrapped).fit(X, y)
    assert first.went_on_from_ == 0
    second = clone(wrapped).set_params(estimator__max_iter=7).fit(X, y)
    assert second.went_on_from_ == 4
    assert len(second.estimator_.loss_curve_) == 7
    assert second.estimator_.loss_curve_[:4] == first.estimator_.loss_curve_
    assert (second.predict(X) == by_hand.predict(X)).all()
    assert second.score(X, y) == by_hand.score(X, y)
    settings = second.estimator_.get_params()
    assert (settings["max_iter"], settings["warm_start"]) == (7, False)


def test_other_settings_samples_and_fewer_epochs_begin_anew(tmp_path: Path) -> None:
    wrapped = WarmStart(network(max_iter=4), tmp_path).fit(X, Y)
    for changed, x, y in (
        ({"estimator__alpha": 0.5}, X, Y), ({"estimator__max_iter": 3}, X, Y), ({}, X[:100], Y[:100]), ({}, -X, Y),
    ):  # fmt: skip
        other = clone(wrapped).set_params(**changed).fit(x, y)
        assert other.went_on_from_ == 0
        assert len(other.estimator_.loss_curve_) == other.estimator.max_iter
    weighted = clone(wrapped).fit(X, Y, sample_weight=np.arange(150.0))
    assert weighted.went_on_from_ == 0


def test_the_same_epochs_again_are_read_and_not_trained(tmp_path: Path) -> None:
    counted = Epochs(tmp_path / "epochs.txt")
    wrapped = WarmStart(network(max_iter=4, callbacks=[counted]), tmp_path / "kept").fit(X, Y)
    again = clone(wrapped).fit(X, Y)
    assert again.went_on_from_ == 4
    assert (again.predict_proba(X) == wrapped.predict_proba(X)).all()
    assert counted.taken() == 4


def test_an_estimator_that_stopped_by_itself_is_not_trained_further(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"tol": 1.0, "n_iter_no_change": 2}
    wrapped = WarmStart(network(max_iter=20, **settings), tmp_path).fit(X, Y)
    length = len(wrapped.estimator_.loss_curve_)
    assert length < 20
    for epochs in (40, 60):
        longer = clone(wrapped).set_params(estimator__max_iter=epochs).fit(X, Y)
        assert len(longer.estimator_.loss_curve_) == length
        assert longer.estimator_.max_iter == epochs


def test_it_is_an_estimator_as_the_one_inside(tmp_path: Path) -> None:
    wrapped = WarmStart(network(max_iter=3), tmp_path)
    assert is_classifier(wrapped)
    assert is_regressor(WarmStart(network(MLPRegressor), tmp_path))
    assert not hasattr(WarmStart(network(MLPRegressor), tmp_path), "predict_proba")
    pipeline = make_pipeline(StandardScaler(), wrapped).fit(X, Y)
    assert pipeline.predict_proba(X).shape == (150, 2)
    assert pipeline[-1].n_features_in_ == 4


def test_what_cannot_go_on(tmp_path: Path) -> None:
    for estimator, name in ((TabularClassifier(), "warm_start"), (LogisticRegression(), "epochs")):
        with pytest.raises(ValueError, match=f"WarmStart: .* has no parameter {name}, expected an estimator such as"):
            WarmStart(estimator, tmp_path, resource="epochs").fit(X, Y)
    assert not list(tmp_path.iterdir())
