"""Raw data on the way into a model: converted to the form that it was fitted to, and preprocessed.

Knows no losses, and of training only that validation data are not trained on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..checks import expect_instance
from ..data import arrays, frames, tables
from ..data.batches import Samples, epoch_of
from ..messages.terminal import brief
from ..preprocessing import NotFittedError, Transformer
from ..typing import Array

SAMPLED = 64  # rows inspected for the scale of images
LARGE = 2.0  # larger numbers cannot be pixels of 0..1


@dataclass(frozen=True)
class Inputs:
    """The form of the samples that a model was fitted to.

    Parameters
    ----------
    columns : tuple of str, optional
        Names of a table's columns, in the order of the features.
    images : str, optional
        "pixels": images of uint8, read as 0..1; "numbers": images on a larger scale; None: images of 0..1, or no
        images; "all uint8": files of pynn 0.1, which read tables of uint8 as 0..1, too.
    """

    columns: tuple[str, ...] | None = None
    images: str | None = None

    def read(self, x: ArrayLike, name: str = "x") -> Array:
        """x as an array with the columns in order; ValueError for data that the model cannot have been fitted to."""
        if self.columns is not None:
            x = tables.ordered(x, self.columns, name)
        array = arrays.samples(name, x)
        if self.images == "all uint8":
            return (
                array / np.float64(arrays.PIXELS) if array.dtype == np.uint8 and not arrays.are_pixels(array) else array
            )
        if self.images == "pixels" and array.dtype != np.uint8 and _largest(array) > LARGE:
            raise ValueError(
                f"{name} has dtype {array.dtype} and numbers up to {_largest(array):g}, but the model was fitted to "
                f"uint8 pixels, which are read as 0..1: pass {name}.astype(numpy.uint8), or {name} / 255"
            )
        if self.images == "numbers" and arrays.are_pixels(array):
            raise ValueError(
                f"{name} has dtype uint8, which is read as pixels 0..1, but the model was fitted to images of other "
                f"numbers: pass {name}.astype(numpy.float32)"
            )
        return array

    def to_data(self) -> dict[str, Any]:
        """The form as plain data, for a model file."""
        named = {} if self.columns is None else {"columns": list(self.columns)}
        return named if self.images is None else {**named, "images": self.images}

    @classmethod
    def from_data(cls, data: Any) -> Inputs:
        """The form from the result of `to_data`; TypeError for anything else."""
        if not isinstance(data, Mapping) or not set(data) <= {"columns", "images"}:
            raise TypeError(f"inputs is {brief(data)}, expected what a model file says of its inputs")
        columns = data.get("columns")
        if columns is not None and not (
            isinstance(columns, list) and all(isinstance(column, str) for column in columns)
        ):
            raise TypeError(f"columns is {brief(columns)}, expected a list of names")
        if data.get("images") not in (None, "pixels", "numbers"):
            raise TypeError(f"images is {brief(data['images'])}, expected 'pixels' or 'numbers'")
        return cls(None if columns is None else tuple(columns), data.get("images"))


class Receiving(Protocol):
    """What inputs ask of a model."""

    inputs: Inputs | None
    preprocessing: Transformer | None

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def accept(self, x: Array, name: str = "x") -> None:
        """Build on the first data; check the shape of later ones."""


def _reader(preprocessing: object) -> Transformer | None:
    """The preprocessing if it reads tables itself, else None."""
    return preprocessing if isinstance(preprocessing, Transformer) and preprocessing.reads_tables else None


def raw(model: Receiving, x: ArrayLike, name: str = "x") -> Array:
    """Raw samples as an array, in the form that the model was fitted to, if it was; a table for a `TableEncoder`."""
    if (reader := _reader(model.preprocessing)) is not None:
        return reader.samples(x, name)  # type: ignore[no-any-return]
    if model.inputs is not None:
        return model.inputs.read(x, name)
    return _warned(arrays.samples(name, x), name)


def of_layers(model: Receiving, x: ArrayLike) -> Array:
    """Input of the layers as an array, with a table's columns in their order."""
    if _reader(model.preprocessing) is None:
        return raw(model, x)
    if isinstance(x, frames.Table) or tables.columns(x) is not None:
        raise TypeError(
            "forward and train_step take what the layers take, but x is a table: pass model.preprocessing.transform(x)"
        )
    return arrays.samples("x", x)


def is_stream(x: Any) -> bool:
    """Whether x yields batches one after the other, as a data loader does; arrays, lists and tables do not."""
    if isinstance(x, list) and x:  # of (x, y) batches
        return all(isinstance(batch, tuple) and len(batch) in (2, 3) and np.ndim(batch[0]) > 1 for batch in x)
    if isinstance(x, (list, tuple, str, bytes, np.ndarray, Mapping)) or not isinstance(x, Iterable):
        return False
    return not hasattr(x, "__array__") and not hasattr(x, "toarray") and tables.columns(x) is None


def _warned(x: Array, name: str) -> Array:
    if x.dtype == np.uint8 and not arrays.are_pixels(x) and math.prod(x.shape[1:]) >= 64 and _largest(x) > 200:
        checks.warn(
            f"{name} is uint8 of shape {x.shape} and taken as plain numbers 0..255; pixels are read as 0..1 from "
            "images (N, H, W, C): reshape them and start the model with pynn.Flatten(), or divide by 255"
        )
    return x


