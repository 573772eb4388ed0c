"""What can be said of a built model before a step: its last layer, missing activations, frozen and equal units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..layers import (
    Activation,
    Affine,
    BatchNorm,
    Conv1d,
    Conv2d,
    LeakyReLU,
    Maxout,
    MaxPool1d,
    MaxPool2d,
    Parallel,
    PReLU,
    Residual,
    Sigmoid,
    Softmax,
)
from ..layers.base import Layer
from ..layers.chain import Chain
from ..losses import Loss
from ..losses.counts import LogLinkLoss
from ..losses.elementwise import ElementwiseLoss
from ..losses.quantile import Quantile
from ..losses.softmax import SoftmaxLoss
from .verdicts import Verdict

LINEAR = (Affine, Conv1d, Conv2d)  # Maxout, a kind of Affine, is not linear
SIDE_BY_SIDE = (Parallel, Residual)  # what is inside does not run in sequence
MIXING = (*LINEAR, *SIDE_BY_SIDE)  # outputs are sums of several inputs, or may be
BENDING = (Activation, Maxout, MaxPool1d, MaxPool2d, PReLU, *SIDE_BY_SIDE, Softmax)
FEW = 2  # samples whose statistics say nothing of the rest


def parts(model: Chain) -> Iterator[Layer]:
    """The layers in order, those of plain chains in their place."""
    for layer in model.layers:
        if isinstance(layer, Chain) and not isinstance(layer, Residual) and not layer.is_custom:
            yield from parts(layer)
        else:
            yield layer


def of_model(model: Any, loss: Loss, batch_size: int | None = None) -> Iterator[Verdict]:
    """Findings on a built model and its loss."""
    layers = list(parts(model))
    yield from _last_layer(layers, loss)
    yield from _dropped_outputs(layers)
    yield from _activations(layers)
    yield from _frozen(layers)
    yield from _equal_units(layers)
    normalized = [layer for layer in layers if isinstance(layer, BatchNorm)]
    if normalized and batch_size is not None and batch_size <= FEW:
        yield Verdict(
            "batch_statistics", "warning", normalized[0].name or "batchnorm", f"batches have {batch_size} samples",
            "Take batches of 16 or more, or LayerNorm or GroupNorm instead.",
        )  # fmt: skip


def _last_layer(layers: list[Layer], loss: Loss) -> Iterator[Verdict]:
    bending = [layer for layer in layers if isinstance(layer, (Activation, Softmax))]
    last = bending[-1] if bending else None
    if last is None or last.is_custom:
        return
    after = layers[layers.index(last) + 1 :]
    if any(isinstance(layer, MIXING) or layer.is_custom for layer in after):
        return
    if isinstance(last, Softmax) and last.output_shape[-1:] == (1,):
        yield Verdict(
            "wrong_last_layer", "error", last.name or last.kind, "softmax over one output is always 1",
            'For yes and no leave it out, and use loss="binary_cross_entropy".',
        )  # fmt: skip
        return
    if loss.is_custom:
        return
    takes_scores = isinstance(loss, SoftmaxLoss) or type(loss).probabilities is not Loss.probabilities
    if isinstance(last, (Softmax, Sigmoid)) and takes_scores:
        evidence = f"the model ends with {last.kind}, and {type(loss).__name__} applies its own"
    elif (
        isinstance(last, (LeakyReLU, PReLU))
        or type(last) is Activation
        or (isinstance(loss, (ElementwiseLoss, Quantile)) and not takes_scores and not isinstance(loss, LogLinkLoss))
    ):
        return  # what a loss of numbers needs depends on its targets
    else:
        evidence = f"the model ends with {last.kind}, which cuts off part of what {type(loss).__name__} takes"
    yield Verdict("wrong_last_layer", "warning", last.name or last.kind, evidence, f"Leave {last.kind} out at the end.")


def _dropped_outputs(layers: list[Layer]) -> Iterator[Verdict]:
    """Dropout on the outputs: the loss judges some of them as 0."""
    linear = [place for place, layer in enumerate(layers) if isinstance(layer, MIXING) or layer.is_custom]
    for layer in layers[linear[-1] + 1 :] if linear else []:
        rate = float(getattr(layer, "rate", 0.0))
        if "Dropout" in layer.kind and rate > 0:
            yield Verdict(
                "wrong_last_layer", "warning", layer.name or layer.kind,
                f"{layer.kind}({rate:g}) sets outputs of the model to 0 in training", "Put it before the last layer.",
            )  # fmt: skip


def _activations(layers: list[Layer]) -> Iterator[Verdict]:
    before: Layer | None = None
    pairs = []
    for layer in layers:
        if layer.is_custom or isinstance(layer, BENDING):
            before = None
        elif isinstance(layer, LINEAR):
            if before is not None:
                pairs.append((before, layer))
            before = layer
    if pairs:
        first, second = pairs[0]
        yield Verdict(
            "missing_activation", "warning", f"{first.name} and {second.name}",
            f"{len(pairs)} pair{'s' if len(pairs) > 1 else ''} of layers with nothing that bends between them, so that "
            "two amount to one",
            "Put an activation such as pynn.ReLU() between them.",
        )  # fmt: skip


def _frozen(layers: list[Layer]) -> Iterator[Verdict]:
    learning = [layer for layer in layers if any(inner.declared for inner in layer.walk())]
    frozen = [layer for layer in learning if layer.frozen]
    if learning and len(frozen) == len(learning):
        yield Verdict(
            "frozen", "error", "", f"all {len(learning)} layers that have weights are frozen", "Call model.unfreeze()."
        )


def _equal_units(layers: list[Layer]) -> Iterator[Verdict]:
    linear = [layer for layer in layers if isinstance(layer, LINEAR)]
    for layer in linear[:-1]:  # the last layer may begin with zeros: its gradients tell its units apart
        weight = layer.weight.reshape(-1, layer.weight.shape[-1])
        if weight.shape[1] > 1 and bool(np.all(weight == weight[:, :1])):
            what = "0" if not weight.any() else "equal"
            yield Verdict(
                "symmetry", "error", layer.name or layer.kind,
                f"the weights of all its {weight.shape[1]} units are {what}",
                "Leave initializer= out, or take He() or Glorot(), which draw random numbers.",
            )  # fmt: skip
