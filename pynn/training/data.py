"""The data of a training run: read, split, preprocessed and checked once, where `fit` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from ..data import arrays
from ..data.augment import chain
from ..data.batches import Samples
from ..losses import Loss
from ..preprocessing import Transformer
from . import inputs, targets, validation
from .inputs import Inputs
from .sample_weights import expect_no_weights
from .sources import Arrays, Batches, Options, expect_restartable
from .trainable import Trainable


@dataclass(frozen=True, eq=False)
class Data:
    """What a run trains and validates on.

    validation: a function, batches, or a pair or triple of arrays, which `held_out` has as checked samples. inputs,
    preprocessing: of the model, from this run on.
    """

    source: Arrays | Batches
    validation: Any
    held_out: Samples | None
    inputs: Inputs | None
    preprocessing: Transformer | None


def read(model: Trainable, loss: Loss, x: Any, y: ArrayLike | None, epochs: int, options: Options) -> Data:
    """The data of `fit`, which build the model if it is not built; TypeError or ValueError if they do not fit it."""
    return _of_batches(model, loss, x, epochs, options) if y is None else _of_arrays(model, loss, x, y, options)


def _of_arrays(model: Trainable, loss: Loss, x: Any, y: ArrayLike, options: Options) -> Data:
    (form, x), labels = inputs.taken(model, x, options.preprocessing), targets.read(y)
    seed = model.seed if options.seed is None else options.seed
    samples, held_out = validation.separated(x, labels, options.sample_weight, options.validation, seed)
    x, y, sample_weight = samples
    augment = None
    if options.augmentation is not None:
        augment = chain(options.augmentation).prepared(arrays.samples("x", x))
    preprocessing, x = inputs.prepare(model, options.preprocessing, x, y, later=augment is not None)
    held_out = inputs.held_out(form, preprocessing, model.dtype, held_out)
    source = Arrays(model, loss, (x, y, sample_weight), labels, options, augment, preprocessing)
    return Data(source, held_out, validation.held_out(model, loss, held_out, source.targets), form, preprocessing)


def _of_batches(model: Trainable, loss: Loss, x: Any, epochs: int, options: Options) -> Data:
    if options.target_preprocessing is not None:
        raise TypeError("target_preprocessing needs arrays x and y; transform the targets of an iterable yourself")
    expect_no_weights(options.sample_weight, options.class_weight)
    validation.expect_no_share(options.validation)
    if options.augmentation is not None:
        raise TypeError(
            "augmentation needs arrays x and y; augment the batches of an iterable yourself (pynn.Augment.apply)"
        )
    preprocessing, _ = inputs.prepare(model, options.preprocessing, x, None)
    held_out = inputs.held_out(model.inputs, preprocessing, model.dtype, options.validation)
    expect_restartable(x, epochs)
    if options.batch_size is not None or not options.shuffle or options.drop_last:
        raise TypeError("batch_size, shuffle and drop_last need arrays x and y; an iterable makes its own batches")
    source = Batches(model, loss, x, options.prefetch, options.accumulate)
    checked = validation.held_out(model, loss, held_out, source.targets)
    return Data(source, held_out, checked, model.inputs, preprocessing)
