"""The loss on some samples that a run trains on, always the same ones: a batch may be lucky, or have outliers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...callbacks.base import Run
from ...data import arrays
from ...data.batches import Samples
from ...training.evaluate import usual_batch_size
from ...training.measures import Measures, measure
from ...typing import Array

ROWS = 256  # samples at least, if there are so many
SHARE = 0.05  # of all that the run goes through in its epochs: more would take too long


class TrainingLoss:
    """Measures the loss of a run's model as it predicts, penalties left out, with the weights of the samples.

    Parameters
    ----------
    trainer : Run
        The run, which trains on arrays.
    """

    def __init__(self, trainer: Run) -> None:
        self._model, self._source = trainer.model, trainer.source
        self._count = count = len(self._source.samples.x)
        self._places = arrays.spread(count, max(ROWS, int(SHARE * count * trainer.epochs)))

    def now(self) -> float:
        """The loss with the present weights."""
        return self._of(self._places)

    def of_all(self) -> float:
        """The loss of all samples, outliers included."""
        return self._of(np.arange(self._count))

    def _of(self, places: Array) -> float:
        with np.errstate(all="ignore"):  # it may run away
            return measure(self._model, self._batches(places), Measures([]))["loss"]

    def _batches(self, chosen: Array) -> Iterator[Samples]:
        (x, y, weights), transform = self._source.samples, self._source.preprocessing
        size, dtype = usual_batch_size(self._model), self._model.dtype
        gather = arrays.gathering(x, dtype)
        for start in range(0, len(chosen), size):
            places = chosen[start : start + size]
            rows = gather(places, None) if transform is None else transform.apply(x[places], dtype)
            yield Samples(rows, y[places], None if weights is None else weights[places].astype(dtype))
