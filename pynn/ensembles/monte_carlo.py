"""Monte Carlo averaging: mean and spread of predictions over random masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..layers.context import Context
from ..models.sequential import Sequential
from ..training import evaluate as validations
from ..training import inputs, targets
from ..typing import Array

LAST_STEP = 2**32 - 1  # passes count down from here; training never reaches these steps, so the masks differ
CHANGED = ("seed", "step", "passes", "sampling", "first_sample", "epoch")  # of the context, for the passes


def monte_carlo(
    model: Sequential,
    x: ArrayLike,
    passes: int = 20,
    *,
    batch_size: int = validations.BATCH,
    seed: int | None = None,
    probabilities: bool = False,
    epoch: float | None = None,
) -> tuple[Array, Array]:
    """Mean and standard deviation of the outputs over several passes with random masks and noise.

    Parameters
    ----------
    model : Sequential
        A built model. Afterwards it is as before: parameters, step, statistics, `outputs`.
    x : array (N, ...)
        Raw samples.
    passes : int, default 20
        Number of passes, at least 1.
    batch_size : int, default 1024
        Samples processed at once; it affects memory and rounding only.
    seed : int, optional
        Of the masks, 0..2^64-1; by default the model's. The same seed gives the same result.
    probabilities : bool, default False
        Average class probabilities instead of raw outputs.
    epoch : float, optional
        Where schedules of the rates of dropout are read; by default at 0, or where training is while it runs.

    Returns
    -------
    tuple of array (N, ...)
        Mean and standard deviation (÷ passes), new arrays. The standard deviation measures how sure the model is; in
        a model without random layers it is 0. Of `GaussianNLL` they are those of means and of log variances, each by
        itself: the spread of the means is no part of the variances.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        If the data do not fit.

    Notes
    -----
    Every pass draws new masks in `Dropout`, `SpatialDropout` and `DropConnect`, new noise in `GaussianNoise`, new
    regions in `FractionalMaxPool2d`, and new survivors among `Residual` blocks with stochastic depth; batch
    normalization uses its running statistics, as in `predict`. A custom layer takes part if it draws when ``training or
    self.context.sampling``. A later `backward` needs a new `forward`.

    References
    ----------
    .. [1] Srivastava et al., "Dropout", 2014, section 7.5.
    .. [2] Gal & Ghahramani, "Dropout as a Bayesian Approximation", 2016.
    """
    if not model.built:
        raise RuntimeError("monte_carlo was called on a model that is not built yet: fit it, load it or build it first")
    checks.expect_count("", 1, passes=passes)
    checks.expect_count("", 1, batch_size=batch_size)
    if seed is not None:
        checks.check_seed(seed)
    checks.expect_flag("", probabilities=probabilities)
    if epoch is not None:
        checks.expect_numbers("", checks.NOT_NEGATIVE, epoch=epoch)
    x = inputs.raw(model, x)
    inputs.accept(model, x, "x")
    parts = []
    with _sampling(model, seed, epoch) as context:
        for start in range(0, len(x), batch_size):
            context.first_sample = start
            batch = arrays.to_model(inputs.transformed(model, x[start : start + batch_size]), model.dtype)
            parts.append(_moments(model, context, batch, passes, probabilities))
    mean, std = (np.concatenate(part) for part in zip(*parts, strict=True))
    if model.targets is not None and model.targets.scaling is not None and not probabilities:
        return _in_units(model, mean, std)  # float64: large numbers may hardly differ
    return mean.astype(model.dtype), std.astype(model.dtype)


def _in_units(model: Sequential, mean: Array, std: Array) -> tuple[Array, Array]:
    """The moments in the units of the user's targets."""
    form, loss = model.targets, model.loss
    if form is None or form.scaling is None:
        return mean, std
    free = form.unlimited()  # a limit must not make the spread narrower
    return loss._in_units(mean, form), np.abs(loss._in_units(mean + std, free) - loss._in_units(mean, free))


def _moments(
    model: Sequential, context: Context, batch: Array, passes: int, probabilities: bool
) -> tuple[Array, Array]:
    """Mean and standard deviation of a batch over the passes, by Welford's sums in float64."""
    mean: Any = 0.0
    squares: Any = 0.0
    for number in range(passes):
        context.step = LAST_STEP - number
        outputs = model.forward(batch)
        read = targets.probabilities(model.loss, outputs) if probabilities else model.loss._numbers(outputs)
        values = np.array(read, np.float64)
        difference = values - mean
        mean = mean + difference / (number + 1)
        squares = squares + difference * (values - mean)
    return mean, np.sqrt(squares / passes)


@contextmanager
def _sampling(model: Sequential, seed: int | None, epoch: float | None) -> Iterator[Context]:
    """Switch masks on in the model's context, and restore it afterwards."""
    with model.lock:
        context = model.context
        saved = {name: getattr(context, name) for name in CHANGED}
        outputs = model.outputs.copy() if hasattr(model, "outputs") else None
        context.seed, context.passes, context.sampling = context.seed if seed is None else int(seed), 0, True
        context.epoch = (context.epoch or 0.0) if epoch is None else float(epoch)
        try:
            yield context
        finally:
            vars(context).update(saved)
            if outputs is not None:
                model.outputs = outputs
            elif hasattr(model, "outputs"):
                del model.outputs
