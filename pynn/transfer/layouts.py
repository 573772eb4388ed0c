"""How PyTorch names and lays out the tensors of a model's layers. Reads only shapes, knows no files.

Weights have other shapes in PyTorch: Linear (out, in) for our (in, out), Conv2d (O, I, KH, KW) for our (KH, KW, I, O),
Conv1d (O, I, K) for our (K, I, O). Features are its second axis and our last axis: it flattens an image in the order
C, H, W, so layers that read flattened images have their inputs in another order. Features of sequences are its second
axis in a network that convolves or pools over them, otherwise the last axis, as Linear reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..layers import (
    PSELU,
    Affine,
    AvgPool1d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Flatten,
    GlobalAvgPool1d,
    GroupNorm,
    Layer,
    LayerNorm,
    MaxPool1d,
    Parallel,
    PMish,
    PReLU,
    Reshape,
    Residual,
    Scale,
)
from ..layers.chain import Chain
from ..messages.terminal import brief, called
from ..models.sequential import Sequential
from ..typing import Array, Shape

Order = NDArray[np.int64]

LAYOUTS = ("torch", "pynn")
THEIRS = {"gamma": "weight", "beta": "bias", "slope": "weight"}
OF_SEQUENCES = (AvgPool1d, Conv1d, GlobalAvgPool1d, MaxPool1d)  # features are PyTorch's second axis
# One number per feature: these follow the order of flattened images.
PER_FEATURE = (BatchNorm, LayerNorm, PMish, PReLU, PSELU, Scale)


@dataclass(frozen=True)
class Tensor:
    """One parameter or statistic of a model, and its form in another layout."""

    layer: str
    ours: str  # name in the layer
    theirs: str  # name in the other library's module
    array: Array  # the model's array
    axes: tuple[int, ...] | None = None  # for each of our axes, its number in the other layout
    order: Order | None = None  # for each of our features, its number in the other layout
    factor: float = 1.0  # our numbers are theirs times this

    @property
    def name(self) -> str:
        """Name in the model: "affine1.weight"."""
        return f"{self.layer}.{self.ours}"

    @property
    def shape(self) -> Shape:
        """Shape in the other layout."""
        if self.axes is None:
            return self.array.shape
        return tuple(self.array.shape[self.axes.index(axis)] for axis in range(self.array.ndim))

    def to_ours(self, array: Array) -> Array:
        """An array of the other layout, converted to the model's."""
        transposed = array if self.axes is None else array.transpose(self.axes)
        ordered = transposed if self.order is None else transposed[self.order]
        return ordered if self.factor == 1 else ordered * np.float64(self.factor)

    def to_theirs(self) -> Array:
        """A copy of the model's array, converted to the other layout."""
        array = self.array if self.order is None else self.array[np.argsort(self.order)]
        array = array if self.factor == 1 else array / array.dtype.type(self.factor)
        return np.array(array if self.axes is None else array.transpose(np.argsort(self.axes)), order="C")


def tensors(model: Sequential, layout: str) -> list[Tensor]:
    """All tensors of the model, in the order of ``model.tensors()``."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout is {brief(layout)}, expected 'torch' or 'pynn'")
    arrays = model.tensors()
    if layout == "torch":
        return list(_Walk(model, arrays).through(model, None)[0])
    parts = [(*name.rpartition("."), array) for name, array in arrays.items()]
    return [Tensor(layer, name, name, array) for layer, _, name, array in parts]


def image_order(shape: Shape) -> Order | None:
    """For each index of a flattened (H, W, C), the index in PyTorch's flattened (C, H, W); None if all are equal."""
    theirs = np.arange(math.prod(shape)).reshape(shape[-1], *shape[:-1])
    order = np.moveaxis(theirs, 0, -1).ravel()
    return None if (order[:-1] < order[1:]).all() else order


class _Walk:
    """Goes through the layers with the order of features in PyTorch, None if it is the same."""

    def __init__(self, model: Sequential, arrays: dict[str, Array]) -> None:
        self.arrays = arrays
        self.sequences = any(isinstance(layer, OF_SEQUENCES) for layer in model.walk())  # features second in PyTorch

    def through(self, layer: Layer, order: Order | None) -> tuple[list[Tensor], Order | None]:
        if isinstance(layer, (Parallel, Residual)):
            self._expect_plain(layer, order)
            return [tensor for child in layer.children() for tensor in self.through(child, None)[0]], None
        if isinstance(layer, Chain):
            tensors_: list[Tensor] = []
            for child in layer.layers:
                more, order = self.through(child, order)
                tensors_ += more
            return tensors_, order
        if isinstance(layer, (Flatten, Reshape)):
            return [], self._reshaped(layer, order)
        return list(self._tensors_of(layer, order)), self._after(layer, order)

    def _reshaped(self, layer: Layer, order: Order | None) -> Order | None:
        """The order after the layer, for vectors; other shapes must have the same order in PyTorch."""
        before, after = (self._order(shape) for shape in (layer.input_shape, layer.output_shape))
        if len(layer.output_shape) == 1:
            return order if len(layer.input_shape) == 1 else before
        for needed in (order, before, after):
            self._expect_plain(layer, needed)
        return None

    def _order(self, shape: Shape) -> Order | None:
        return image_order(shape) if len(shape) == 3 or (len(shape) == 2 and self.sequences) else None

    def _tensors_of(self, layer: Layer, order: Order | None) -> Iterator[Tensor]:
        for name in (*(parameter.name for parameter in layer.declared), *layer.state):
            array, rows = self.arrays[f"{layer.name}.{name}"], None
            axes: tuple[int, ...] | None = None
            factor = 1.0
            if isinstance(layer, Affine) and name == "weight":
                axes, rows = (1, 0), order
                factor = math.sqrt(array.shape[0]) if layer.parametrization == "ntk" else 1.0
            elif isinstance(layer, Conv1d) and name == "weight":
                axes = (2, 1, 0)
            elif isinstance(layer, Conv2d) and name == "weight":
                axes = (2, 3, 1, 0)
            elif isinstance(layer, PER_FEATURE) and order is not None and array.size == order.size:
                rows = order
            yield Tensor(layer.name, name, THEIRS.get(name, name), array, axes, rows, factor)

    def _after(self, layer: Layer, order: Order | None) -> Order | None:
        if order is None or isinstance(layer, Affine):
            return None
        if not isinstance(layer, PER_FEATURE) and (layer.declared or layer.state or isinstance(layer, GroupNorm)):
            self._expect_plain(layer, order)
        if layer.output_shape != layer.input_shape:
            self._expect_plain(layer, order)
        return order

    def _expect_plain(self, layer: Layer, order: Order | None) -> None:
        if order is not None:
            raise ValueError(
                f"{called(layer)} reads flattened images, which PyTorch orders differently: the tensors of a "
                f"{layer.kind} cannot be laid out for it; put the layer after an Affine, or use layout='pynn'"
            )
