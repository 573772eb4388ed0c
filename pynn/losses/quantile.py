"""Quantile: the pinball loss of one or several quantiles of each target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import kernels
from ..checks import FLAG, is_number
from ..data import arrays
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array
from .base import Loss, Units, in_dtype
from .elementwise import numbers_of


class Levels:
    """A level, 0 < level < 1, or several that increase."""

    def __call__(self, where: str, name: str, value: Any) -> float | tuple[float, ...]:
        single = np.ndim(value) == 0 if not isinstance(value, str) else True
        values = [value] if single else list(value)
        rising = all(map(is_number, values)) and all(0 < one < 1 for one in values)
        rising = rising and all(low < high for low, high in pairwise(values))
        if not rising or not values:
            raise ValueError(f"{where}: {name} is {brief(value)}, expected {self.text(name)}")
        return float(value) if single else tuple(float(one) for one in values)

    def text(self, name: str) -> str:
        return "a number between 0 and 1, or several in increasing order, such as (0.1, 0.5, 0.9)"


class Quantile(Loss):
    """Quantile loss (pinball): the mean over N of Σ_l max(t_l (y - f_l), (t_l - 1)(y - f_l)) for levels t_l.

    `fit` knows it as "quantile". Its optimum is the value that a share t_l of the targets lies below; a level of 0.5
    gives the median.

    Parameters
    ----------
    levels : float or sequence of float, default 0.5
        0 < t < 1; several in increasing order, such as (0.05, 0.5, 0.95).
    crossing : bool, default True
        Whether each level's output is its prediction, which may then lie above that of a higher level. If False, the
        first output is the lowest quantile, and each further one is the quantile before it plus softplus(output): the
        predictions never cross, whatever the weights.

    Raises
    ------
    ValueError
        If levels are not as above; from `forward`, for another number of outputs than levels.

    Notes
    -----
    Outputs f (N, L), one for each of L levels; targets y (N,) or (N, 1). `predict` gives (N, L), or for a single level
    the shape of the targets. Several targets take outputs (N, ..., L) and targets (N, ...); their losses are summed.
    The gradient at y = f is 0. Metrics of numbers measure the quantile whose level is nearest to 0.5; "pinball" is
    the loss in the units of y, as a mean over levels.

    References
    ----------
    .. [1] Koenker & Bassett, "Regression Quantiles", 1978.

    Examples
    --------
    >>> model = pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(3))
    >>> model.fit(x, y, loss=pynn.Quantile((0.05, 0.5, 0.95), crossing=False))
    >>> low, middle, high = model.predict(x_test).T                      # 90 % of the targets lie between low and high
    """

    _takes = takes(levels=Levels(), crossing=FLAG)
    _has_points = True

    def __init__(self, levels: float | Sequence[float] = 0.5, crossing: bool = True) -> None:
        self.levels = levels
        self.crossing = crossing

    @property
    def _each(self) -> tuple[float, ...]:
        return tuple(self.levels) if isinstance(self.levels, Sequence) else (self.levels,)

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        column = (*outputs.shape[:-1], 1)
        if type(targets) is not np.ndarray or targets.shape != column or targets.dtype.kind != "f":
            targets = self.targets(targets, outputs.shape[1:])
        self._expect_outputs(outputs.shape[1:])
        dtype, rows = outputs.dtype, (len(outputs), math.prod(outputs.shape[1:]))
        outputs, gradient = np.ascontiguousarray(outputs), self._gradient_like(outputs)
        converted = np.ascontiguousarray(targets, dtype).reshape(len(outputs), -1)
        increments, values = (outputs, outputs) if self.crossing else self._steps_and_quantiles(outputs)
        value = kernels.pinball(
            values.reshape(rows), converted, np.array(self._each, dtype), in_dtype(weights, dtype),
            gradient.reshape(rows),
        )  # fmt: skip
        if not self.crossing:
            _gradient_of_steps(gradient, increments, values)
        if not math.isfinite(value):
            self._expect_representable(targets, dtype)
        return value

    def _steps_and_quantiles(self, outputs: Array) -> tuple[Array, Array]:
        """What each output adds to the quantile before it, and the quantiles; buffers of this thread."""
        memory = self._memories.mine
        kept = memory.quantiles
        if kept is None or kept[0].shape != outputs.shape or kept[0].dtype != outputs.dtype:
            memory.quantiles = kept = np.empty_like(outputs), np.empty_like(outputs)
        _cumulate(outputs, *kept)
        return kept

    def _expect_representable(self, y: Array, dtype: np.dtype[Any]) -> None:
        arrays.check_finite("y", y, dtype)

    def _expect_outputs(self, output_shape: tuple[int, ...]) -> None:
        count, found = len(self._each), output_shape[-1] if output_shape else 1
        if not output_shape or found != count:
            raise ValueError(
                f"{self!r} has {count} level{'s' * (count > 1)}, but the model has {found} "
                f"output{'s' * (found != 1)}: end it with Affine({count}), one output for each level"
            )

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        self._expect_outputs(output_shape)
        y, lead = numbers_of(y), output_shape[:-1]
        if y.shape[1:] not in (lead, (*lead, 1)) and not (y.ndim == 1 and math.prod(lead) == 1):
            expected = f"({', '.join(['N', *map(str, lead)])}{'' if lead else ','})"
            raise ValueError(
                f"y has shape {y.shape}, expected {expected}: one number, not one for each level, as the levels share "
                "their targets"
            )
        arrays.check_finite("y", y)
        y = y.reshape(-1, *lead, 1)
        return y if y.dtype.kind == "f" else y.astype(np.float64)

    def predict(self, outputs: Array) -> Array:
        if self.crossing:
            return outputs
        outputs = np.ascontiguousarray(outputs)
        values = np.empty_like(outputs)
        _cumulate(outputs, np.empty_like(outputs), values)
        return values

    # Between outputs and the user's numbers -------------------------------------------------------

    def _numbers(self, outputs: Array) -> Array:
        return self.predict(outputs)

    def _outputs(self, numbers: Array) -> Array:
        if self.crossing:
            return numbers
        steps = np.maximum(np.diff(numbers, axis=-1), np.finfo(numbers.dtype).tiny)
        return np.concatenate([numbers[..., :1], steps + np.log(-np.expm1(-steps))], axis=-1)

    def _rescaled(self, predictions: Array, form: Units) -> Array:
        levels = range(predictions.shape[-1])
        return np.stack([form.units(predictions[..., level]) for level in levels], axis=-1)

    def _points(self, numbers: Array) -> Array:
        middle = numbers[..., int(np.argmin(np.abs(np.array(self._each) - 0.5)))]
        return middle if middle.ndim > 1 else middle[:, None]

    def _columns(self, output_shape: tuple[int, ...]) -> int:
        return math.prod(output_shape[:-1])

    def _constant(self, y: Array) -> Array:
        best = np.moveaxis(np.quantile(y[..., 0], self._each, axis=0), 0, -1)
        return self._outputs(np.broadcast_to(best, (*y.shape[:-1], len(self._each))))


def _cumulate(outputs: Array, increments: Array, values: Array) -> None:
    """Write softplus of the outputs (the first one itself) and their running sums, which never fall."""
    kernels.activation_forward(outputs, "softplus", 0.0, increments)
    values[..., 0] = outputs[..., 0]
    for level in range(1, outputs.shape[-1]):  # cumsum is slow along a short axis
        np.add(values[..., level - 1], increments[..., level], out=values[..., level])


def _gradient_of_steps(gradient: Array, increments: Array, values: Array) -> None:
    """Turn the gradient of the quantiles into that of the outputs; overwrites the other arrays."""
    for level in range(gradient.shape[-1] - 1, 0, -1):
        np.add(gradient[..., level - 1], gradient[..., level], out=gradient[..., level - 1])
    kernels.activation_backward(gradient, increments, "softplus", 0.0, values)
    values[..., 0] = gradient[..., 0]  # the first output is a quantile itself
    gradient[...] = values
