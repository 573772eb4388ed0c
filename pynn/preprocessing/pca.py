"""Principal components: decorrelation, dimension reduction, whitening."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import kernels
from ..checks import POSITIVE, Choice, is_integer
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Transformer
from .rows import Rows
from .scaling import LEAST, SMALL

FORMS = ("pca", "zca")
WIDER = 16  # with more features per direction than this, two products are cheaper than one
ROUNDING = 1e-12  # rounding error of a sum of shares of variance


class _Rotation(Transformer):
    """Base: rotates samples, as vectors (N, D), to the directions in which the training data varies.

    With N >= D the directions are the eigenvectors of the covariance (D, D), summed over pieces of rows; with N < D the
    right singular vectors of the centred samples, of which there are N.
    """

    mean_: Array
    components_: Array
    explained_variance_: Array
    _matrix_: Array  # (D, K): centred samples are multiplied by it

    def _decompose(self, rows: Rows) -> tuple[Array, Array, float]:
        """Set mean_; return directions (min(N, D), D) by descending variance, their variances, and the unit of x.

        The unit is a power of two by which x is divided; 1 unless squares would lose bits.
        """
        first = rows.first
        self.mean_ = (first + sum((x - first).sum(axis=0) for x in rows) / len(rows)).ravel()
        directions, variance, largest = self._along(rows, 1.0)
        unit = float(np.ldexp(1.0, max(int(np.frexp(largest)[1]), LEAST))) if 0 < largest < SMALL else 1.0
        if unit != 1:
            directions, variance, _ = self._along(rows, unit)
        places = np.abs(directions).argmax(axis=1)
        signs = np.sign(directions[np.arange(len(directions)), places])
        return directions * signs[:, np.newaxis], variance, unit

    def _along(self, rows: Rows, unit: float) -> tuple[Array, Array, float]:
        """Directions and variances of the centred rows, divided by unit, and the largest deviation from the mean."""
        if len(rows) < rows.features:
            centred = np.concatenate([self._centred(x) for x in rows])
            if not np.isfinite(centred).all():
                raise ValueError(self._range_message())
            _, singular, directions = np.linalg.svd(centred / unit, full_matrices=False)
            return directions, singular**2 / (len(rows) - 1), float(np.abs(centred).max(initial=0))
        covariance, largest = np.zeros((rows.features, rows.features)), 0.0
        for x in rows:
            centred = self._centred(x)
            largest = max(largest, float(np.abs(centred).max(initial=0)))
            centred /= unit
            covariance += centred.T @ centred
        covariance /= len(rows) - 1
        if not np.isfinite(covariance).all():
            raise ValueError(self._range_message())
        variance, columns = np.linalg.eigh(covariance)
        return columns.T[::-1], np.maximum(variance[::-1], 0), largest

    def _range_message(self) -> str:
        return f"{type(self).__name__}: the variance of x is too large for float64; scale it down first"

    def _apply(self, x: Array) -> Array:
        return _product(self._centred(x), self._matrix_).reshape(-1, *self.output_shape_)

    def _back(self, dy: Array) -> Array:
        return _product(dy.reshape(len(dy), -1), self._matrix_.T).reshape(-1, *self.input_shape_)

    def _centred(self, x: Array) -> Array:
        return x.reshape(len(x), -1) - self.mean_

    def _state_shapes(self, stored: Mapping[str, Shape]) -> Mapping[str, Shape]:
        features, count = self.n_features_in_, (*stored["components_"], 0)[0]
        if not 1 <= count <= features:
            raise ValueError(f"components has shape {stored['components_']}, expected (1..{features}, {features})")
        wide = {"mean_": (features,), "components_": (count, features)}
        return {name: wide.get(name, (count,)) for name in self.state}


class PCA(_Rotation):
    """Principal component analysis: y = (x - mean)·Vᵀ, the coordinates along the principal components V.

    Parameters
    ----------
    components : int or float, optional
        Number of components to keep, an int of 1..min(N, D), or a float in (0, 1], the share of the variance to keep.
        By default all min(N, D).

    Attributes
    ----------
    mean_ : array (D,)
        Mean.
    components_ : array (K, D)
        V, rows of length 1 by descending variance; the largest number of each is positive.
    explained_variance_ : array (K,)
        Variance along each, Σ/(N - 1) as in numpy.cov.
    explained_variance_ratio_ : array (K,)
        Their shares of the total variance.

    Raises
    ------
    ValueError
        From `fit`, for more components than min(N, D).

    Notes
    -----
    Samples are (N, D), or (N, H, W, C), which are flattened; the result is (N, K). `inverse_transform` restores the
    shape: x̂ = y·V + mean, the best approximation of the training data by K components. Memory grows with D², time with
    D³ (3,072 features: some seconds); NumPy computes the decomposition, whose last bits may depend on machine and
    threads.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    state = ("mean_", "components_", "explained_variance_", "explained_variance_ratio_")
    explained_variance_ratio_: Array

    def __init__(self, components: int | float | None = None) -> None:
        if components is not None:
            share = isinstance(components, (float, np.floating)) and 0 < components <= 1
            if not (share or (is_integer(components) and components >= 1)):
                raise ValueError(
                    f"PCA: components is {brief(components)}, expected None, an integer of at least 1, "
                    "or a share of the variance as a float above 0 and up to 1.0"
                )
        self.components = components

    def _learn(self, rows: Rows) -> None:
        most = min(len(rows), rows.features)
        if isinstance(self.components, (int, np.integer)) and self.components > most:
            raise ValueError(
                f"PCA: components is {self.components}, but {len(rows)} samples of {rows.features} features "
                f"have only {most}"
            )
        directions, variance, unit = self._decompose(rows)
        total = variance.sum()
        ratio = variance / total if total > 0 else variance
        count = most if self.components is None else self.components
        if isinstance(count, (float, np.floating)):
            count = min(int(np.searchsorted(ratio.cumsum(), count - ROUNDING)) + 1, most)
        self.components_, self.explained_variance_ = directions[:count].copy(), variance[:count] * unit * unit
        self.explained_variance_ratio_ = ratio[:count]

    def _finish(self) -> Shape:
        self._matrix_ = np.ascontiguousarray(self.components_.T)
        return (len(self.components_),)

    def _undo(self, y: Array) -> Array:
        return (_product(y, self.components_) + self.mean_).reshape(-1, *self.input_shape_)


