"""The network of an estimator: its layers, its first weights, its loss, its optimizer."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import losses
from ..layers import (
    ELU,
    GELU,
    SELU,
    Activation,
    Affine,
    BatchNorm,
    Dropout,
    Layer,
    LeakyReLU,
    Mish,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from ..losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy, SquaredError
from ..losses.attributes import AttributeLoss
from ..messages.terminal import brief
from ..models.sequential import Sequential
from ..optimizers import Adam, Momentum, Nesterov, Optimizer
from ..typing import Array
from .reports import expect_word

ACTIVATIONS: dict[str, type[Layer] | None] = {
    "identity": None,
    "logistic": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "sigmoid": Sigmoid,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "elu": ELU,
    "selu": SELU,
    "softplus": Softplus,
    "gelu": GELU,
    "silu": SiLU,
    "mish": Mish,
}
ALIASES = {"absolute_error": "l1", "log_loss": "log_loss", "squared_error": "squared_error"}


class BiasCorrected(Adam):
    """Adam as scikit-learn has it: ε is added to √v, not to √v̂. The difference shows in weights that hardly move."""

    def __init__(self, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, bias_correction=False)

    @property
    def effective_learning_rate(self) -> float:
        steps = self.steps
        return super().effective_learning_rate * math.sqrt(1 - self.beta2**steps) / (1 - self.beta1**steps)


def hidden_sizes(sizes: Any) -> list[int]:
    """hidden_layer_sizes as a list; ValueError for anything but sizes of at least 1."""
    listed = list(sizes) if isinstance(sizes, Iterable) and not isinstance(sizes, str) else [sizes]
    if not all(isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size > 0 for size in listed):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {brief(sizes)}, expected integers such as (100,)")
    return [int(size) for size in listed]


def expect_activation(activation: Any) -> None:
    """ValueError for anything but a known name or a layer."""
    if not isinstance(activation, (Activation, PReLU)):
        expect_word("activation", activation, tuple(ACTIVATIONS), " or a layer such as pynn.LeakyReLU(0.1)")


def chosen_loss(loss: Any, kind: str) -> tuple[Loss, float]:
    """The loss, and a factor of it. kind: "multiclass", "binary", "multilabel" or "numbers"."""
    name = loss.lower() if isinstance(loss, str) else None
    if kind == "numbers":
        if loss is None or name == "squared_error":
            return SquaredError(), 0.5
        chosen = copy.deepcopy(losses.loss("l1" if name == "absolute_error" else loss))
        if isinstance(chosen, AttributeLoss) or chosen.classes((2,)) is not None:
            raise ValueError(f"loss is {brief(loss)}, which is of labels; MLPRegressor predicts numbers")
        return chosen, 1.0
    if loss is None or name == "log_loss":
        return (SoftmaxCrossEntropy() if kind == "multiclass" else BinaryCrossEntropy()), 1.0
    chosen = copy.deepcopy(losses.loss(loss))
    if isinstance(chosen, AttributeLoss):
        if kind == "multiclass":
            raise ValueError(f"loss is {brief(loss)}, which answers yes or no, but y has more than two classes")
    elif chosen.classes((2,)) is None:
        raise ValueError(f"loss is {brief(loss)}, which is of numbers; MLPClassifier predicts labels")
    elif kind == "multilabel":
        raise ValueError(f"loss is {brief(loss)}, which is of one label for each sample, but y has several: use None")
    return chosen, 1.0


def outputs_of(loss: Loss, targets: int) -> int:
    """How many outputs the loss takes for so many numbers: a quantile has one for each level."""
    if (levels := getattr(loss, "levels", None)) is not None:
        if targets > 1:
            raise ValueError(
                f"{loss!r} predicts one number for each sample, but y has {targets} columns: "
                "sklearn.multioutput.MultiOutputRegressor fits a network to each"
            )
        return int(np.size(levels))
    columns = getattr(loss, "_columns", None)
    if columns is None:
        return targets
    return next(count for count in range(1, 1000 * targets) if columns((count,)) == targets)


def points(loss: Loss, outputs: Array) -> Array:
    """One prediction (N, K) for each target: of several quantiles, the one nearest to the median."""
    if not getattr(loss, "_has_points", False):
        return loss.predict(outputs)
    several: Any = loss
    return np.asarray(several._points(several._numbers(outputs)))


def output_activation(loss: Loss) -> str:
    """scikit-learn's word for what makes predictions of the outputs."""
    test = np.array([[-1.0], [2.0]])
    with np.errstate(all="ignore"):
        try:
            predicted = loss.predict(test)
            logarithmic = predicted.shape == test.shape and np.allclose(predicted, np.exp(test))
        except (ValueError, TypeError):
            logarithmic = False
    return "exp" if logarithmic else "identity"


def build(
    settings: Any, features: int, outputs: int, dtype: np.dtype[Any], random_state: np.random.RandomState
) -> Sequential:
    """The network, built. settings: the estimator, with its constructor's arguments."""
    layers, own = _layers(settings)
    random = own or settings.dropout > 0
    seed = int(random_state.randint(np.iinfo(np.int32).max)) if random else 0
    model = Sequential(*layers, Affine(outputs), seed=seed, dtype=dtype)
    model.build((features,))
    if not own:
        _draw(model, settings.activation, random_state)
    return model


def _layers(settings: Any) -> tuple[list[Layer], bool]:
    """The hidden layers, and whether they are the user's own."""
    if settings.layers is not None:
        given = settings.layers() if callable(settings.layers) else settings.layers
        given = [given] if isinstance(given, Layer) else list(given)
        if wrong := [layer for layer in given if not isinstance(layer, Layer)]:
            raise TypeError(f"layers holds {brief(wrong[0])}, expected pynn layers, such as [pynn.Affine(64)]")
        return copy.deepcopy(given), True  # the estimator's arguments stay as they are
    layers: list[Layer] = []
    for size in hidden_sizes(settings.hidden_layer_sizes):
        layers.append(Affine(size))
        if settings.batch_norm:
            layers.append(BatchNorm())
        if isinstance(settings.activation, Layer):
            layers.append(copy.deepcopy(settings.activation))
        elif (kind := ACTIVATIONS[settings.activation]) is not None:
            layers.append(kind())
        if settings.dropout > 0:
            layers.append(Dropout(settings.dropout))
    return layers, False


def affine_layers(model: Sequential) -> list[Affine]:
    """The affine layers, in order."""
    return [layer for layer in model.walk() if isinstance(layer, Affine)]


def weights_of(layer: Affine) -> tuple[Array, Array]:
    """Weight and bias of a layer; the bias is empty where it has none."""
    assert layer.weight is not None
    return layer.weight, layer.weight[:0, 0] if layer.bias is None else layer.bias


def _draw(model: Sequential, activation: Any, random_state: np.random.RandomState) -> None:
    """The first weights of scikit-learn for this random state: uniform, biases too."""
    factor = 2.0 if activation in ("logistic", "sigmoid") else 6.0
    for layer in affine_layers(model):
        weight, bias = weights_of(layer)
        bound = math.sqrt(factor / sum(weight.shape))
        weight[...] = random_state.uniform(-bound, bound, weight.shape)
        bias[...] = random_state.uniform(-bound, bound, bias.shape)


def optimizer(settings: Any) -> Optimizer:
    """The optimizer that the estimator's arguments describe."""
    rate = settings.learning_rate_init
    if settings.solver == "adam":
        return BiasCorrected(rate, settings.beta_1, settings.beta_2, settings.epsilon)
    return (Nesterov if settings.nesterovs_momentum else Momentum)(rate, settings.momentum)
