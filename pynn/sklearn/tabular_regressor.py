"""TabularRegressor: numbers from a table, with quantiles and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from .. import losses
from ..callbacks.base import Callbacks, all_callbacks
from ..checks import is_number
from ..losses import GaussianNLL, Loss, Quantile
from ..preprocessing import ClipToRange, Pipeline, Standardization, Transformer
from ..signatures import answering
from ..typing import Array
from . import intervals, members
from .data_checks import sample_weights
from .members import Member, Table, Task
from .tabular import Tabular
from .validation import feature_table, measured, numbers

LOSSES = {
    "squared_error": "l2", "absolute_error": "l1", "huber": "huber", "poisson": "poisson", "gamma": "gamma",
    "tweedie": "tweedie", "gaussian_nll": "gaussian_nll",
}  # fmt: skip
LOG_LINKS = ("poisson", "gamma", "tweedie")


class TabularRegressor(RegressorMixin, Tabular):
    """A neural network for tables, RealMLP, that is good with its defaults: a data frame in, numbers out.

    Parameters
    ----------
    preset : {"full", "simplified", "fast"}, default "full"
        As for `TabularClassifier`.
    loss : str, default "squared_error"
        "squared_error", "absolute_error", "huber"; "poisson", "gamma", "tweedie" for counts and amounts, whose mean is
        predicted through its logarithm; "gaussian_nll", which learns standard deviations too, for
        `predict_interval` and ``to_model().predict_std(X)``.
    quantiles : list of float, optional
        Levels between 0 and 1, ascending: the loss is then `Quantile`, `predict_quantiles` gives them. They never
        cross. `predict` gives the median, so that 0.5 must lie within several levels; of a single one its quantile.
    n_ens : int, default 1
        Networks whose predictions are averaged.
    bagging : {"seeds", "folds"}, default "seeds"
        As for `TabularClassifier`.
    epochs, batch_size, learning_rate, hidden_layer_sizes, dropout, weight_decay : optional
        As for `TabularClassifier`; the rate is 0.2 by default, 0.07 for the simplified form.
    categorical_features : list of str, int or bool, optional
        As for `TabularClassifier`.
    one_hot : int, default 9
        As for `TabularClassifier`.
    max_categories : int, optional
        As for `TabularClassifier`.
    validation_fraction : float, default 0.2
        Share of the rows that choose the best epoch, and whose errors make the intervals; 0 keeps the last.
    time_budget, callbacks, verbose, random_state : optional
        As for `TabularClassifier`.

    Attributes
    ----------
    n_features_in_, feature_names_in_, encoder_, models_, histories_, best_epochs_, n_iter_
        As for `TabularClassifier`.
    loss_ : str
        The loss that `fit` used; predictions follow it, whatever `set_params` changes later.
    quantiles_ : array (L,) or None
        The levels that `fit` used.
    validation_score_ : float or None
        Loss on the validation rows in the best epoch, of standardized targets, mean over the networks.

    Notes
    -----
    Targets are standardized for training; predictions are in the units of y, and of the losses without a log link are
    clipped to the range of y of the rows that the network was trained on, without those held out. Intervals may reach
    beyond it. See `TabularClassifier` for the rest.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn & Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular
       Data", 2024.
    .. [2] Lei et al., "Distribution-Free Predictive Inference for Regression", 2018 (intervals).

    Examples
    --------
    >>> from pynn.sklearn import TabularRegressor
    >>> model = TabularRegressor(preset="fast", random_state=0).fit(frame, frame.pop("price"))
    >>> model.predict(frame[:5]), model.predict_interval(frame[:5], coverage=0.9)
    """

    _classification = False
    quantiles_: Array | None
    loss_: str

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "quantiles": ["array-like", Interval(Real, 0, 1, closed="neither"), None],
    }

    def __init__(
        self,
        preset: str = "full",
        *,
        loss: str = "squared_error",
        quantiles: Sequence[float] | None = None,
        n_ens: int = 1,
        bagging: str = "seeds",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        hidden_layer_sizes: Sequence[int] | None = None,
        dropout: float | None = None,
        weight_decay: float | None = None,
        categorical_features: Sequence[str | int] | None = None,
        one_hot: int = 9,
        max_categories: int | None = None,
        validation_fraction: float = 0.2,
        time_budget: float | None = None,
        callbacks: Callbacks | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            preset, n_ens, bagging, epochs, batch_size, learning_rate, hidden_layer_sizes, dropout, weight_decay,
            categorical_features, one_hot, max_categories, validation_fraction, time_budget, callbacks, verbose,
            random_state,
        )  # fmt: skip
        self.loss = loss
        self.quantiles = quantiles

    @answering
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: Any = None) -> TabularRegressor:
        """Train on a table.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.
        y : array (N,) or (N, K)
            Numbers.
        sample_weight : array (N,), optional
            Weights of the rows, at least 0.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to choose the epoch by, in place of a share of the rows.

        Returns
        -------
        TabularRegressor
            Itself.

        Raises
        ------
        ValueError or TypeError
            For data that cannot be learned from; the error names the column and what to do.
        """
        with self._fitting() as ends:
            self._fit(X, y, sample_weight, validation, ends)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any, ends: float | None) -> None:
        chosen = self._recipe(validation)
        X = feature_table(self, X, fit=True)
        y = numbers(y, X)
        self.quantiles_, self.loss_ = self._chosen_levels(), self.loss
        if self.quantiles_ is not None and y.shape[1:] == (1,):
            y = column_or_1d(y, warn=True)
        loss, outputs = self._chosen_loss(y)
        if self._log_link:
            loss.targets(y, y.shape[1:])  # before the rows are shuffled: an error names the user's
        table = self._encoded(X, y, sample_weights(sample_weight, len(X)))
        held_out = measured(self, validation)
        task = Task(
            self.encoder_, outputs, loss, "val_loss", chosen, scaling=self._scaling(), log_link=self._log_link,
            callbacks=all_callbacks(self.callbacks), progress=bool(self.verbose),
        )  # fmt: skip
        trained = self._trained(table, held_out, task, ends)
        measured_on = table if held_out is None else held_out
        self._residuals = None if self._spreads else self._held_out_residuals(trained, measured_on)

    @property
    def _log_link(self) -> bool:
        return self.quantiles_ is None and self.loss_ in LOG_LINKS

    @property
    def _spreads(self) -> bool:
        """Whether the network itself tells how sure it is."""
        return self.quantiles_ is not None or self.loss_ == "gaussian_nll"

    def _chosen_levels(self) -> Array | None:
        if self.quantiles is None:
            return None
        if self.loss != "squared_error":
            raise ValueError(f"loss is {self.loss!r}, but quantiles have a loss of their own; leave one out")
        levels = np.array(self.quantiles, np.float64).reshape(-1)
        if not levels.size:
            raise ValueError("quantiles is empty, expected at least one level between 0 and 1")
        Quantile(levels.tolist())  # checks them
        if len(levels) > 1 and not levels[0] <= 0.5 <= levels[-1]:
            raise ValueError(
                f"quantiles is {levels.tolist()}, but 0.5 must lie within several levels, as predict gives the median: "
                "add 0.5, or fit a model for each level"
            )
        return levels

    def _chosen_loss(self, y: Array) -> tuple[Loss, int]:
        """The loss, and how many outputs it needs."""
        count = 1 if y.ndim == 1 else y.shape[1]
        if self.quantiles_ is not None:
            if count > 1:
                raise ValueError(f"y has {count} columns, but quantiles are predicted of one; fit one model for each")
            return Quantile(self.quantiles_.tolist(), crossing=False), len(self.quantiles_)
        loss = losses.loss(LOSSES[self.loss_])
        return loss, 2 * count if isinstance(loss, GaussianNLL) else count

    def _scaling(self) -> Transformer | None:
        return None if self._log_link else Pipeline(ClipToRange(), Standardization())

    # Prediction -----------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """Predict numbers, in the units of y.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.

        Returns
        -------
        array (N,) or (N, K)
            As y was. Of quantiles the median, interpolated between levels; of a single level its quantile.
        """
        self._expect_fitted()
        if self.quantiles_ is None:
            return self._mean(X)
        quantiles = self.predict_quantiles(X)
        return quantiles[:, 0] if len(self.quantiles_) == 1 else intervals.at(self.quantiles_, quantiles, 0.5)

    def _mean(self, X: Any) -> Array:
        outputs = self._outputs(X)
        parts = [members.decoded(model, out) for model, out in zip(self.models_, outputs, strict=True)]
        return np.asarray(parts[0] if len(parts) == 1 else np.mean(parts, axis=0), np.float64)

    def predict_quantiles(self, X: Any) -> Array:
        """Predict the quantiles that the model was fitted to.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.

        Returns
        -------
        array (N, L)
            A column for each level, ascending.

        Raises
        ------
        ValueError
            Without ``quantiles=``.
        """
        self._expect_fitted()
        if self.quantiles_ is None:
            raise ValueError(
                "the model was fitted without quantiles; set TabularRegressor(quantiles=[0.05, 0.5, 0.95])"
            )
        return self._mean(X).reshape(-1, len(self.quantiles_))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Predict an interval that y lies in with this probability.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.
        coverage : float, default 0.9
            Between 0 and 1.

        Returns
        -------
        tuple of array
            Lower and upper ends, in the shape of `predict`.

        Raises
        ------
        ValueError
            If the quantiles do not reach so far, or no rows were held out.

        Notes
        -----
        From the quantiles, or the standard deviations of "gaussian_nll"; of other losses from the errors on the
        validation rows (split conformal prediction), with the same width everywhere, except that "poisson", "gamma" and
        "tweedie" have no ends below 0. Each row counts once, by its weight, with the mean of the networks that were not
        trained on it. The same rows choose the epoch, so that new errors may be a little larger. A coverage c needs
        c/(1 - c) rows, 9 for 0.9: with fewer, the ends are infinite, with a warning.
        """
        if not (is_number(coverage) and 0 < coverage < 1):
            raise ValueError(f"coverage is {coverage!r}, expected a number between 0 and 1")
        self._expect_fitted()
        low, high = (1 - coverage) / 2, (1 + coverage) / 2
        if self.quantiles_ is not None:
            quantiles = self.predict_quantiles(X)
            return intervals.at(self.quantiles_, quantiles, low), intervals.at(self.quantiles_, quantiles, high)
        if self.loss_ == "gaussian_nll":
            return intervals.gaussian(self.models_, self._outputs(X), coverage)
        middle = self._mean(X)
        if self._residuals is None:
            raise ValueError("no rows were held out to measure errors on: set validation_fraction, or pass validation")
        width = self._residuals.width(coverage)
        lower = middle - width
        return np.maximum(lower, 0) if self._log_link else lower, middle + width

    def _held_out_residuals(self, trained: list[Member], rows: Table) -> intervals.Residuals | None:
        """Errors on held-out rows, of the mean of the networks that were not trained on them; each row once."""
        total, count = np.zeros(rows.y.shape), np.zeros(len(rows), np.int64)
        for member in trained:
            if (places := member.measured) is not None:
                predicted = members.decoded(member.model, members.outputs(member.model, rows.x[places]))
                total[places] += predicted.reshape(len(places), *rows.y.shape[1:])
                count[places] += 1
        places = np.flatnonzero(count)
        if not len(places):
            return None
        weights = None if rows.weights is None else rows.weights[places]
        if rows.origin is not None and weights is None:  # a row that stands several times is one error of more weight
            _, first, weights = np.unique(rows.origin[places], return_index=True, return_counts=True)
            places = places[first]
        mean = total[places] / count[places].reshape(-1, *[1] * (rows.y.ndim - 1))
        return intervals.Residuals.of(np.abs(mean - rows.y[places]), weights)

    def __sklearn_tags__(self) -> Any:
        tags = self._table_tags(super().__sklearn_tags__())
        tags.target_tags.multi_output = self.quantiles is None
        single = self.quantiles is not None and np.size(np.asarray(self.quantiles)) == 1
        tags.regressor_tags.poor_score = single  # a quantile may be far from the mean
        return tags
