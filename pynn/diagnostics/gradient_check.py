"""Gradient check: backward passes against central differences of the loss, in float64."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..callbacks import progress as progresses
from ..layers.base import Layer
from ..losses import Loss
from ..messages.terminal import brief
from ..models.sequential import Sequential
from ..regularizers import Penalty
from ..training import data
from ..training.sources import Options
from ..training.trainable import chosen_loss
from ..typing import Array

TOLERANCE = 1e-6  # relative error of a right gradient; without kinks it is near 1e-9
COARSE = 1e-2  # the same where something inside computes in float32
STEPS = (1e-4, 1e-5, 1e-6, 1e-3)  # a small one crosses few kinks, a large one has little rounding
COARSE_STEPS = (3e-2, 1e-2, 1e-1)
ALL = 64  # a block of up to this many numbers is checked number by number
DIRECTIONS, NUMBERS = 4, 24  # of a larger block: random directions, and single numbers
NUDGE = 0.3  # of the spread of x: how far beside a kink a second check is made
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Block:
    """What was found for one block of parameters, or for the input.

    Parameters
    ----------
    name : str
        "affine1.weight", ..., "input", or "outputs" of a loss.
    verdict : {"right", "kink", "wrong"}
        "kink": the point lies on a kink, such as 0 of a ReLU, where the gradient lies between both slopes.
    error : float
        Largest relative error |a - n| / (|a| + |n|) of the analytic and the numeric slope.
    where : str
        The worst place: an index, or "a random direction".
    analytic, numeric : float
        Both slopes there.
    """

    name: str
    verdict: str
    error: float
    where: str
    analytic: float
    numeric: float


@dataclass(frozen=True)
class GradientCheck:
    """The result of `gradient_check`; true if no block is wrong.

    Parameters
    ----------
    blocks : list of Block
        One per block of parameters, and the input.
    notes : list of str
        What to know about this check.
    """

    blocks: list[Block]
    notes: list[str]

    def __bool__(self) -> bool:
        return all(block.verdict != "wrong" for block in self.blocks)

    def __str__(self) -> str:
        width = max((len(block.name) for block in self.blocks), default=0)
        lines = [
            f"{block.name:<{width}}  {block.verdict:<5}  relative error {block.error:.1e}" for block in self.blocks
        ]
        for number, block in enumerate(self.blocks):
            if block.verdict != "right":
                lines[number] += f" at {block.where}: backward gives {block.analytic:.6g}, the loss {block.numeric:.6g}"
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__


def gradient_check(
    model: Sequential | Layer | Loss,
    loss: str | Loss | None = None,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    penalty: Penalty | None = None,
    samples: int = 16,
    seed: int = 0,
    progress: bool | str = "auto",
) -> GradientCheck:
    """Compare the gradients of a backward pass with differences of the loss.

    The slope along a direction v is (f(w + hv) - f(w - hv)) / 2h; the relative error is |a - n| / (|a| + |n|).

    Parameters
    ----------
    model : Sequential, Layer or Loss
        What to check. It is not changed: the check runs on a float64 copy with the same weights, masks and noise.
        A layer, or a model without loss and y, is checked with Σ r·outputs for random r; a loss with its gradient for
        the outputs.
    loss : Loss or str, optional
        By default the model's own.
    x : array (N, ...)
        Raw samples, as for `fit`; of a layer its inputs, of a loss the outputs of a model.
    y : array (N, ...), optional
        Targets, as for `fit`; of a layer alone none.
    penalty : Penalty, optional
        Part of the loss, as in `fit`.
    samples : int, default 16
        At most this many of the samples are used: many samples cross many kinks.
    seed : int, default 0
        Of samples, directions and numbers.
    progress : bool or str, default "auto"
        A bar: True, False, or "auto": on a terminal, where it takes more than a second.

    Returns
    -------
    GradientCheck
        One row per block of parameters and for the input. ``assert pynn.diagnostics.gradient_check(...)`` fails if one
        is wrong; printed, it tells where.

    Raises
    ------
    ValueError or TypeError
        For data that do not fit.

    Notes
    -----
    Small blocks are checked number by number, large ones along random directions and at random numbers. Dropout and
    noise keep their masks, batch normalization uses the statistics of the batch. Where a kink lies between the two
    points, smaller steps avoid it; where the point itself lies on a kink, the block is reported as "kink".

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3: Learning and Evaluation", gradient checks.

    Examples
    --------
    >>> print(pynn.diagnostics.gradient_check(model, "softmax_cross_entropy", x, y))
    >>> assert pynn.diagnostics.gradient_check(MyLayer(), x=x)
    """
    checks.expect_count("", 1, samples=samples)
    checks.check_seed(seed)
    progresses.expect_shown(progress)
    if x is None:
        raise TypeError("x is missing: gradient_check(model, loss, x, y), or gradient_check(layer, x=x)")
    generator = np.random.default_rng(seed)
    subject: Any = model
    if isinstance(subject, Loss):
        return _Check(generator, progress).of_loss(subject, x, y, samples)
    if not isinstance(subject, Layer):
        hint = f"; write {subject.__name__}()" if isinstance(subject, type) else ""
        raise TypeError(f"model is {brief(subject)}, expected a Sequential, a Layer or a Loss{hint}")
    if not isinstance(subject, Sequential):
        subject = Sequential(copy.deepcopy(subject), dtype="float64")
    if loss is None and y is None:
        loss, y = Projection(), np.zeros(len(np.asarray(x)))
    return _Check(generator, progress).of_model(subject, loss, x, y, penalty, samples)


def compare_loss(loss: Loss, outputs: Array, targets: Array, generator: np.random.Generator) -> Block:
    """The gradient of a loss beside its slope at these outputs; targets: in the form that `forward` takes."""
    return _Check(generator).of_outputs(loss, np.array(outputs, np.float64), targets)


class Projection(Loss):
    """Σ r·outputs for fixed random r: takes outputs of any shape, and any error in their gradient shows."""

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        self.r = np.random.default_rng(99).standard_normal(outputs.shape).astype(outputs.dtype)
        return float((outputs * self.r).sum())

    def backward(self) -> Array:
        return self.r

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        return np.asarray(y)


class _Check:
    """One check: the random numbers, and what was noted on the way."""

    def __init__(self, generator: np.random.Generator, progress: bool | str = False) -> None:
        self.generator = generator
        self.progress = progress
        self.notes: list[str] = []
        self.coarse = False

    def of_loss(self, loss: Loss, outputs: ArrayLike, y: ArrayLike | None, samples: int) -> GradientCheck:
        if y is None:
            raise TypeError("y is missing: a loss is checked with outputs x and targets y")
        whole = np.asarray(outputs)
        rows = self._rows(len(whole), samples)
        z = np.array(whole[rows], np.float64)
        targets = loss.targets(np.asarray(y)[rows], z.shape[1:])

        return GradientCheck([self.of_outputs(loss, z, targets)], self.notes)

    def of_outputs(self, loss: Loss, z: Array, targets: Array) -> Block:
        """The gradient of a loss at outputs z, beside targets in the form that `forward` takes."""

        def value() -> float:
            return float(loss.forward(z, targets))

        start = value()
        gradient = np.array(loss.backward(), np.float64)
        if gradient.shape != z.shape:
            raise ValueError(f"backward returned shape {gradient.shape}, expected that of the outputs, {z.shape}")
        self._see_rounding(value, z, gradient, start)
        return self._block("outputs", z, gradient, value)

    def of_model(
        self, model: Sequential, loss: str | Loss | None, x: ArrayLike, y: ArrayLike | None, penalty: Penalty | None,
        samples: int,
    ) -> GradientCheck:  # fmt: skip
        if y is None:
            raise TypeError("y is missing: pass targets, gradient_check(model, loss, x, y)")
        chosen = copy.deepcopy(chosen_loss(model, loss))
        twin = self._twin(model, np.asarray(x))
        options = Options(preprocessing=None, batch_size=None)
        checked = data.read(twin, chosen, x, y, 1, options).source.samples  # type: ignore[union-attr]
        rows = self._rows(len(checked.x), samples)
        z, targets = np.array(checked.x[rows], np.float64), checked.y[rows]
        if checked.x.dtype == np.uint8:
            z = z / 255 if z.ndim == 4 else z
        with twin.same_masks():
            return self._of_twin(twin, chosen, z, targets, penalty)

    def _of_twin(self, twin: Sequential, loss: Loss, x: Array, y: Array, penalty: Penalty | None) -> GradientCheck:
        def value() -> float:
            total = float(loss.forward(twin.forward(x, training=True), y))
            return total if penalty is None else total + penalty.value(twin)

        blocks = self._blocks(twin, loss, x, penalty, value)
        if any(block.verdict == "wrong" and math.isfinite(block.error) for block in blocks):
            # Where many numbers lie exactly on kinks (zeros under ReLU, equal pixels under max), slopes on both sides
            # tell nothing of their sum: a little beside them an error stays, and a kink is gone.
            x += NUDGE * (float(x.std()) or 1.0) * self.generator.standard_normal(x.shape)
            beside = {block.name: block for block in self._blocks(twin, loss, x, penalty, value)}
            blocks = [
                replace(block, verdict="kink")
                if block.verdict == "wrong" and beside[block.name].verdict != "wrong" and math.isfinite(block.error)
                else block
                for block in blocks
            ]
        return GradientCheck(blocks, self.notes)

    def _blocks(
        self, twin: Sequential, loss: Loss, x: Array, penalty: Penalty | None, value: Callable[[], float]
    ) -> list[Block]:
        start = value()
        if not math.isfinite(start):
            raise FloatingPointError(f"the loss is {start}: check the data and the first weights")
        twin.gradients.fill(np.nan)  # what backward does not write shows
        dx = twin.backward(loss.backward(), input_gradient=True)
        if penalty is not None:
            penalty.apply(twin)
        gradients = twin.gradients.copy()
        if dx is not None and not self.coarse:
            self._see_rounding(value, x, np.array(dx), start)
        places = []
        for name, view in twin.tensors().items():
            if np.shares_memory(view, twin.parameters):
                first = (view.ctypes.data - twin.parameters.ctypes.data) // view.itemsize
                places.append((name, view, gradients[first : first + view.size].reshape(view.shape)))
        if dx is not None:
            places.append(("input", x, np.array(dx)))
        blocks = []
        with progresses.bar("gradient check", len(places), self.progress) as bar:
            for place in places:
                blocks.append(self._block(*place, value))
                bar.update()
        return blocks

    def _twin(self, model: Sequential, x: Array) -> Sequential:
        """A float64 copy with the same weights."""
        twin = copy.deepcopy(model)
        twin.unfreeze()
        if model.dtype == np.float64:
            return twin
        self.notes.append(
            "the model is float32: this check ran on a float64 copy with the same weights, since rounding of float32 "
            "hides errors below 1e-2"
        )
        if not model.built:
            twin.context.dtype = np.dtype(np.float64)
            return twin
        values, step, shape = model.tensors(), model.context.step, model.input_shape
        twin.unbuild()
        twin.context.dtype, twin.context.step = np.dtype(np.float64), step
        twin.build(shape)
        for name, array in twin.tensors().items():
            array[...] = values[name]
        return twin

    def _rows(self, count: int, samples: int) -> Array:
        return np.sort(self.generator.permutation(count)[:samples])

    def _see_rounding(self, value: Callable[[], float], numbers: Array, gradient: Array, start: float) -> None:
        """Whether something inside computes in float32: then the loss stands still for steps that float64 sees."""
        direction = np.sign(np.nan_to_num(gradient))
        slope = float(np.abs(np.nan_to_num(gradient)).sum())
        step = 1e3 * EPSILON * max(abs(start), 1e-30) / slope if slope > 0 else 0.0
        if not 0 < step < 1e-6:
            return
        before = numbers.copy()
        numbers += step * direction
        still = value() == start
        numbers[...] = before
        if still:
            self.coarse = True
            self.notes.append(
                "something computes in float32 inside (the loss moves in steps of float32): errors below 1e-2 cannot "
                "be seen; let custom code keep the dtype of its inputs"
            )

    def _block(self, name: str, numbers: Array, gradient: Array, value: Callable[[], float]) -> Block:
        """Check one block, whose numbers are moved in place."""
        if not np.isfinite(gradient).all():
            place = tuple(int(one) for one in np.argwhere(~np.isfinite(gradient))[0])
            return Block(name, "wrong", math.inf, f"{list(place)}", float(gradient[place]), math.nan)
        worst = Block(name, "right", 0.0, "", 0.0, 0.0)
        order = {"right": 0, "kink": 1, "wrong": 2}
        for where, direction in self._directions(numbers.shape, gradient):
            verdict, error, numeric = self._compare(numbers, direction, float((gradient * direction).sum()), value)
            if (order[verdict], error) > (order[worst.verdict], worst.error):
                worst = Block(name, verdict, error, where, float((gradient * direction).sum()), numeric)
        return worst

    def _directions(self, shape: tuple[int, ...], gradient: Array) -> Iterator[tuple[str, Array]]:
        size = math.prod(shape)
        places: Any = range(size)
        if size > ALL:
            for _ in range(DIRECTIONS):
                signs = self.generator.choice([-1.0, 1.0], size).reshape(shape)
                yield "a random direction", signs / math.sqrt(size)
            largest = int(np.abs(gradient).argmax())
            places = {largest, *self.generator.choice(size, NUMBERS, replace=False).tolist()}
        for place in sorted(places):
            unit = np.zeros(size)
            unit[place] = 1
            yield str([int(one) for one in np.unravel_index(place, shape)]), unit.reshape(shape)

    def _compare(
        self, numbers: Array, direction: Array, slope: float, value: Callable[[], float]
    ) -> tuple[str, float, float]:
        """The verdict on one slope, its relative error, and the numeric slope."""
        tolerance, steps = (COARSE, COARSE_STEPS) if self.coarse else (TOLERANCE, STEPS)
        epsilon = float(np.finfo(np.float32).eps) if self.coarse else EPSILON
        before = numbers.copy()

        def at(step: float) -> float:
            np.add(before, step * direction, out=numbers)
            found = value()
            numbers[...] = before
            return found

        best, middle = (math.inf, 0.0), value()
        for step in steps:
            up, down = at(step), at(-step)
            numeric = (up - down) / (2 * step)
            difference = abs(slope - numeric)
            noise = 20 * epsilon * max(abs(up), abs(down)) / step
            error = 0.0 if difference <= noise else difference / max(abs(slope) + abs(numeric), 1e-300)
            best = min(best, (error, numeric))
            if error <= tolerance:
                return "right", error, numeric
        return ("kink" if self._on_kink(at, middle, slope, steps) else "wrong", *best)

    def _on_kink(self, at: Callable[[float], float], middle: float, slope: float, steps: tuple[float, ...]) -> bool:
        """Whether the slopes on both sides stay apart however small the step, with this one between them."""
        apart = []
        for step in sorted(steps)[:3]:
            right, left = (at(step) - middle) / step, (middle - at(-step)) / step
            low, high = min(left, right), max(left, right)
            slack = 1e-3 * (high - low)
            apart.append((high - low > 1e-3 * (abs(high) + abs(low)), low - slack <= slope <= high + slack))
        return all(far and between for far, between in apart)
