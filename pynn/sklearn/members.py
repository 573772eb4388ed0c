"""Training one network of `TabularClassifier` or `TabularRegressor` on encoded rows, or several as an ensemble."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..callbacks import Callback, Deadline, EarlyStopping
from ..callbacks.base import Run
from ..losses import Loss
from ..models.sequential import Sequential
from ..preprocessing import Transformer
from ..preprocessing.table_encoder import TableEncoder
from ..training.history import History
from ..typing import Array
from . import recipe as recipes
from .recipe import Recipe

HARDLY = 1e-6  # of an accuracy: so little is rounding, or rows of hardly any weight, and chooses no epoch
TRIED = 8  # steps that measure the speed
TRIED_ROWS = 2_048  # of such a step, at most
SPARE = 0.9  # share of the time that is planned for
FEWEST_STEPS = 32  # that are taken however short the time is: fewer leave the first weights nearly as they were
START_RATE = 1_000  # rows a second of the time that the first weights may follow from
MEASURED = 1_024  # held-out rows, at least, where there is no time to measure all


@dataclass(frozen=True)
class Table:
    """Encoded rows x (N, D), their targets y and their weights or None.

    origin: the places of the rows in the user's table, where some stand several times; None for 0..N-1.
    """

    x: Array
    y: Array
    weights: Array | None
    origin: Array | None = None

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
    """What all members have in common. classes: their names, which a Monitor writes down."""

    encoder: TableEncoder
    outputs: int
    loss: Loss
    monitor: str
    recipe: Recipe
    scaling: Transformer | None = None
    log_link: bool = False
    callbacks: Sequence[Callback] = ()
    progress: bool = False
    classes: Sequence[Any] = ()


@dataclass(frozen=True)
class Member:
    """A trained network.

    best_epoch: the epoch whose parameters it has, counted from 1. measured: places of the held-out rows that it was
    validated on. part: (rows trained on, of how many) where the time was too short for an epoch.
    """

    model: Sequential
    history: History
    epochs: int
    best_epoch: int
    score: float | None
    measured: Array | None = None
    part: tuple[int, int] | None = None


class BestEpoch(EarlyStopping):
    """The best epoch, of accuracies that hardly differ the last one."""

    def __init__(self, monitor: str) -> None:
        super().__init__(monitor, None, min_delta=0.0 if monitor == "val_loss" else HARDLY, ties="last")

    def _is_tie(self, value: float) -> bool:
        return value == self.best or (self.best is not None and abs(value - self.best) <= self.min_delta)


@dataclass(frozen=True)
class Plan:
    """What there is time for: epochs; rows of a single epoch that is shorter, or None for all; and a least time.

    batch: rows of a step. whole: whether there is time to measure all held-out rows.
    """

    epochs: int
    batch: int
    rows: int | None = None
    whole: bool = True
    seconds: float = 0.0


def trained(
    task: Task, train: Table, held_out: Table | None, measured: Array | None, seed: int, ends: float | None = None
) -> Member:
    """Train a network; the rows of held_out at the places `measured` choose its epoch, None for the last.

    ends: when it should be done, by time.perf_counter().
    """
    begun = time.perf_counter()
    recipe = task.recipe.of(len(train))
    rows = recipes.START_ROWS if ends is None else max(int((ends - begun) * START_RATE), MEASURED)
    model = recipe.network(task.encoder, task.outputs, train.x, seed, rows)
    if task.log_link:
        recipes.prior(model, train.y, train.weights)
    plan, available = Plan(recipe.epochs or 1, recipe.batch_size), len(train)
    if ends is not None:
        count = 0 if measured is None else len(measured)
        plan = _planned(task, recipe, model, train, count, (ends - time.perf_counter()) * SPARE)
        recipe = replace(recipe, epochs=plan.epochs, batch_size=plan.batch)
        recipe.shorten(model)
        if not plan.whole and measured is not None and count > (most := max(MEASURED, (plan.rows or 0) // 4)):
            measured = np.sort(np.random.default_rng(seed).choice(measured, most, replace=False))
        if plan.rows is not None:
            train = train.take(np.random.default_rng(seed).permutation(available)[: plan.rows])
            recipes.forget_unseen(model, train.x[:, task.encoder.codes_])
    validation = None if measured is None or held_out is None else held_out.take(measured)
    best = BestEpoch(task.monitor) if validation is not None else None
    deadline = None if ends is None else Deadline(max(ends - time.perf_counter(), plan.seconds, 1e-3))
    history = _fitted(task, recipe, model, train, validation, [one for one in (best, deadline) if one is not None])
    cut = model.epoch == 0  # by the deadline, within the first epoch
    score = None if best is None or best.best is None else float(best.best)
    if cut and validation is not None:
        score = _score(model, validation, task.monitor)
    chosen = best.best_epoch if best is not None and best.best_epoch is not None else max(model.epoch, 1)
    part = None if plan.rows is None and not cut else (model.context.step * recipe.batch_size, available)
    return Member(model, history, max(model.epoch, 1), int(chosen), score, measured, part)


def _fitted(
    task: Task, recipe: Recipe, model: Sequential, train: Table, validation: Table | None, own: Sequence[Callback]
) -> History:
    with _named(model, task):
        history = model.fit(
            train.x,
            train.y,
            sample_weight=train.weights,
            validation=None if validation is None else validation.samples(),
            loss=copy.deepcopy(task.loss),
            optimizer=recipe.optimizer(),
            epochs=recipe.epochs or 1,
            batch_size=recipe.batch_size,
            drop_last=True,
            target_preprocessing=task.scaling,
            callbacks=[*copy.deepcopy(list(task.callbacks)), *own],
            progress="auto" if task.progress else False,
        )
    model.optimizer = None  # its state is twice as large as the model
    return history


@contextmanager
def _named(model: Sequential, task: Task) -> Iterator[None]:
    """Note the names of encoded columns and of classes, which the network knows by number, for a Monitor."""
    names = {"features": task.encoder.get_feature_names_out().tolist(), "classes": list(map(str, task.classes))}
    model.notes.update({name: listed for name, listed in names.items() if listed})
    try:
        yield
    finally:
        for name in names:
            model.notes.pop(name, None)


def _score(model: Sequential, validation: Table, monitor: str) -> float:
    """What `fit` measures after an epoch."""
    values = model.evaluate(validation.x, validation.y, sample_weight=validation.weights)
    return float(values[monitor.removeprefix("val_")])


class _Clock(Callback):
    """Measures the time of a step, and ends the run after the second step beyond so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.until, self.ends = time.perf_counter() + seconds, list[float]()

    def on_step_end(self, trainer: Run) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) > 1 and self.ends[-1] > self.until:
            trainer.stop("the speed is known")

    def step(self) -> float:
        """Seconds between two steps, without the first, which makes the buffers."""
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


