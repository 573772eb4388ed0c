"""Initializers: initial values of weights and biases, functions of (shape, random generator). Know no layers.

Shapes are (in, out) for affine weights and (height, width, in, out) for convolution kernels: fan-in is the product of
all but the last axis, fan-out that of all but the last but one. A layer takes an object or a name:

| name | object | variance of a weight |
|---|---|---|
| zeros | Zeros() | 0: for biases |
| constant | Constant(value=0.01) | 0: for biases |
| normal | Normal(std=0.01) | std²: "small random" |
| uniform | Uniform(limit=0.05) | limit²/3 |
| lecun, lecun_uniform | LeCun(uniform=False) | 1/fan-in: before a linear unit or SELU |
| glorot, glorot_uniform | Glorot(uniform=False) | 2/(fan-in + fan-out): before sigmoid and tanh |
| he, he_uniform | He(uniform=False) | 2/fan-in: before the ReLU family |
| sparse | Sparse(connections=10, std=None) | std² for `connections` weights of each unit, the others are 0 |
| orthogonal | Orthogonal(gain=1) | gain²/max(fan-in, out) |
| random_walk | RandomWalk(activation="relu") | g²/fan-in, g from the paper: for very deep networks |

Two more use data and are functions of a model and a batch: `pynn.lsuv` and `pynn.data_dependent`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from .checks import ANY, FLAG, NOT_NEGATIVE, Choice, Count, OrNone
from .saving.config import resolve
from .signatures import Constructed, takes
from .typing import Array, Shape


class Initializer(Constructed):
    """Base of all initializers: `draw` returns float64 values, the same for the same generator state.

    Notes
    -----
    A custom initializer overrides `draw`; give it to a layer: ``pynn.Affine(10, initializer=Custom())``.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Draw values for a weight.

        Parameters
        ----------
        shape : tuple of int
            Shape of the weight; the last axis counts the outputs.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        array
            float64 values of that shape.
        """
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng)")

    def __repr__(self) -> str:
        from .saving.config import constructor_text

        return constructor_text(self)


class Constant(Initializer):
    """Constant: every value is `value`. For biases: equal weights never become different.

    Parameters
    ----------
    value : float, default 0.01
        Any finite number.

    Notes
    -----
    A small positive bias lets every ReLU pass a gradient from the first step on. Whether that helps is not settled
    [1]_, so biases start at 0 by default.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _takes = takes(value=ANY)

    def __init__(self, value: float = 0.01) -> None:
        self.value = value

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.full(shape, self.value, np.float64)


class Zeros(Initializer):
    """Zeros: for biases. Weights of 0 never become different.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


class Normal(Initializer):
    """Normal distribution with mean 0 and variance std², "small random".

    Parameters
    ----------
    std : float, default 0.01
        Standard deviation, at least 0.

    Notes
    -----
    In deep networks activations shrink from layer to layer with a small std, and saturate with a large one.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _takes = takes(std=NOT_NEGATIVE)

    def __init__(self, std: float = 0.01) -> None:
        self.std = std

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * self.std


class Uniform(Initializer):
    """Uniform distribution over -limit..limit, with standard deviation = limit/√3.

    Parameters
    ----------
    limit : float, default 0.05
        At least 0.
    """

    _takes = takes(limit=NOT_NEGATIVE)

    def __init__(self, limit: float = 0.05) -> None:
        self.limit = limit

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return _uniform(self.limit, shape, rng)


def _uniform(limit: float, shape: Shape, rng: np.random.Generator) -> Array:
    return (2 * rng.random(shape) - 1) * limit


def _fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out: number of inputs of an output, and of outputs of an input."""
    last = shape[-1] if shape else 1
    fan_in = math.prod(shape[:-1]) or 1
    return fan_in, math.prod(shape[:-2]) * last or 1


class _Scaled(Initializer):
    """Base of the initializers with a variance that follows from the fans: normal, or uniform over ±√(3·variance)."""

    _takes = takes(uniform=FLAG)

    def __init__(self, *, uniform: bool = False) -> None:
        self.uniform = uniform

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Return the variance of a weight.

        Parameters
        ----------
        fan_in : int
            Inputs of a unit.
        fan_out : int
            Units that an input feeds.

        Returns
        -------
        float
            The variance.
        """
        raise NotImplementedError

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        variance = self.variance(*_fans(shape))
        if self.uniform:
            return _uniform(math.sqrt(3 * variance), shape, rng)
        return rng.standard_normal(shape) * math.sqrt(variance)


