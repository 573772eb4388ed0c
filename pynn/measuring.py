"""What a model does on batches, measured: the loss, and how much of it is right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .losses import Loss
from .metrics import Measures
from .progress import Running
from .sources import Batch, Trainable

Array = NDArray[Any]


def measure(model: Trainable, batches: Iterable[Batch], measures: Measures) -> dict[str, float]:
    """Loss and measures of the model, as it predicts, over batches of checked data."""
    loss = model.loss
    running = Running(measures.begun(loss), measures.accuracy)
    with model.lock:
        for x, y, *rest in batches:
            outputs, given = model.forward(x), rest[0] if rest else None
            value = loss.forward(outputs, y) if given is None else loss.forward(outputs, y, weights=given)
            running.add(value, hits(loss, outputs, y, given) if measures.accuracy else None, len(x), total(given))
            for metric in running.metrics:
                metric.add(outputs, y, given)
    return running.means()


def hits(loss: Loss, outputs: Array, targets: Array, given: Array | None) -> float | None:
    """How many outputs are right, or what they weigh: as the loss counted them, or as `correct` says."""
    if loss.hits is not None:
        return loss.hits
    right = loss.correct(outputs, targets)
    if right is None or np.ndim(right) == 0:  # a number of hits does not tell whose weights to add
        return None if right is None or given is not None else float(np.asarray(right))
    return float(np.count_nonzero(right)) if given is None else float(given[np.asarray(right, bool)].sum(dtype=float))


def total(given: Array | None) -> float | None:
    """What the weights are together."""
    return None if given is None else float(given.sum(dtype=float))
