"""Augmented batches: every epoch sees each training image moved and coloured differently.

All moves of an image are combined into one affine map, all colour changes into one linear map of its channels; two
kernels apply both while a batch is gathered. The random numbers are a function of (seed, epoch, index of the image in
the data), by Philox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import checks, kernels
from ..checks import Choice, expect_instance
from ..kernels.philox import philox_at
from ..messages.terminal import brief
from ..saving.config import constructor_text
from ..signatures import Constructed, takes
from ..typing import Array
from . import arrays as arrays_module
from .augmentation import Augmentation, Colour, image_shape

STREAM = 2**31  # random stream of the first augmentation; the layers' streams have smaller numbers
DRAWN = 4096  # draw the numbers of this many images at once
EDGES = ("zero", "reflect")


class Augment(Constructed):
    """Several augmentations, applied in order; ``fit(augmentation=[...])`` makes an `Augment` of a list.

    Parameters
    ----------
    *stages : Augmentation
        The augmentations.
    edge : {"zero", "reflect"}, default "zero"
        What is outside an image: black, or its mirror image.

    Notes
    -----
    All moves are combined, so an image is read only once and nothing is blurred or cut off twice. Between pixels it is
    interpolated bilinearly; flips and shifts by whole pixels are exact copies.

    The same (seed, epoch, index) gives the same bits for any number of threads, batch size and order of the images.
    Both backends draw the same numbers; their images agree up to rounding, exact copies in every bit.
    """

    _takes = takes(edge=Choice(*EDGES))

    def __init__(self, *stages: Augmentation, edge: str = "zero") -> None:
        for position, stage in enumerate(stages):
            expect_instance(stage, Augmentation, f"augmentation {position}")
        self.stages, self.edge = stages, edge

    def __repr__(self) -> str:
        return constructor_text(self)

    def apply(
        self,
        x: ArrayLike,
        indices: ArrayLike | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        dtype: DTypeLike = "float32",
    ) -> Array:
        """Return images as one epoch sees them, in a new array.

        Parameters
        ----------
        x : array (N, H, W, C)
            Images.
        indices : array (B,), optional
            Which images to return. By default all.
        seed : int, default 0
            Seed of the random numbers.
        epoch : int, default 0
            The epoch.
        dtype : dtype, default "float32"
            Of the result.

        Returns
        -------
        array (B, H, W, C)
            The augmented images x[indices]. Stages that learn from data learn from x, unless they are fitted.

        Raises
        ------
        ValueError
            If x are not images, or indices are out of range.
        TypeError
            If indices are not integers.
        """
        images, kind = arrays_module.samples("x", x), checks.float_dtype(dtype)
        checks.check_seed(seed)
        checks.expect_count("", 0, epoch=epoch)
        places = np.arange(len(images)) if indices is None else np.asarray(indices)
        if places.ndim != 1 or places.dtype.kind not in "iu":
            raise TypeError(f"indices is {brief(indices)}, expected integers (B,)")
        if places.size and not 0 <= places.min() <= places.max() < len(images):
            raise ValueError(f"indices go from {places.min()} to {places.max()}, expected 0..{len(images) - 1}")
        return Augmented(self.prepared(images), images, places.astype(np.int64), int(seed), epoch, kind).batch(
            slice(0, len(places)), None
        )

    def prepared(self, x: Array) -> Augment:
        """Return a new chain fitted to training images.

        Parameters
        ----------
        x : array (N, H, W, C)
            Training images.

        Returns
        -------
        Augment
            The fitted chain.

        Raises
        ------
        ValueError
            If x are not images that all stages can be applied to.
        """
        shape = image_shape(x)
        for stage in self.stages:
            stage.check(shape)
        return Augment(*(stage.fitted_to(x) for stage in self.stages), edge=self.edge)

    def maps(self, indices: Array, seed: int, epoch: int, shape: tuple[int, ...]) -> tuple[Array | None, Colour | None]:
        """Return the moves and colour changes of samples in an epoch, in the form that the kernels take.

        Parameters
        ----------
        indices : array (n,)
            The samples.
        seed, epoch : int
            Of the random numbers.
        shape : tuple (H, W, C)
            Shape of an image.

        Returns
        -------
        tuple
            Maps (n, 6) or None, and (contrast, matrix, offset) or None; None if there is no change.

        Raises
        ------
        ValueError
            If a stage returns arrays of a wrong shape.
        """
        height, width, channels = shape
        moves: Array | None = None
        colours: Colour | None = None
        for position, stage in enumerate(self.stages):
            words = philox_at(indices.astype(np.uint64), seed, STREAM + position, epoch % 2**32)
            u = ((np.ascontiguousarray(words.T) + 0.5) / 2.0**32).T  # contiguous columns
            move, colour = stage.geometry(u, height, width), stage.colour(u, channels)
            if move is not None:
                _expect_shapes(stage, (move,), ((len(u), 2, 3),))
                moves = move if moves is None else _after(moves, move)
            if colour is not None:
                _expect_shapes(stage, colour, ((len(u),), (len(u), channels, channels), (len(u), channels)))
                colours = colour if colours is None else _recoloured(colours, colour)
        return None if moves is None else _from_corner(moves, height, width), colours


Augmentations: TypeAlias = Augment | Augmentation | Sequence[Augmentation]


def chain(augmentation: Augmentations) -> Augment:
    """Return the chain of an augmentation or a list of them, or the chain itself; TypeError for anything else."""
    if isinstance(augmentation, (list, tuple)):
        return Augment(*augmentation)
    if isinstance(augmentation, Augment):
        return augmentation
    expect_instance(augmentation, Augmentation, "augmentation")
    return Augment(augmentation)  # type: ignore[arg-type]


class Augmented:
    """The images x in an order, augmented for one epoch, batch by batch."""

    def __init__(
        self, augment: Augment, x: Array, indices: NDArray[np.int64], seed: int, epoch: int, dtype: np.dtype[Any]
    ) -> None:
        self.augment, self.x, self.indices, self.dtype = augment, x, indices, dtype
        self.seed, self.epoch = seed, epoch
        self.drawn = slice(0, 0)

    def batch(self, part: slice, out: Array | None) -> Array:
        """Return the augmented images x[indices[part]], in `out` if it has their shape, else in a new array."""
        chosen = self.indices[part]
        if not len(chosen):  # a process without a share of a small batch
            return np.empty((0, *self.x.shape[1:]), self.dtype)
        moves, colours = self._maps(part)
        shape = (len(chosen), *self.x.shape[1:])
        if out is None or out.shape != shape:
            out = np.empty(shape, self.dtype)
        if moves is None:
            arrays_module.gathering(self.x, self.dtype)(chosen, out)
        else:
            x, divisor = self.x, arrays_module.PIXELS if self.x.dtype == np.uint8 else 1
            if not arrays_module.kernel_reads(x):
                x, chosen = np.ascontiguousarray(x[chosen]), np.arange(len(chosen))
                x = x if arrays_module.kernel_reads(x) else arrays_module.to_model(x, self.dtype)
            kernels.warp(x, chosen, divisor, moves, self.augment.edge == "reflect", out)
        if colours is not None:
            kernels.recolour(out.reshape(len(out), -1, out.shape[-1]), *colours)
        return out

    def _maps(self, part: slice) -> tuple[Array | None, Colour | None]:
        """Return the maps of a part; numbers are drawn for many images at once."""
        if part.start < self.drawn.start or part.stop > self.drawn.stop:
            self.drawn = slice(part.start, max(part.stop, part.start + DRAWN))
            moves, colours = self.augment.maps(self.indices[self.drawn], self.seed, self.epoch, self.x.shape[1:])
            self.moves = None if moves is None else np.ascontiguousarray(moves, self.dtype)
            self.colours = None if colours is None else tuple(np.ascontiguousarray(a, self.dtype) for a in colours)
        inside = slice(part.start - self.drawn.start, part.stop - self.drawn.start)
        moves = None if self.moves is None else self.moves[inside]
        if self.colours is None:
            return moves, None
        contrast, matrix, offset = (array[inside] for array in self.colours)
        return moves, (contrast, matrix, offset)


def _expect_shapes(stage: Augmentation, arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]]) -> None:
    returned = tuple(np.shape(array) for array in arrays)
    if returned != tuple(shapes):
        raise ValueError(f"{type(stage).__name__} returned arrays of shapes {returned}, expected {tuple(shapes)}")


def _after(first: Array, then: Array) -> Array:
    """Compose maps: a pixel of the result shows what `first` shows at the position that `then` gives."""
    maps: Array = first[:, :, :2] @ then
    maps[:, :, 2] += first[:, :, 2]
    return maps


def _from_corner(maps: Array, height: int, width: int) -> Array:
    """Convert maps from coordinates around the centre to (n, 6) in coordinates from the first pixel."""
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    moved: Array = maps.copy()
    moved[:, :, 2] += centre - maps[:, :, :2] @ centre
    return moved.reshape(-1, 6)


def _recoloured(first: Colour, then: Colour) -> Colour:
    """Compose colour maps: M₂(M₁(m + c₁c₂(p - m)) + o₁) + o₂, as the mean m changes like the pixels p."""
    return (
        first[0] * then[0],
        then[1] @ first[1],
        (then[1] @ first[2][..., None])[..., 0] + then[2],
    )