class LeCun(_Scaled):
    """LeCun: variance = 1/fan_in, which keeps the variance through a linear unit ("Xavier 1/√n" in CS231n).

    Parameters
    ----------
    uniform : bool, default False
        Draw from a uniform distribution over ±√(3/fan_in), not from a normal distribution.

    References
    ----------
    .. [1] LeCun et al., "Efficient BackProp", 1998.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


class Glorot(_Scaled):
    """Glorot (Xavier): variance = 2/(fan_in + fan_out), for sigmoid and tanh.

    It is a compromise between keeping the variance of activations and that of gradients.

    Parameters
    ----------
    uniform : bool, default False
        Draw from a uniform distribution over ±√(6/(fan_in + fan_out)), not from a normal distribution.

    References
    ----------
    .. [1] Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class He(_Scaled):
    """He (Kaiming): variance = 2/fan_in, for the ReLU family; twice LeCun's, as ReLU halves it.

    Parameters
    ----------
    uniform : bool, default False
        Draw from a uniform distribution over ±√(6/fan_in), not from a normal distribution.

    References
    ----------
    .. [1] He et al., "Delving Deep into Rectifiers", 2015.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class Sparse(Initializer):
    """Sparse: each unit gets `connections` random inputs with normal weights, variance = std²; the others are 0.

    Parameters
    ----------
    connections : int, default 10
        At least 1; a unit with a smaller fan-in has all its inputs.
    std : float, optional
        Standard deviation of the weights that are not 0, at least 0. By default √(1/connections), which keeps the
        variance through a linear unit; √(2/connections) keeps it through ReLU.

    Notes
    -----
    The input of a unit does not grow with the width of the layer before. [1]_ uses 15 connections and std 1, [2]_ uses
    10 and a small std.

    References
    ----------
    .. [1] J. Martens, "Deep learning via Hessian-free optimization", 2010.
    .. [2] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _takes = takes(connections=Count(1), std=OrNone(NOT_NEGATIVE))

    def __init__(self, connections: int = 10, *, std: float | None = None) -> None:
        self.connections = connections
        self.std = std

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        fan_in = _fans(shape)[0]
        count = min(self.connections, fan_in)
        weight = rng.standard_normal(shape).reshape(fan_in, -1) * (count**-0.5 if self.std is None else self.std)
        connected = np.broadcast_to(np.arange(fan_in)[:, None] < count, weight.shape)
        return np.where(rng.permuted(connected, axis=0), weight, 0).reshape(shape)


class Orthogonal(Initializer):
    """Random orthogonal matrix (fan-in, out) times gain: WᵀW = gain²·I, or WWᵀ = gain²·I if out > fan-in.

    Parameters
    ----------
    gain : float, default 1
        At least 0; √2 before ReLU.

    Notes
    -----
    All singular values equal gain, so a stack of linear layers of one width keeps lengths, forward and backward. The
    variance of a weight is gain²/max(fan-in, out). A convolution kernel counts as a matrix (height·width·in, out).
    Drawn uniformly by the QR decomposition of a normal matrix, R's diagonal made positive [2]_.

    References
    ----------
    .. [1] Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013.
    .. [2] F. Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
    """

    _takes = takes(gain=NOT_NEGATIVE)

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        rows = _fans(shape)[0]
        columns = math.prod(shape) // rows
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.where(np.diag(r) < 0, -self.gain, self.gain)
        return (q if rows >= columns else q.T).reshape(shape)


class RandomWalk(Initializer):
    """Normal with variance = g²/n, n the fan-in; g makes ln‖gradient‖ a random walk without drift over the layers.

    Parameters
    ----------
    activation : {"relu", "linear"}, default "relu"
        Activation of the layer's inputs and outputs. "relu": g = √2·exp(1.2/(max(n, 6) - 2.4)), the paper's fit;
        "linear": g = exp(1/(2n)).

    Notes
    -----
    `He` and `LeCun` keep the mean of the squared norm, but its logarithm then falls by about 1/n a layer, so that the
    gradient of a deep narrow network vanishes. g compensates for it, and for large n approaches their factors. The
    spread of ln‖gradient‖ still grows with √(depth/n): widen a network that is too deep. For tanh the paper finds g by
    trial; use ``Normal(g/√n)``.

    References
    ----------
    .. [1] Sussillo & Abbott, "Random Walk Initialization for Training Very Deep Feedforward Networks", 2014.
    """

    _takes = takes(activation=Choice("relu", "linear"))

    def __init__(self, activation: str = "relu") -> None:
        self.activation = activation

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        n = _fans(shape)[0]
        g = math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4)) if self.activation == "relu" else math.exp(1 / (2 * n))
        return rng.standard_normal(shape) * (g / math.sqrt(n))


INITIALIZERS: dict[str, Callable[[], Initializer]] = {
    "zeros": Zeros,
    "constant": Constant,
    "normal": Normal,
    "uniform": Uniform,
    "lecun": LeCun,
    "lecun_uniform": functools.partial(LeCun, uniform=True),
    "glorot": Glorot,
    "glorot_uniform": functools.partial(Glorot, uniform=True),
    "he": He,
    "he_uniform": functools.partial(He, uniform=True),
    "sparse": Sparse,
    "orthogonal": Orthogonal,
    "random_walk": RandomWalk,
}


def initializer(choice: str | Initializer) -> Initializer:
    """Return the initializer of that name, or the initializer itself.

    Parameters
    ----------
    choice : str or Initializer
        A name, or an initializer, which is returned as it is.

    Returns
    -------
    Initializer
        The initializer; a new one with default arguments for a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    TypeError
        For anything else.
    """
    return resolve(choice, INITIALIZERS, Initializer, "initializer")
