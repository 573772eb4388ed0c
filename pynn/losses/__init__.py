"""Losses: a number to minimize, the mean over the batch, and its gradient. Must not know models.

`fit` takes an object or a name:

| name | object | outputs and targets |
|---|---|---|
| softmax_cross_entropy | SoftmaxCrossEntropy(label_smoothing=0) | logits (N, C), labels (N,); the default |
| focal | Focal(gamma=2) | the same; easy samples count less |
| hinge | Hinge(margin=1) | scores (N, C), labels (N,) |
| squared_hinge | SquaredHinge(margin=1) | the same; large violations count more |
| binary_hinge | BinaryHinge() | scores (N, K), -1 or 1 (N, K) |
| binary_cross_entropy | BinaryCrossEntropy() | logits (N, K), 0..1 (N, K) |
| l2 | SquaredError() | numbers (N, K), numbers (N, K) |
| l1 | AbsoluteError() | the same; outliers count less |
| huber | Huber(delta=1) | the same; between both |
| quantile | Quantile(levels=0.5, crossing=True) | quantiles (N, L) of L levels, numbers (N,) |
| gaussian_nll | GaussianNLL() | means and log variances (N, 2K), numbers (N, K) |
| poisson | Poisson() | logarithms of means (N, K), counts of at least 0 (N, K) |
| gamma | Gamma() | the same, numbers above 0 |
| tweedie | Tweedie(power=1.5) | the same, numbers of at least 0, many of them 0 |

Outputs may be sequences (N, T, ...) or images (N, H, W, ...). Losses of labels then take a label for each position,
(N, T), and are the mean over samples and positions; the others sum over a sample's outputs and are the mean over
samples. Without a name: `StructuredHinge(decoder)`, and the loss that `pynn.HierarchicalSoftmax` brings along.
"""

from __future__ import annotations

from ..saving.config import resolve
from .attributes import BinaryCrossEntropy, BinaryHinge
from .base import Loss
from .counts import Gamma, Poisson, Tweedie
from .focal import Focal
from .gaussian import GaussianNLL
from .hinge import Hinge, SquaredHinge
from .quantile import Quantile
from .regression import AbsoluteError, Huber, SquaredError
from .softmax import SoftmaxCrossEntropy
from .structured import Decoder, StructuredHinge, ViterbiChain

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "BinaryHinge",
    "Decoder",
    "Focal",
    "Gamma",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "Loss",
    "Poisson",
    "Quantile",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "SquaredHinge",
    "StructuredHinge",
    "Tweedie",
    "ViterbiChain",
    "loss",
]

LOSSES: dict[str, type[Loss]] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "focal": Focal,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "binary_hinge": BinaryHinge,
    "binary_cross_entropy": BinaryCrossEntropy,
    "l2": SquaredError,
    "l1": AbsoluteError,
    "huber": Huber,
    "quantile": Quantile,
    "gaussian_nll": GaussianNLL,
    "poisson": Poisson,
    "gamma": Gamma,
    "tweedie": Tweedie,
}


def loss(choice: str | Loss) -> Loss:
    """Return the loss of that name, or the loss itself.

    Parameters
    ----------
    choice : str or Loss
        A name of ``LOSSES``, or a loss, which is returned as it is.

    Returns
    -------
    Loss
        The loss; a new one with default arguments for a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    TypeError
        For anything else.
    """
    return resolve(choice, LOSSES, Loss, "loss")
