"""Schedules that only fall: in steps, along a curve or a line."""

from __future__ import annotations

import math

from ..checks import NOT_NEGATIVE, POSITIVE, SHARE
from ..signatures import takes
from .base import Schedule, half_wave, line, turns


class StepDecay(Schedule):
    """Step decay: rate · factor^⌊epoch / every⌋.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    every : float
        Epochs between two drops, above 0.
    factor : float, default 0.1
        Between 0 and 1.
    """

    _takes = takes(rate=NOT_NEGATIVE, every=POSITIVE, factor=SHARE)

    def __init__(self, rate: float, every: float, factor: float = 0.1) -> None:
        self.rate, self.every, self.factor = rate, every, factor

    def at(self, epoch: float) -> float:
        return float(self.rate * self.factor ** math.floor(turns(epoch, self.every)))


class ExponentialDecay(Schedule):
    """Exponential decay: rate · e^(-decay·epoch).

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    decay : float
        Per epoch, at least 0; 0.69 halves the rate every epoch.
    """

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate * math.exp(-self.decay * epoch)


class InverseTimeDecay(Schedule):
    """1/t decay: rate / (1 + decay·epoch).

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    decay : float
        Per epoch, at least 0; the rate is halved after 1/decay epochs.
    """

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate / (1 + self.decay * epoch)


class CosineDecay(Schedule):
    """Cosine decay: minimum + ½·(rate - minimum)·(1 + cos(π·epoch / epochs)), then minimum.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    epochs : float
        When the minimum is reached, above 0.
    minimum : float, default 0
        Final rate.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016 (here without restarts).
    """

    _takes = takes(rate=NOT_NEGATIVE, minimum=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, minimum: float = 0.0) -> None:
        self.rate, self.epochs, self.minimum = rate, epochs, minimum

    def at(self, epoch: float) -> float:
        return half_wave(self.rate, self.minimum, epoch / self.epochs)


class FlatCosine(Schedule):
    """The rate for half of the epochs, then a cosine to 0: ½·rate·(1 + cos(π·(2·epoch/epochs - 1))), then 0.

    Parameters
    ----------
    rate : float
        Rate of the first half, at least 0.
    epochs : float
        When 0 is reached, above 0.

    Notes
    -----
    RealMLP lowers weight decay and dropout like this:
    ``pynn.AdamW(1e-3, weight_decay=pynn.FlatCosine(0.02, epochs=256))``.

    References
    ----------
    .. [1] Holzmüller et al., "Better by default: Strong pre-tuned MLPs and boosted trees on tabular data", 2024.
    """

    _takes = takes(rate=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float) -> None:
        self.rate, self.epochs = rate, epochs

    def at(self, epoch: float) -> float:
        return half_wave(self.rate, 0.0, max(2 * (epoch / self.epochs) - 1, 0.0))


class LinearDecay(Schedule):
    """Linear decay: rate + (end - rate)·epoch / epochs, then end.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    epochs : float
        When the end is reached, above 0.
    end : float, default 0
        Final rate.
    """

    _takes = takes(rate=NOT_NEGATIVE, end=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, end: float = 0.0) -> None:
        self.rate, self.epochs, self.end = rate, epochs, end

    def at(self, epoch: float) -> float:
        return line(self.rate, self.end, epoch / self.epochs)
