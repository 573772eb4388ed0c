"""MLPRegressor: a multi-layer perceptron for numbers, with scikit-learn's arguments and pynn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from ..signatures import answering
from ..training.targets import Targets, loaded
from ..typing import Array
from . import hooks, network, training
from .perceptron import Perceptron, given, stochastic
from .rows import Rows
from .stopping import r2


class MLPRegressor(RegressorMixin, Perceptron):
    """Regressor: a multi-layer perceptron with the arguments of scikit-learn's, and dropout, other losses and more.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error", half of it as in scikit-learn; "absolute_error"; "huber", "poisson" and the other losses of
        numbers in `pynn.losses`; or a pynn loss.
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
    MLPClassifier : For labels.

    Notes
    -----
    Arguments, attributes and results are those of scikit-learn's class: with the same random_state and
    ``dtype="float64"`` the weights are the same to rounding, epoch by epoch. A copy, a pickle or a joblib file holds
    the arguments and the model as safetensors bytes; a `partial_fit` after it starts with a fresh optimizer.

    Scale y to about -1..1 (sklearn.compose.TransformedTargetRegressor): a network learns other numbers slowly.

    References
    ----------
    .. [1] Pedregosa et al., "Scikit-learn: Machine Learning in Python", 2011.
    .. [2] Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> from pynn.sklearn import MLPRegressor
    >>> regressor = MLPRegressor("huber", (64, 64), batch_norm=True, early_stopping=True, random_state=0)
    >>> regressor.fit(X, y).predict(X_test)
    """

    _n_targets: int

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
        self._fit(X, y, sample_weight, given(validation, X_val, y_val, sample_weight_val))
        return self

    @available_if(stochastic)
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
        targets = encoded.shape[1]
        if fresh:
            self._n_targets = targets
        elif targets != self._n_targets:
            raise ValueError(f"y has {targets} outputs, but {self._n_targets} in the fit before")
        constants = None
        if self.loss == "poisson":  # scikit-learn's is half the deviance
            constants = (np.where(encoded > 0, encoded * np.log(np.maximum(encoded, 1e-300)), 0) - encoded).sum(axis=1)
        problem = training.Problem(
            rows,
            encoded,
            encoded,
            weights,
            loss,
            scale,
            network.outputs_of(loss, targets),
            False,
            "r2",
            self._score,
            constants,
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
        self.out_activation_ = network.output_activation(problem.loss)
        self.model_.targets = loaded(Targets(flat=self._n_targets == 1), problem.loss, self.model_.output_shape)

    def _score(self, truth: Array, outputs: Array, weights: Array | None) -> float:
        return r2(truth, network.points(self.model_.loss, outputs), weights)

    def predict(self, X: Any) -> Array:
        """Predict numbers.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.

        Returns
        -------
        array (N,) or (N, K)
            Numbers, in the shape of `fit`'s y; of a loss of several quantiles (N, L).
        """
        outputs = self._outputs(X)
        predicted = self.model_.loss.predict(outputs)
        return predicted.ravel() if self._n_targets == 1 == predicted.shape[1] else predicted

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array, data frame or sparse matrix (N, D)
            Samples.
        y : array (N,) or (N, K)
            Their numbers.
        sample_weight : array (N,), optional
            Weights of the samples.

        Returns
        -------
        float
            1 at best, 0 for the mean of y. Of several quantiles, that nearest to the median counts.
        """
        outputs = self._outputs(X)
        predicted = network.points(self.model_.loss, outputs)
        return float(r2_score(y, predicted, sample_weight=sample_weight))
