"""TabularClassifier: classes from a table."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from ..callbacks.base import Callbacks, all_callbacks
from ..losses import SoftmaxCrossEntropy
from ..signatures import answering
from ..training import targets
from ..typing import Array
from . import calibration
from .data_checks import class_factors, sample_weights, with_classes
from .members import Member, Table, Task
from .tabular import Tabular
from .validation import class_labels, feature_table, labelled


class TabularClassifier(ClassifierMixin, Tabular):
    """A neural network for tables, RealMLP, that is good with its defaults: a data frame in, classes out.

    Parameters
    ----------
    preset : {"full", "simplified", "fast"}, default "full"
        "full" is RealMLP-TD: embeddings of numbers and categories, parametric activations, dropout. "simplified" is
        RealMLP-TD-S, about half the time. "fast" is the simplified form at half the width, in as many epochs as
        make 800 steps, at least 2 and at most 100: a second up to 100,000 rows.
    n_ens : int, default 1
        Networks whose probabilities are averaged: better, and as many times slower.
    bagging : {"seeds", "folds"}, default "seeds"
        How their data differ: each holds out rows of its own drawing for validation, or one of n_ens folds, which needs
        no more folds than different rows, and no validation in `fit`.
    epochs, batch_size, learning_rate : optional
        By default the preset's: 256 epochs, unless it is "fast", of batches of 256, rate 0.04. Schedules shrink with
        the epochs.
    hidden_layer_sizes : list of int, optional
        By default (256, 256, 256), of the fast preset (128, 128, 128).
    dropout, weight_decay : float, optional
        Of the full form, by default 0.15 and 0.02; both fall to 0 in the second half.
    label_smoothing : float, default 0.1
        Share of each target that is spread over all classes.
    categorical_features : list of str, int or bool, optional
        Columns whose numbers are categories, such as codes of shops: names, or places, or a mask of all columns. Text,
        and columns of the dtype "category", are categories without being named.
    one_hot : int, default 9
        Categories of more values become vectors of 8 numbers in the full form.
    max_categories : int, optional
        Of the other forms: values of a category that become one-hot columns, the most frequent first; the rest share
        one. By default 256, or fewer, with a warning, where all one-hot columns together would be more than 2,000 or
        take more than a gigabyte.
    class_weight : dict, "balanced" or None, default None
        Weights of the classes, in training and in choosing the epoch, on rows of `validation` too. "balanced" makes
        classes equal in weight: factors N/(C·N_c) of the training rows.
    calibration : {"temperature"} or None, default None
        Divide the logits of each network, on its own, by the temperature that makes the probabilities of its validation
        rows most likely. Needs such rows.
    validation_fraction : float, default 0.2
        Share of the rows that choose the best epoch; 0 keeps the last.
    time_budget : float, optional
        Seconds that `fit` may take, encoding included: fewer epochs, with the schedules shortened to match. Where they
        are too short for an epoch, as many rows as there is time for are drawn and trained on once, in at least 32
        steps, with a ConvergenceWarning; `n_iter_` is then 1. The networks of an ensemble share the time.
    callbacks : Callback, function or list of these, optional
        pynn's callbacks; each network gets copies.
    verbose : bool, default False
        Whether to show progress.
    random_state : int, RandomState or None, default None
        Of the first weights, the order and the split.

    Attributes
    ----------
    classes_ : array (C,)
        The labels, sorted.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : array of str
        Their names, if X was a frame.
    encoder_ : TableEncoder
        ``encoder_.columns_`` says what each column was taken for.
    models_ : list of Sequential
        The networks.
    histories_ : list of History
        Their curves.
    best_epochs_ : list of int
        The epochs whose parameters they have.
    temperatures_ : list of float
        What the logits of each network were divided by; 1 without calibration.
    n_iter_ : int
        Epochs trained.
    validation_score_ : float or None
        Accuracy on the validation rows in the best epoch, mean over the networks.

    Notes
    -----
    X may be a frame of pandas or polars with numbers, booleans, text, categories, dates and missing values, or an
    array. Columns are found by name, in any order. Rows that are equal, labels included, are never split between
    training and validation, unless they stand in the table more than 10 times on average (3 times, if fewer than 100
    differ) or fewer than 20 differ, as in tables of a few categories; rows that differ in the label alone may be. What
    `encoder_` learns (medians, ranges, categories) it learns from all rows, those held out for validation included;
    vectors of categories that no training row has are 0. The order of the rows makes
    no difference.

    Of weights only proportions count. Whole weights, divided by their greatest common divisor, repeat rows; if their
    mean is above 3 then, or they are not whole, the loss is weighted instead.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn & Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular
       Data", 2024.
    .. [2] Guo et al., "On Calibration of Modern Neural Networks", 2017 (temperature).

    Examples
    --------
    >>> from pynn.sklearn import TabularClassifier
    >>> model = TabularClassifier(preset="fast", random_state=0).fit(frame, frame.pop("species"))
    >>> model.predict(frame[:5]), model.predict_proba(frame[:5])
    """

    _classification = True
    classes_: Array

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **Tabular._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "calibration": [StrOptions({"temperature"}), None],
    }

    def __init__(
        self,
        preset: str = "full",
        *,
        n_ens: int = 1,
        bagging: str = "seeds",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        hidden_layer_sizes: Sequence[int] | None = None,
        dropout: float | None = None,
        weight_decay: float | None = None,
        label_smoothing: float = 0.1,
        categorical_features: Sequence[str | int] | None = None,
        one_hot: int = 9,
        max_categories: int | None = None,
        class_weight: Any = None,
        calibration: str | None = None,
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
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.calibration = calibration

    @answering
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation: Any = None) -> TabularClassifier:
        """Train on a table.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.
        y : array (N,)
            Labels of any kind: text, numbers, booleans, categories.
        sample_weight : array (N,), optional
            Weights of the rows, at least 0.
        validation : tuple, optional
            ``(X, y)`` or ``(X, y, sample_weight)`` to choose the epoch by, in place of a share of the rows.

        Returns
        -------
        TabularClassifier
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
        chosen = self._recipe(validation, label_smoothing=self.label_smoothing)
        if self.calibration is not None and validation is None and not self.validation_fraction:
            raise ValueError(
                f"calibration={self.calibration!r} needs held-out rows, but validation_fraction is 0: raise it, or "
                "pass validation=(X, y)"
            )
        X = feature_table(self, X, fit=True)
        classes, labels = class_labels(y, X)
        factors = class_factors(self.class_weight, classes, labels)
        weights = with_classes(sample_weights(sample_weight, len(X)), factors, labels)
        table = self._encoded(X, labels, weights)
        held_out = labelled(self, validation, classes, factors)
        loss = SoftmaxCrossEntropy(chosen.label_smoothing)
        task = Task(
            self.encoder_, len(classes), loss, "val_accuracy", chosen,
            callbacks=all_callbacks(self.callbacks), progress=bool(self.verbose), classes=classes.tolist(),
        )  # fmt: skip
        trained = self._trained(table, held_out, task, ends)
        self.classes_ = classes
        self.temperatures_ = [self._temperature(member, table if held_out is None else held_out) for member in trained]
        for member in trained:
            member.model.targets = targets.of_classes(loss, classes, (len(classes),))

    def _temperature(self, member: Member, held_out: Table) -> float:
        """Calibrate a network on the rows that it was validated on; 1 if that is not wanted."""
        if self.calibration is None:
            return 1.0
        if member.measured is None:
            raise ValueError(
                f"calibration={self.calibration!r} needs held-out rows, but the table has too few different rows for "
                "them: pass validation=(X, y), or leave it out"
            )
        return calibration.calibrate(member.model, held_out.take(member.measured))

    def predict_proba(self, X: Any) -> Array:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.

        Returns
        -------
        array (N, C)
            In the order of `classes_`.
        """
        return self._mean_probabilities(self._outputs(X))

    def _mean_probabilities(self, outputs: list[Array]) -> Array:
        parts = [model.loss.probabilities(out) for model, out in zip(self.models_, outputs, strict=True)]
        return np.asarray(parts[0] if len(parts) == 1 else np.mean(parts, axis=0))

    def predict_log_proba(self, X: Any) -> Array:
        """Predict logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.

        Returns
        -------
        array (N, C)
            In the order of `classes_`.
        """
        return np.asarray(np.log(np.maximum(self.predict_proba(X), np.finfo(np.float32).tiny)))

    def predict(self, X: Any) -> Array:
        """Predict classes.

        Parameters
        ----------
        X : data frame, array (N, D) or list of dicts
            The table.

        Returns
        -------
        array (N,)
            Labels.
        """
        outputs = self._outputs(X)
        best = outputs[0] if len(outputs) == 1 else self._mean_probabilities(outputs)
        return np.asarray(self.classes_[best.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        return self._table_tags(super().__sklearn_tags__())
