"""Schedules: the learning rate, or another rate, as a function of training progress, counted in epochs.

Progress is a float: 2.5 is the middle of the third epoch. They know no optimizer and no model.

References: CS231n notes, "Neural Networks Part 3".
"""

from __future__ import annotations

from .base import Schedule
from .cycles import CosineRestarts, CosLog, Cyclic, OneCycle, Warmup
from .decays import CosineDecay, ExponentialDecay, FlatCosine, InverseTimeDecay, LinearDecay, StepDecay
from .plateau import ReduceOnPlateau

__all__ = [
    "CosLog", "CosineDecay", "CosineRestarts", "Cyclic", "ExponentialDecay", "FlatCosine", "InverseTimeDecay",
    "LinearDecay", "OneCycle", "ReduceOnPlateau", "Schedule", "StepDecay", "Warmup",
]  # fmt: skip
