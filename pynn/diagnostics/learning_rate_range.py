"""A learning-rate range test: a short run whose rate grows from step to step, on a copy of the model."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..callbacks import progress as progresses
from ..checks import POSITIVE, expect_numbers
from ..data import arrays
from ..data.batches import Samples
from ..losses import Loss
from ..models.sequential import Sequential
from ..optimizers import Optimizer
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..training import data
from ..training.sources import Options
from ..training.trainable import chosen_loss, chosen_optimizer
from ..typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROBE = 512  # samples on which the loss is measured after every step: always the same, so that batches add no noise
SMOOTHING = 0.7  # share of the past in the running mean over steps
DIVERGED = 3.0  # the sweep ends where the loss is above this many times the first
FALL = 0.01  # a loss that falls by less than this share of the first has not reacted


@dataclass(frozen=True, eq=False)
class LearningRateRange:
    """The result of `learning_rate_range`.

    Parameters
    ----------
    rates, losses, smoothed : array (S,)
        Learning rate of each step, loss after it on the same samples, and its running mean.
    valley : float or None
        Two thirds along the longest fall of the curve.
    steepest : float or None
        Where the loss falls fastest per factor of the rate.
    suggestion : float or None
        The rate to try: `valley`, but at most a third of the rate of the smallest loss; None if the loss never falls.
    note : str
        What to know about the curve; "" if there is nothing.
    """

    rates: Array
    losses: Array
    smoothed: Array
    valley: float | None
    steepest: float | None
    suggestion: float | None
    note: str

    def __str__(self) -> str:
        if self.suggestion is None:
            return f"no suggestion: {self.note}"
        text = f"try a learning rate of {self.suggestion:.2g} (valley {self.valley:.2g}, steepest {self.steepest:.2g})"
        return f"{text}; {self.note}" if self.note else text

    __repr__ = __str__

    def plot(self, path: str | None = None) -> Figure:
        """Draw the curve; see `pynn.plot.learning_rate_range`.

        Parameters
        ----------
        path : path, optional
            File to save the figure to.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        from .. import plot  # here: matplotlib is an extra

        figure = plot.figures.figure_of(plot.learning_rate_range(self))
        if path is not None:
            plot.save(figure, path)
        return figure


def learning_rate_range(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int | None = None,
    penalty: Penalty | None = None,
    preprocessing: Transformer | None = None,
    target_preprocessing: Transformer | None = None,
    seed: int | None = None,
    progress: bool | str = "auto",
) -> LearningRateRange:
    """Train a copy of the model with a rate that grows from step to step, and see where the loss falls.

    Parameters
    ----------
    model : Sequential
        Built or not. Neither the model nor the optimizer is changed: the next `fit` gives the bits it would have given.
    x, y : array (N, ...)
        Training data, as for `fit`.
    loss, optimizer : optional
        As for `fit`. The optimizer's own rate or schedule does not matter.
    low, high : float, default 1e-7 and 10
        First and last rate; in between it grows by the same factor every step.
    steps : int, default 100
        Number of steps, at least 10. The sweep ends earlier once the loss is three times the first, or not finite.
    batch_size, penalty, preprocessing, target_preprocessing, seed : optional
        As for `fit`.
    progress : bool or str, default "auto"
        A bar: True, False, or "auto": on a terminal, where it takes more than a second.

    Returns
    -------
    LearningRateRange
        The curve and a suggestion; printed, it says what to try. ``.plot("range.png")`` draws it.

    Raises
    ------
    ValueError or TypeError
        For data or settings that do not fit.

    Notes
    -----
    After each step the loss is measured on the same 512 samples, so that the curve has no noise of batches.

    References
    ----------
    .. [1] L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017.
    .. [2] CS231n, "Neural Networks Part 3: Learning and Evaluation".

    Examples
    --------
    >>> found = pynn.diagnostics.learning_rate_range(model, x, y, optimizer="adam")
    >>> model.fit(x, y, optimizer=pynn.Adam(found.suggestion))
    """
    expect_numbers("", POSITIVE, low=low, high=high)
    checks.expect_count("", 10, steps=steps)
    progresses.expect_shown(progress)
    if y is None:
        raise TypeError("learning_rate_range needs arrays x and y, not batches: pass the samples of some batches")
    if low >= high:
        raise ValueError(f"low is {low} and high is {high}, expected low < high")
    twin = copy.deepcopy(model)
    own = model.optimizer is not None and (optimizer is None or optimizer is model.optimizer)
    driver = chosen_optimizer(twin, twin.optimizer if own else copy.deepcopy(optimizer))
    goal = copy.deepcopy(chosen_loss(model, loss))
    options = Options(
        batch_size=batch_size, seed=seed, preprocessing=preprocessing, target_preprocessing=target_preprocessing
    )
    source: Any = data.read(twin, goal, x, y, 1, options).source
    rates = np.geomspace(low, high, steps)
    with progresses.bar("learning-rate range", steps, progress) as bar:
        losses = _sweep(twin, goal, driver, source, rates, penalty, bar.update)
    return _judged(rates[: len(losses)], np.array(losses), high)


