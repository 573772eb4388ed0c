"""Training one network of `TabularClassifier` or `TabularRegressor` on encoded rows, or several as an ensemble."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..callbacks import Callback, Deadline, EarlyStopping
from ..losses import Loss
from ..models.sequential import Sequential
from ..preprocessing import Transformer
from ..preprocessing.table_encoder import TableEncoder
from ..training.history import History
from ..typing import Array
from . import recipe as recipes
from .recipe import Recipe

TRIED = 12  # steps that measure the speed
HARDLY = 1e-6  # of an accuracy: so little is rounding, or rows of hardly any weight, and chooses no epoch
SPARE = 0.9  # share of the time that is planned for


@dataclass(frozen=True)
class Table:
    """Encoded rows x (N, D), their targets y and their weights or None."""

    x: Array
    y: Array
    weights: Array | None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, places: Array) -> Table:
        """These rows, as a copy."""
        return Table(self.x[places], self.y[places], None if self.weights is None else self.weights[places])

    def samples(self) -> tuple[Array, Array] | tuple[Array, Array, Array]:
        """x, y and, if there are any, weights."""
        return (self.x, self.y) if self.weights is None else (self.x, self.y, self.weights)


@dataclass(frozen=True)
class Task:
    """What all members have in common."""

    encoder: TableEncoder
    outputs: int
    loss: Loss
    monitor: str
    recipe: Recipe
    scaling: Transformer | None = None
    log_link: bool = False
    callbacks: Sequence[Callback] = ()
    progress: bool = False


@dataclass(frozen=True)
class Member:
    """A trained network; best_epoch: the epoch whose parameters it has, counted from 1."""

    model: Sequential
    history: History
    epochs: int
    best_epoch: int
    score: float | None


class BestEpoch(EarlyStopping):
    """The best epoch, of accuracies that hardly differ the last one."""

    def __init__(self, monitor: str) -> None:
        super().__init__(monitor, None, min_delta=0.0 if monitor == "val_loss" else HARDLY, ties="last")

    def _is_tie(self, value: float) -> bool:
        return value == self.best or (self.best is not None and abs(value - self.best) <= self.min_delta)


def trained(task: Task, train: Table, held_out: Table | None, seed: int, seconds: float | None = None) -> Member:
    """Train a network; held_out chooses its epoch, None for the last. seconds: as long as it may take."""
    started = time.perf_counter()
    recipe = task.recipe.of(len(train))
    model = _network(task, recipe, train, seed)
    if seconds is not None:
        left = seconds - (time.perf_counter() - started)
        recipe = replace(recipe, epochs=_affordable(task, recipe, model, train, held_out, left * SPARE))
        model = _network(task, recipe, train, seed)
    best = BestEpoch(task.monitor) if held_out is not None else None
    deadline = None if seconds is None else Deadline(max(seconds - (time.perf_counter() - started), 1e-3))
    history = model.fit(
        train.x,
        train.y,
        sample_weight=train.weights,
        validation=None if held_out is None else held_out.samples(),
        loss=copy.deepcopy(task.loss),
        optimizer=recipe.optimizer(),
        epochs=recipe.epochs or 1,
        batch_size=recipe.batch_size,
        drop_last=True,
        target_preprocessing=task.scaling,
        callbacks=[*copy.deepcopy(list(task.callbacks)), *filter(None, (best, deadline))],
        progress="auto" if task.progress else False,
    )
    model.optimizer = None  # its state is twice as large as the model
    chosen = best.best_epoch if best is not None and best.best_epoch is not None else model.epoch
    score = None if best is None or best.best is None else float(best.best)
    return Member(model, history, model.epoch, int(chosen), score)


def _network(task: Task, recipe: Recipe, train: Table, seed: int) -> Sequential:
    model = recipe.network(task.encoder, task.outputs, train.x, seed)
    if task.log_link:
        recipes.prior(model, train.y, train.weights)
    return model


def _affordable(
    task: Task, recipe: Recipe, model: Sequential, train: Table, held_out: Table | None, seconds: float
) -> int:
    """How many epochs there is time for, at most those of the recipe, after a try of some steps."""
    tried = copy.deepcopy(model)
    rows = min(len(train), recipe.batch_size * TRIED)
    y = train.y if task.scaling is None else train.y / max(float(np.std(train.y)), 1e-30)
    spent = []
    for _ in range(2):  # the first makes the buffers
        begun = time.perf_counter()
        tried.fit(
            train.x[:rows], y[:rows], loss=copy.deepcopy(task.loss), optimizer=recipe.optimizer(), epochs=1,
            batch_size=recipe.batch_size, drop_last=True, progress=False,
        )  # fmt: skip
        spent.append(time.perf_counter() - begun)
    epoch = spent[1] * (len(train) // recipe.batch_size) / max(rows // recipe.batch_size, 1)
    if held_out is not None:
        begun = time.perf_counter()
        tried.forward(held_out.x[:1024])
        epoch += (time.perf_counter() - begun) * len(held_out) / min(len(held_out), 1024)
    return int(np.clip((seconds - sum(spent)) / max(epoch, 1e-6), 1, recipe.epochs or 1))


def outputs(model: Sequential, x: Array, rows: int = 1024) -> Array:
    """The network's outputs for encoded rows, some at a time."""
    with model.lock.held():
        if len(x) <= rows:
            return model.forward(x)
        return np.concatenate([model.forward(x[start : start + rows]) for start in range(0, len(x), rows)])


def decoded(model: Sequential, out: Array) -> Array:
    """Predictions for these outputs, in the units of the targets."""
    predicted = model.loss.predict(out)
    return predicted if model.targets is None else model.targets.decode(model.loss, predicted)
