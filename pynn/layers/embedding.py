"""Embedding: a learned vector for each code of a category or a token."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..checks import Count
from ..initializers import Initializer, Normal
from ..initializers import initializer as chosen
from ..kernels.reference.embedding import EXACT
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_axes

ONE = Count(1)


class Sizes:
    """How many codes there are: a number, or one for each column."""

    def __call__(self, where: str, name: str, value: Any) -> int | list[int]:
        values = value.tolist() if isinstance(value, np.ndarray) else value
        if not isinstance(values, (list, tuple)):
            if not ONE.holds(values):
                raise ValueError(f"{where}: {name} is {brief(value)}, expected {self.text(name)}")
            return int(values)
        if not values:
            raise ValueError(f"{where}: {name} is empty, expected the number of codes of each column")
        for column, one in enumerate(values):
            if not ONE.holds(one):
                raise ValueError(f"{where}: {name}[{column}] is {brief(one)}, expected an integer of at least 1")
        return [int(one) for one in values]

    def text(self, name: str) -> str:
        return "an integer of at least 1, or a list of them, one for each column"


class UnknownCode(ValueError):
    """A number that is no code. What calls the layer corrects its place: the layer knows a batch and its columns."""

    def __init__(self, layer: str, what: str, place: int, width: int, sample: int, code: float, size: int) -> None:
        super().__init__(layer, what, place, width, sample, code, size)
        self.layer, self.what, self.width, self.code, self.size = layer, what, width, code, size
        self.place, self.sample, self.among = place, sample, " of the batch"

    def __str__(self) -> str:
        return (
            f"{self.layer}: {self.what} {self.place} has the code {self.code:.10g} at sample "
            f"{self.sample}{self.among}, expected whole numbers 0..{self.size - 1}, or -1 for unknown"
        )

    def place_after(self, samples: int) -> None:
        """Count the sample in data of which so many samples came before the batch."""
        self.sample, self.among = self.sample + samples, ""


class Embedding(Layer):
    """Vectors of codes: y[n, k] = weight[code of x[n, k]], a learned vector for each category or token.

    Parameters
    ----------
    sizes : int or list of int
        How many codes there are, 0..size-1. An int: one table for all positions, for sequences of tokens (N, T). A
        list of K: a table for each of K columns of categories (N, K).
    units : int, default 8
        Length of the vectors.
    initializer : str or Initializer, optional
        Of the weight. By default Normal(1).

    Raises
    ------
    ValueError
        If it is built for another number of columns; in a forward pass, for a code that is not a whole number of
        0..size-1 or -1. The message names column, code and sample, in training its place in the shuffled batch.

    Notes
    -----
    Input: codes as numbers, which float32 and float64 hold exactly (float32 up to 2^24). An int: input (N, T), output
    (N, T, units); as `torch.nn.Embedding`. A list: input (N, K), output (N, K · units), the vector of column k in the
    columns k · units .. k · units + units - 1. Code -1, which `cat.codes` of pandas gives missing values, is unknown:
    its vector is zeros, and nothing is learned from it.

    The weight has shape (sum of sizes, units): the rows of column 0, then those of column 1, and so on. Its gradient is
    summed in the order of the samples; rows whose codes do not occur have gradient 0. The gradient of the codes is 0.

    References
    ----------
    .. [1] Guo and Berkhahn, "Entity Embeddings of Categorical Variables", 2016.

    Examples
    --------
    Two columns of categories, of 3 and 5 values:

    >>> model = pynn.Sequential(pynn.Embedding([3, 5], units=4), pynn.Affine(2))
    >>> model.build((2,))
    (2,)
    >>> model.predict(np.array([[0, 4], [2, -1]])).shape
    (2,)
    """

    weight: Array
    dweight: Array
    _takes = takes(sizes=Sizes(), units=ONE)

    def __init__(self, sizes: int | list[int], units: int = 8, *, initializer: str | Initializer | None = None) -> None:
        self.sizes = sizes
        self.units = units
        self.initializer = initializer

    def build(self, input_shape: Shape) -> Shape:
        expect_axes(input_shape, (1,), "codes (N, K) of K columns, or (N, T) of T tokens")
        sizes = [self.sizes] if isinstance(self.sizes, int) else self.sizes
        if isinstance(self.sizes, list) and input_shape != (len(sizes),):
            raise ValueError(
                f"sizes has {len(sizes)} numbers, one for each column, but the inputs have {input_shape[0]} columns; "
                "for sequences of tokens of one kind pass an int"
            )
        if max(sizes) > EXACT and self.context.dtype == np.float32:
            raise ValueError(
                f"sizes has {max(sizes)}, but float32 holds only the whole numbers up to {EXACT}: "
                'pass dtype="float64" to the model'
            )
        self.add_parameter(
            "weight", (sum(sizes), self.units), Normal(1) if self.initializer is None else chosen(self.initializer)
        )
        self._sizes = np.array(sizes, np.int64)
        self._inside = (input_shape[0], self.units)  # of a sample, by position and unit
        return self._inside if isinstance(self.sizes, int) else (input_shape[0] * self.units,)

    def forward(self, x: Array, training: bool) -> Array:
        self._codes = x.reshape(-1, len(self._sizes))
        shape = (len(x), *self._inside)
        y = self.buffer("y", shape)
        try:
            kernels.embedding_forward(self._codes, self._sizes, self.weight, self._by_code(y))
        except ValueError:
            self._expect_codes(x)
            raise
        return y if isinstance(self.sizes, int) else self.buffer("y", (len(x), *self.output_shape))

    def backward(self, dy: Array) -> Array | None:
        dweight = self.gradient_of("weight")
        if dweight is not None:
            kernels.embedding_backward(self._by_code(dy), self._codes, self._sizes, dweight)
        if not self.needs_dx:
            return None
        dx = self.gradient_buffer("dx", (len(dy), *self.input_shape), dy)
        dx.fill(0)
        return dx

    def _by_code(self, array: Array) -> Array:
        """The vectors as (samples, columns, units), as the kernels have them."""
        return array.reshape(*self._codes.shape, self.units)

    def _expect_codes(self, x: Array) -> None:
        """ValueError for the first code that is none, in the words of tables or of sequences."""
        sizes = np.broadcast_to(self._sizes, x.shape[1:])
        wrong = ~((x >= -1) & (x < sizes) & (x == np.floor(x)))
        if not wrong.any():
            return
        sample, place = np.argwhere(wrong)[0].tolist()
        what = "position" if isinstance(self.sizes, int) else "column"
        name = self.given_name or self.kind
        code, size = float(x[sample, place]), int(sizes[place])
        raise UnknownCode(name, what, place, x.shape[1], sample, code, size) from None
