"""pynn.diagnose and the report on the trainings of estimators."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

pytest.importorskip("sklearn")

from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

random = np.random.default_rng(0)
X = random.normal(size=(120, 3)) * 1000  # unscaled, which an MLP does not mend
Y = np.where(X[:, 0] > X[:, 1], "yes", "no")
NUMBERS = X[:, 0] / 1000
KINDS = [MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor]


def fitted(kind: Any, **settings: Any) -> Any:
    """The estimator after some epochs, watched by a Monitor."""
    own = {"max_iter": 5} if kind in (MLPClassifier, MLPRegressor) else {"preset": "fast", "epochs": 5}
    estimator = kind(**{"random_state": 0, "callbacks": [pynn.Monitor()], **own, **settings})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return estimator.fit(X, NUMBERS if "Regressor" in kind.__name__ else Y)


@pytest.mark.parametrize("kind", KINDS)
def test_the_training_of_an_estimator_is_diagnosed(kind: Any, backend: str, tmp_path: Path) -> None:
    estimator = fitted(kind)
    found = pynn.diagnose(estimator)
    assert not found.seen  # more than the curves
    assert ("unscaled_inputs" in found.names) is kind.__name__.startswith("MLP")
    model = estimator.to_model() if hasattr(estimator, "to_model") else estimator.model_
    assert str(pynn.diagnose(model)) == str(found)
    pynn.diagnostics.report(estimator, tmp_path / "page.html")
    assert "Learning rate" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_monitor_the_curves_are_judged(kind: Any, backend: str) -> None:
    assert "only the curves were seen" in str(pynn.diagnose(fitted(kind, callbacks=None)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimator_without_a_training_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"This {kind.__name__} instance is not fitted yet"):
        pynn.diagnose(kind())
    with pytest.raises(ValueError, match="comes from a file or a pickle, which have none"):
        pynn.diagnose(pickle.loads(pickle.dumps(fitted(kind))))


def test_lbfgs_has_no_epochs() -> None:
    with pytest.raises(ValueError, match="solver='lbfgs' has no epochs to look at: train with solver='adam' or 'sgd'"):
        pynn.diagnose(fitted(MLPClassifier, solver="lbfgs", callbacks=None))


def test_the_networks_of_an_ensemble_are_diagnosed_one_by_one(backend: str, tmp_path: Path) -> None:
    estimator = fitted(TabularClassifier, n_ens=2)
    ensemble = estimator.to_model()
    for run, first in ((estimator, "estimator.models_"), (ensemble, "ensemble")):
        with pytest.raises(ValueError, match=rf"an ensemble of 2 networks, .*: .* the first is {first}\[0\]"):
            pynn.diagnose(run)
        pynn.diagnostics.report(run, tmp_path / "page.html")
        assert "2 training runs" in (tmp_path / "page.html").read_text()
    for network, kept in zip(estimator.models_, ensemble, strict=True):
        assert str(pynn.diagnose(network)) == str(pynn.diagnose(kept))


@pytest.mark.parametrize("folder", [False, True])
def test_the_page_of_an_estimator_has_the_names_of_columns_and_classes(
    backend: str, tmp_path: Path, folder: bool
) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": X[:, 0], "city": random.choice(["Bern", "Oslo", "Rome"], len(X))})
    monitor = pynn.Monitor(tmp_path / "run" if folder else None)
    estimator = TabularClassifier("fast", epochs=3, random_state=0, callbacks=[monitor]).fit(table, Y)
    pynn.diagnostics.report(tmp_path / "run" if folder else estimator, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    for name in ("age", "city_Bern", "city_Oslo", "city_Rome", "no", "yes"):
        assert f'<th scope="row">{name}</th>' in page
    assert estimator.models_[0].notes == {}


def test_a_regressor_and_a_perceptron_have_the_names_of_columns(backend: str) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=["a", "b", "c"])
    for estimator in (TabularRegressor("fast", epochs=3), MLPRegressor(max_iter=3)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.set_params(callbacks=[pynn.Monitor()]).fit(table, NUMBERS)
        assert pynn.diagnostics.sources.of(estimator).record.features == ["a", "b", "c"]


def test_a_pipeline_names_the_columns_that_the_layers_take(backend: str) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"age": X[:, 0], "city": random.choice(["Bern", "Oslo", "Rome"], len(X))})
    encoder, scaling = pynn.TableEncoder(embedding=False), pynn.Standardization()
    encoded = ["age", "city_Bern", "city_Oslo", "city_Rome"]
    for steps, names in (([], encoded), ([scaling], encoded), ([scaling, pynn.PCA(2)], ["x0", "x1"])):
        model = pynn.Sequential(pynn.Affine(2), seed=0)
        model.fit(
            table, Y, preprocessing=pynn.Pipeline(encoder, *steps), epochs=1, progress=False, callbacks=[pynn.Monitor()]
        )
        assert model.history.record.features == names
