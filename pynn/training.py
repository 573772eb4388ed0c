"""Training, evaluation and prediction: a short loop over public parts. Works on anything that is `Trainable`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import data, losses, optimizers
from .describe import expect_instance
from .history import History
from .losses import Loss
from .optimizers import Optimizer
from .regularizers import Penalty

Array = NDArray[Any]
Pair = tuple[ArrayLike, ArrayLike]

TRAINING_BATCH = 128
EVALUATION_BATCH = 1024


class Trainable(Protocol):
    """What training needs of a model; `Sequential` is one."""

    loss: Loss
    optimizer: Optimizer | None
    epoch: int
    outputs: Array
    lock: AbstractContextManager[Any]

    @property
    def seed(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def output_shape(self) -> tuple[int, ...]: ...

    @property
    def built(self) -> bool: ...

    def unbuild(self) -> None: ...

    def adopt(self) -> None:
        """Take over weights that were replaced rather than written into."""

    @property
    def parameters(self) -> Array: ...

    def accept(self, x: Array, name: str = "x") -> None:
        """Build on the first data; check the shape of later ones."""

    def forward(self, x: Array, training: bool = False) -> Array: ...

    def train_step(
        self, x: Array, y: Array, loss: Loss, optimizer: Optimizer, penalty: Penalty | None = None
    ) -> float: ...


class Running:
    """Means over the batches of an epoch, weighted by their sizes."""

    def __init__(self) -> None:
        self.loss, self.count = 0.0, 0
        self.correct: int | None = 0

    def add(self, loss: float, correct: int | None, count: int) -> None:
        self.loss += loss * count
        self.correct = None if correct is None or self.correct is None else self.correct + correct
        self.count += count

    def means(self) -> dict[str, float]:
        count = max(self.count, 1)
        accuracy = {} if self.correct is None else {"accuracy": self.correct / count}
        return {"loss": self.loss / count, **accuracy}


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
    progress: bool | str = "auto",
) -> History:
    """Train the model; return the `History` of loss and accuracy, one number an epoch.

    x, y: arrays (N, ...) and (N,); or x alone: an iterable of (x, y) batches that is gone through once an epoch.
        uint8 arrays are pixels: 0..255 is read as 0..1.
    validation: a pair (x, y), measured after each epoch.
    loss: an object or a name; None goes on with the model's own, which is softmax_cross_entropy at first.
    optimizer: an object or a name; None goes on with the model's own, or takes Adam(0.001).
    epochs: how often all samples are gone through (default 10).
    batch_size: 1..N; by default 128, or N where there are fewer samples. A last batch of one sample is left out
        (batch normalization cannot use it).
    seed: of the order of samples; by default the model's. Every epoch has another order, also over several calls.
    penalty: L1 or L2, added to the loss.
    progress: True shows a bar, False nothing, "auto" a bar on a terminal and else a line an epoch on stderr.
    Raises ValueError or TypeError for data that cannot be trained on, before anything is changed; FloatingPointError
    when the loss becomes NaN or infinite: the parameters are then those before that step.
    """
    goal, driver = model.loss if loss is None else losses.loss(loss), model.optimizer
    if optimizer is not None or driver is None:
        driver = optimizers.optimizer("adam" if optimizer is None else optimizer)
    _check_settings(epochs, batch_size, seed, penalty, progress)
    was_built = model.built
    try:
        source = (
            _Arrays(model, goal, x, y, batch_size, seed) if y is not None else _iterable_source(model, goal, x, epochs)
        )
        held_out = None if validation is None else _checked_pair(model, goal, validation, "validation")
        if model.built:
            driver.claim(model.parameters)
            model.adopt()
    except BaseException:
        if not was_built:  # data that is not trained on shall not fix the input shape
            model.unbuild()
        raise
    model.loss, model.optimizer = goal, driver
    history = History()
    for number in range(epochs):
        with model.lock, _Progress(number, epochs, source.batches, progress) as shown:
            started = time.perf_counter()
            running = _run_epoch(model, source.epoch(model.epoch), penalty, shown, started)
            seconds = time.perf_counter() - started
            values = running.means()
            if held_out is not None:
                measured = evaluate(model, *held_out)
                values.update({f"val_{name}": value for name, value in measured.items()})
            values["learning_rate"] = driver.learning_rate
            values["samples_per_second"] = running.count / max(seconds, 1e-9)
            history.append(values)
            shown.finish(values)
            model.epoch += 1
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


def _run_epoch(
    model: Trainable, source: Iterable[tuple[Array, Array]], penalty: Penalty | None, shown: _Progress, started: float
) -> Running:
    running = Running()
    loss, optimizer = model.loss, model.optimizer
    assert optimizer is not None
    for x, y in source:
        value = model.train_step(x, y, loss, optimizer, penalty)
        running.add(value, loss.correct(model.outputs, y), len(x))
        shown.step(running, started)
    if running.count == 0:
        raise ValueError(
            "the iterable gave no batches; one that is gone through every epoch cannot be a used-up iterator"
        )
    return running


class _Arrays:
    """Batches of two arrays, in an order of their own every epoch."""

    def __init__(
        self, model: Trainable, loss: Loss, x: Any, y: ArrayLike, batch_size: int | None, seed: int | None
    ) -> None:
        self.x, self.y = x, y = _checked_pair(model, loss, (x, y), "")
        batch_size = min(TRAINING_BATCH, len(x)) if batch_size is None else batch_size
        data.check_batch_size(batch_size, len(x))
        self.batch_size, self.seed, self.dtype = batch_size, model.seed if seed is None else seed, model.dtype
        single = len(x) % batch_size == 1 and len(x) > 1 and batch_size > 1
        self.batches: int | None = len(x) // batch_size if single else math.ceil(len(x) / batch_size)

    def epoch(self, number: int) -> Iterator[tuple[Array, Array]]:
        return data.batches(
            self.x, self.y, self.batch_size, self.seed, number, self.dtype,
            drop_single=self.batch_size > 1, reuse=True,
        )  # fmt: skip


class _Batches:
    """Batches as the user's iterable gives them."""

    def __init__(self, model: Trainable, loss: Loss, source: Iterable[tuple[Array, Array]]) -> None:
        self.model, self.loss, self.source = model, loss, source
        self.batches: int | None = len(source) if isinstance(source, Sized) else None

    def epoch(self, number: int) -> Iterator[tuple[Array, Array]]:
        for position, batch in enumerate(self.source):
            if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
                raise TypeError(f"batch {position} is {type(batch).__name__}, expected a pair (x, y)")
            yield _checked_pair(self.model, self.loss, (batch[0], batch[1]), f"batch {position}")


