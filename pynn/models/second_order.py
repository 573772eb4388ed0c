"""Second-order training on the full batch: SciPy's minimizers and Newton's method on the flat vector of parameters."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks, regularizers
from ..callbacks.progress import expect_shown, measurements, wrapped
from ..checks import NOT_NEGATIVE, expect_instance, expect_numbers
from ..data import arrays
from ..data.batches import Samples, epoch_of
from ..layers import BatchNorm, DropConnect, Dropout, GaussianNoise, SpatialDropout
from ..locks import one_at_a_time
from ..losses import Loss
from ..messages import terminal
from ..messages.terminal import brief
from ..regularizers import Penalty
from ..training import inputs, targets
from ..training.history import History
from ..training.measures import Running, hits
from ..training.sources import encoded
from ..training.trainable import Rollback, chosen_loss
from ..typing import Array
from .sequential import Sequential

Vector = NDArray[np.float64]

METHODS = ("L-BFGS-B", "BFGS", "CG", "Newton-CG", "Newton")
LARGEST = {"BFGS": 10_000, "Newton": 2_000}  # parameters: these methods store a square matrix
SCIPY_TOLERANCES = {  # switch SciPy's criteria off: only `tolerance` decides
    "L-BFGS-B": {"ftol": 0.0, "gtol": 0.0, "maxfun": sys.maxsize},
    "BFGS": {"gtol": 0.0},
    "CG": {"gtol": 0.0},
    "Newton-CG": {"xtol": 0.0},
}


@one_at_a_time
def minimize(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    *,
    loss: str | Loss | None = None,
    penalty: Penalty | None = None,
    method: str = "L-BFGS-B",
    steps: int = 100,
    tolerance: float = 1e-5,
    batch_size: int = 1024,
    progress: bool | str = "auto",
) -> History:
    """Minimize the loss over all samples at once, with the penalties, by a second-order method; for small models.

    Parameters
    ----------
    model : Sequential
        The model. It may not have constraints, which these methods would violate.
    x : array (N, ...)
        Samples as in `fit`, raw if the model has preprocessing.
    y : array (N,)
        Targets as in `fit`.
    loss : Loss or str, optional
        By default the model's own.
    penalty : Penalty, optional
        As in `fit`. L1 has a kink at 0, which these methods do not handle: weights come close to 0 but do not reach it.
    method : str, default "L-BFGS-B"
        "L-BFGS-B", "BFGS", "CG" or "Newton-CG" of SciPy (extra `scipy`), or pynn's "Newton": w ← w - (H + λI)⁻¹g with
        the Hessian H from central differences of gradients, two passes per parameter, and the smallest λ ≥ 0 that
        lowers the loss. "Newton" needs a float64 model of at most 2,000 parameters; "BFGS" takes up to 10,000.
    steps : int, default 100
        Maximum number of steps.
    tolerance : float, default 1e-5
        Stop when no component of the gradient is larger. Training also stops when no step lowers the loss any more: in
        float32, rounding causes that sooner.
    batch_size : int, default 1024
        Samples are processed in batches of this size, whose losses and gradients are averaged; it affects rounding
        only.
    progress : bool or str, default "auto"
        False shows nothing; otherwise each step prints a line to stderr.

    Returns
    -------
    History
        One number per step: loss (with data_loss and penalty, if there is one), accuracy if the loss defines one,
        gradient (its largest component) and passes (through the data so far).

    Raises
    ------
    ValueError or TypeError
        For data or settings that do not fit; the model is unchanged then.
    ImportError
        Without SciPy.
    FloatingPointError
        If the loss becomes NaN or infinite.

    Notes
    -----
    The model ends with the parameters of the best step, also after Ctrl-C and errors, and keeps this loss; its epoch
    and step do not change.

    The objective has to stay the same: dropout and noise are off, and a custom layer draws the numbers of the model's
    current step. Batch normalization uses the statistics of all samples, which must fit into one batch (batch_size >=
    N); its running statistics are those of the result. Learning-rate factors have no effect.

    References
    ----------
    .. [1] Nocedal & Wright, "Numerical Optimization", 2006, chapters 3, 6 and 7.
    """
    _check_settings(penalty, method, steps, tolerance, batch_size, progress)
    optimize = None if method == "Newton" else _scipy(method)
    chosen = chosen_loss(model, loss)
    with Rollback(model):
        form, samples = inputs.taken(model, x)
        y = targets.read(y)
        samples = inputs.prepare(model, None, samples, y)[1]
        arrays.check_pairs("x", samples, "y", y)
        arrays.check_finite("x", samples, model.dtype)
        model.accept(samples)
        target_form = targets.learned(model, chosen, y)
        encoded_targets = encoded(model, target_form, chosen, y)
        _check_model(model, method, len(samples), batch_size)
    model.loss, model.inputs, model.targets = chosen, form, target_form
    with model.lock, chosen.used(model), model.same_masks(), _deterministic(model):
        run = _Run(_Objective(model, chosen, samples, encoded_targets, penalty, batch_size), steps, tolerance, progress)
        try:
            run.start()
            if optimize is None:
                _newton(run)
            else:
                settings: dict[str, Any] = {"hessp": run.curvature} if method == "Newton-CG" else {}
                settings["options"] = {"maxiter": steps, **SCIPY_TOLERANCES[method]}
                optimize.minimize(run.evaluate, run.best.copy(), jac=True, method=method, callback=run.take, **settings)
        except _Done:
            pass
        finally:
            run.finish()
    return run.history


def _check_settings(
    penalty: Penalty | None, method: str, steps: int, tolerance: float, batch_size: int, progress: bool | str
) -> None:
    if method not in METHODS:
        raise ValueError(f"method is {brief(method)}, expected one of {', '.join(METHODS)}")
    checks.expect_count("", 0, steps=steps)
    checks.expect_count("", 1, batch_size=batch_size)
    expect_numbers("", NOT_NEGATIVE, tolerance=tolerance)
    if penalty is not None:
        expect_instance(penalty, Penalty, "penalty")
    expect_shown(progress)


def _scipy(method: str) -> Any:
    try:
        from scipy import optimize  # here: importing pynn must stay light
    except ModuleNotFoundError as cause:
        raise ImportError(
            f'the method {method} needs SciPy: pip install "pynn-cpu[scipy]"; the method "Newton" does not'
        ) from cause
    return optimize


def _check_model(model: Sequential, method: str, samples: int, batch_size: int) -> None:
    most = LARGEST.get(method, model.parameter_count)
    if model.parameter_count > most:
        raise ValueError(
            f"the model has {model.parameter_count:,} parameters, but {method} takes at most {most:,}: it stores a "
            "square matrix of them; use L-BFGS-B"
        )
    model.segments()  # follows the layers' settings
    if model._constrained:
        raise ValueError(f"minimize does not apply {model._constrained[0][1]!r}; use fit, or leave the constraint out")
    if method == "Newton" and model.dtype != np.float64:
        raise ValueError(
            f"Newton needs a model of dtype float64 (it differentiates gradients), this one is {model.dtype}"
        )
    if samples > batch_size and any(isinstance(layer, BatchNorm) for layer in model.walk()):
        raise ValueError(
            f"batch normalization needs all {samples} samples in one batch, but batch_size is {batch_size}; pass "
            f"batch_size={samples}"
        )


NOISE: tuple[tuple[type, str], ...] = (
    (Dropout, "rate"), (SpatialDropout, "rate"), (DropConnect, "rate"), (GaussianNoise, "std"), (BatchNorm, "momentum"),
)  # fmt: skip


@contextmanager
def _deterministic(model: Sequential) -> Iterator[None]:
    """Switch off random masks and noise, and make running statistics those of the last pass."""
    settings: list[tuple[Any, str, float]] = [
        (layer, name, getattr(layer, name)) for layer in model.walk() for kind, name in NOISE if isinstance(layer, kind)
    ]
    try:
        for layer, name, _ in settings:
            setattr(layer, name, 0.0)
        yield
    finally:
        for layer, name, value in settings:
            setattr(layer, name, value)


class _Done(Exception):
    """All steps are done, or the gradient is small enough."""


class _Objective:
    """Loss and gradient over all samples as a function of the trained parameters, without gaps of the flat vector."""

    def __init__(
        self, model: Sequential, loss: Loss, x: Array, y: Array, penalty: Penalty | None, batch_size: int
    ) -> None:
        self.model, self.loss, self.x, self.y, self.penalty = model, loss, x, y, penalty
        self.batch_size = min(batch_size, len(x))
        trained = [segment for segment in model.segments() if not segment.frozen]
        self.penalized = penalty is not None or model.has_penalties
        sizes = {start: math.prod(parameter.shape) for _, parameter, start in model._places}
        self.places = np.concatenate([np.zeros(0, np.int64)] + [s.start + np.arange(sizes[s.start]) for s in trained])
        self.point: Vector = model.parameters[self.places].astype(np.float64)  # at which it was last evaluated
        self.gradient: Vector = np.zeros(len(self.places))
        self.values: dict[str, float] = {}
        self.passes = 0

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        """The loss and its gradient at this point; attributes keep both, and the other measurements."""
        model, running = self.model, Running()
        model.parameters[self.places] = point
        gradient = np.zeros(len(point))
        for x, y, _ in epoch_of(Samples(self.x, self.y), self.batch_size, model.dtype, reuse=True):
            value = self.loss.forward(model.forward(x, training=True), y)
            running.add(value, hits(self.loss, model.outputs, y, None), len(x))
            if not math.isfinite(value):
                break
            model.backward(self.loss.backward())
            gradient += model.gradients[self.places] * (len(x) / len(self.x))
        values = running.means()
        if self.penalized:
            model.gradients.fill(0)
            penalty = regularizers.total(model, None) if self.penalty is None else self.penalty.apply(model)
            data_loss = values.pop("loss")
            gradient += model.gradients[self.places]
            values = {"loss": data_loss + penalty, "data_loss": data_loss, "penalty": penalty, **values}
        self.passes += 1
        self.point, self.gradient, self.values = point.copy(), gradient, values
        return values["loss"], gradient


class _Run:
    """The steps of a minimizer: their history, and the best point."""

    def __init__(self, objective: _Objective, steps: int, tolerance: float, progress: bool | str) -> None:
        self.objective, self.steps, self.tolerance = objective, steps, tolerance
        self.shown = progress is not False
        self.history = History()
        self.best, self.lowest = objective.point, math.inf

    def start(self) -> None:
        self.lowest, _ = self.evaluate(self.best)
        self._stop_if_done()

    def evaluate(self, point: Vector) -> tuple[float, Vector]:
        """Loss and gradient; FloatingPointError if they are not finite."""
        value, gradient = self.objective(point)
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            where = f"step {self.history.epochs + 1}" if math.isfinite(self.lowest) else "the start"
            raise FloatingPointError(
                f"the loss is {value} at {where}, or its gradient is not finite; the parameters are the best so far. "
                f"Scale the inputs (the largest is {np.abs(self.objective.x).max():.3g})"
            )
        return value, gradient

    def curvature(self, point: Vector, direction: Vector) -> Vector:
        """The Hessian times the direction, from central differences; SciPy's own step is lost in rounding near 0."""
        length = float(np.linalg.norm(direction))
        if not length:
            return np.zeros(len(point))
        rounding = np.finfo(self.objective.model.dtype).eps
        width = float(np.cbrt(rounding)) * max(float(np.linalg.norm(point)), 1) / length
        difference = self.evaluate(point + width * direction)[1] - self.evaluate(point - width * direction)[1]
        product: Vector = difference / (2 * width)
        return product

    def take(self, point: Vector) -> None:
        """Record a step of the minimizer to this point."""
        objective = self.objective
        if not np.array_equal(point, objective.point):  # Newton-CG evaluates other points in between
            self.evaluate(point)
        if objective.values["loss"] <= self.lowest:
            self.best, self.lowest = objective.point, objective.values["loss"]
        largest = float(np.abs(objective.gradient).max(initial=0))
        self.history.append({**objective.values, "gradient": largest, "passes": objective.passes})
        if self.shown:
            parts = [*measurements(objective.values), f"gradient {largest:.1e}", f"{objective.passes} passes"]
            title = f"step {self.history.epochs}/{self.steps}: "
            terminal.say(wrapped(title, parts, terminal.width(sys.stderr)))
        self._stop_if_done()

    def _stop_if_done(self) -> None:
        if self.history.epochs >= self.steps or np.abs(self.objective.gradient).max(initial=0) <= self.tolerance:
            raise _Done

    def finish(self) -> None:
        """Leave the best parameters in the model, with the running statistics that belong to them."""
        model = self.objective.model
        if any(isinstance(layer, BatchNorm) for layer in model.walk()):
            self.objective(self.best)
        model.parameters[self.objective.places] = self.best


