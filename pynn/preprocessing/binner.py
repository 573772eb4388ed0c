"""Binner: turns a regression target into a class, and predicted classes back into numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import Choice, Count
from ..data.arrays import as_array
from ..saving.config import constructor_text
from ..signatures import Constructed, takes

STRATEGIES = ("quantile", "width")


class Binner(Constructed):
    """Turns a regression target y (N,) into labels for softmax_cross_entropy, and labels or probabilities into values.

    Parameters
    ----------
    bins : int, default 10
        Number of bins, at least 2.
    strategy : {"quantile", "width"}, default "quantile"
        "quantile": about as many samples in each bin; bins with equal edges are merged. "width": bins of equal width.

    Attributes
    ----------
    edges : array (B+1,)
        Edges in ascending order, set by `fit`; B is `bins`, or less if quantiles coincide.
    values : array (B,)
        The number that each bin represents: the mean of its samples, or the middle of an empty bin. The model needs
        ``len(binner.values)`` outputs.

    Raises
    ------
    ValueError or TypeError
        For other settings or values.
    RuntimeError
        If it is not fitted.

    Notes
    -----
    L2 asks for an exact number and is sensitive to outliers; softmax over bins is easier to train, shows how sure the
    model is, and can represent two peaks [1]_. A value on an inner edge belongs to the bin above; values beyond the
    outer edges belong to the outermost bins. ``model.notes["bins"] = [list(binner.edges), list(binner.values)]`` stores
    the fitted binner in a model file.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".

    Examples
    --------
    >>> binner = pynn.Binner(20)
    >>> model = pynn.Sequential(pynn.Affine(64), pynn.ReLU(), pynn.Affine(20))
    >>> model.fit(x, binner.fit_transform(y))
    >>> binner.inverse_transform(model.predict_proba(x))            # expected values (N,)
    """

    edges: NDArray[np.float64] | None = None
    values: NDArray[np.float64] | None = None
    _takes = takes(bins=Count(2), strategy=Choice(*STRATEGIES))

    def __init__(self, bins: int = 10, strategy: str = "quantile") -> None:
        self.bins = bins
        self.strategy = strategy

    def __repr__(self) -> str:
        return constructor_text(self)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's arguments.

        Parameters
        ----------
        deep : bool, default True
            For scikit-learn; no effect.

        Returns
        -------
        dict
            Arguments by name.
        """
        return {"bins": self.bins, "strategy": self.strategy}

    def fit(self, y: ArrayLike) -> Binner:
        """Learn edges and values.

        Parameters
        ----------
        y : array (N,)
            Numbers.

        Returns
        -------
        Binner
            Itself.

        Raises
        ------
        ValueError
            For NaN, infinity, and a y of a single value.
        """
        array = _numbers(y)
        low, high = array.min(), array.max()
        if low == high:
            raise ValueError(f"Binner: all of y is {low}, expected at least two different values")
        shares = np.arange(self.bins + 1) / self.bins
        edges = low * (1 - shares) + high * shares if self.strategy == "width" else np.quantile(array, shares)
        edges = np.unique(edges)
        edges[0], edges[-1] = low, high
        if len(edges) < 3:  # nearly all of y is one value: separate it from the rest
            edges = np.array([low, array.mean(), high])
        labels = _labels(array, edges)
        counts = np.bincount(labels, minlength=len(edges) - 1)
        sums = np.bincount(labels, array, minlength=len(edges) - 1)
        middles = edges[:-1] / 2 + edges[1:] / 2
        self.values = np.where(counts > 0, sums / np.maximum(counts, 1), middles)
        self.edges = edges
        return self

    def transform(self, y: ArrayLike) -> NDArray[np.int64]:
        """Return the label of each value.

        Parameters
        ----------
        y : array (N,)
            Numbers.

        Returns
        -------
        array (N,)
            Labels 0..B-1.
        """
        edges, _ = self._fitted("transform")
        return _labels(_numbers(y), edges)

    def fit_transform(self, y: ArrayLike) -> NDArray[np.int64]:
        """Call `fit(y)`, then `transform(y)`.

        Parameters
        ----------
        y : array (N,)
            Numbers.

        Returns
        -------
        array (N,)
            Labels 0..B-1.
        """
        return self.fit(y).transform(y)

    def inverse_transform(self, predictions: ArrayLike) -> NDArray[np.float64]:
        """Return the values of labels, or the expected values Σ_b p_b·values_b of probabilities.

        Parameters
        ----------
        predictions : array (N,) or (N, B)
            Integer labels or probabilities.

        Returns
        -------
        array (N,)
            Values.

        Raises
        ------
        ValueError
            For labels outside 0..B-1, and for rows that are not B probabilities.
        """
        _, values = self._fitted("inverse_transform")
        array, count = as_array("Binner: predictions", predictions), len(values)
        if array.ndim == 1 and array.dtype.kind in "iu":
            outside = (array < 0) | (array >= count)
            if outside.any():
                where = int(np.argmax(outside))
                raise ValueError(f"Binner: label {where} is {array[where]}, expected 0..{count - 1}")
            chosen: NDArray[np.float64] = values[array]
            return chosen
        if array.ndim != 2 or array.shape[1] != count or array.dtype.kind != "f":
            raise ValueError(
                f"Binner: predictions have dtype {array.dtype} and shape {array.shape}, expected integer labels (N,) "
                f"or probabilities (N, {count})"
            )
        wide = array.astype(np.float64)
        if not ((wide >= 0).all() and np.allclose(wide.sum(axis=1), 1, rtol=0, atol=1e-3)):
            raise ValueError("Binner: predictions are not probabilities: expected rows of at least 0 with sum 1")
        expected: NDArray[np.float64] = wide @ values
        return expected

    def _fitted(self, method: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.edges is None or self.values is None:
            raise RuntimeError(f"Binner.{method} was called before fit(y)")
        return self.edges, self.values


def _numbers(y: ArrayLike) -> NDArray[np.float64]:
    array = as_array("Binner: y", y)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"Binner: y has dtype {array.dtype}, expected numbers")
    if array.ndim != 1 or not array.size:
        hint = "; a column (N, 1) becomes (N,) by y.ravel()" if array.ndim == 2 and array.shape[1] == 1 else ""
        raise ValueError(f"Binner: y has shape {array.shape}, expected (N,) with N at least 1{hint}")
    wide = array.astype(np.float64)
    if not np.isfinite(wide).all():
        where = int(np.argmin(np.isfinite(wide)))
        raise ValueError(f"Binner: y[{where}] is {wide[where]}, expected finite numbers")
    return wide


def _labels(y: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(edges[1:-1], y, side="right").astype(np.int64)
