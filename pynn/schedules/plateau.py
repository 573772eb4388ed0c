"""The schedule that reads measurements: the rate falls where they stop improving."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..checks import NOT_NEGATIVE, SHARE, Count
from ..monitor import grows, measured
from ..signatures import takes
from .base import Schedule


class ReduceOnPlateau(Schedule):
    """Plateau decay: rate ← rate · factor whenever a measurement has stopped improving.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    factor : float, default 0.1
        Between 0 and 1.
    patience : int, default 5
        The rate drops after this many consecutive epochs without improvement, at least 1; counted as by
        `EarlyStopping`.
    min_delta : float, default 1e-4
        Smallest change from the best epoch that counts as an improvement.
    cooldown : int, default 0
        Epochs after a drop that are not counted.
    minimum : float, default 0
        Lower limit of the rate.
    monitor : str, optional
        Name of the measurement; by default val_loss with validation, else loss.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" knows losses and pynn's metrics.

    Notes
    -----
    NaN is never an improvement. In a custom loop call ``observe({"val_loss": value})`` after each epoch.
    """

    _takes = takes(
        rate=NOT_NEGATIVE,
        min_delta=NOT_NEGATIVE,
        minimum=NOT_NEGATIVE,
        patience=Count(1),
        cooldown=Count(0),
        factor=SHARE,
    )

    def __init__(
        self,
        rate: float,
        *,
        factor: float = 0.1,
        patience: int = 5,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        self._sign = -1 if grows("ReduceOnPlateau", "loss" if monitor is None else monitor, mode) else 1
        self.rate, self.factor, self.patience, self.min_delta = rate, factor, patience, min_delta
        self.cooldown, self.minimum, self.monitor, self.mode = cooldown, minimum, monitor, mode
        self.current = float(rate)
        self.best = math.inf  # best measurement, negated if larger is better
        self.waited = self.resting = 0  # epochs without improvement; epochs of cooldown left

    def at(self, epoch: float) -> float:
        return self.current

    def observe(self, values: Mapping[str, float]) -> None:
        name = self.monitor or ("val_loss" if "val_loss" in values else "loss")
        value = self._sign * measured("ReduceOnPlateau", name, values)
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        elif self.waited >= self.patience:
            self.current = min(self.current, max(self.current * self.factor, self.minimum))
            self.waited, self.resting = 0, self.cooldown
