"""Multi-layer perceptrons: `MLPClassifier` and `MLPRegressor`, with scikit-learn's arguments and pynn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from ..losses.attributes import AttributeLoss
from ..signatures import answering
from ..training.targets import Targets, loaded
from ..typing import Array
from . import hooks, labels, network, settings, training
from .base import Estimator
from .rows import Rows
from .stopping import accuracy, r2


def _stochastic(estimator: Any) -> bool:
    """Whether the estimator has partial_fit."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic: it takes all samples"
        )
    return True


def _with_probabilities(estimator: Any) -> bool:
    """Whether the estimator's loss has probabilities."""
    if estimator.loss is None or estimator.loss == "log_loss":
        return True
    loss = network.chosen_loss(estimator.loss, "binary")[0]
    try:
        loss.probabilities(np.zeros((1, 2), np.float32))
    except TypeError as cause:
        raise AttributeError(f"{cause}; loss=None has probabilities") from None
    return True


class _MLP(Estimator):
    """What both perceptrons share."""

    # Sentences of the attributes that fit sets are in the classes below.
    loss_: float
    classes_: Any

    @property
    def coefs_(self) -> list[Array]:
        """The weights of the affine layers (D, K), as views of the model's parameters."""
        return [layer.weight for layer in network.affine_layers(self._model("coefs_"))]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of the affine layers (K,), as views of the model's parameters."""
        return [layer.bias for layer in network.affine_layers(self._model("intercepts_"))]

    def _model(self, name: str) -> Any:
        if "model_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r} before fit")
        return self.model_

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: Any = None, classes: Any = None, once: bool = False
    ) -> None:
        settings.expect_valid(self)
        if once and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.solver == "lbfgs" and validation is not None:
            raise ValueError("validation needs epochs, which solver='lbfgs' does not have: use 'adam' or 'sgd'")
        fresh = not ("model_" in vars(self) and (self.warm_start or once))
        random_state = training.random_state_of(self)
        X, y = self._pair(X, y, reset=fresh, numeric=isinstance(self, RegressorMixin))
        dtype = settings.chosen_dtype(self, X, once) if fresh else self.model_.dtype
        weights = self._sample_weights(sample_weight, X.shape[0])
        problem = self._problem(Rows(X, dtype), y, weights, fresh, classes)
        if fresh:
            training.begin(self, problem, X.shape[1], dtype, random_state)
            self._describe(problem)
        held = None if validation is None else self._held_out(validation, problem)
        metadata = {"sample_weight": sample_weight}
        with hooks.fitting(self, X, y, metadata) if not once else hooks.nothing() as tasks:
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
        weights = self._sample_weights(sample_weight, X.shape[0])
        rows = Rows(X, problem.rows.dtype)
        encoded = self._encoded(y, "y of validation")
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


def _given(validation: Any, X_val: Any, y_val: Any, sample_weight_val: Any) -> Any:
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


