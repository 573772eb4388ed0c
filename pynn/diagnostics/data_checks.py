"""What can be said of training data without a step: scales, constants, placeholders, balance, order, leaks, shifts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..typing import Array
from . import thresholds as at
from .verdicts import Verdict


@dataclass(frozen=True, eq=False)
class View:
    """Rows (N, D) of the data, and the names of their columns."""

    x: Array
    names: Sequence[str] | None = None

    @classmethod
    def of(cls, x: Array, names: Sequence[str] | None = None) -> View:
        """The samples as rows of float64."""
        return cls(np.asarray(x, np.float64).reshape(len(x), -1), names)

    def name(self, column: int) -> str:
        """A column's name, for messages."""
        return f"column {self.names[column]!r}" if self.names is not None else f"column {column}"

    def listed(self, columns: Array) -> str:
        """Names of some columns, at most three, and how many more there are."""
        shown = ", ".join(self.name(int(column)) for column in columns[:3])
        return shown if len(columns) <= 3 else f"{shown} and {len(columns) - 3} more"


def of_values(view: View, table: bool) -> Iterator[Verdict]:
    """Findings on single values of x. table: columns are features of their own, unlike pixels."""
    spread = view.x.std(axis=0)
    if not spread.any():
        if len(view.x) > 1:
            evidence = f"all {view.x.shape[1]} columns are constant"
            yield Verdict("bad_data", "error", "x", evidence, "Check how x was read: it holds no data.")
        return
    yield from of_rows(view)
    if table:
        yield from _constants(view, spread)
        yield from _placeholders(view)
        yield from of_outliers(view)


def _constants(view: View, spread: Array) -> Iterator[Verdict]:
    constant = np.flatnonzero(spread == 0)
    if len(constant):
        yield Verdict(
            "bad_data", "info", view.listed(constant), f"{len(constant)} of {len(spread)} columns are constant",
            "They tell nothing: leave them out.",
        )  # fmt: skip
    seen: dict[bytes, int] = {}
    for column in range(view.x.shape[1] if view.x.shape[1] <= 2000 else 0):
        if spread[column] > 0:
            first = seen.setdefault(view.x[:, column].tobytes(), column)
            if first != column:
                yield Verdict(
                    "bad_data", "info", view.name(column), f"it equals {view.name(first)}", "Leave one of them out."
                )
                return


def _placeholders(view: View) -> Iterator[Verdict]:
    """A value that many rows share, far away from all others: -999, 9999 and the like for what is missing."""
    found = [(column, one) for column in range(view.x.shape[1]) if (one := _placeholder(view.x[:, column])) is not None]
    if found:
        column, (value, count, least, most) = found[0]
        yield Verdict(
            "bad_data", "warning", view.listed(np.array([one[0] for one in found])),
            f"{count} rows of {view.name(column)} hold {value:g}, the others lie between {least:g} and {most:g}",
            "If it stands for a missing value, replace it by the median, and add a column that tells where.",
        )  # fmt: skip


def _placeholder(numbers: Array) -> tuple[float, int, float, float] | None:
    """The value, how many rows hold it, and the range of the others; None if there is none."""
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) < 10:
        return None
    for place, neighbour, rest in ((0, 1, slice(1, None)), (-1, -2, slice(None, -1))):
        count, value = int(counts[place]), float(values[place])
        if not max(3, at.PLACEHOLDER_SHARE * len(numbers)) <= count <= 0.5 * len(numbers):
            continue
        inner = np.repeat(values[rest], counts[rest])
        low, high = np.percentile(inner, [5, 95])
        width = max(float(high - low), 0.5 * float(np.ptp(inner)))
        # Where the others hardly repeat, or the value is a usual sign for a missing one, a smaller gap tells.
        fine = len(values) - 1 > 0.5 * len(inner)
        usual = abs(round(value)) in (99, 999, 9999, 99999) and abs(value - round(value)) < 1e-3 * abs(value)
        gap = at.PLACEHOLDER_GAP * (0.1 if fine and usual else 0.25 if fine else 1)
        if abs(value - float(values[neighbour])) > gap * width:
            return value, count, float(inner.min()), float(inner.max())
    return None


def of_squeezed(view: View) -> Iterator[Verdict]:
    """A column as the model gets it whose largest values leave nothing between the others."""
    low, high = np.percentile(view.x, [1, 99], axis=0)
    squeezed = np.flatnonzero((high > low) & (high - low < at.SQUEEZED * np.ptp(view.x, axis=0)))
    if len(squeezed):
        inside = high[squeezed[0]] - low[squeezed[0]]
        yield Verdict(
            "bad_data", "warning", view.listed(squeezed),
            f"98 % of the values of {view.name(squeezed[0])} lie within "
            f"{inside / np.ptp(view.x[:, squeezed[0]]):.1g} of its range: a few are so large that nothing is left "
            "between the others",
            "If they stand for missing values, replace them by the median; else clip them before they are scaled.",
        )  # fmt: skip


