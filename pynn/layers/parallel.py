"""Parallel: layers side by side, each with its columns of the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import expect_instance, is_integer
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .buffers import GradientBuffers
from .chain import Chain
from .embedding import UnknownCode
from .shapes import expect_features

Branch = Layer | Sequence[Layer] | None  # None: the numbers themselves
Columns = slice | list[int] | None
Run = tuple[slice, slice]  # columns that are a constant step apart: where they are read, and where they go


class EachColumns:
    """For each branch its columns: a slice, a range, a list of integers, or None for all."""

    def __call__(self, where: str, name: str, value: Any) -> list[Columns] | None:
        if value is None:
            return None
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{where}: {name} is {brief(value)}, expected {self.text(name)}")
        return [_columns(f"{where}: {name}[{number}]", one) for number, one in enumerate(value)]

    def text(self, name: str) -> str:
        return "a list with a slice, a list of integers, or None for all, for each of the layers"


def _columns(where: str, value: Any) -> Columns:
    """One branch's columns in a form that can be saved."""
    if value is None:
        return None
    if isinstance(value, slice):
        if all(end is None or is_integer(end) for end in (value.start, value.stop, value.step)) and value.step != 0:
            return slice(*(None if end is None else int(end) for end in (value.start, value.stop, value.step)))
        raise ValueError(f"{where} is {brief(value)}, expected integers in the slice, and a step that is not 0")
    if isinstance(value, range) and len(value) and value.start >= 0 and value.step > 0:
        return slice(value.start, value[-1] + 1, None if value.step == 1 else value.step)
    values = list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else None
    if values is None or not all(is_integer(one) for one in values):
        hint = ""
        if is_integer(value):
            hint = f"; [{value}] is that column"
        elif values is not None and any(isinstance(one, (bool, np.bool_)) for one in values):
            hint = "; np.flatnonzero(mask) are the columns where a mask is True"
        elif isinstance(value, str) or any(isinstance(one, str) for one in values or ()):
            hint = "; columns go by their numbers here"
        raise TypeError(f"{where} is {brief(value)}, expected a slice, a list of integers, or None for all{hint}")
    if not values:
        raise ValueError(f"{where} is empty, expected at least one column")
    return [int(one) for one in values]


def numbers(columns: Columns, width: int, where: str) -> range | list[int]:
    """The numbers of these columns among `width`; ValueError for one that is not there, also in a slice."""
    if columns is None:
        return range(width)
    if isinstance(columns, slice):
        ends = [end for end in (columns.start, columns.stop) if end is not None]
        found = range(*columns.indices(width))
        if any(not -width <= end <= width for end in ends) or not found:
            what = "columns that are not there" if found else "no column"
            raise ValueError(f"{where} is {columns!r}, {what}: the inputs have {width} columns, 0..{width - 1}")
        return found
    for one in columns:
        if not -width <= one < width:
            raise ValueError(f"{where} has the column {one}, expected 0..{width - 1}: the inputs have {width} columns")
    return [one % width for one in columns]


def count(columns: range | list[int]) -> int:
    """How many columns; len() refuses ranges that memory could not hold."""
    if isinstance(columns, list):
        return len(columns)
    return (columns.stop - columns.start + columns.step - (1 if columns.step > 0 else -1)) // columns.step


def runs(columns: range | list[int]) -> list[Run]:
    """The columns in runs of a constant step, which slices read and write without a copy."""
    found: list[Run] = []
    first = 0
    while first < len(columns):
        step = columns[first + 1] - columns[first] if first + 1 < len(columns) else 1
        last = len(columns) - 1 if isinstance(columns, range) else first
        while step and last + 1 < len(columns) and columns[last + 1] - columns[last] == step:
            last += 1
        stop = columns[last] + (step or 1)
        found.append((slice(columns[first], stop if stop >= 0 else None, step or 1), slice(first, last + 1)))
        first = last + 1
    return found