class MLPClassifier(ClassifierMixin, _MLP):  # type: ignore[misc]
    """DOC_CLASSIFIER"""

    _kind: str

    def __init__(
        self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: str = "adam",
        alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: Any = 10, max_fun: int = 15000, loss: Any = None, class_weight: Any = None,
        dropout: float = 0.0, batch_norm: bool = False, layers: Any = None, callbacks: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.class_weight = class_weight
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.layers = layers
        self.callbacks = callbacks
        self.dtype = dtype

    @answering
    @hooks.with_callbacks
    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, validation: Any = None, X_val: Any = None,
        y_val: Any = None, sample_weight_val: ArrayLike | None = None,
    ) -> MLPClassifier:  # fmt: skip
        """Fit the network to samples and their labels.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples. Of a sparse matrix, one batch at a time is made dense.
        y : array (N,) or (N, K)
            Labels: text, numbers, booleans, categories; or 0 and 1 for each of K labels that a sample may have.
        sample_weight : array (N,), optional
            Weights of at least 0.
        validation : tuple, optional
            Own validation data (X_val, y_val) or (X_val, y_val, sample_weight): scored after each epoch, in
            `validation_scores_`, and with early_stopping in place of a share of X.
        X_val, y_val, sample_weight_val : optional
            The same one by one: a `Pipeline(..., transform_input=["X_val"])` transforms X_val.

        Returns
        -------
        MLPClassifier
            The estimator.

        Raises
        ------
        ValueError or TypeError
            For data or arguments that do not fit.
        """
        self._fit(X, y, sample_weight, _given(validation, X_val, y_val, sample_weight_val))
        return self

    @available_if(_stochastic)
    @answering
    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> MLPClassifier:
        """Train one epoch on these samples; the next call goes on with the next ones.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array (C,), optional
            All labels that may ever occur; needed at the first call.

        Returns
        -------
        MLPClassifier
            The estimator.
        """
        if "model_" not in vars(self) and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        self._fit(X, y, sample_weight, classes=classes, once=True)
        return self

    def _problem(
        self, rows: Rows, y: Array, weights: Array | None, fresh: bool, classes: Any = None
    ) -> training.Problem:
        if fresh:
            found, kind = labels.learned(y, classes)
        else:
            found, kind = self.classes_, self._kind
            labels.expect_known(y, classes, found, same=self.warm_start and classes is None)
        self.classes_, self._kind = found, kind
        loss, scale = network.chosen_loss(self.loss, kind)
        encoded = self._encoded(y, "y")
        factors = labels.class_weights(self.class_weight, found, encoded)
        if factors is not None:
            weights = factors if weights is None else weights * factors
            if not weights.any():
                raise ValueError("class_weight and sample_weight: the weights of all samples are zero")
        binary = kind == "binary" and isinstance(loss, AttributeLoss)
        outputs = 1 if binary else len(found)
        problem = training.Problem(
            rows, encoded, encoded, weights, loss, scale, outputs, kind == "binary", "accuracy", self._score
        )
        return problem._replace(y=self._targets(encoded, problem, rows.dtype))

    def _encoded(self, y: Array, name: str) -> Array:
        return labels.places(y, self.classes_, self._kind, name)

    def _targets(self, encoded: Array, problem: training.Problem, dtype: np.dtype[Any]) -> Array:
        loss = problem.loss
        if not isinstance(loss, AttributeLoss):
            return encoded
        answers = encoded.reshape(len(encoded), -1)
        return np.where(answers > 0, 1, loss._no).astype(dtype)

    def _describe(self, problem: training.Problem) -> None:
        self.out_activation_ = "softmax" if self._kind == "multiclass" else "logistic"
        plain = labels.plain(self.classes_)
        if self._kind != "multilabel" and plain is not None:
            form = Targets(classes=plain, flat=problem.outputs == 1)
            self.model_.targets = loaded(form, problem.loss, self.model_.output_shape)

    def _predicted(self, outputs: Array) -> Array:
        """The place of each sample's class, or an indicator matrix."""
        if self._kind == "multilabel":
            return (outputs > 0).astype(np.int64)
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > 0).astype(np.int64)
        return outputs.argmax(axis=1)

    def _score(self, truth: Array, outputs: Array, weights: Array | None) -> float:
        return accuracy(truth, self._predicted(outputs), weights)

    def predict(self, X: Any) -> Array:
        """Predict labels.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.

        Returns
        -------
        array (N,) or (N, K)
            Labels, in the kind that `fit` was given; for several labels a sample a matrix of 0 and 1.
        """
        predicted = self._predicted(self._outputs(X))
        return predicted if self._kind == "multilabel" else self.classes_[predicted]

    @available_if(_with_probabilities)
    def predict_proba(self, X: Any) -> Array:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.

        Returns
        -------
        array (N, C)
            In the order of `classes_`.
        """
        outputs = self._outputs(X)
        columns = self.model_.loss.probabilities(outputs)
        if self._kind == "binary" and columns.shape[1] == 1:
            return np.concatenate([1 - columns, columns], axis=1)
        return columns

    @available_if(_with_probabilities)
    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithm of each class's probability.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.

        Returns
        -------
        array (N, C)
            In the order of `classes_`; -inf where a probability is 0.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, _MLP):  # type: ignore[misc]
    """DOC_REGRESSOR"""

    _flat: bool

    def __init__(
        self, loss: Any = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
        solver: str = "adam", alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
        learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
        random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
        momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
        validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
        n_iter_no_change: Any = 10, max_fun: int = 15000, dropout: float = 0.0, batch_norm: bool = False,
        layers: Any = None, callbacks: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.layers = layers
        self.callbacks = callbacks
        self.dtype = dtype

    @answering
    @hooks.with_callbacks
    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, *, validation: Any = None, X_val: Any = None,
        y_val: Any = None, sample_weight_val: ArrayLike | None = None,
    ) -> MLPRegressor:  # fmt: skip
        """Fit the network to samples and their numbers.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples. Of a sparse matrix, one batch at a time is made dense.
        y : array (N,) or (N, K)
            Numbers to predict.
        sample_weight : array (N,), optional
            Weights of at least 0.
        validation : tuple, optional
            Own validation data (X_val, y_val) or (X_val, y_val, sample_weight): scored after each epoch, in
            `validation_scores_`, and with early_stopping in place of a share of X.
        X_val, y_val, sample_weight_val : optional
            The same one by one: a `Pipeline(..., transform_input=["X_val"])` transforms X_val.

        Returns
        -------
        MLPRegressor
            The estimator.

        Raises
        ------
        ValueError or TypeError
            For data or arguments that do not fit.
        """
        self._fit(X, y, sample_weight, _given(validation, X_val, y_val, sample_weight_val))
        return self

    @available_if(_stochastic)
    @answering
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> MLPRegressor:
        """Train one epoch on these samples; the next call goes on with the next ones.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MLPRegressor
            The estimator.
        """
        self._fit(X, y, sample_weight, once=True)
        return self

    def _problem(
        self, rows: Rows, y: Array, weights: Array | None, fresh: bool, classes: Any = None
    ) -> training.Problem:
        loss, scale = network.chosen_loss(self.loss, "numbers")
        encoded = self._encoded(y, "y")
        if not fresh and encoded.shape[1] != self.n_outputs_:
            raise ValueError(f"y has {encoded.shape[1]} outputs, but {self.n_outputs_} in the fit before")
        if fresh:
            self._flat = encoded.shape[1] == 1
        problem = training.Problem(
            rows, encoded, encoded, weights, loss, scale, encoded.shape[1], False, "r2", self._score
        )
        return problem._replace(y=self._targets(encoded, problem, rows.dtype))

    def _encoded(self, y: Array, name: str) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return np.asarray(y, np.float64).reshape(len(y), -1)

    def _targets(self, encoded: Array, problem: training.Problem, dtype: np.dtype[Any]) -> Array:
        y = problem.loss.targets(encoded, (problem.outputs,))
        problem.loss._expect_representable(y, dtype)
        return np.ascontiguousarray(y, dtype)

    def _describe(self, problem: training.Problem) -> None:
        self.out_activation_ = "identity"
        self.model_.targets = loaded(Targets(flat=self._flat), problem.loss, self.model_.output_shape)

    def _score(self, truth: Array, outputs: Array, weights: Array | None) -> float:
        return r2(truth, self.model_.loss.predict(outputs), weights)

    def predict(self, X: Any) -> Array:
        """Predict numbers.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.

        Returns
        -------
        array (N,) or (N, K)
            Numbers, in the shape of `fit`'s y.
        """
        predicted = self.model_.loss.predict(self._outputs(X)) if "model_" in vars(self) else self._outputs(X)
        return predicted.ravel() if self._flat and predicted.shape[1:] == (1,) else predicted
