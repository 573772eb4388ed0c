"""Dropout of single numbers and of whole channels."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..checks import Choice
from ..kernels.philox import threshold
from ..schedules import Schedule
from ..signatures import takes
from ..typing import Array, Shape
from .randomness import Draw, Masking


class Dropout(Masking):
    """Set each number to 0 with probability `rate` in training: y = mask · x / (1 - rate).

    Parameters
    ----------
    rate : float or Schedule
        Share that is dropped, 0 <= rate < 1, rounded to a multiple of 2^-16. A schedule gives the rate of each training
        step by its epochs, counted as for the optimizer's: ``pynn.Dropout(pynn.FlatCosine(0.15, epochs=256))``.
    form : {"inverted", "vanilla"}, default "inverted"
        "inverted" divides what is kept by 1 - rate in training and has no effect outside it; "vanilla", for study, does
        not, but multiplies everything by 1 - rate outside training, so it takes no schedule. Both preserve the expected
        output.

    Notes
    -----
    Inputs of any shape. The mask is a function of the model's seed, the layer's position, the step and the sample's
    index in the batch: the same on any backend, with any number of threads, and after a resume. Processes that share a
    batch set ``model.context.first_sample`` to the index of their first sample and get their part of the same mask.

    With a schedule, a training pass outside `fit` needs an epoch: ``model.context.epoch = 0``, or
    ``optimizer.set_epoch(0)`` before `train_step`. Otherwise it raises RuntimeError. `monte_carlo` has an argument
    ``epoch``.

    References
    ----------
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    _takes = takes(form=Choice("inverted", "vanilla"))

    def __init__(self, rate: float | Schedule, *, form: str = "inverted") -> None:
        super().__init__(rate)
        self.form = form
        if form == "vanilla":
            self._fixed_rate()

    def _fixed_rate(self) -> float:
        """The rate; ValueError if it is a schedule, which has none outside training."""
        if isinstance(self.rate, Schedule):
            raise ValueError(
                f'Dropout: rate is {self.rate!r}, but form="vanilla" scales by the rate outside training, where no '
                'epochs count; use form="inverted"'
            )
        return self.rate

    def forward(self, x: Array, training: bool) -> Array:
        key = self._begin(training, x.shape[1:])
        if key is None:
            return self._unmasked(x, "y")
        return self._masked(x, self.buffer("y", x.shape), key) if self._rate else x

    def _unmasked(self, x: Array, name: str) -> Array:
        if self.form == "inverted":
            return x
        rate = self._fixed_rate()
        if not rate:
            return x
        return np.multiply(x, 1 - threshold(rate) / 65536, out=self.buffer(name, x.shape))

    def _masked(self, x: Array, out: Array, key: Draw) -> Array:
        kernels.dropout(x, self._rate, self.form == "inverted", *key, out)
        return out


class SpatialDropout(Masking):
    """Dropout of whole channels, since neighbouring pixels or positions are similar: y = mask · x / (1 - rate).

    Parameters
    ----------
    rate : float or Schedule
        Probability that a channel of a sample is set to 0 in training, 0 <= rate < 1; a schedule as for `Dropout`.

    Raises
    ------
    ValueError
        If it is built on vectors.

    Notes
    -----
    Images (N, H, W, C) or sequences (N, T, C). No effect outside training. Masks are drawn as by `Dropout`.

    References
    ----------
    .. [1] Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    def build(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(f"expected images (H, W, C), got inputs of shape {input_shape}; Dropout takes vectors")
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        key = self._begin(training, x.shape[-1:])
        if key is None or self._rate == 0:
            return x
        return self._masked(x, self.buffer("y", x.shape), key)

    def _masked(self, x: Array, out: Array, key: Draw) -> Array:
        flat = (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])
        kernels.spatial_dropout(x.reshape(flat), self._rate, *key, out.reshape(flat))
        return out
