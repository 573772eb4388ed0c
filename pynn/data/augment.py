"""Augmented batches: every epoch sees each training image moved and coloured anew.

All moves of an image become one affine map, all changes of colour one linear map of its channels; two kernels do both
while a batch is gathered. What is drawn is a function of (seed, epoch, index of the image in the data set), by Philox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import checks, kernels
from ..checks import Constructed, expect_choice, expect_instance
from ..kernels.philox import philox_at
from ..messages.terminal import brief
from ..saving.config import constructor_text
from ..typing import Array
from . import arrays as arrays_module
from .augmentation import Augmentation, Colour, image_shape

STREAM = 2**31  # of the first augmentation: the layers' random sequences have smaller numbers
DRAWN = 4096  # images whose numbers are drawn at once
EDGES = ("zero", "reflect")


class Augment(Constructed):
    """Several augmentations, applied in order; `fit(augmentation=[...])` makes one of a list.

    stages: `pynn.Augmentation` objects. edge: what stands outside an image, "zero" (black, the default) or "reflect"
    (its mirror image). All moves become one: an image is read once, so nothing is blurred or cut off twice. Between
    pixels it is read by bilinear mixing; flips and shifts by whole pixels copy.

    The same (seed, epoch, index) gives the same bits at any thread count and batch size, and in another order of the
    images; both backends draw the same numbers, and their images agree up to rounding (bits, where numbers are only
    copied).
    """

    def __init__(self, *stages: Augmentation, edge: str = "zero") -> None:
        for position, stage in enumerate(stages):
            expect_instance(stage, Augmentation, f"augmentation {position}")
        expect_choice("Augment", EDGES, edge=edge)
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
        """The images x[indices] (by default all) of x (N, H, W, C) as that epoch sees them, in a new array.

        seed, epoch: of the draws (default 0 and 0). dtype: of the result, default float32. Stages that learn from data
        learn from x, unless they are fitted.
        """
        images, kind = arrays_module.samples("x", x), checks.float_dtype(dtype)
        checks.check_seed(seed)
        checks.check_count("epoch", epoch, 0)
        places = np.arange(len(images)) if indices is None else np.asarray(indices)
        if places.ndim != 1 or places.dtype.kind not in "iu":
            raise TypeError(f"indices is {brief(indices)}, expected integers (B,)")
        if places.size and not 0 <= places.min() <= places.max() < len(images):
            raise ValueError(f"indices go from {places.min()} to {places.max()}, expected 0..{len(images) - 1}")
        return Augmented(self.prepared(images), images, places.astype(np.int64), int(seed), epoch, kind).batch(
            slice(0, len(places)), None
        )

    def prepared(self, x: Array) -> Augment:
        """The chain fitted to training images x (N, H, W, C), a new one; ValueError where x are no images for it."""
        shape = image_shape(x)
        for stage in self.stages:
            stage.check(shape)
        return Augment(*(stage.fitted_to(x) for stage in self.stages), edge=self.edge)

    def maps(self, indices: Array, seed: int, epoch: int, shape: tuple[int, ...]) -> tuple[Array | None, Colour | None]:
        """Transforms (n, 6) as the kernel `warp` takes them, and colours as `recolour` does; None where none change.

        Those of the samples `indices` (n,), of images of this shape (H, W, C), in this epoch.
        """
        height, width, channels = shape
        moves: Array | None = None
        colours: Colour | None = None
        for position, stage in enumerate(self.stages):
            words = philox_at(indices.astype(np.uint64), seed, STREAM + position, epoch % 2**32)
            u = ((np.ascontiguousarray(words.T) + 0.5) / 2.0**32).T  # columns in one piece, whatever their length
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
    """The chain of one augmentation, of a list of them, or itself; TypeError for anything else."""
    if isinstance(augmentation, (list, tuple)):
        return Augment(*augmentation)
    if isinstance(augmentation, Augment):
        return augmentation
    expect_instance(augmentation, Augmentation, "augmentation")
    return Augment(augmentation)  # type: ignore[arg-type]


class Augmented:
    """The images x in an order, augmented for one epoch: `batch` fills one batch after the other."""

    def __init__(
        self, augment: Augment, x: Array, indices: NDArray[np.int64], seed: int, epoch: int, dtype: np.dtype[Any]
    ) -> None:
        self.augment, self.x, self.indices, self.dtype = augment, x, indices, dtype
        self.seed, self.epoch = seed, epoch
        self.drawn = slice(0, 0)

    def batch(self, part: slice, out: Array | None) -> Array:
        """The augmented images x[indices[part]], in `out` where it has their shape, else in a new array."""
        chosen = self.indices[part]
        if not len(chosen):  # a process that has no part of a small batch
            return np.empty((0, *self.x.shape[1:]), self.dtype)
        moves, colours = self._maps(part)
        shape = (len(chosen), *self.x.shape[1:])
        if out is None or out.shape != shape:
            out = np.empty(shape, self.dtype)
        if moves is None:
            arrays_module.gather(self.x, chosen, self.dtype, out)
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
        """Those of a part, out of numbers that are drawn for many images at once."""
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
    found = tuple(np.shape(array) for array in arrays)
    if found != tuple(shapes):
        raise ValueError(f"{type(stage).__name__} gave arrays of shapes {found}, expected {tuple(shapes)}")


def _after(first: Array, then: Array) -> Array:
    """The maps of both: a pixel of the result shows what `first` shows at the place that `then` names."""
    maps: Array = first[:, :, :2] @ then
    maps[:, :, 2] += first[:, :, 2]
    return maps


def _from_corner(maps: Array, height: int, width: int) -> Array:
    """Maps (n, 6) of rows and columns that count from the first pixel instead of the centre."""
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    moved: Array = maps.copy()
    moved[:, :, 2] += centre - maps[:, :, :2] @ centre
    return moved.reshape(-1, 6)


def _recoloured(first: Colour, then: Colour) -> Colour:
    """One colour map for both: M₂(M₁(m + c₁c₂(p - m)) + o₁) + o₂, as the mean goes the way of the pixels."""
    return (
        first[0] * then[0],
        then[1] @ first[1],
        (then[1] @ first[2][..., None])[..., 0] + then[2],
    )
