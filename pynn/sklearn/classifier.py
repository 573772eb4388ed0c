"""MLPClassifier: a multi-layer perceptron for labels, with scikit-learn's arguments and pynn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from ..losses.attributes import AttributeLoss
from ..signatures import answering
from ..training.targets import Targets, loaded
from ..typing import Array
from . import hooks, labels, network, training
from .data_checks import class_factors, with_classes
from .perceptron import Perceptron, given, stochastic
from .rows import Rows
from .stopping import accuracy


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


class MLPClassifier(ClassifierMixin, Perceptron):
    """Classifier: a multi-layer perceptron with the arguments of scikit-learn's, and dropout, class weights and more.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default (100,)
        Units of each hidden layer.
    activation : str or Layer, default "relu"
        Of the hidden layers: scikit-learn's "identity", "logistic", "tanh" and "relu"; also "leaky_relu", "prelu",
        "elu", "selu", "softplus", "gelu", "silu" and "mish"; or a layer, ``pynn.LeakyReLU(0.1)``.
    solver : str, default "adam"
        "adam"; "sgd", which has momentum; or "lbfgs", over all samples at once (SciPy's).
    alpha : float, default 0.0001
        Strength of the L2 penalty: ½·alpha·Σw² over the weights, divided by the total weight of the batch.
    batch_size : int or str, default "auto"
        "auto" is 200, or N if there are fewer samples. Larger batches than N are cut to N, with a warning.
    learning_rate : str, default "constant"
        For "sgd": "constant"; "invscaling", learning_rate_init / (t + 1)^power_t after t samples; or "adaptive",
        divided by 5 when n_iter_no_change epochs brought nothing.
    learning_rate_init : float, default 0.001
        The first learning rate.
    power_t : float, default 0.5
        Of "invscaling".
    max_iter : int, default 200
        Epochs, for "lbfgs" steps. Where they end the training, a ConvergenceWarning says so.
    shuffle : bool, default True
        Whether every epoch has the samples in another order.
    random_state : int, RandomState or None, default None
        Determines first weights, order, held-out samples and masks.
    tol : float, default 0.0001
        An epoch improves if it lowers the loss, or with early_stopping raises the score, by this.
    verbose : bool, default False
        Whether to print a line after each epoch.
    warm_start : bool, default False
        Whether `fit` goes on from the weights of the last one.
    momentum : float, default 0.9
        Of "sgd", at least 0 and below 1.
    nesterovs_momentum : bool, default True
        Whether it is Nesterov's.
    early_stopping : bool, default False
        Whether to stop by the score on validation data (accuracy for labels, R² for numbers) instead of the training
        loss, and to keep the best weights.
    validation_fraction : float, default 0.1
        Share of the samples that is then held out, unless `fit` is given validation data.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999 and 1e-08
        Of "adam".
    n_iter_no_change : int, default 10
        Training stops after more than so many epochs without an improvement.
    max_fun : int, default 15000
        Most passes of "lbfgs".
    loss : str or Loss, optional
        None or "log_loss": cross-entropy of all classes, or of each of several labels. Also "focal", "hinge",
        "squared_hinge", "binary_hinge", or a pynn loss; those that are no cross-entropy have no predict_proba.
    class_weight : dict or str, optional
        Weights by label (labels it lacks count 1), or "balanced", which gives all classes the same total. They multiply
        sample_weight, on validation data too. Of several labels a sample, the product.
    dropout : float, default 0.0
        Share of the hidden units that is dropped in training. Not with "lbfgs".
    batch_norm : bool, default False
        Whether batch normalization stands before each activation. Not with "lbfgs".
    layers : list of Layer or callable, optional
        Own hidden layers in place of hidden_layer_sizes, activation, dropout and batch_norm, with pynn's first weights;
        or a function without arguments that returns such a list. The estimator trains copies, and adds the last layer.
    callbacks : list, optional
        Callbacks of pynn, as for ``pynn.Sequential.fit``. Those of scikit-learn: `set_callbacks`.
    dtype : str, optional
        "float32" or "float64". By default float32, which is faster; float64 for "lbfgs", and for `fit` on a float64 X
        of at most 10,000 numbers, where time does not matter.

    Attributes
    ----------
    classes_ : array (C,)
        The labels, in the order of predict_proba's columns.
    loss_, best_loss_, loss_curve_ : float, float, list of float
        Loss of the last and of the best epoch, and of every epoch, the penalty included. best_loss_ is None with
        early_stopping; "lbfgs" has loss_ alone.
    validation_scores_, best_validation_score_ : list of float, float
        Scores on validation data after each epoch, and the best; None if there are none.
    n_iter_, t_ : int
        Epochs of the last fit, and samples that were trained on.
    n_layers_, n_outputs_ : int
        Affine layers plus one, and outputs of the network.
    out_activation_ : str
        What turns the outputs into predictions.
    coefs_, intercepts_ : list of array
        Weights (D, K) and biases (K,) of the affine layers, as views of the model's parameters.
    n_features_in_, feature_names_in_ : int, array
        Features of X; names, where X is a data frame.
    model_ : Sequential
        The network: ``model_.save("model.safetensors")``.

    See Also
    --------
    MLPRegressor : For numbers.

    Notes
    -----
    Arguments, attributes and results are those of scikit-learn's class: with the same random_state and
    ``dtype="float64"`` the weights are the same to rounding, epoch by epoch. A copy, a pickle or a joblib file holds
    the arguments and the model as safetensors bytes; a `partial_fit` after it starts with a fresh optimizer.

    References
    ----------
    .. [1] Pedregosa et al., "Scikit-learn: Machine Learning in Python", 2011.
    .. [2] Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> from pynn.sklearn import MLPClassifier
    >>> classifier = MLPClassifier((64,), dropout=0.2, class_weight="balanced", early_stopping=True, random_state=0)
    >>> classifier.fit(X, y).predict_proba(X_test)
    """

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
        self._fit(X, y, sample_weight, given(validation, X_val, y_val, sample_weight_val))
        return self

    @available_if(stochastic)
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
        factors = class_factors(self.class_weight, found, encoded)
        weights = with_classes(weights, factors, encoded)
        binary = kind == "binary" and isinstance(loss, AttributeLoss)
        outputs = 1 if binary else len(found)
        problem = training.Problem(
            rows, encoded, encoded, weights, loss, scale, outputs, kind == "binary", "accuracy", self._score,
            factors=factors,
        )  # fmt: skip
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
        if len(self.classes_) == 1:
            return np.zeros(len(outputs), np.int64)
        if outputs.shape[1] == 1:
            return (outputs[:, 0] > 0).astype(np.int64)
        return np.asarray(outputs.argmax(axis=1))

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
        if len(self.classes_) == 1 and self._kind == "binary":
            return np.ones_like(columns)
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
            return np.asarray(np.log(self.predict_proba(X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
