"""Where the batches of a training run come from: two arrays or a user's iterable. Checks all of them first."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays, tables
from ..data.augment import Augment, Augmentations
from ..data.batches import Samples, epoch_of
from ..data.prefetch import prefetched
from ..losses import Loss
from ..preprocessing import Transformer
from ..typing import Array
from . import inputs, sample_weights, targets
from .sample_weights import ClassWeight
from .targets import Targets
from .trainable import Batch, Rollback, Trainable

TRAINING_BATCH = 128


@dataclass(frozen=True, eq=False, kw_only=True)
class Options:
    """What `fit` was asked about its data, by the names of its arguments."""

    batch_size: int | None = None
    seed: int | None = None
    shuffle: bool = True
    drop_last: bool = False
    accumulate: int = 1
    prefetch: int = 0
    sample_weight: ArrayLike | None = None
    class_weight: ClassWeight | None = None
    preprocessing: Transformer | None = None
    target_preprocessing: Transformer | None = None
    augmentation: Augmentations | None = None
    validation: Any = None


class Source(Protocol):
    """Where a run's batches come from.

    batches: of an epoch, if that is known. accumulate: batches of a step. share: this process's part of every batch.
    """

    batches: int | None
    accumulate: int
    share: tuple[int, int]

    def epoch(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """The batches of this epoch, starting at batch `first`."""


class Arrays:
    """Batches of two arrays, in a different order every epoch, or in their own order.

    x, sample_weight: of the samples to train on. y: likewise, and labels: those of all samples, held-out ones included.
    augment: images x are augmented, then transformed by `preprocessing`, batch by batch; otherwise x is transformed.
    """

    def __init__(
        self,
        model: Trainable,
        loss: Loss,
        samples: tuple[Any, Array, ArrayLike | None],
        labels: Array,
        options: Options,
        augment: Augment | None,
        preprocessing: Transformer | None,
    ) -> None:
        x, y, sample_weight = samples
        self.augment, self.prefetch, self.shuffle = augment, options.prefetch, options.shuffle
        self.accumulate = options.accumulate
        self.share = (0, 1)  # this process's part of every batch: see `data.batches`
        self.preprocessing = preprocessing if augment is not None else None
        self.dtype, self.seed = model.dtype, model.seed if options.seed is None else options.seed
        arrays.check_pairs("x", x, "y", y)
        if self.preprocessing is None:
            arrays.check_finite("x", x, self.dtype)
            model.accept(x)
        else:
            model.accept(self.preprocessing.apply(x[:1], self.dtype))
        self.targets = targets.learned(model, loss, y, options.target_preprocessing, every=labels)
        y = encoded(model, self.targets, loss, y)
        weights = sample_weights.combined(
            loss, y, model.output_shape, sample_weight, options.class_weight, classes=self.targets.classes
        )
        self.samples = Samples(x, y, weights)
        self.batch_size = size = min(options.batch_size or TRAINING_BATCH, len(x))
        self.drop_last = options.drop_last
        self.least = size if self.drop_last else min(size, 2)  # samples of a last batch that is taken
        rest = len(x) % size
        self.batches: int | None = len(x) // size + (rest >= self.least)
        if self.drop_last and rest and not self.shuffle and model.context.group.rank == 0:
            checks.warn(
                f"shuffle=False with drop_last=True leaves out the same last {rest} of {len(x)} samples in every epoch"
            )

    def epoch(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """The batches of this epoch, starting at batch `first`; skipped batches cost nothing."""
        transform, dtype = self.preprocessing, self.dtype
        if transform is not None and not np.can_cast(self.samples.x.dtype, dtype):
            dtype = np.dtype(np.float64)  # raw numbers may be large
        batches = epoch_of(
            self.samples, self.batch_size, dtype, self.seed, number,
            least=self.least, reuse=True, augment=self.augment,
            prefetch=self.prefetch if transform is None else 0, first=first,
            share=self.share, shuffle=self.shuffle,
        )  # fmt: skip
        if transform is None:
            return batches
        return prefetched((batch._replace(x=transform.apply(batch.x, self.dtype)) for batch in batches), self.prefetch)

    def size(self, batch: int) -> int:
        """Number of samples in this batch of an epoch, over all processes."""
        return min(self.batch_size, len(self.samples.x) - batch * self.batch_size)


class Batches:
    """Batches from the user's iterable."""

    share = (0, 1)  # whole batches

    targets: Targets | None  # what the model already knows of them; the first batch shows the rest

    def __init__(self, model: Trainable, loss: Loss, source: Iterable[Batch], prefetch: int, accumulate: int) -> None:
        self.model, self.loss, self.source, self.prefetch = model, loss, source, prefetch
        self.accumulate = accumulate  # batches per step
        self.batches: int | None = len(source) if isinstance(source, Sized) else None
        self.targets, self._targets_known = targets.known(model, loss) if model.built else None, False

    def epoch(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """The batches of this epoch, starting at batch `first`; skipped batches are fetched and dropped."""
        count = first
        source = itertools.islice(self.source, first, None) if first else self.source
        with closing(prefetched(source, self.prefetch)) as batches:
            for position, batch in enumerate(batches, first):
                yield self._checked(batch, f"batch {position}")
                count = position + 1
        if self.batches is None and count:
            self.batches = count  # known from now on, for the bar and the schedule of the next epoch

    def _checked(self, batch: Any, where: str) -> Samples:
        """The batch as layers and loss take it; the first batch determines the form of inputs and targets."""
        expect_batch(batch, where)
        model = self.model
        if self._targets_known:
            x = inputs.read(model, batch[0], f"{where} x", "fit")
            return checked_batch(model, self.loss, (x, *batch[1:]), where)
        with Rollback(model):
            if model.inputs is None:
                model.inputs, _ = inputs.taken(model, batch[0], name=f"{where} x")
            x = inputs.read(model, batch[0], f"{where} x", "fit")
            model.accept(x, f"{where} x")
            model.targets = targets.learned(model, self.loss, batch[1], None, labels=False)
            checked = checked_batch(model, self.loss, (x, *batch[1:]), where)
        self._targets_known = True
        return checked


def expect_restartable(x: Any, epochs: int) -> None:
    """TypeError unless x yields batches and can be iterated over in every epoch."""
    if isinstance(x, np.ndarray) or not isinstance(x, Iterable) or tables.columns(x) is not None:
        raise TypeError("y is missing: fit takes arrays x and y, or one iterable of (x, y) batches")
    if epochs > 1 and isinstance(x, Iterator):
        raise TypeError(
            f"x is {type(x).__name__}, which can be iterated only once, but epochs is {epochs}; "
            "pass a list or an object whose __iter__ restarts"
        )


def streamed(model: Trainable, loss: Loss, source: Any, where: str) -> Iterator[Samples]:
    """The batches of an iterable for a built model, raw x transformed; ValueError if there are none."""
    if isinstance(source, (np.ndarray, str)) or not isinstance(source, Iterable) or tables.columns(source) is not None:
        raise TypeError("y is missing: evaluate takes arrays x and y, or one iterable of (x, y) batches")
    position = -1
    for position, batch in enumerate(source):
        name = f"{where}, batch {position}"
        expect_batch(batch, name)
        x = inputs.read(model, batch[0], f"{name}: x", "evaluate")
        yield checked_batch(model, loss, (x, *batch[1:]), name)
    if position < 0:
        raise ValueError(f"{where} gave no batches; an exhausted iterator cannot be used again")


def expect_batch(batch: Any, where: str) -> None:
    """TypeError for anything but a pair or triple."""
    if not (isinstance(batch, (tuple, list)) and len(batch) in (2, 3)):
        raise TypeError(f"{where} is {type(batch).__name__}, expected a pair (x, y) or a triple (x, y, weights)")


def checked_batch(model: Trainable, loss: Loss, batch: Any, where: str, form: Targets | None = None) -> Samples:
    """The arrays of (x, y) or (x, y, weights), checked, with the weights in the model's dtype.

    x is the input of the layers. form: of the targets, by default the model's.
    """
    expect_batch(batch, where)
    pair = checked_pair(model, loss, batch[:2], where, form=form)
    if len(batch) == 2:
        return pair
    sample_weights.expect_weighable(loss)
    weights = arrays.sample_weights(f"{where} weights", batch[2], len(pair.x))
    if weights.max() > np.finfo(model.dtype).max:
        raise ValueError(
            f"{where} weights go up to {weights.max()}, too large for {model.dtype}; only proportions matter"
        )
    return pair._replace(weights=weights.astype(model.dtype))


def encoded(model: Trainable, form: Targets, loss: Loss, y: ArrayLike) -> Array:
    """The targets as the loss reads them, checked to fit the model's dtype."""
    encoding = form.encode(loss, y, model.output_shape)
    loss._expect_representable(encoding, model.dtype)
    return encoding


def checked_pair(
    model: Trainable, loss: Loss, pair: Any, where: str, raw: bool = False, form: Targets | None = None
) -> Samples:
    """The two arrays of (x, y), checked against the model and each other, y as the loss reads it.

    raw: x is the input of the model's preprocessing, not of its layers. form: of the targets, by default the model's.
    """
    if not (isinstance(pair, (tuple, list)) and len(pair) == 2):
        raise TypeError(f"{where} is {type(pair).__name__}, expected a pair (x, y)")
    x_name, y_name = (f"{where} x", f"{where} y") if where else ("x", "y")
    x = inputs.raw(model, pair[0], x_name) if raw else arrays.samples(x_name, pair[0])
    y = targets.read(pair[1], y_name)
    arrays.check_pairs(x_name, x, y_name, y)
    with nullcontext() if model.built else Rollback(model):
        if raw:
            inputs.accept(model, x, x_name)
        else:
            arrays.check_finite(x_name, x, model.dtype)
            model.accept(x, x_name)
        try:
            return Samples(x, encoded(model, form or model.targets or Targets(), loss, y))
        except (TypeError, ValueError) as cause:
            if not where:
                raise
            raise type(cause)(f"{where}: {cause}") from cause
