"""Initializers: first values of weights and biases. Each is a function of (shape, random generator); knows no layers.

Shapes are (in, out) for affine weights and (height, width, in, out) for kernels of convolutions: fan-in is the product
of all but the last axis, fan-out that of all but the last but one. A layer takes an object or a name:

| name | object | variance of a weight |
|---|---|---|
| zeros | Zeros() | 0: for biases |
| constant | Constant(value=0.01) | 0: for biases |
| normal | Normal(std=0.01) | std²: "small random" |
| uniform | Uniform(limit=0.05) | limit²/3 |
| lecun, lecun_uniform | LeCun(uniform=False) | 1/fan-in: before a linear unit or SELU |
| glorot, glorot_uniform | Glorot(uniform=False) | 2/(fan-in + fan-out): before sigmoid and tanh |
| he, he_uniform | He(uniform=False) | 2/fan-in: before the ReLU family |
| sparse | Sparse(connections=10, std=None) | std² for `connections` weights a unit, the others are 0 |
| orthogonal | Orthogonal(gain=1) | gain²/max(fan-in, out) |
| random_walk | RandomWalk(activation="relu") | g²/fan-in, g from the paper: for very deep networks |

Two more look at data and are functions of a model and a batch: `pynn.lsuv` and `pynn.data_dependent`.
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
    """Base: `draw` gives float64 values of a shape; the same generator state gives the same values.

    An own one overrides `draw`; give it to a layer: `pynn.Affine(10, initializer=Own())`.
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Float64 values for weights of this shape; rng: the generator that they are drawn from."""
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng)")

    def __repr__(self) -> str:
        from .saving.config import constructor_text

        return constructor_text(self)


class Constant(Initializer):
    """Every number is `value` (default 0.01). For biases: equal weights never become different from each other.

    A small positive bias lets every ReLU pass a gradient from the first step on; whether that helps is not settled
    (CS231n notes, "Neural Networks Part 2"), so biases start at 0 unless asked. Raises ValueError for no finite number.
    """

    _takes = takes(value=ANY)

    def __init__(self, value: float = 0.01) -> None:
        self.value = value

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.full(shape, self.value, np.float64)


class Zeros(Initializer):
    """Every number is 0: for biases. Weights of zero never become different from each other.

    Source: CS231n notes, "Neural Networks Part 2".
    """

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


class Normal(Initializer):
    """Normal numbers of mean 0 and standard deviation `std` (default 0.01, "small random"); variance std².

    Activations shrink towards 0 from layer to layer in deep networks with a small std, saturate with a large one.
    Raises ValueError for a std that is negative or not finite. Source: CS231n notes, "Neural Networks Part 2".
    """

    _takes = takes(std=NOT_NEGATIVE)

    def __init__(self, std: float = 0.01) -> None:
        self.std = std

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * self.std


class Uniform(Initializer):
    """Numbers spread evenly over -limit..limit (default 0.05): mean 0, standard deviation = limit/√3.

    Raises ValueError for a limit that is negative or not finite.
    """

    _takes = takes(limit=NOT_NEGATIVE)

    def __init__(self, limit: float = 0.05) -> None:
        self.limit = limit

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return _uniform(self.limit, shape, rng)


def _uniform(limit: float, shape: Shape, rng: np.random.Generator) -> Array:
    return (2 * rng.random(shape) - 1) * limit


def _fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out: how many inputs one output has, and the reverse."""
    last = shape[-1] if shape else 1
    fan_in = math.prod(shape[:-1]) or 1
    return fan_in, math.prod(shape[:-2]) * last or 1


class _Scaled(Initializer):
    """Base of those whose variance follows from fan-in and fan-out; normal, or uniform over ±√(3·variance)."""

    _takes = takes(uniform=FLAG)

    def __init__(self, *, uniform: bool = False) -> None:
        self.uniform = uniform

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of one weight, given fan_in, the inputs of a unit, and fan_out, the units of an input."""
        raise NotImplementedError

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        variance = self.variance(*_fans(shape))
        if self.uniform:
            return _uniform(math.sqrt(3 * variance), shape, rng)
        return rng.standard_normal(shape) * math.sqrt(variance)


class LeCun(_Scaled):
    """Variance 1/fan_in: keeps the variance through a linear unit ("Xavier 1/√n" in CS231n).

    uniform: False (default) for normal numbers of std √(1/fan_in), True for numbers spread evenly over ±√(3/fan_in).
    Raises TypeError for anything else. Source: LeCun et al. 1998, "Efficient BackProp".
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


class Glorot(_Scaled):
    """Variance 2/(fan_in + fan_out), for sigmoid and tanh: between what keeps activations and what keeps gradients.

    uniform: False (default) for normal numbers of std √(2/(fan_in + fan_out)), True for numbers spread evenly over
    ±√(6/(fan_in + fan_out)). Raises TypeError for anything else. Source: Glorot & Bengio 2010.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class He(_Scaled):
    """Variance 2/fan_in, for the ReLU family: twice LeCun's, since ReLU takes half of it away.

    uniform: False (default) for normal numbers of std √(2/fan_in), True for numbers spread evenly over ±√(6/fan_in).
    Raises TypeError for anything else. Source: He et al. 2015.
    """

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class Sparse(Initializer):
    """Each unit gets `connections` random inputs with normal weights; its other weights are 0.

    So the size of its input does not grow with the width of the layer before. connections: at least 1 (default 10); a
    unit with a smaller fan-in has them all. std: of the weights that are not 0; None (default) is √(1/connections),
    which keeps the variance through a linear unit (√(2/connections) does through ReLU). Source: Martens 2010, with
    15 connections of std 1; CS231n notes: 10 and a small std. Raises ValueError for other settings.
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
    """A random orthogonal matrix (fan-in, out) times `gain`: WᵀW = gain²·I, or WWᵀ = gain²·I where out > fan-in.

    All singular values are `gain`, so a stack of linear layers of one width keeps every length, forwards and
    backwards. Variance of a weight: gain²/max(fan-in, out). gain: default 1; √2 before ReLU. A convolution's kernel is
    taken as a matrix (height·width·in, out). Drawn evenly from all such matrices: QR of a normal matrix, with R's
    diagonal made positive (Mezzadri 2007). Source: Saxe et al. 2013. Raises ValueError for a negative gain.
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
    """Normal of variance g²/n, n the fan-in, with the g that makes ln‖gradient‖ a random walk without drift.

    He and LeCun keep the mean of the squared norm, but its logarithm, which is what adds up over layers, then falls by
    some 1/n a layer: the gradient of a deep narrow network vanishes. g takes that back:
    activation "relu" (default): g = √2·exp(1.2/(max(n, 6) - 2.4)), the paper's fit to its experiments;
    "linear": g = exp(1/(2n)). Both → He and LeCun for large n. The activation is that of the layer's inputs as well as
    of its outputs; n follows from each weight's own shape. What remains is the walk itself: the spread of
    ln‖gradient‖ grows with √(depth/n), so widen a network that is too deep. For tanh the paper searches g by trial:
    Normal(g/√n). Source: Sussillo & Abbott 2014. Raises ValueError for another activation.
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
    """An initializer: choice is its name or itself; ValueError lists the names, TypeError for others."""
    return resolve(choice, INITIALIZERS, Initializer, "initializer")
