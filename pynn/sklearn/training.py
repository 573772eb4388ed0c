"""One fit of a multi-layer perceptron: data, network, solver, in the steps of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from ..callbacks.base import all_callbacks
from ..layers import BatchNorm
from ..losses import Loss, SquaredError
from ..models.sequential import Sequential
from ..regularizers import L2
from ..training.inputs import Inputs
from ..training.measures import Measures
from ..training.trainer import Trainer
from ..typing import Array
from . import lbfgs, network
from .base import column_names, computed
from .hooks import Bridge, Tasks
from .reports import warn
from .rows import Indices, Rows, Shuffled
from .stopping import Rules

NEW = {"n_iter_": 0, "t_": 0, "_no_improvement_count": 0}  # attributes of a fit that begins anew


class Problem(NamedTuple):
    """What is to be learned.

    y: targets as the loss reads them; truth: as the score reads them. weights: in float64, or None. scale: a factor of
    the loss. outputs: of the network. stratify: whether a share that is held out has the classes in proportion.
    score: of (truth, outputs, weights); measure: its name. constants: what scikit-learn adds to each sample's loss.
    factors: the weights of the classes, which `weights` include.
    """

    rows: Rows
    y: Array
    truth: Array
    weights: Array | None
    loss: Loss
    scale: float
    outputs: int
    stratify: bool
    measure: str
    score: Callable[[Array, Array, Array | None], float]
    constants: Array | None = None
    factors: Array | None = None

    def constant(self, chosen: Indices) -> float:
        """What is added to the loss of these samples."""
        if self.constants is None:
            return 0.0
        weights = None if self.weights is None else self.weights[chosen]
        return float(np.average(self.constants[chosen], weights=weights))

    @property
    def averaged(self) -> int:
        """Over how many outputs the loss that is shown is a mean: scikit-learn sums most losses over the outputs."""
        return self.outputs if isinstance(self.loss, SquaredError) and self.scale != 1 else 1


class HeldOut(NamedTuple):
    """Validation data: these rows, all of them if `chosen` is None."""

    rows: Rows
    y: Array
    truth: Array
    weights: Array | None
    chosen: Indices | None = None


def begin(estimator: Any, problem: Problem, features: int, dtype: np.dtype[Any], random_state: Any) -> None:
    """Make the network and the attributes of a new fit."""
    model = network.build(estimator, features, problem.outputs, dtype, random_state)
    if estimator.solver == "lbfgs":
        lbfgs.expect_smooth(model)
    model.inputs = Inputs(columns=column_names(estimator))
    estimator.model_ = model
    estimator.__dict__.update(NEW)
    estimator.n_layers_ = 1 + len(network.affine_layers(model))
    estimator.n_outputs_ = problem.outputs
    if estimator.solver != "lbfgs":
        estimator.loss_curve_ = []
        estimator.best_loss_ = np.inf
        estimator.validation_scores_ = estimator.best_validation_score_ = None


def run(
    estimator: Any, problem: Problem, validation: HeldOut | None, tasks: Tasks | None, random_state: Any, once: bool
) -> None:
    """Train the estimator's network. once: a single epoch, that of `partial_fit`."""
    model = estimator.model_
    model.loss = problem.loss
    with model.context.training.use():
        if estimator.solver == "lbfgs":
            _run_lbfgs(estimator, problem, tasks)
        else:
            _run_epochs(estimator, problem, validation, tasks, random_state, once)


def _run_epochs(
    estimator: Any, problem: Problem, validation: HeldOut | None, tasks: Tasks | None, random_state: Any, once: bool
) -> None:
    model, early = estimator.model_, estimator.early_stopping
    chosen = np.arange(len(problem.rows))
    if early and validation is None:
        chosen, validation = _separated(estimator, problem, chosen, random_state)
    source, penalty = _source(estimator, problem, chosen, random_state)
    if model.optimizer is None or not once:
        model.optimizer = network.optimizer(estimator)
    estimator.n_iter_ = 0
    if validation is not None:
        _begin_scores(estimator)
    measure = None if validation is None else _measuring(model, problem, validation)
    rules = Rules(
        estimator, measure, len(chosen), problem.averaged, problem.constant(chosen), early_stopping=early, once=once
    )
    bridge = [] if tasks is None else [Bridge(tasks)]
    if early and estimator.best_validation_score_ > -np.inf:  # a warm start
        rules.keep(model)
    callbacks = [rules, *bridge, *_users(estimator, problem, measure is not None)]
    model.optimizer.claim(model.parameters, model.layout)
    trainer = Trainer(
        model, source, 1 if once else estimator.max_iter, penalty=penalty, measures=Measures([]), validate=measure,
        callbacks=callbacks,
    )  # fmt: skip
    try:
        trainer.run()
    except KeyboardInterrupt:
        warn("Training interrupted by user.")
    except FloatingPointError as cause:
        raise ValueError(f"the solver reached weights or a loss that are not finite: {cause}") from cause
    _warn_of_the_end(estimator, trainer.stopped, once)
    if early:
        rules.put_back(model)


def _begin_scores(estimator: Any) -> None:
    """The scores so far; a best one counts only if its weights were kept, which best_loss_ None tells."""
    if estimator.validation_scores_ is None:
        estimator.validation_scores_, estimator.best_validation_score_ = [], -np.inf
    if estimator.early_stopping and estimator.best_loss_ is not None:
        estimator.best_loss_, estimator.best_validation_score_ = None, -np.inf