def _planned(task: Task, recipe: Recipe, model: Sequential, train: Table, held_out: int, seconds: float) -> Plan:
    """What there is time for, at most the epochs of the recipe, after a try of some steps with a copy of the model."""
    tried, begun, clock = copy.deepcopy(model), time.perf_counter(), _Clock(seconds / 10)
    batch, most, steps = recipe.batch_size, recipe.epochs or 1, len(train) // recipe.batch_size
    size = min(batch, TRIED_ROWS)
    some = train.take(np.arange(min(size * TRIED, len(train))))
    epochs = -(-TRIED // (len(some) // size))
    optimizer = replace(recipe, epochs=max(epochs, most)).optimizer()  # its schedule lasts as long
    tried.fit(
        some.x, some.y, sample_weight=some.weights, loss=copy.deepcopy(task.loss), optimizer=optimizer,
        epochs=epochs, batch_size=size, drop_last=True, target_preprocessing=task.scaling,
        callbacks=[clock], progress=False,
    )  # fmt: skip
    step = clock.step() * batch / size
    started = time.perf_counter()
    tried.forward(train.x[:MEASURED])
    measuring = (time.perf_counter() - started) / min(len(train), MEASURED)
    left = seconds - (time.perf_counter() - begun)
    if (affordable := int(left / (step * steps + measuring * held_out))) >= 1:
        return Plan(min(affordable, most), batch, seconds=2 * FEWEST_STEPS * step)
    possible = (left - measuring * min(held_out, MEASURED)) / step
    if possible < FEWEST_STEPS and batch > recipes.BATCH:  # more steps of smaller batches
        smaller = max(int(batch * possible / FEWEST_STEPS), recipes.BATCH)
        step, steps, batch = step * smaller / batch, len(train) // smaller, smaller
    affordable, least = max(int(possible), FEWEST_STEPS), 2 * FEWEST_STEPS * step
    least += 2 * measuring * MEASURED * max(affordable // steps, 1)
    if affordable < steps:
        return Plan(1, batch, affordable * batch, whole=False, seconds=least)
    return Plan(min(affordable // steps, most), batch, whole=False, seconds=least)


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
