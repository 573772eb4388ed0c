"""scikit-learn's rules of training: what is recorded after each epoch, when to stop, which weights to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..callbacks.base import Callback, Run
from ..typing import Array


class Rules(Callback):
    """Records losses and scores in the estimator, stops the run, lowers the learning rate; keeps the best weights.

    estimator: whose attributes it sets. score: measures the model on validation data; None if there are none.
    outputs: by how many numbers scikit-learn divides the loss, and constant: what it adds. samples: of an epoch.
    """

    def __init__(
        self, estimator: Any, score: Callable[[], dict[str, float]] | None, samples: int, outputs: int,
        constant: float, *, early_stopping: bool, once: bool,
    ) -> None:  # fmt: skip
        self.estimator, self.score, self.samples, self.outputs = estimator, score, samples, outputs
        self.constant, self.early_stopping, self.once = constant, early_stopping, once
        self.best: dict[str, Array] | None = None
        self.finished = False  # whether the rules ended the run

    def on_epoch_end(self, trainer: Run) -> None:
        estimator, values = self.estimator, trainer.values
        loss, penalty = values["loss"], values.get("penalty", 0.0)
        estimator.n_iter_ += 1
        estimator.t_ += self.samples
        estimator.loss_ = (loss - penalty) / self.outputs + penalty + self.constant
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        if self.score is not None:
            self._validated(trainer, next(values[name] for name in ("val_accuracy", "val_r2") if name in values))
        self._count(trainer)
        optimizer = trainer.optimizer
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            optimizer.learning_rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._give_up(trainer)

    def _validated(self, trainer: Run, score: float) -> None:
        """Record a validation score, and keep the weights of the best."""
        estimator = self.estimator
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        self.before = estimator.best_validation_score_
        if score > self.before:
            estimator.best_validation_score_ = score
            if self.early_stopping:
                self.keep(trainer.model)

    def _count(self, trainer: Run) -> None:
        """Count the epochs without an improvement by tol."""
        estimator = self.estimator
        if self.early_stopping:
            worse = estimator.validation_scores_[-1] < self.before + estimator.tol
        else:
            best = np.inf if estimator.best_loss_ is None else estimator.best_loss_  # None after early stopping
            worse = estimator.loss_ > best - estimator.tol
            estimator.best_loss_ = min(best, estimator.loss_)
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0

    def _give_up(self, trainer: Run) -> None:
        """Stop, or go on with a fifth of the learning rate."""
        estimator, optimizer = self.estimator, trainer.optimizer
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
            "consecutive epochs."
        )
        adaptive = estimator.solver == "sgd" and estimator.learning_rate == "adaptive"
        if adaptive and optimizer.learning_rate > 1e-6:
            optimizer.learning_rate /= 5
            estimator._no_improvement_count = 0
            end = f" Setting learning rate to {optimizer.learning_rate:f}"
        else:
            end = " Learning rate too small. Stopping." if adaptive else " Stopping."
            if not self.once:
                self.finished = True
                trainer.stop(message)
        if estimator.verbose:
            print(message + end)

    def keep(self, model: Any) -> None:
        """Remember the model's weights as the best so far."""
        self.best = {name: array.copy() for name, array in model.tensors().items()}

    def put_back(self, model: Any) -> None:
        """Put the best weights into the model."""
        if self.best is not None:
            for name, array in model.tensors().items():
                array[...] = self.best[name]


def accuracy(truth: Array, predicted: Array, weights: Array | None) -> float:
    """Share of the samples, by weight, whose labels are all right."""
    right = truth == predicted
    if right.ndim == 2:
        right = right.all(axis=1)
    return float(np.average(right, weights=weights))


def r2(truth: Array, predicted: Array, weights: Array | None) -> float:
    """Coefficient of determination, the mean over the outputs, as scikit-learn's r2_score has it."""
    truth, predicted = truth.astype(np.float64), predicted.astype(np.float64)
    if len(truth) < 2 or not np.isfinite(predicted).all():
        return float("nan")
    weight = np.ones((len(truth), 1)) if weights is None else weights.reshape(-1, 1)
    missed = (weight * (truth - predicted) ** 2).sum(axis=0)
    spread = (weight * (truth - np.average(truth, axis=0, weights=weight[:, 0])) ** 2).sum(axis=0)
    scores = np.where(spread > 0, 1 - missed / np.where(spread > 0, spread, 1), np.where(missed > 0, 0.0, 1.0))
    return float(scores.mean())