def _newton(run: _Run) -> None:
    """Newton's method with damping, until `run` stops it or no step lowers the loss."""
    while True:
        point, value, gradient = run.best, run.lowest, run.objective.gradient
        hessian = _hessian(run, point)
        scale = float(np.abs(hessian).max(initial=0)) or 1.0
        for damping in (0.0, *10.0 ** np.arange(-10, 6)):
            try:  # only a positive definite matrix has a Cholesky factor, and only then the step goes downhill
                factor = np.linalg.cholesky(hessian + damping * scale * np.eye(len(point)))
            except np.linalg.LinAlgError:
                continue
            step = np.linalg.solve(factor.T, np.linalg.solve(factor, -gradient))
            reached, _ = run.objective(point + step)
            if reached <= value + 1e-4 * float(gradient @ step) and np.isfinite(run.objective.gradient).all():
                break
        else:
            return
        run.take(point + step)


def _hessian(run: _Run, point: Vector) -> Vector:
    """Second derivatives at the point, from central differences of gradients along each axis."""
    widths = np.cbrt(np.finfo(np.float64).eps) * np.maximum(np.abs(point), 1)
    hessian = np.empty((len(point), len(point)))
    for place, width in enumerate(widths):
        ahead, back = point.copy(), point.copy()
        ahead[place] += width
        back[place] -= width
        difference = run.evaluate(ahead)[1] - run.evaluate(back)[1]
        hessian[place] = difference / (ahead[place] - back[place])
    symmetric: Vector = (hessian + hessian.T) / 2
    return symmetric
