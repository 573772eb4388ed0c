"""Training, evaluation and prediction: a short loop over public parts. Works on anything that is `Trainable`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import data, inputs, losses, optimizers
from .describe import expect_instance
from .history import History
from .losses import Loss
from .optimizers import Optimizer
from .preprocessing import Transformer
from .progress import Progress, Running
from .regularizers import Penalty
from .sources import Arrays, Batches, Trainable, checked_pair, iterable_source

Array = NDArray[Any]
Pair = tuple[ArrayLike, ArrayLike]

EVALUATION_BATCH = 1024


def fit(
    model: Trainable,
    x: ArrayLike | Iterable[tuple[Array, Array]],
    y: ArrayLike | None = None,
    *,
    validation: Pair | None = None,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    epochs: int = 10,
    batch_size: int | None = None,
    seed: int | None = None,
    penalty: Penalty | None = None,
    preprocessing: Transformer | None = None,
    progress: bool | str = "auto",
) -> History:
    """Train the model; return the `History` of loss and accuracy, one number an epoch.

    x, y: arrays (N, ...) and (N,); or x alone: an iterable of (x, y) batches that is gone through once an epoch.
        uint8 arrays are pixels: 0..255 is read as 0..1.
    validation: a pair (x, y), measured after each epoch.
    loss: an object or a name; None goes on with the model's own, which is softmax_cross_entropy at first.
    optimizer: an object or a name; None goes on with the model's own, or takes Adam(0.001). Where its learning rate is
        a `pynn.Schedule`, the rate is set before every step, from the epochs since this optimizer first ran, over
        several calls: epoch + i/batches before batch i. An iterable without a length has no fractions in its first
        epoch (the rate is that of the epoch's beginning); after it, its batches are counted.
    epochs: how often all samples are gone through (default 10).
    batch_size: 1..N; by default 128, or N where there are fewer samples. A last batch of one sample is left out
        (batch normalization cannot use it).
    seed: of the order of samples; by default the model's. Every epoch has another order, also over several calls.
    penalty: L1, L2 or ElasticNet, added to the loss; a layer's own goes before it. Where there is one, loss is the
        sum of data_loss and penalty; val_loss is the data loss alone.
    preprocessing: a transformer or `pynn.Pipeline`. A copy of it is fitted to x alone, never to validation, and becomes
        `model.preprocessing`; evaluate, predict and predict_proba then take raw samples, as fit does. None goes on with
        the model's own. x and validation are transformed once, at the start: as many floats in memory as they have
        numbers after it. An iterable cannot fit it: it needs one that is fitted, and each batch is transformed.
    progress: True shows a bar, False nothing, "auto" a bar on a terminal and else a line an epoch on stderr.
    Raises ValueError or TypeError for data that cannot be trained on, before anything is changed; FloatingPointError
    when the loss becomes NaN or infinite: the parameters are then those before that step.
    """
    goal, driver = model.loss if loss is None else losses.loss(loss), model.optimizer
    if optimizer is not None or driver is None:
        driver = optimizers.optimizer("adam" if optimizer is None else optimizer)
    _check_settings(epochs, batch_size, seed, penalty, progress)
    _check_monitor(driver, validation is not None)
    prepared, x, validation = inputs.prepare(model, preprocessing, x, y, validation)
    was_built = model.built
    try:
        source = (
            Arrays(model, goal, x, y, batch_size, seed) if y is not None else iterable_source(model, goal, x, epochs)
        )
        held_out = None if validation is None else checked_pair(model, goal, validation, "validation")
        if model.built:
            driver.claim(model.parameters)
            model.adopt()
    except BaseException:
        if not was_built:  # data that is not trained on shall not fix the input shape
            model.unbuild()
        raise
    model.loss, model.optimizer, model.preprocessing = goal, driver, prepared
    if driver.first_epoch is None:
        driver.first_epoch = model.epoch
    history = History()
    for number in range(epochs):
        with model.lock, Progress(number, epochs, source.batches, progress) as shown:
            started = time.perf_counter()
            running = _run_epoch(model, source, penalty, shown, started)
            seconds = time.perf_counter() - started
            values = running.means()
            if held_out is not None:
                count = min(EVALUATION_BATCH, len(held_out[0]))
                measured = _measure(model, data.batches(*held_out, count, dtype=model.dtype, reuse=True))
                values.update({f"val_{name}": value for name, value in measured.items()})
            values["learning_rate"] = driver.learning_rate
            values["samples_per_second"] = running.count / max(seconds, 1e-9)
            history.append(values)
            shown.finish(values)
            model.epoch += 1
            if driver.schedule is not None:
                driver.schedule.observe(values)
    return history


def _check_settings(
    epochs: int, batch_size: int | None, seed: int | None, penalty: Penalty | None, progress: bool | str
) -> None:
    data.check_count("epochs", epochs, 0)
    if batch_size is not None:
        data.check_count("batch_size", batch_size, 1)
    if seed is not None:
        data.check_seed(seed)
    if penalty is not None:
        expect_instance(penalty, Penalty, "penalty")
    if not (isinstance(progress, bool) or progress == "auto"):
        raise ValueError(f"progress is {progress!r}, expected True, False or 'auto'")


def _check_monitor(driver: Optimizer, validated: bool) -> None:
    monitor = driver.schedule.monitor if driver.schedule is not None else None
    if monitor is not None and monitor.startswith("val_") and not validated:
        raise ValueError(f"{driver.schedule!r} reads {monitor}, which needs validation=(x, y)")


def _run_epoch(
    model: Trainable, source: Arrays | Batches, penalty: Penalty | None, shown: Progress, started: float
) -> Running:
    running = Running()
    loss, optimizer = model.loss, model.optimizer
    assert optimizer is not None
    scheduled, batches = optimizer.schedule is not None, source.batches or math.inf
    epoch = max(model.epoch - (optimizer.first_epoch or 0), 0)
    for position, (x, y) in enumerate(source.epoch(model.epoch)):
        if scheduled:
            optimizer.set_epoch(epoch + min(position / batches, 1.0))
        value = model.train_step(x, y, loss, optimizer, penalty)
        running.add(value, loss.correct(model.outputs, y), len(x), model.penalty_value)
        shown.step(running, started)
    if running.count == 0:
        raise ValueError(
            "the iterable gave no batches; one that is gone through every epoch cannot be a used-up iterator"
        )
    return running


def evaluate(model: Trainable, x: ArrayLike, y: ArrayLike, batch_size: int = EVALUATION_BATCH) -> dict[str, float]:
    """Loss and accuracy over raw x (N, ...) and y (N,), without dropout and with running statistics."""
    _expect_built(model, "evaluate")
    data.check_count("batch_size", batch_size, 1)
    x, y = checked_pair(model, model.loss, (x, y), "", raw=True)
    return _measure(model, inputs.batches(model, x, y, batch_size))


def _measure(model: Trainable, batches: Iterable[tuple[Array, Array]]) -> dict[str, float]:
    running = Running()
    with model.lock:
        for x, y in batches:
            outputs = model.forward(x)
            running.add(model.loss.forward(outputs, y), model.loss.correct(outputs, y), len(x))
    return running.means()


def _expect_built(model: Trainable, method: str) -> None:
    if not model.built:
        raise RuntimeError(f"{method} was called on a model that is not built yet: fit it, load it or build it first")
    model.adopt()


def outputs(model: Trainable, x: ArrayLike, batch_size: int = EVALUATION_BATCH) -> Array:
    """The model's raw outputs (N, ...) for raw x (N, ...), in a new array."""
    _expect_built(model, "predict")
    data.check_count("batch_size", batch_size, 1)
    x = data.samples("x", x)
    inputs.accept(model, x, "x")
    result = np.empty((len(x), *model.output_shape), model.dtype)
    with model.lock:
        for start in range(0, len(x), batch_size):
            part = slice(start, start + batch_size)
            result[part] = model.forward(inputs.transformed(model, x[part]))
    return result