def of_outliers(view: View, share: float = 0.01) -> Iterator[Verdict]:
    """Values far from all others, with nothing in between: long tails of right values come closer step by step."""
    low, middle, high = np.percentile(view.x, [25, 50, 75], axis=0)
    distances = np.sort(np.abs(view.x - middle), axis=0)
    width = high - low
    found = []
    for column in np.flatnonzero(distances[-1] > at.OUTLIER * width).tolist():
        ends = distances[distances[:, column] > width[column], column]
        if width[column] <= 0 or len(ends) < 2:
            continue
        jumps = (ends[1:] > at.OUTLIER_GAP * ends[:-1]) & (ends[1:] > at.OUTLIER * width[column])
        count = len(ends) - 1 - int(jumps.argmax()) if jumps.any() else 0
        # A single value may be rare and right.
        if (count == 1 and ends[-1] > at.OUTLIER_ALONE * width[column]) or 1 < count < share * len(view.x):
            found.append((column, count, float(ends[-count])))
    if found:
        column, count, edge = found[0]
        values = view.x[np.abs(view.x[:, column] - middle[column]) >= edge, column]
        yield Verdict(
            "bad_data", "warning", view.listed(np.array([one[0] for one in found])),
            f"{count} values such as {values[0]:g} lie over {edge / width[column]:.0f} interquartile ranges from the "
            f"median ({middle[column]:g}), with nothing in between",
            "Check them; clip them or take logarithms where they are right.",
        )  # fmt: skip


def of_rows(view: View) -> Iterator[Verdict]:
    """Rows that hold one number only, such as pictures that were not read."""
    if view.x.shape[1] < 8 or len(np.unique(view.x[:200])) < 16:  # rows of a few coarse numbers may be so
        return
    blank = float(np.mean(np.ptp(view.x, axis=1) == 0))
    if at.BLANK < blank < 1:
        yield Verdict(
            "bad_data", "warning", "x", f"{blank:.0%} of the rows hold one number throughout",
            "Check how they were read, and leave them out.",
        )  # fmt: skip


def of_scales(view: View, table: bool, severity: str) -> Iterator[Verdict]:
    """Findings on the scale of x."""
    spread, centre = view.x.std(axis=0), view.x.mean(axis=0)
    if not spread.any():
        return
    cure = "Pass preprocessing=pynn.Standardization() to fit."
    values = view.x[view.x != 0] if np.mean(view.x == 0) > at.SPARSE else view.x  # words in a text: few numbers a row
    size = math.sqrt(float(np.mean(np.square(values))))
    active = spread[spread > 0]
    ratio = float(active.max() / active.min())
    if size > at.LARGE_SCALE or size < at.SMALL_SCALE:
        yield Verdict(
            "unscaled_inputs", severity, "x", f"the root mean square of x is {size:.3g}, about 1 is wanted", cure
        )
    elif table and ratio > at.UNEVEN and float(active.max()) > 3:
        yield Verdict(
            "unscaled_inputs", severity, "x",
            f"spreads of columns go from {active.min():.3g} to {active.max():.3g}", cure,
        )  # fmt: skip
    elif float(np.abs(centre).mean()) > at.OFF_CENTRE * float(spread.mean()):
        yield Verdict(
            "unscaled_inputs", severity, "x",
            f"means are {np.abs(centre).mean() / spread.mean():.1f} times the spreads, 0 is wanted", cure,
        )  # fmt: skip


def of_numbers(y: Array, severity: str) -> Iterator[Verdict]:
    """Findings on the targets of a regression, as the loss takes them."""
    columns = y.reshape(len(y), -1)
    spreads, centres = columns.std(axis=0), np.abs(columns.mean(axis=0))
    spread, centre = float(spreads.max()), float(centres.max())
    if spread == 0:
        return
    cure = "Pass target_preprocessing=pynn.Standardization() to fit; predictions keep the units of y."
    if spread > at.LARGE_SCALE or centre > at.LARGE_SCALE or max(spread, centre) < at.SMALL_SCALE:
        evidence = f"mean {columns[:, centres.argmax()].mean():.3g}, spread {spread:.3g}; about 0 and 1 are wanted"
        yield Verdict("unscaled_targets", severity, "y", evidence, cure)
    elif columns.shape[1] <= at.FEW_OUTPUTS and spread > at.UNEVEN * float(spreads[spreads > 0].min()):
        evidence = f"spreads of its columns go from {spreads[spreads > 0].min():.3g} to {spread:.3g}"
        yield Verdict("unscaled_targets", severity, "y", evidence, cure)


def of_shift(train: View, held: View, worse: bool) -> Iterator[Verdict]:
    """Findings on the scale of validation data beside training data; worse: whether the model does worse there."""
    spread, other = train.x.std(axis=0), held.x.std(axis=0)
    columns = (spread > 0) & (other > 0)
    if not columns.any() or min(len(train.x), len(held.x)) < at.TINY:
        return
    distance = np.abs(held.x.mean(axis=0) - train.x.mean(axis=0))[columns] / spread[columns]
    noise = math.sqrt(1 / len(held.x) + 1 / len(train.x))
    shift = float(np.median(distance))
    scale = float(np.exp(np.median(np.log(other[columns] / spread[columns]))))
    if (shift > max(at.SHIFT, 5 * noise) and worse) or not 1 / at.OTHER_SCALE < scale < at.OTHER_SCALE:
        yield Verdict(
            "data_mismatch", "warning", "validation",
            f"the typical column lies {shift:.1f} spreads from training, with {scale:.2g} times its spread",
            "Prepare validation data as training data; let fit do it with preprocessing=.",
        )  # fmt: skip
