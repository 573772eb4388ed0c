"""Principal components: decorrelation, reduction to the most important ones, whitening."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import kernels
from ..checks import POSITIVE, Choice, is_integer
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Rows, Transformer
from .scaling import LEAST, SMALL

FORMS = ("pca", "zca")
WIDER = 16  # times as many features as directions
ROUNDING = 1e-12  # of a sum of shares of variance


class _Rotation(Transformer):
    """What turns samples, as vectors (N, D), along the directions in which the training data varies.

    With N >= D the directions are the eigenvectors of the covariance (D, D), which is added up over pieces of rows;
    with N < D the right singular vectors of the centred samples, and there are only N of them.
    """

    mean_: Array
    components_: Array
    explained_variance_: Array
    _matrix_: Array  # what centred samples are multiplied by, (D, K)

    def _decompose(self, rows: Rows) -> tuple[Array, Array, float]:
        """Set mean_; return the directions (min(N, D), D), by falling variance, the variance along each, and its unit.

        The unit is that of x, a power of two; 1 but for numbers whose squares would lose bits.
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
            whole = np.concatenate([self._centred(x) for x in rows])
            if not np.isfinite(whole).all():
                raise ValueError(self._too_wide())
            _, singular, directions = np.linalg.svd(whole / unit, full_matrices=False)
            return directions, singular**2 / (len(rows) - 1), float(np.abs(whole).max(initial=0))
        covariance, largest = np.zeros((rows.features, rows.features)), 0.0
        for x in rows:
            centred = self._centred(x)
            largest = max(largest, float(np.abs(centred).max(initial=0)))
            centred /= unit
            covariance += centred.T @ centred
        covariance /= len(rows) - 1
        if not np.isfinite(covariance).all():
            raise ValueError(self._too_wide())
        variance, columns = np.linalg.eigh(covariance)
        return columns.T[::-1], np.maximum(variance[::-1], 0), largest

    def _too_wide(self) -> str:
        return f"{type(self).__name__}: x spreads too far for its variance to be a float64; scale it down first"

    def _apply(self, x: Array) -> Array:
        return _product(self._centred(x), self._matrix_).reshape(-1, *self.output_shape_)

    def _back(self, dy: Array) -> Array:
        return _product(dy.reshape(len(dy), -1), self._matrix_.T).reshape(-1, *self.input_shape_)

    def _centred(self, x: Array) -> Array:
        return x.reshape(len(x), -1) - self.mean_

    def _state_shapes(self, found: Mapping[str, Shape]) -> Mapping[str, Shape]:
        features, count = self.n_features_in_, (*found["components_"], 0)[0]
        if not 1 <= count <= features:
            raise ValueError(f"components has shape {found['components_']}, expected (1..{features}, {features})")
        wide = {"mean_": (features,), "components_": (count, features)}
        return {name: wide.get(name, (count,)) for name in self.state}


class PCA(_Rotation):
    """y = (x - mean)·Vᵀ: the decorrelated coordinates along the principal components V, most important ones first.

    components: how many are kept: None all min(N, D) (default); an int 1..min(N, D) so many; a float in (0, 1] as few
        as hold this share of the variance.
    x: (N, D) or (N, H, W, C), which is flattened; y: (N, K); `inverse_transform` restores the shape:
    x̂ = y·V + mean, the best approximation of the training data by K components.
    Fitted: mean_ (D,); components_ (K, D), of length 1, each with its largest number positive; explained_variance_
    (K,), Σ/(N - 1) as in numpy.cov; explained_variance_ratio_ (K,), their shares of the whole variance.
    The covariance takes D² numbers, its decomposition a time that grows with D³ (3,072 features: some seconds); both
    are NumPy's, whose last bits may differ between machines and numbers of threads.
    Raises ValueError in `fit` for more components than min(N, D). Source: CS231n.
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
    """y = (x - mean)·Vᵀ/√(S + epsilon): decorrelated, each direction V at unit variance; S is the variance along it.

    form: "pca" (default), the coordinates along the principal components, most important ones first; "zca": those
        turned back, y·V, which of all whitened forms is closest to x, so that images still look like images.
    epsilon: above 0 (default 1e-5), in the unit of the variances: the variance along a direction becomes
        S/(S + epsilon), which is 1 only where S is far above epsilon; others are damped, and with them their noise.
        Pixels as 0..1 (uint8) have variances 65,025 times smaller than as 0..255: CS231n's 1e-5 on raw values is
        epsilon=1e-5/255**2 here, or 1e-5 with x.astype("float32"). Of CIFAR-10's 3,072 directions (20,000 images) all
        then come out at 1, to 0.0002; with 1e-5 on 0..1 only 40 % above 0.99, and the last one at 0.11.
    x: (N, D) or (N, H, W, C). "pca" flattens: y (N, K) with K = min(N, D), and `inverse_transform` restores the shape;
    "zca" keeps the shape. With fewer samples than features there are N directions; what lies outside them is dropped.
    Fitted: mean_ (D,), components_ V (K, D), explained_variance_ S (K,), as in `PCA`, with its costs.
    Source: CS231n; the zca form: Bell & Sejnowski 1997.
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
        """Whether x is turned in two steps: one matrix (D, D) would be far larger than the components."""
        count, features = self.components_.shape
        return self.form == "zca" and WIDER * count < features

    def _apply(self, x: Array) -> Array:
        if not self._is_narrow:
            return super()._apply(x)
        turned = _product(self._centred(x), self._matrix_)
        return _product(turned, self.components_).reshape(-1, *self.output_shape_)

    def _back(self, dy: Array) -> Array:
        if not self._is_narrow:
            return super()._back(dy)
        turned = _product(dy.reshape(len(dy), -1), self.components_.T)
        return _product(turned, self._matrix_.T).reshape(-1, *self.input_shape_)

    def _scale(self) -> Array:
        scale: Array = np.sqrt(self.explained_variance_ + self.epsilon)
        return scale

    def _undo(self, y: Array) -> Array:
        rows = y.reshape(len(y), -1)
        turned = rows if self.form == "pca" else _product(rows, self.components_.T)
        return (_product(turned * self._scale(), self.components_) + self.mean_).reshape(-1, *self.input_shape_)


def _product(a: Array, b: Array) -> Array:
    """a·b by pynn's own kernel: the same bits at any number of threads."""
    out: Array = np.empty((len(a), b.shape[1]))
    kernels.affine_forward(np.ascontiguousarray(a), np.ascontiguousarray(b), None, "identity", 0.0, out)
    return out