def _sweep(
    model: Sequential, loss: Loss, optimizer: Optimizer, source: Any, rates: Array, penalty: Penalty | None,
    done: Callable[[], Any],
) -> list[float]:  # fmt: skip
    """The loss after each step; fewer than there are rates if it diverges."""
    probe = _probe(source.samples)
    first, losses = _measured(model, loss, probe), []
    optimizer.set_epoch(0)  # where schedules of the weight decay and of dropout begin
    with closing(_batches(source)) as batches:
        for rate, (x, y, weights) in zip(rates.tolist(), batches, strict=False):
            optimizer.learning_rate = rate
            try:
                model.train_step(x, y, loss, optimizer, penalty, weights)
                losses.append(_measured(model, loss, probe))
            except FloatingPointError:
                break
            if not math.isfinite(losses[-1]):
                losses.pop()
                break
            if losses[-1] > DIVERGED * abs(first):
                break
            done()
    return losses or [first]


def _batches(source: Any) -> Generator[Samples, None, None]:
    epoch = 0
    while True:
        yield from source.epoch(epoch)
        epoch += 1


def _probe(samples: Samples) -> Samples:
    """The samples to measure on, spread over the data: the same at every step."""
    rows = arrays.spread(len(samples.x), PROBE)
    return Samples(samples.x[rows], samples.y[rows], None if samples.weights is None else samples.weights[rows])


def _measured(model: Sequential, loss: Loss, probe: Samples) -> float:
    """The loss on the probe with the masks of this step and the statistics of the batch."""
    with model.same_masks():
        outputs = model.forward(probe.x, training=True)
    if probe.weights is None:
        return float(loss.forward(outputs, probe.y))
    return float(loss.forward(outputs, probe.y, weights=probe.weights))


def _judged(rates: Array, losses: Array, high: float) -> LearningRateRange:
    smoothed = _smoothed(losses)
    lowest = int(smoothed.argmin())
    fall = float(smoothed[0] - smoothed[lowest])
    if len(rates) < 10 or fall <= FALL * abs(float(smoothed[0])):
        rising = smoothed[-1] > smoothed[0] * (1 + FALL)
        note = (
            "the loss only rises: is the loss or its gradient wrong? See gradient_check"
            if rising
            else "the loss reacts to no rate: are all layers frozen, or the gradients zero?"
        )
        return LearningRateRange(rates, losses, smoothed, None, None, None, note)
    logarithms = np.log(rates)
    slopes = np.gradient(smoothed, logarithms)
    steepest = float(rates[int(slopes[: lowest + 1].argmin())])
    start, stop = _longest_fall(smoothed[: lowest + 1])
    valley = float(rates[start + (stop - start) * 2 // 3])
    limit = float(rates[lowest]) / 3
    note = f"the loss still falls at the highest rate, {high:g}: raise high" if lowest >= len(rates) - 2 else ""
    return LearningRateRange(rates, losses, smoothed, valley, steepest, min(valley, limit), note)


def _smoothed(losses: Array) -> Array:
    """The running mean, unbiased at the start, over steps before and after alike, so that the curve does not shift."""
    return np.asarray((_running_mean(losses) + _running_mean(losses[::-1])[::-1]) / 2)


def _running_mean(values: Array) -> Array:
    means, mean, weight = np.empty(len(values)), 0.0, 0.0
    for place, value in enumerate(values.tolist()):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + 1 - SMOOTHING
        means[place] = mean / weight
    return means


def _longest_fall(values: Array) -> tuple[int, int]:
    """First and last place of the stretch with the largest total fall, rises in it counted against it."""
    best, best_fall, high = (0, len(values) - 1), -math.inf, 0
    for place in range(1, len(values)):
        if values[place - 1] > values[high]:
            high = place - 1
        fall = float(values[high] - values[place])
        if fall > best_fall:
            best, best_fall = (high, place), fall
    start, stop = best
    threshold = values[start] - 0.05 * best_fall  # the flat part before the loss reacts does not count
    while start + 1 < stop and values[start + 1] > threshold:
        start += 1
    return start, stop