def learned(x: Any, name: str = "x") -> tuple[Inputs, Array]:
    """The form of these samples, and the samples as an array."""
    array = _warned(arrays.samples(name, x), name)
    images = None
    if array.ndim == 4:
        images = "pixels" if array.dtype == np.uint8 else "numbers" if _largest(array) > LARGE else None
    return Inputs(tables.columns(x), images), array


def _largest(x: Array) -> float:
    """The largest number in a sample of the rows, enough to tell the scale of images."""
    rows = arrays.spread(len(x), SAMPLED)
    return max((float(np.max(x[row], initial=0)) for row in rows), default=0.0)


def prepare(
    model: Receiving, preprocessing: Transformer | None, x: Any, y: Any, later: bool = False
) -> tuple[Transformer | None, Any]:
    """The fitted preprocessing and x transformed by it, for `fit`. Nothing is changed.

    preprocessing: fitted to x; None uses the model's own. An iterable x is returned unchanged: its batches are
    transformed when they come. later: x is checked but stays raw, because its batches are augmented before they are
    transformed.
    """
    chosen = model.preprocessing if preprocessing is None else preprocessing
    if chosen is None:
        return None, x
    expect_instance(chosen, Transformer, "preprocessing")
    if y is None:
        if not chosen.fitted and not isinstance(x, np.ndarray):  # for an array, another check reports the missing y
            raise NotFittedError(
                "preprocessing is not fitted, and an iterable of batches cannot fit it: "
                "call preprocessing.fit(x) with an array of training samples first"
            )
        chosen = chosen if preprocessing is None else copy.deepcopy(chosen)
    else:
        arrays.check_pairs("x", x, "y", np.asarray(y))
        chosen = chosen if preprocessing is None else chosen.unfitted().fit(x)
        x = chosen.accepted(x, "x", "fit")
        x = x if later else chosen.apply(x, model.dtype)
    return chosen, x


def warn_of_another(name: str, before: Transformer | None, after: Transformer | None) -> None:
    """Warn if trained weights would see numbers on another scale than those they were trained on."""
    if before is None or after is None or before is after or not before.fitted:
        return
    old, new = before.tensors(), after.tensors()
    if old.keys() == new.keys() and all(np.array_equal(old[key], new[key]) for key in old):
        return
    checks.warn(
        f"the model's weights were trained with another {name}, which this one, fitted to the new data, replaces; "
        f"leave {name} out to continue with the model's own"
    )


def taken(model: Receiving, x: Any, preprocessing: object = None, name: str = "x") -> tuple[Inputs, Array]:
    """The form and the array of x for `fit`; the form is the model's own, if it has been fitted before.

    preprocessing: of the model from now on, if it gets another one.
    """
    if (reader := _reader(model.preprocessing if preprocessing is None else preprocessing)) is not None:
        samples = reader.samples(x, name)
        known = model.inputs if preprocessing is None else None
        return known or Inputs(samples.names if isinstance(samples, frames.Table) else None), samples
    return learned(x, name) if model.inputs is None else (model.inputs, model.inputs.read(x, name))


def held_out(form: Inputs | None, preprocessing: Transformer | None, dtype: Any, validation: Any) -> Any:
    """A validation pair or triple with x preprocessed for the layers; anything else unchanged."""
    batches = isinstance(validation, list) and all(isinstance(batch, tuple) for batch in validation)
    if not (isinstance(validation, (tuple, list)) and len(validation) in (2, 3)) or batches:
        return validation  # batches are read when they come; anything else is refused later
    if (reader := _reader(preprocessing)) is not None:
        x = reader.samples(validation[0], "validation x")
    else:
        x = arrays.samples("validation x", validation[0]) if form is None else form.read(validation[0], "validation x")
    if preprocessing is not None:
        x = preprocessing.apply(preprocessing.accepted(x, "validation x"), dtype)
    return (x, *validation[1:])


def accept(model: Receiving, x: Array, name: str) -> None:
    """Check raw x against the model's preprocessing or, if it has none, its layers, which are built for it."""
    if model.preprocessing is not None:
        model.preprocessing.accepted(x, name, "the model")
    else:
        arrays.check_finite(name, x, model.dtype)
        model.accept(x, name)


def transformed(model: Receiving, x: Array) -> Array:
    """Checked raw x as input of the layers; x itself if the model has no preprocessing."""
    return x if model.preprocessing is None else model.preprocessing.apply(x, model.dtype)


def read(model: Receiving, x: ArrayLike, name: str, method: str) -> Array:
    """Raw x, checked and preprocessed."""
    array = raw(model, x, name)
    if model.preprocessing is None:
        return array
    return transformed(model, model.preprocessing.accepted(array, name, method))


def batches(model: Receiving, samples: Samples, batch_size: int) -> Iterator[Samples]:
    """Batches of checked raw samples in the order of the data, each transformed when it is needed."""
    if model.preprocessing is None:
        yield from epoch_of(samples, batch_size, model.dtype, reuse=True)
        return
    for start in range(0, len(samples.x), batch_size):
        x, y, weights = samples.part(slice(start, start + batch_size))
        yield Samples(transformed(model, x), y, None if weights is None else weights.astype(model.dtype))
