"""Initial weights from a batch of data: `lsuv` and `data_dependent` rescale the weights of a model, layer by layer.

They take one forward pass, which stops at each layer with a `weight` of two or more axes, measures its outputs before
the activation (a fused activation is removed for that time), changes the weight until the outputs are right, and
continues with the new outputs. Dropout and other noise are off; batch normalization uses the batch's own statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from .. import checks, initializers, random
from ..initializers import Initializer
from ..layers.base import Layer
from ..messages.terminal import called
from ..typing import Array
from .sequential import Sequential
from .sweep import outputs_as_rows, sweep

DIRECTIONS = 10  # random losses over which gradients are averaged
CORNERS = 5  # samples between which a bias of "simplex" is drawn
ZERO_MEAN, SIMPLEX = "zero-mean", "simplex"


def lsuv(
    model: Sequential,
    x: ArrayLike,
    tolerance: float = 0.1,
    iterations: int = 10,
    start: str | Initializer | None = "orthogonal",
    leave: str | Iterable[str] = (),
) -> dict[str, float]:
    """Layer-sequential unit variance: scale each weight so that the layer's outputs over the batch have variance 1.

    Parameters
    ----------
    model : Sequential
        If it is not built, it is built on x.
    x : array (N, ...)
        Some hundred training samples, at least 2; raw if the model has preprocessing.
    tolerance : float, default 0.1
        Largest deviation of a variance from 1.
    iterations : int, default 10
        Largest number of scalings per layer; a single scaling is enough if biases are 0.
    start : Initializer, str or None, default "orthogonal"
        Draws new weights before scaling; None keeps the present weights.
    leave : str or list of str, default ()
        Names of layers to leave unchanged ("affine1"): trained layers, or a layer whose outputs do not scale with its
        weight. Embeddings and frozen weights always stay.

    Returns
    -------
    dict
        The standard deviation of each layer's outputs, by the layer's name.

    Raises
    ------
    ValueError
        If x is empty, not finite or constant, weights are 0, or the outputs of a layer do not vary or do not reach
        variance 1. The model is unchanged then.

    Notes
    -----
    From the first layer to the last: draw the weight from `start`, then divide it by the standard deviation of the
    layer's outputs before the activation, over samples, positions and units together, until their variance is within
    `tolerance` of 1. Biases stay as they are.

    References
    ----------
    .. [1] Mishkin & Matas, "All you need is a good init", 2015.
    """
    checks.expect_numbers("lsuv", checks.POSITIVE, tolerance=tolerance)
    checks.expect_count("lsuv", 1, iterations=iterations)
    first = None if start is None else initializers.initializer(start)

    def adjust(layer: Layer, weight: Array, outputs: Callable[[], Array]) -> None:
        if first is not None:
            _draw(layer, weight, first)
        for scalings in range(iterations + 1):
            rows = outputs_as_rows(layer, outputs())
            if scalings == 0 and _constant(rows).all():
                raise ValueError(
                    f"{called(layer)}: its outputs are the same for all samples of x{_why_constant(weight)}"
                )
            variance = float(rows.var())
            if abs(variance - 1) <= tolerance:
                return
            if scalings < iterations:
                weight /= math.sqrt(variance)
        raise ValueError(
            f"{called(layer)}: the variance of its outputs is {variance:.3g} after {iterations} iterations, expected 1 "
            f"within {tolerance}; is its bias too large? If its output does not scale with its weight, leave it out"
        )

    return sweep("lsuv", model, x, adjust, leave)


def data_dependent(
    model: Sequential,
    x: ArrayLike,
    mean: float = 0.0,
    balance: bool = False,
    leave: str | Iterable[str] = (),
    *,
    bias: str = ZERO_MEAN,
    start: str | Initializer | None = None,
) -> dict[str, float]:
    """Scale each unit's weights and set its bias so that before the activation it has variance 1 over the batch.

    Parameters
    ----------
    model : Sequential
        If it is not built, it is built on x.
    x : array (N, ...)
        Some hundred training samples, at least 2; raw if the model has preprocessing.
    mean : float, default 0
        The mean of each unit with bias="zero-mean". A small positive one (0.1 in the authors' program) makes more units
        of a ReLU active.
    balance : bool, default False
        Also balance the layers against each other, see Notes.
    leave : str or list of str, default ()
        Names of layers to leave unchanged; embeddings and frozen layers always stay.
    bias : {"zero-mean", "simplex"}, default "zero-mean"
        "simplex" draws each unit's bias so that its output is 0 somewhere among the samples, see Notes.
    start : Initializer, str or None, default None
        Draws new weights before scaling; None keeps the present weights.

    Returns
    -------
    dict
        The standard deviation of each layer's outputs before balancing, by the layer's name.

    Raises
    ------
    ValueError
        If x is empty, not finite or constant, the outputs of a unit do not vary, as with weights of 0, the outputs of a
        layer do not follow its weight, units share weights (Maxout: use `lsuv`), or the model cannot be balanced. The
        model is unchanged then. With bias="simplex" a unit whose outputs do not vary keeps its weights.

    Notes
    -----
    From the first layer to the last, with μ and σ of the unit's outputs over the batch (and over positions, for
    images): weight ← weight/σ, bias ← (bias - μ)/σ + mean. So every unit learns at about the same rate. A layer without
    a bias is only scaled. The directions of weights stay, whether they are drawn or trained.

    bias="simplex": weight ← weight/σ, bias ← -Σ_i p_i·z_i, where z are the unit's outputs without a bias for 5 samples
    of x, drawn for each unit, and p is drawn uniformly from the shares that add up to 1. The bends of the units are
    then spread over the data, not all at its mean. The draws follow from the model's seed. It is the start of networks
    for tables in [2]_.

    This is the paper's within-layer step. balance=True adds its between-layer step: the layers are scaled against each
    other, with the same outputs of the model, until ‖gradient‖/‖weight‖ is about the same for every weight, for
    gradients of random linear losses of the outputs. It needs a single chain of layers that pass on a scaling of their
    inputs: ReLU, LeakyReLU, pooling, but not tanh.

    References
    ----------
    .. [1] Krähenbühl et al., "Data-dependent Initializations of Convolutional Neural Networks", 2015.
    .. [2] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024;
       the biases: Steinwart, "A Sober Look at Neural Network Initializations", 2019.
    """
    checks.expect_numbers("data_dependent", checks.ANY, mean=mean)
    checks.expect_flag("data_dependent", balance=balance)
    checks.expect_choice("data_dependent", (ZERO_MEAN, SIMPLEX), bias=bias)
    if bias == SIMPLEX and mean != 0:
        raise ValueError(f"data_dependent: mean is {mean}, which only bias='zero-mean' takes; leave it out")
    first = None if start is None else initializers.initializer(start)

    def adjust(layer: Layer, weight: Array, outputs: Callable[[], Array]) -> None:
        if first is not None:
            _draw(layer, weight, first)
        own: Array | None = None if layer.freezes("bias") else getattr(layer, "bias", None)
        if bias == SIMPLEX:
            _scale_and_spread(layer, weight, own, outputs)
        else:
            _normalize(layer, weight, own, outputs, mean)

    return sweep("data_dependent", model, x, adjust, leave, _balance if balance else None)


def _normalize(layer: Layer, weight: Array, bias: Array | None, outputs: Callable[[], Array], mean: float) -> None:
    """Bring each unit to this mean and variance 1."""
    for scalings in range(4):  # without rounding, a single scaling would be enough
        rows = outputs_as_rows(layer, outputs())
        _expect_units(layer, weight, bias, rows)
        _expect_varying_units(layer, weight, rows)
        means, std = rows.mean(axis=0), rows.std(axis=0)
        off = 0.0 if bias is None else np.abs(means - mean).max()
        if max(off, np.abs(std - 1).max()) <= 1e-3:
            return
        if scalings < 3:
            weight /= std
            if bias is not None:
                bias[...] = (bias - means) / std + mean
    raise ValueError(
        f"{called(layer)}: the means of its outputs are off by {off:.3g}, their deviations by "
        f"{np.abs(std - 1).max():.3g}; are the means of x far from 0, or does its output not follow its weight?"
    )


def _scale_and_spread(layer: Layer, weight: Array, bias: Array | None, outputs: Callable[[], Array]) -> None:
    """Bring each unit that varies to variance 1, and its zero to a random place among its outputs."""
    if bias is not None:
        bias[...] = 0
    for scalings in range(4):
        rows = outputs_as_rows(layer, outputs())
        _expect_units(layer, weight, bias, rows)
        std = np.where(_constant(rows), 1, rows.std(axis=0))
        off = np.abs(std - 1).max()
        if off <= 1e-3:
            break
        if scalings < 3:
            weight /= std
    else:
        raise ValueError(
            f"{called(layer)}: the deviations of its outputs are off by {off:.3g}; does its output not follow its "
            "weight?"
        )
    if bias is not None:
        units = np.arange(rows.shape[1])
        draws = random.generator(layer.context.seed, layer.stream, random.BIASES)
        corners = draws.integers(0, len(rows), (CORNERS, len(units)))
        shares = draws.standard_exponential((CORNERS, len(units)))
        bias[...] = -(shares / shares.sum(axis=0) * rows[corners, units]).sum(axis=0)


def _draw(layer: Layer, weight: Array, start: Initializer) -> None:
    values = start.draw(weight.shape, random.generator(layer.context.seed, layer.stream, random.WEIGHTS))
    if np.shape(values) != weight.shape:
        raise ValueError(f"{called(layer)}: {start!r} drew values of shape {np.shape(values)}, expected {weight.shape}")
    weight[...] = values


def _constant(rows: Array) -> Array:
    """Which units are constant within the rounding of float32."""
    constant: Array = rows.var(axis=0) <= 1e-12 * np.square(rows).mean(axis=0)
    return constant


def _expect_units(layer: Layer, weight: Array, bias: Array | None, rows: Array) -> None:
    """ValueError unless each unit has its own column of the weight."""
    units = rows.shape[1]
    if weight.shape[-1] != units or (bias is not None and bias.shape != (units,)):
        raise ValueError(
            f"{called(layer)}: its weight {weight.shape} does not have a column for each of {units} units; use lsuv"
        )


def _expect_varying_units(layer: Layer, weight: Array, rows: Array) -> None:
    """ValueError unless the outputs of each unit vary."""
    if (constant := _constant(rows)).any():
        unit = int(np.argmax(constant))
        raise ValueError(
            f"{called(layer)}: unit {unit} (of {constant.sum()} such units) is the same for all samples"
            f"{_why_constant(weight[..., unit])}"
        )


def _why_constant(weight: Array) -> str:
    return "; are its inputs constant?" if weight.any() else ": its weights are all 0; draw them from an initializer"


def _balance(model: Sequential, batch: Array, names: Iterable[str]) -> None:
    """Scale the weights of the named layers, in order, to equal ‖gradient‖/‖weight‖, leaving the outputs unchanged."""
    layers = {layer.name: layer for layer in model.walk()}
    chain = [layers[name] for name in names]
    before = model.forward(batch, training=True).copy()
    generator, squares = random.generator(model.seed, 2**32, random.WEIGHTS), np.zeros(len(chain))
    for _ in range(DIRECTIONS):
        model.forward(batch, training=True)
        model.backward(generator.standard_normal(before.shape))
        squares += [_square_ratio(layer) for layer in chain]
    logs = np.log(squares) / 2
    total = 1.0
    for layer, factor in zip(chain, np.exp((logs - logs.mean()) / 2), strict=True):
        total *= factor  # scale of the layer's outputs; the product over all layers is 1
        for parameter in layer.declared:
            if parameter.value is not None and not layer.freezes(parameter.name):
                parameter.value *= factor if parameter.name == "weight" else total
    after = model.forward(batch, training=True)
    if not np.abs(after - before).max() <= 1e-3 * np.abs(before).max():
        raise ValueError(
            "data_dependent: the model cannot be balanced: its outputs changed; expected one chain of layers whose "
            "outputs scale with their inputs (ReLU, LeakyReLU, pooling). Leave out balance=True"
        )


def _square_ratio(layer: Layer) -> float:
    """‖gradient‖²/‖weight‖² of a layer's weight."""
    parameter = next(candidate for candidate in layer.declared if candidate.name == "weight")
    weight, gradient = (np.asarray(array, np.float64) for array in (parameter.value, parameter.gradient))
    ratio = float(np.square(gradient).sum() / np.square(weight).sum())
    if not 0 < ratio < np.inf:
        raise ValueError(f"{called(layer)}: its weight gets no finite gradient; the model cannot be balanced")
    return ratio
