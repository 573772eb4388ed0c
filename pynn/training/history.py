"""History: what a training run measured, one number per epoch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..checks import is_number
from ..messages.terminal import brief

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(Mapping[str, list[float]]):
    """Measurements of a training run: a mapping of names to lists with one number per epoch.

    Attributes
    ----------
    epochs : int
        Number of recorded epochs; ``len(history)`` is the number of names.
    stopped : str or None
        Why the run ended before its planned epochs.

    Raises
    ------
    KeyError
        For a name that was not measured.

    Notes
    -----
    Names are loss, accuracy, val_loss, val_accuracy, learning_rate, samples_per_second and those of metrics. With a
    penalty, loss is the sum of data_loss and penalty; val_loss is the data loss of the validation data. Training
    measurements are means over the batches of the epoch, taken while the model learns, and weighted if the samples are.
    learning_rate is that of the last step of the epoch.

    Examples
    --------
    >>> history["val_accuracy"][-1]  # of the last epoch
    """

    stopped: str | None = None
    record: Any = None  # of a `Monitor`

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def __getstate__(self) -> dict[str, Any]:  # copies and pickles hold no rows of data
        return {name: value for name, value in vars(self).items() if name != "record"}

    def append(self, values: Mapping[str, float]) -> None:
        """Add one epoch.

        Parameters
        ----------
        values : mapping of str to float
            One number for each name.
        """
        for name, value in values.items():
            self._values.setdefault(name, []).append(float(value))

    def restore(self, values: Mapping[str, Iterable[float]]) -> None:
        """Replace all records.

        Parameters
        ----------
        values : mapping of str to list of float
            One list of numbers for each name.

        Raises
        ------
        ValueError
            If a value is not a list of numbers.
        """
        for name, numbers in values.items():
            if not isinstance(numbers, list) or not all(
                isinstance(number, float) or is_number(number) for number in numbers
            ):
                raise ValueError(f"history: {name} is {brief(numbers)}, expected a list of numbers")
        self._values = {name: [float(value) for value in numbers] for name, numbers in values.items()}

    @property
    def epochs(self) -> int:
        """Number of recorded epochs."""
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
        """Plot the curves of loss and accuracy. Needs matplotlib (extra `plot`).

        Parameters
        ----------
        path : path, optional
            File to save the figure to.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        from ..plot import history, save

        figure: Figure = history(self).figure
        if path is not None:
            save(figure, path)
        return figure

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write a page on the run: verdicts, curves, layers, mistakes, data and settings. Needs a `Monitor`.

        Parameters
        ----------
        path : path
            The HTML file, which needs no network.

        Raises
        ------
        ValueError
            If no `Monitor` has watched the run.
        """
        from ..diagnostics.report import report

        report(self, path)
