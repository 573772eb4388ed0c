"""What the arguments of the estimators may be. Checked when `fit` begins, as in scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import checks
from ..checks import NOT_NEGATIVE, POSITIVE, RATE, Count
from ..messages.terminal import brief
from . import network
from .reports import expect_word

NUMBERS: dict[str, Any] = {
    "alpha": NOT_NEGATIVE, "learning_rate_init": POSITIVE, "power_t": NOT_NEGATIVE, "max_iter": Count(1),
    "tol": NOT_NEGATIVE, "momentum": RATE, "validation_fraction": RATE, "beta_1": RATE, "beta_2": RATE,
    "epsilon": POSITIVE, "max_fun": Count(1), "dropout": RATE,
}  # fmt: skip
FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm")
WORDS = {"solver": ("lbfgs", "sgd", "adam"), "learning_rate": ("constant", "invscaling", "adaptive")}
SMALL = 10_000  # numbers in X up to which float64 costs no time worth mentioning


def expect_valid(estimator: Any) -> None:
    """ValueError or TypeError for an argument of the constructor that is out of range."""
    where = type(estimator).__name__
    for name, kind in NUMBERS.items():
        kind(where, name, getattr(estimator, name))
    for name in FLAGS:
        if not isinstance(value := getattr(estimator, name), (bool, np.bool_)):
            raise TypeError(f"{where}: {name} is {brief(value)}, expected True or False")
    for name, words in WORDS.items():
        expect_word(f"{where}: {name}", getattr(estimator, name), words)
    if estimator.batch_size != "auto":
        expect_size(where, estimator.batch_size)
    if estimator.n_iter_no_change != math.inf:
        Count(1)(where, "n_iter_no_change", estimator.n_iter_no_change)
    network.hidden_sizes(estimator.hidden_layer_sizes)
    network.expect_activation(estimator.activation)
    if estimator.layers is not None and (estimator.dropout or estimator.batch_norm):
        raise ValueError(
            f"{where}: layers has the hidden layers, so dropout and batch_norm have no effect: put pynn.Dropout and "
            "pynn.BatchNorm among the layers"
        )


def expect_size(where: str, batch_size: Any) -> None:
    """ValueError unless it is a batch size."""
    if not Count(1).holds(batch_size):
        raise ValueError(f"{where}: batch_size is {brief(batch_size)}, expected 'auto' or an integer of at least 1")


def chosen_dtype(estimator: Any, table: Any, once: bool) -> np.dtype[Any]:
    """The dtype of the network. table: X, of which a first part if `once`."""
    if estimator.dtype is not None:
        return checks.float_dtype(estimator.dtype)
    small = not once and table.dtype == np.float64 and table.shape[0] * table.shape[1] <= SMALL
    return np.dtype(np.float64 if small or estimator.solver == "lbfgs" else np.float32)