class Whitening(_Rotation):
    """Whitening: y = (x - mean)·Vᵀ/√(S + epsilon), decorrelated, with unit variance along each component V.

    Parameters
    ----------
    form : {"pca", "zca"}, default "pca"
        "pca": coordinates along the components; "zca": these coordinates rotated back, y·V, which is the whitened form
        closest to x, so that images still look like images.
    epsilon : float, default 1e-5
        Above 0, in units of the variances S. The variance along a component becomes S/(S + epsilon): components with S
        far below epsilon are damped, and with them noise.

    Attributes
    ----------
    mean_ : array (D,)
        Mean.
    components_ : array (K, D)
        V, as in `PCA`.
    explained_variance_ : array (K,)
        S.

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). "pca" flattens: the result is (N, K), K = min(N, D), and `inverse_transform`
    restores the shape; "zca" keeps the shape. With fewer samples than features there are N components; the rest is
    dropped. Memory and time are those of `PCA`.

    Pixels of 0..1 (uint8) have variances 65,025 times smaller than those of 0..255: CS231n's 1e-5 for raw values is
    epsilon=1e-5/255**2 here, or 1e-5 with ``x.astype("float32")``. All 3,072 components of CIFAR-10 (20,000 images)
    then have variance 1 to within 0.0002; with 1e-5 on 0..1 only 40 % are above 0.99, and the last is 0.11.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    .. [2] Bell & Sejnowski, "The 'independent components' of natural scenes are edge filters", 1997 (zca).
    """

    state = ("mean_", "components_", "explained_variance_")
    _takes = takes(form=Choice(*FORMS), epsilon=POSITIVE)

    def __init__(self, form: str = "pca", epsilon: float = 1e-5) -> None:
        self.form = form
        self.epsilon = epsilon

    def _learn(self, rows: Rows) -> None:
        self.components_, variance, unit = self._decompose(rows)
        self.explained_variance_ = variance * unit * unit

    def _finish(self) -> Shape:
        if (self.explained_variance_ < 0).any():
            raise ValueError("explained_variance holds numbers below 0")
        self._matrix_ = self.components_.T / self._scale()
        if self.form == "pca":
            self._matrix_ = np.ascontiguousarray(self._matrix_)
            return (len(self.components_),)
        if not self._is_narrow:
            self._matrix_ = _product(self._matrix_, self.components_)
        return self.input_shape_

    @property
    def _is_narrow(self) -> bool:
        """Whether to multiply in two steps, since one matrix (D, D) would be far larger than the components."""
        count, features = self.components_.shape
        return self.form == "zca" and WIDER * count < features

    def _apply(self, x: Array) -> Array:
        if not self._is_narrow:
            return super()._apply(x)
        rotated = _product(self._centred(x), self._matrix_)
        return _product(rotated, self.components_).reshape(-1, *self.output_shape_)

    def _back(self, dy: Array) -> Array:
        if not self._is_narrow:
            return super()._back(dy)
        rotated = _product(dy.reshape(len(dy), -1), self.components_.T)
        return _product(rotated, self._matrix_.T).reshape(-1, *self.input_shape_)

    def _scale(self) -> Array:
        scale: Array = np.sqrt(self.explained_variance_ + self.epsilon)
        return scale

    def _undo(self, y: Array) -> Array:
        rows = y.reshape(len(y), -1)
        rotated = rows if self.form == "pca" else _product(rows, self.components_.T)
        return (_product(rotated * self._scale(), self.components_) + self.mean_).reshape(-1, *self.input_shape_)


def _product(a: Array, b: Array) -> Array:
    """a·b by pynn's kernel: the same bits for any number of threads."""
    out: Array = np.empty((len(a), b.shape[1]))
    kernels.affine_forward(np.ascontiguousarray(a), np.ascontiguousarray(b), None, "identity", 0.0, out)
    return out
