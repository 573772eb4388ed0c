"""The best value of a measurement: whether smaller or larger is better, and whether a new value is better."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .checks import NOT_NEGATIVE, expect_choice, expect_name, expect_numbers, is_measurement
from .messages.terminal import brief

MODES = ("auto", "min", "max")
GROWING = (  # prefixes: larger is better
    "accuracy", "precision", "recall", "f1", "r2", "top", "multilabel_accuracy", "balanced_accuracy", "roc_auc",
    "average_precision",
)  # fmt: skip
FALLING = (
    "loss", "data_loss", "penalty", "mae", "mse", "rmse", "mape", "log_loss", "brier", "calibration_error", "error",
)  # fmt: skip
FALLING_LEVELS = "pinball"  # a prefix


def grows(kind: str, monitor: str, mode: str) -> bool:
    """Whether larger is better for this measurement, by mode; ValueError if "auto" does not know it."""
    expect_name(kind, "a measurement", monitor=monitor)
    expect_choice(kind, MODES, mode=mode)
    name = monitor.removeprefix("val_")
    if mode != "auto":
        return mode == "max"
    if not name.startswith((*GROWING, FALLING_LEVELS)) and name not in FALLING:
        raise ValueError(
            f"{kind}: it is not known whether lower or higher is better for {monitor}; pass mode='min' or 'max', or "
            "monitor loss, accuracy and so on (for validation: val_loss, val_accuracy)"
        )
    return name.startswith(GROWING)


class Best:
    """The best value so far; a new value must improve on it by more than min_delta, which NaN never does."""

    def __init__(self, kind: str, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        expect_numbers(kind, NOT_NEGATIVE, min_delta=min_delta)
        self.kind, self.monitor, self.min_delta = kind, monitor, min_delta
        self.sign = -1 if grows(kind, monitor, mode) else 1
        self.value: float | None = None

    def improved(self, values: Mapping[str, float]) -> bool:
        """Record the new value; return whether it is the best. ValueError if it was not measured."""
        value = measured(self.kind, self.monitor, values)
        least = math.inf if self.value is None else self.sign * self.value - self.min_delta
        if not self.sign * value < least:
            return False
        self.value = value
        return True


def expect_best(kind: str, value: object) -> None:
    """ValueError for a value that no measurement can have; it is None before the first measurement."""
    if value is not None and not is_measurement(value):
        raise ValueError(f"{kind}: the best measurement is {brief(value)}, expected a number or None")


def measured(kind: str, monitor: str, values: Mapping[str, float]) -> float:
    """The measurement of this name; ValueError if there is none."""
    if monitor not in values:
        raise ValueError(f"{kind}: monitor is {brief(monitor)}, which was not measured; there are {', '.join(values)}")
    return values[monitor]
