"""Whether the last layer of a model fits its loss: a warning, never an error. Knows no training."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..layers import Dropout, Flatten, Residual, Sigmoid, Softmax
from ..layers.base import Layer
from ..layers.chain import Chain
from ..losses import BinaryCrossEntropy, BinaryHinge, Hinge, Loss
from ..losses.counts import LogLinkLoss
from ..losses.softmax import SoftmaxLoss

PASSING = (Dropout, Flatten)  # they keep the range of their inputs


def warn_of_squeezed(model: Any, loss: Loss) -> None:
    """Warn if the model ends with a softmax or sigmoid although the loss takes unbounded scores."""
    last = _last(model)
    if last is None or last.is_custom or not isinstance(last, (Softmax, Sigmoid)):
        return
    if isinstance(last, Softmax) and last.input_shape[-1] == 1:
        checks.warn(
            "the model ends with Softmax over a single output, which is always 1; end it with Affine(1) for "
            "loss='binary_cross_entropy' or 'l2', or with Affine(C) for C classes"
        )
        return
    wants = "" if loss.is_custom else _wants(loss)
    if wants:
        kind, name = last.kind, type(loss).__name__
        gives = "; model.predict_proba(x) still gives probabilities" if _has_probabilities(loss) else ""
        checks.warn(
            f"the model ends with {kind}, but {name} {wants}: after {kind} training is slower and less accurate. "
            f"Leave the {kind} layer out{gives}"
        )


def _wants(loss: Loss) -> str:
    """What the loss expects that outputs of 0..1 are not; "" if they are fine."""
    if isinstance(loss, SoftmaxLoss):
        return "takes logits and applies softmax itself"
    if isinstance(loss, BinaryCrossEntropy):
        return "takes logits and applies the sigmoid itself"
    if isinstance(loss, BinaryHinge):
        return "takes scores on both sides of 0"
    if isinstance(loss, LogLinkLoss):
        return "takes the logarithm of the expected target, which has no bounds"
    return f"wants scores that are {loss.margin:g} apart" if isinstance(loss, Hinge) else ""


def _has_probabilities(loss: Loss) -> bool:
    return type(loss).probabilities is not Loss.probabilities


def _last(layer: Layer) -> Layer | None:
    """The last layer that computes the outputs, also inside chains; None if all keep the range of their inputs.

    A Residual and a user's own chain count as one layer each.
    """
    own = not type(layer).forward.__module__.startswith("pynn.")
    if own or isinstance(layer, Residual) or not isinstance(layer, Chain):
        return None if isinstance(layer, PASSING) else layer
    for inner in reversed(layer.layers):
        last = _last(inner)
        if last is not None:
            return last
    return None