def _iterable_source(model: Trainable, loss: Loss, x: Any, epochs: int) -> _Batches:
    if isinstance(x, np.ndarray) or not isinstance(x, Iterable):
        raise TypeError("y is missing: fit takes arrays x and y, or one iterable of (x, y) batches")
    if epochs > 1 and isinstance(x, Iterator):
        raise TypeError(
            f"x is {type(x).__name__}, which can be gone through only once, but epochs is {epochs}; "
            "pass a list or an object whose __iter__ starts anew"
        )
    return _Batches(model, loss, x)


def _checked_pair(model: Trainable, loss: Loss, pair: Any, where: str) -> tuple[Array, Array]:
    """The two arrays of (x, y), checked against the model and each other, y as the loss reads it."""
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise TypeError(f"{where} is {type(pair).__name__}, expected a pair (x, y)")
    x_name, y_name = (f"{where} x", f"{where} y") if where else ("x", "y")
    x, y = data.samples(x_name, pair[0]), np.asarray(pair[1])
    data.check_pairs(x_name, x, y_name, y)
    data.check_finite(x_name, x, model.dtype)
    was_built = model.built
    model.accept(x, x_name)
    try:
        return x, loss.targets(y, model.output_shape)
    except (TypeError, ValueError) as cause:
        if not was_built:  # data that is not trained on shall not fix the input shape
            model.unbuild()
        if not where:
            raise
        raise type(cause)(f"{where}: {cause}") from cause


def evaluate(model: Trainable, x: ArrayLike, y: ArrayLike, batch_size: int = EVALUATION_BATCH) -> dict[str, float]:
    """Loss and accuracy over x (N, ...) and y (N,), without dropout and with running statistics."""
    _expect_built(model, "evaluate")
    data.check_count("batch_size", batch_size, 1)
    x, y = _checked_pair(model, model.loss, (x, y), "")
    running = Running()
    with model.lock:
        for x_batch, y_batch in data.batches(x, y, min(batch_size, len(x)), dtype=model.dtype, reuse=True):
            outputs = model.forward(x_batch)
            running.add(model.loss.forward(outputs, y_batch), model.loss.correct(outputs, y_batch), len(x_batch))
    return running.means()


def _expect_built(model: Trainable, method: str) -> None:
    if not model.built:
        raise RuntimeError(f"{method} was called on a model that is not built yet: fit it, load it or build it first")
    model.adopt()


def outputs(model: Trainable, x: ArrayLike, batch_size: int = EVALUATION_BATCH) -> Array:
    """The model's raw outputs (N, ...) for x (N, ...), in a new array."""
    _expect_built(model, "predict")
    data.check_count("batch_size", batch_size, 1)
    x = data.samples("x", x)
    data.check_finite("x", x, model.dtype)
    model.accept(x)
    result = np.empty((len(x), *model.output_shape), model.dtype)
    with model.lock:
        for start in range(0, len(x), batch_size):
            part = slice(start, start + batch_size)
            result[part] = model.forward(x[part])
    return result


class _Progress:
    """A tqdm bar for one epoch, a line, or nothing."""

    def __init__(self, number: int, epochs: int, total: int | None, progress: bool | str) -> None:
        self.title = f"epoch {number + 1}/{epochs}"
        self.total = total
        there = sys.stderr is not None  # a windowed program has none
        self.as_bar = there and (progress is True or (progress == "auto" and sys.stderr.isatty()))
        self.as_line = there and progress is not False
        self.next_update = 0.0
        self.bar: Any = None

    def __enter__(self) -> _Progress:
        if self.as_bar:
            from tqdm import tqdm  # here: importing pynn must stay light

            layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
            self.bar = tqdm(total=self.total, desc=self.title, bar_format=layout if self.total else None, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, running: Running, started: float) -> None:
        if self.bar is None:
            return
        self.bar.update()
        now = time.perf_counter()
        if now >= self.next_update:  # ten times a second: formatting costs more than a small step
            self.next_update = now + 0.1
            speed = running.count / max(now - started, 1e-9)
            self.bar.set_postfix_str(describe({**running.means(), "samples_per_second": speed}), refresh=False)

    def finish(self, values: dict[str, float]) -> None:
        if self.bar is not None:
            self.bar.refresh()
            self.bar.close()  # the bar goes, the line below stays
        if self.as_line:
            print(f"{self.title}: {describe(values)}", file=sys.stderr, flush=True)


def describe(values: dict[str, float]) -> str:
    """The measurements of an epoch in one line."""
    parts = []
    for name, value in values.items():
        if name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name != "learning_rate":
            parts.append(f"{name} {value:.4f}")
    return "  ".join(parts)
