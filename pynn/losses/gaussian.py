"""GaussianNLL: outputs are the mean and the variance of a normal distribution of the target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..data import arrays
from ..kernels.reference.distribution_loss import GREATEST, LEAST  # of log variances
from ..typing import Array
from .base import Loss, Units, in_dtype
from .elementwise import numbers_of


class GaussianNLL(Loss):
    """Gaussian negative log-likelihood: the mean over N of Σ_k ½(s_k + (y_k - m_k)² e^{-s_k}).

    `fit` knows it as "gaussian_nll". The model learns how far it may be off, for each sample.

    Raises
    ------
    ValueError
        From `forward`, for an odd number of outputs.

    Notes
    -----
    Outputs (N, 2K): K means m, then K logarithms s of variances; targets y (N, K), or (N,) if K is 1, whose model ends
    with ``Affine(2)``. `predict` gives the means, ``model.predict_std(x)`` the standard deviations. The constant
    ½ log 2π is left out, so the loss may be negative.

    s is held within -30..60 (standard deviations of 3e-7 to 1e13), so that neither an exact prediction nor a wild
    output gives an infinite loss. Beyond these limits the gradient of s is 0, unless a step would bring it back.
    Targets of another size should be scaled: ``target_preprocessing=pynn.Standardization()``.

    References
    ----------
    .. [1] Nix & Weigend, "Estimating the mean and variance of the target probability distribution", 1994.

    Examples
    --------
    >>> model = pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(2))
    >>> model.fit(x, y, loss="gaussian_nll")
    >>> model.predict(x_test), model.predict_std(x_test)             # means and standard deviations (N,)
    """

    _has_points = True

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        shape = (len(outputs), outputs.shape[-1] // 2)
        if type(targets) is not np.ndarray or targets.shape != shape or targets.dtype.kind != "f" or outputs.ndim != 2:
            targets = self.targets(targets, outputs.shape[1:])
        _expect_outputs(outputs.shape[1:])
        outputs, gradient = np.ascontiguousarray(outputs), self._gradient_like(outputs)
        converted, weights = np.ascontiguousarray(targets, outputs.dtype), in_dtype(weights, outputs.dtype)
        value = kernels.gaussian_nll(outputs, converted, weights, gradient)
        if not math.isfinite(value):
            self._expect_representable(targets, outputs.dtype)
        return value

    def _expect_representable(self, y: Array, dtype: np.dtype[Any]) -> None:
        arrays.check_finite("y", y, dtype)

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        count, y = _expect_outputs(output_shape), numbers_of(y)
        if y.ndim == 1 and count == 1:
            y = y.reshape(-1, 1)
        if y.ndim == 1 or y.shape[1:] != (count,):
            columns, plural = math.prod(y.shape[1:]), "s" * (count > 1)
            raise ValueError(
                f"y has shape {y.shape}, expected (N, {count}), as the model has {2 * count} outputs, {count} "
                f"mean{plural} and {count} log variance{plural}: end it with Affine({2 * columns})"
            )
        arrays.check_finite("y", y)
        return y if y.dtype.kind == "f" else y.astype(np.float64)

    def predict(self, outputs: Array) -> Array:
        return np.ascontiguousarray(outputs[:, : outputs.shape[1] // 2])

    def deviations(self, outputs: Array) -> Array:
        """Turn outputs into standard deviations, e^{s/2}.

        Parameters
        ----------
        outputs : array (N, 2K)
            The model's outputs.

        Returns
        -------
        array (N, K)
            Standard deviations in the units of the loss: with `target_preprocessing`, those of the changed targets.
            ``model.predict_std(x)`` gives those of y.
        """
        _expect_outputs(outputs.shape[1:])
        return self._deviations(self._numbers(outputs))

    # Between outputs and the user's numbers -------------------------------------------------------

    def _numbers(self, outputs: Array) -> Array:
        means, logs = np.split(outputs, 2, axis=1)
        return np.concatenate([means, np.clip(logs, LEAST, GREATEST)], axis=1)

    def _in_units(self, numbers: Array, form: Units) -> Array:
        means = self.predict(numbers)
        spread = np.maximum(form.spread(self._deviations(numbers), means), np.finfo(np.float64).tiny)
        return np.concatenate([form.units(means), 2 * np.log(spread)], axis=1)

    def _mixed(self, first: Array, second: Array, share: float) -> Array:
        """Mean and variance of the mixture of both distributions, which is wider where their means differ."""
        (means, logs), (others, their_logs) = np.split(first, 2, axis=1), np.split(second, 2, axis=1)
        with np.errstate(divide="ignore"):  # equal means; a share that rounds to 1
            apart = np.log(share * (1 - share)) + 2 * np.log(np.abs(others - means))
            within = np.logaddexp(np.log1p(-share) + logs, np.log(share) + their_logs)
        return np.concatenate([super()._mixed(means, others, share), np.logaddexp(within, apart)], axis=1)

    def _deviations(self, numbers: Array) -> Array:
        return np.exp(numbers[:, numbers.shape[1] // 2 :] / 2)

    def _points(self, numbers: Array) -> Array:
        return self.predict(numbers)

    def _columns(self, output_shape: tuple[int, ...]) -> int:
        return math.prod(output_shape) // 2

    def _least(self, y: Array) -> float:
        """That of errors of a tenth of the targets' spread, which the model knows of: there is no least loss."""
        variances = np.maximum(y.astype(np.float64).var(axis=0) / 100, np.exp(LEAST))
        return float((np.log(variances) + 1).sum() / 2)


def _expect_outputs(output_shape: tuple[int, ...]) -> int:
    """The number of targets; ValueError unless there are two outputs for each."""
    if len(output_shape) != 1 or output_shape[0] % 2 or not output_shape[0]:
        shown = ", ".join(["N", *map(str, output_shape)])
        raise ValueError(
            f"GaussianNLL: outputs have shape ({shown}), expected (N, 2K), the means of K targets and then their log "
            "variances: end the model with Affine(2) for one target, Affine(2 * K) for K"
        )
    return output_shape[0] // 2
