"""WarmStart: an estimator whose next fit with more epochs goes on where the last one with the same settings ended."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..messages.terminal import brief
from ..saving import files

WARM = "warm_start"


class Kept(NamedTuple):
    """An estimator as a file has it: for how many epochs it was fitted, and whether it stopped before."""

    estimator: Any
    epochs: int
    stopped: bool


def _has(name: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(getattr(self, "estimator_", self.estimator), name)


class WarmStart(MetaEstimatorMixin, BaseEstimator):
    """Makes scikit-learn's halving go on from the weights of the last rung, where it would begin anew.

    HalvingRandomSearchCV and HalvingGridSearchCV copy the estimator without its weights for every rung, so that
    ``warm_start`` alone has no effect there. This keeps the fitted estimators in a folder, and `fit` goes on from the
    one of the same settings and samples.

    Parameters
    ----------
    estimator : estimator
        With `warm_start`: `MLPClassifier`, `MLPRegressor`, or scikit-learn's of these names.
    memory : path
        The folder, which is made. It belongs to one search; remove it afterwards. As with any pickle, take no folder
        that others can write to.
    resource : str, default "max_iter"
        The parameter of the estimator that counts epochs.

    Attributes
    ----------
    estimator_ : estimator
        The fitted one.
    went_on_from_ : int
        The epochs that it had when `fit` began; 0 if it began anew.
    classes_ : array (C,)
        The labels, of a classifier.

    Raises
    ------
    ValueError
        If the estimator has no `warm_start`, or no such resource.

    Notes
    -----
    A rung costs its further epochs only. As with `warm_start` elsewhere the weights go on, and the optimizer begins
    anew: the result is not to the bit that of all epochs in one go. An estimator that stopped by itself is not trained
    further. `TabularClassifier` and `TabularRegressor` have no `warm_start`: their rates end at 0 in the last epoch, so
    that each number of epochs is a training of its own. ``pynn.search.Search(..., pruner="hyperband")`` does the same
    job in one go: a trial is asked after each epoch whether it goes on, so nothing is trained twice.

    References
    ----------
    .. [1] Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016.

    Examples
    --------
    >>> from sklearn.experimental import enable_halving_search_cv
    >>> from sklearn.model_selection import HalvingRandomSearchCV
    >>> network = WarmStart(MLPClassifier((64,), random_state=0), "halving")
    >>> search = HalvingRandomSearchCV(
    ...     network, {"estimator__learning_rate_init": loguniform(1e-5, 1e-1)}, n_candidates=27,
    ...     resource="estimator__max_iter", min_resources=3, max_resources=81, random_state=0,
    ... )
    >>> search.fit(X, y).best_estimator_.estimator_
    """

    estimator_: Any

    def __init__(self, estimator: Any, memory: str | os.PathLike[str], resource: str = "max_iter") -> None:
        self.estimator, self.memory, self.resource = estimator, memory, resource

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> WarmStart:
        """Train the estimator for the epochs that it lacks.

        Parameters
        ----------
        X : array or data frame
            Samples.
        y : array, optional
            Targets.
        **fit_params
            For the estimator's `fit`.

        Returns
        -------
        WarmStart
            This object.
        """
        asked = self._asked()
        path = Path(files.named(self.memory)) / f"{self._key(X, y, fit_params)}.joblib"
        kept = joblib.load(path) if path.exists() else None
        if kept is None or kept.epochs > asked:
            kept = Kept(clone(self.estimator), 0, False)
        self.went_on_from_ = kept.epochs
        self.estimator_ = kept.estimator
        if kept.epochs < asked:
            self._write(path, self._further(kept, asked, X, y, fit_params))
        return self

    def _asked(self) -> int:
        """The epochs; ValueError for an estimator that cannot go on."""
        known = self.estimator.get_params(deep=False)
        for name in (WARM, self.resource):
            if name not in known:
                raise ValueError(
                    f"WarmStart: {brief(self.estimator)} has no parameter {name}, expected an estimator such as "
                    "MLPClassifier, which goes on with warm_start=True"
                )
        asked: int = known[self.resource]
        return asked

    def _key(self, X: Any, y: Any, fit_params: dict[str, Any]) -> str:
        """The name of what is kept: others have other settings or samples."""
        params = {name: value for name, value in self.estimator.get_params().items() if name != self.resource}
        key: str = joblib.hash((type(self.estimator).__qualname__, sorted(params.items()), X, y, fit_params))
        return key

    def _further(self, kept: Kept, asked: int, X: Any, y: Any, fit_params: dict[str, Any]) -> Kept:
        """The estimator after the epochs that it lacks."""
        estimator, lacking, stopped = kept.estimator, asked - kept.epochs, kept.stopped
        if not stopped:
            estimator.set_params(**{WARM: True, self.resource: lacking}).fit(X, y, **fit_params)
            stopped = bool(np.max(getattr(estimator, "n_iter_", lacking)) < lacking)
        own = self.estimator.get_params(deep=False)[WARM]
        return Kept(estimator.set_params(**{WARM: own, self.resource: asked}), asked, stopped)

    def _write(self, path: Path, kept: Kept) -> None:
        os.makedirs(path.parent, exist_ok=True)
        content = io.BytesIO()
        joblib.dump(kept, content)
        files.write_whole(path, content.getvalue())

    # Of the fitted estimator ----------------------------------------------------------------------

    def _fitted(self) -> Any:
        check_is_fitted(self, "estimator_")
        return self.estimator_

    @available_if(_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array or data frame
            Samples.

        Returns
        -------
        array
            Labels or numbers.
        """
        return self._fitted().predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities with the fitted estimator.

        Parameters
        ----------
        X : array or data frame
            Samples.

        Returns
        -------
        array (N, C)
            The probability of each class.
        """
        return self._fitted().predict_proba(X)

    @available_if(_has("score"))
    def score(self, X: Any, y: Any = None, **score_params: Any) -> float:
        """Score the fitted estimator.

        Parameters
        ----------
        X : array or data frame
            Samples.
        y : array, optional
            Targets.
        **score_params
            For the estimator's `score`.

        Returns
        -------
        float
            Accuracy or R².
        """
        score: float = self._fitted().score(X, y, **score_params)
        return score

    @property
    def classes_(self) -> Any:
        """The labels, of a classifier."""
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        """Number of columns."""
        count: int = self.estimator_.n_features_in_
        return count

    def __sklearn_tags__(self) -> Any:
        return get_tags(self.estimator)
