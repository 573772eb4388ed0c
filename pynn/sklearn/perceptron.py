"""What classifier and regressor share: the steps of `fit`, and the network's weights as attributes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..models.sequential import Sequential
from ..typing import Array
from . import hooks, network, settings, training
from .base import Estimator, kept_on_failure
from .data_checks import sample_weights, with_classes
from .rows import Rows


def stochastic(estimator: Any) -> bool:
    """Whether the estimator has partial_fit."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic: it takes all samples"
        )
    return True


class Perceptron(Estimator):
    """What both perceptrons share."""

    loss_: float
    classes_: Any

    @property
    def coefs_(self) -> list[Array]:
        """The weights of the affine layers (D, K), as views of the model's parameters."""
        return [network.weights_of(layer)[0] for layer in network.affine_layers(self._model("coefs_"))]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of the affine layers (K,), as views of the model's parameters."""
        return [network.weights_of(layer)[1] for layer in network.affine_layers(self._model("intercepts_"))]

    def _model(self, name: str) -> Any:
        if "model_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r} before fit")
        return self.model_

    def _networks(self) -> list[Sequential]:
        """Its network, whose training `pynn.diagnose` and the report look at."""
        check_is_fitted(self)
        if self.solver == "lbfgs":
            raise ValueError("solver='lbfgs' has no epochs to look at: train with solver='adam' or 'sgd'")
        return [self.model_]

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: Any = None, classes: Any = None, once: bool = False
    ) -> None:
        settings.expect_valid(self)
        if once and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.solver == "lbfgs" and validation is not None:
            raise ValueError("validation needs epochs, which solver='lbfgs' does not have: use 'adam' or 'sgd'")
        fresh = not ("model_" in vars(self) and (self.warm_start or once))
        with kept_on_failure(self) if fresh else nullcontext():
            self._train(X, y, sample_weight, validation, classes, fresh, once)

    def _train(
        self, X: Any, y: Any, sample_weight: Any, validation: Any, classes: Any, fresh: bool, once: bool
    ) -> None:
        random_state = training.random_state_of(self)
        X, y = self._pair(X, y, reset=fresh, numeric=isinstance(self, RegressorMixin))
        dtype = settings.chosen_dtype(self, X, once) if fresh else self.model_.dtype
        weights = sample_weights(sample_weight, X.shape[0])
        problem = self._problem(Rows(X, dtype), y, weights, fresh, classes)
        held = None if validation is None else self._held_out(validation, problem)
        if fresh:
            training.begin(self, problem, X.shape[1], dtype, random_state)
            self._describe(problem)
        telling = nullcontext() if once else hooks.fitting(self, X, y, {"sample_weight": sample_weight})
        with telling as tasks:
            training.run(self, problem, held, tasks, random_state, once)

    def _problem(
        self, rows: Rows, y: Array, weights: Array | None, fresh: bool, classes: Any = None
    ) -> training.Problem:
        raise NotImplementedError

    def _describe(self, problem: training.Problem) -> None:
        """Set what describes outputs and targets."""
        raise NotImplementedError

    def _held_out(self, validation: Any, problem: training.Problem) -> training.HeldOut:
        """Validation data in the form of the training data."""
        X, y, sample_weight = validation
        numeric = isinstance(self, RegressorMixin)
        X, y = self._pair(X, y, reset=False, numeric=numeric)
        rows = Rows(X, problem.rows.dtype)
        encoded = self._encoded(y, "y of validation")
        weights = with_classes(sample_weights(sample_weight, X.shape[0]), problem.factors, encoded)
        return training.HeldOut(rows, self._targets(encoded, problem, rows.dtype), encoded, weights)

    def _encoded(self, y: Array, name: str) -> Array:
        """Targets as the score compares them."""
        raise NotImplementedError

    def _targets(self, encoded: Array, problem: training.Problem, dtype: np.dtype[Any]) -> Array:
        """Targets as the loss reads them."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def given(validation: Any, X_val: Any, y_val: Any, sample_weight_val: Any) -> Any:
    """Validation data as (X, y, weights), however they were given; None for none."""
    if X_val is None and y_val is None:
        if sample_weight_val is not None:
            raise ValueError("sample_weight_val needs X_val and y_val")
        if validation is None:
            return None
        if not (isinstance(validation, (tuple, list)) and len(validation) in (2, 3)):
            raise TypeError(
                f"validation is {type(validation).__name__}, expected (X_val, y_val) or (X_val, y_val, sample_weight); "
                "early_stopping=True holds out validation_fraction of the training data"
            )
        return (*validation, None)[:3]
    if validation is not None or X_val is None or y_val is None:
        raise ValueError("validation data are either validation=(X_val, y_val), or both X_val and y_val")
    return X_val, y_val, sample_weight_val
