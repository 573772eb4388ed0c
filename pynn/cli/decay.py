"""A learning rate that falls as the training goes on: the last steps then settle instead of jumping about."""

from __future__ import annotations

from pynn.optimizers import Optimizer, Trained


class LinearDecay(Optimizer):
    """Another optimizer, whose learning rate falls in a straight line, step by step, to 0 after `total` steps."""

    def __init__(self, optimizer: Optimizer, total: int) -> None:
        super().__init__(optimizer.learning_rate)
        self.optimizer, self.total, self.start = optimizer, total, optimizer.learning_rate

    def step(self, model: Trained) -> None:
        """One step of the other optimizer, at the rate that is due."""
        self.learning_rate = self.optimizer.learning_rate = self.start * max(0.0, 1 - self.steps / self.total)
        self.optimizer.step(model)
        self.steps += 1
