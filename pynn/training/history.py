"""History: what a training run measured, one number an epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..checks import is_number
from ..messages.terminal import brief

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(Mapping[str, list[float]]):
    """Lists of numbers by name: loss, accuracy, val_loss, val_accuracy, learning_rate, samples_per_second.

    `history["val_accuracy"][-1]` is the last epoch's. `len(history)` counts the names, `history.epochs` the epochs.
    loss includes penalties: where there are any, it is the sum of data_loss and penalty; val_loss is the data loss of
    the validation data alone. The training's own are means over the epoch's batches, while the model learns, weighted
    where the samples are. learning_rate is that of the epoch's last step. Raises KeyError for what was not measured.
    stopped: why the run ended before its planned epochs, or None.
    """

    stopped: str | None = None

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def append(self, values: Mapping[str, float]) -> None:
        """Add one epoch; values: a number for each name."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(float(value))

    def restore(self, values: Mapping[str, Iterable[float]]) -> None:
        """Take the values, lists of numbers by name, in the place of what is recorded; ValueError for anything else."""
        for name, numbers in values.items():
            if not isinstance(numbers, list) or not all(isinstance(one, float) or is_number(one) for one in numbers):
                raise ValueError(f"history: {name} is {brief(numbers)}, expected a list of numbers")
        self._values = {name: [float(value) for value in numbers] for name, numbers in values.items()}

    @property
    def epochs(self) -> int:
        """How many epochs are recorded."""
        return max((len(values) for values in self._values.values()), default=0)

    def __getitem__(self, name: str) -> list[float]:
        if name not in self._values:
            raise KeyError(f"{name!r} was not measured; there are {', '.join(self._values) or 'no epochs yet'}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self._values.items())
        return f"History({self.epochs} epochs; last: {last})" if last else "History(0 epochs)"

    def plot(self, path: Any = None) -> Figure:
        """Loss and accuracy curves; saved to `path` where one is given. Needs matplotlib (extra `plot`)."""
        from ..plot import history, save

        figure = history(self)
        if path is not None:
            save(figure, path)
        return figure
