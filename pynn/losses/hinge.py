"""Multiclass hinge losses: the right score must exceed every other one by a margin."""

from __future__ import annotations

from .. import kernels
from ..checks import POSITIVE
from ..signatures import takes
from ..typing import Array
from .labels import LabelLoss


class Hinge(LabelLoss):
    """Multiclass hinge loss: the mean over N of Σ_{j≠y} max(0, f_j - f_y + margin).

    `fit` knows it as "hinge".

    Parameters
    ----------
    margin : float, default 1
        Δ > 0. It seldom matters: the weights and their penalty set the scale of the scores.

    Raises
    ------
    ValueError
        If margin is not positive; from `forward`, for a label outside 0..C-1.

    Notes
    -----
    Scores f (N, C), labels y (N,) of 0..C-1. It starts near (C - 1)·margin with small weights. Its gradient at a kink
    is 0. Scores are not logits: there are no probabilities.

    References
    ----------
    .. [1] Weston & Watkins, "Support vector machines for multi-class pattern recognition", 1999.
    .. [2] CS231n, "Linear Classification".
    """

    _squared = False
    _takes = takes(margin=POSITIVE)

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = margin

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.hinge(outputs, labels, weights, self.margin, self._squared, gradient)


class SquaredHinge(Hinge):
    """Squared hinge loss (L2-SVM): the mean over N of Σ_{j≠y} max(0, f_j - f_y + margin)².

    `fit` knows it as "squared_hinge". Large violations count more than with `Hinge`.

    Parameters
    ----------
    margin : float, default 1
        Δ > 0.

    Notes
    -----
    It starts near (C - 1)·margin² with small weights; otherwise like `Hinge`.

    References
    ----------
    .. [1] CS231n, "Linear Classification".
    """

    _squared = True