def _warn_of_the_end(estimator: Any, stopped: str | None, once: bool) -> None:
    if not estimator.n_iter_:  # a callback ended it
        estimator.loss_ = float("nan")
        warn(f"the training ended within the first epoch: {stopped}", ConvergenceWarning)
    elif stopped is None and not once and estimator.n_iter_ == estimator.max_iter:
        warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
        )


def _source(estimator: Any, problem: Problem, chosen: Indices, random_state: Any) -> tuple[Shuffled, L2 | None]:
    size, count = estimator.batch_size, len(chosen)
    if size == "auto":
        size = min(200, count)
    elif size > count:
        warn(f"batch_size is {size}, but there are {count} samples: each batch has them all")
        size = count
    penalty = L2(estimator.alpha) if estimator.alpha > 0 else None
    normalized = any(isinstance(layer, BatchNorm) for layer in estimator.model_.walk())
    if normalized and count == 1:
        raise ValueError("Found array with 1 sample(s), but batch normalization needs at least 2")
    if normalized and size == 1:
        raise ValueError("batch_size is 1, but batch normalization needs batches of at least 2 samples")
    source = Shuffled(
        problem.rows, problem.y, problem.weights, chosen, size, random_state if estimator.shuffle else None,
        scale=problem.scale, alpha=estimator.alpha, penalty=penalty, drop_single=normalized,
    )  # fmt: skip
    return source, penalty


def _separated(estimator: Any, problem: Problem, every: Indices, random_state: Any) -> tuple[Indices, HeldOut]:
    """The samples to train on, and a share of them held out, drawn as scikit-learn draws it."""
    stratify = problem.truth if problem.stratify else None
    chosen, held = train_test_split(
        every, random_state=random_state, test_size=estimator.validation_fraction, stratify=stratify
    )
    if len(held) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    weights = None if problem.weights is None else problem.weights[held]
    for part, name in ((chosen, "train on"), (held, "hold out")):
        if problem.weights is not None and not problem.weights[part].any():
            raise ValueError(
                f"early_stopping=True drew {len(part)} samples to {name}, and the weights of all are 0: leave samples "
                "without weight out, or pass validation=(X_val, y_val)"
            )
    return chosen, HeldOut(problem.rows, problem.y[held], problem.truth[held], weights, held)


def _measuring(model: Sequential, problem: Problem, held: HeldOut) -> Callable[[], dict[str, float]]:
    """The function that measures loss and score on the held-out samples."""
    rows = held
    if held.chosen is not None and not held.rows.sparse:  # gathered once, not in every epoch
        rows = held._replace(rows=Rows(held.rows.take(held.chosen), held.rows.dtype), chosen=None)
    whole = np.ones(len(held.y)) if held.weights is None else held.weights
    weights = (whole * (problem.scale * len(whole) / whole.sum())).astype(model.dtype)

    def measure() -> dict[str, float]:
        outputs = computed(model, rows.rows, rows.chosen)
        loss = problem.loss.forward(outputs, held.y, weights=weights)
        return {"val_loss": loss, f"val_{problem.measure}": problem.score(held.truth, outputs, held.weights)}

    return measure


def _users(estimator: Any, problem: Problem, validated: bool) -> list[Any]:
    """The user's callbacks; ValueError for one that reads what is not measured."""
    callbacks = all_callbacks(estimator.callbacks)
    names = ["loss", "data_loss", "penalty", "learning_rate", "samples_per_second"]
    names += ["val_loss", f"val_{problem.measure}"] if validated else []
    for callback in callbacks:
        if callback.monitor is not None and callback.monitor not in names:
            hint = "" if validated else "; early_stopping=True or fit(..., validation=(X_val, y_val)) give val_ ones"
            raise ValueError(
                f"{type(callback).__name__} reads {callback.monitor}, which is not measured; there are "
                f"{', '.join(names)}{hint}"
            )
    return callbacks


def _run_lbfgs(estimator: Any, problem: Problem, tasks: Tasks | None) -> None:
    objective = lbfgs.Objective(
        estimator.model_, problem.loss, problem.rows, problem.y, problem.weights, problem.scale, estimator.alpha
    )
    result = lbfgs.minimize(objective, estimator, None if tasks is None else tasks.end)
    estimator.n_iter_ = min(result.nit, estimator.max_iter)
    penalty = objective.penalty.value(estimator.model_)
    estimator.loss_ = (float(result.fun) - penalty) / problem.averaged + penalty
    estimator.loss_ += problem.constant(np.arange(len(problem.rows)))
    if not np.isfinite(estimator.model_.parameters).all():
        raise ValueError("the solver reached weights that are not finite: scale X and y, for example to -1..1")
    if result.status != 0 and result.status != 99:  # 99: a callback stopped it
        more = f"\nIncrease the number of iterations (max_iter={estimator.max_iter})." * (
            estimator.n_iter_ == estimator.max_iter
        )
        warn(
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) (status={result.status}): "
            f"{result.message}{more}\nScaled inputs converge faster: sklearn.preprocessing.StandardScaler",
            ConvergenceWarning,
        )


def random_state_of(estimator: Any) -> np.random.RandomState:
    """scikit-learn's random state for the estimator's argument."""
    state: np.random.RandomState = check_random_state(estimator.random_state)
    return state