class Parallel(Layer):
    """Layers side by side: y = [f_1(x[:, columns_1]), f_2(x[:, columns_2]), ...], joined along the last axis.

    Parameters
    ----------
    *layers : Layer, list of Layer, or None
        The branches: a layer; a list of layers in sequence; or None, which passes its columns on as they are.
    columns : list, optional
        For each branch the columns that it reads, positions along the last axis: a slice, a range, a list of integers,
        or None for all. By default all for each.

    Raises
    ------
    TypeError
        For anything else as a branch or as columns.
    ValueError
        If the number of columns' entries is not that of the branches, or a layer occurs twice. When it is built: for
        columns that the inputs do not have, or branches whose outputs differ in more than the last axis.

    Notes
    -----
    Input (N, ..., D), output (N, ..., D_1 + D_2 + ...): vectors, sequences and images. Branches may read the same
    columns; the gradients are added in the order of the branches. A column that no branch reads has no effect. Negative
    numbers count from the end.

    References
    ----------
    .. [1] Szegedy et al., "Going Deeper with Convolutions", 2015.

    Examples
    --------
    A table of four numbers, and two columns of categories with 5 and 9 values:

    >>> front = pynn.Parallel(None, pynn.Embedding([5, 9]), columns=[slice(0, 4), slice(4, 6)])
    >>> front.build((6,))
    (20,)
    """

    layers: tuple[Branch, ...]
    _takes = takes(columns=EachColumns())

    def __init__(self, *layers: Branch, columns: Sequence[Any] | None = None) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            raise TypeError("Parallel takes the branches one by one; write Parallel(*branches)")
        if not layers:
            raise ValueError("Parallel: expected at least one layer")
        self.layers = tuple(list(one) if isinstance(one, tuple) else one for one in layers)
        self._branches = tuple(_in_sequence(number, one) for number, one in enumerate(layers))
        if len({id(layer) for layer in self.children()}) < len(self.children()):
            raise ValueError("Parallel: the same layer occurs twice; make a second layer (layers do not share weights)")
        if columns is not None and len(columns) != len(layers):
            raise ValueError(
                f"Parallel: columns has {len(columns)} entries, expected one for each of {len(layers)} layers"
            )
        self.columns = columns
        self._chains: list[Chain] = []
        self._columns: list[range | list[int]] = []  # of each branch
        self._runs: list[list[Run]] = []  # the same, from the first forward pass on
        self._places: list[slice] = []  # of its outputs
        self._live: list[bool] = []  # whether its backward pass has anything to compute
        self._live_for: tuple[bool, int] | None = None

    def children(self) -> tuple[Layer, ...]:
        return tuple(layer for branch in self._branches for layer in branch)

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape, "columns")
        self._chains, self._columns, self._runs, self._places, self._live_for = [], [], [], [], None
        shared, shapes, width = GradientBuffers(), [], input_shape[-1]
        for number, branch in enumerate(self._branches):
            chosen = numbers(self.columns[number] if self.columns else None, width, f"columns[{number}]")
            chain = Chain(*branch)
            chain.context, chain._shared = self.context, shared
            try:
                shapes.append(chain.build((*input_shape[:-1], count(chosen))))
            except ValueError as cause:
                raise ValueError(f"branch {number}: {cause}") from cause
            if not shapes[-1] or shapes[-1][:-1] != shapes[0][:-1]:
                raise ValueError(
                    f"branch {number} ends in shape {shapes[-1]}, branch 0 in {shapes[0]}: expected shapes that differ "
                    "in the last axis only, along which they are joined"
                )
            start = self._places[-1].stop if self._places else 0
            self._chains.append(chain)
            self._columns.append(chosen)
            self._places.append(slice(start, start + shapes[-1][-1]))
        return (*shapes[0][:-1], self._places[-1].stop)

    def forward(self, x: Array, training: bool) -> Array:
        if not self._runs:
            self._runs = [runs(columns) for columns in self._columns]
        y = self.buffer("y", (len(x), *self.output_shape))
        for number, chain in enumerate(self._chains):
            part = y[..., self._places[number]]
            if chain.layers:
                try:
                    part[...] = chain.forward(self._read(x, number), training)
                except UnknownCode as error:
                    if chain.input_shape == (error.width,):  # else a layer before has changed the columns
                        error.place, error.width = self._columns[number][error.place], x.shape[-1]
                    raise
            else:
                self._copy(x, number, part)
        return y

    def backward(self, dy: Array) -> Array | None:
        if self._live_for != (self.needs_dx, self.context.changes):
            self._settle_branches()
        dx = None
        if self.needs_dx:
            dx = self.gradient_buffer("dx", (len(dy), *self.input_shape), dy)
            dx.fill(0)
        for number, chain in enumerate(self._chains):
            if not self._live[number]:
                continue
            gradient: Array | None = dy[..., self._places[number]]
            if chain.layers:
                part = self.buffer(f"dy{number}", (len(dy), *chain.output_shape))
                part[...] = gradient
                gradient = chain.backward(part)
            if dx is not None:
                assert gradient is not None  # of layers, whose input gradient is needed
                for source, place in self._runs[number]:
                    part = dx[..., source]
                    np.add(part, gradient[..., place], out=part)
        return dx

    def _read(self, x: Array, number: int) -> Array:
        """The columns of a branch, contiguous."""
        if self._columns[number] == range(x.shape[-1]):
            return x
        part = self.buffer(f"x{number}", (len(x), *self._chains[number].input_shape))
        self._copy(x, number, part)
        return part

    def _copy(self, x: Array, number: int, into: Array) -> None:
        for source, place in self._runs[number]:
            into[..., place] = x[..., source]

    def _settle_branches(self) -> None:
        """Have no branch compute gradients that nothing needs: as a model does with its first layers."""
        self._live = []
        for chain in self._chains:
            trained = [layer for layer in chain._active if _is_trained(layer)]
            for layer in chain._active:
                layer.needs_dx = self.needs_dx or (bool(trained) and layer is not trained[0])
            self._live.append(self.needs_dx or bool(trained))
        self._live_for = self.needs_dx, self.context.changes


def _in_sequence(number: int, branch: Any) -> tuple[Layer, ...]:
    """The layers of a branch in their order; TypeError for anything else."""
    if branch is None:
        return ()
    if not isinstance(branch, (list, tuple)):
        expect_instance(branch, Layer, f"Parallel: layer {number}")
        return (branch,)
    if not branch:
        raise ValueError(f"Parallel: layer {number} is an empty list; None passes the numbers on as they are")
    for place, layer in enumerate(branch):
        expect_instance(layer, Layer, f"Parallel: layer {place} of branch {number}")
    return tuple(branch)


def _is_trained(layer: Layer) -> bool:
    return any(not inner.freezes(parameter.name) for inner in layer.walk() for parameter in inner.declared)
