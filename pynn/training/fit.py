"""Training, evaluation and prediction: a short loop over public parts. Works on anything that is `Trainable`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from .. import checks, optimizers
from ..callbacks import progress as progresses
from ..callbacks.base import Callback, Callbacks, all_callbacks
from ..checks import answering, expect_flag, expect_instance
from ..data import arrays
from ..data.augment import Augment, Augmentations, chain
from ..locks import one_at_a_time
from ..losses import Loss
from ..optimizers import Optimizer
from ..preprocessing import Transformer
from ..regularizers import Penalty
from . import heads, inputs, targets
from . import validation as validations
from .history import History
from .measures import Measures, Metrics
from .sample_weights import ClassWeight, _check_weights
from .sources import Arrays, Batches, iterable_source
from .trainable import Batch, Trainable, as_before_without_a_step, chosen_loss, known_of, unbuilt_on_failure
from .trainer import Trainer
from .validation import Validation

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .distributed import Distributed

T = TypeVar("T", bound=Trainable)


@answering
@one_at_a_time
def fit(
    model: Trainable, x: ArrayLike | Iterable[Batch], y: ArrayLike | None = None, *,
    validation: Validation | None = None, metrics: Metrics | None = None,
    loss: str | Loss | None = None, optimizer: str | Optimizer | None = None,
    epochs: int = 10, batch_size: int | None = None, seed: int | None = None, penalty: Penalty | None = None,
    sample_weight: ArrayLike | None = None, class_weight: ClassWeight | None = None,
    preprocessing: Transformer | None = None, target_preprocessing: Transformer | None = None,
    augmentation: Augmentations | None = None, prefetch: int = 0,
    progress: bool | str = "auto", callbacks: Callbacks | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None, resume: bool = False,
    distributed: bool | Distributed = False, accumulate: int = 1, shuffle: bool = True,
) -> History:  # fmt: skip
    """Train the model; return the `History` of loss, accuracy or other metrics, one number an epoch.

    x, y: arrays (N, ...) and (N,); or x alone: an iterable of (x, y) batches that is gone through once an epoch.
        Memory-mapped arrays may be larger than memory (without preprocessing): nothing of their size is copied.
        Batches (x, y, weights) are weighted as they are. Images (N, H, W, C) of uint8 are read as 0..1.
    validation: what is measured after each epoch, as val_loss and so on; class_weight does not touch it. A pair (x, y),
        or (x, y, sample_weight); an iterable of such batches, which must start anew each time; a share 0 < v < 1 of x
        and y, drawn by the seed, that is not trained on then, or a `pynn.Split`, which can be stratified (both parts
        are copies); or a function of the model that returns a dict of numbers, recorded as val_NAME.
    metrics: names ("accuracy", "top5", "f1", "mae", ...: see `pynn.metrics`), metrics, or functions
        (outputs, targets) -> number; by default the accuracy, where the loss knows one. The loss is always measured.
    loss: an object or a name; None goes on with the model's own, which is softmax_cross_entropy at first.
    optimizer: an object or a name; None goes on with the model's own, or takes Adam(0.001). Where its learning rate is
        a `pynn.Schedule`, the rate is set before every step, from the epochs since this optimizer first ran, over
        several calls: epoch + i/batches before batch i. An iterable without a length has no fractions in its first
        epoch (the rate is that of the epoch's beginning); after it, its batches are counted.
    epochs: how often all samples are gone through (default 10).
    batch_size: at least 1, by default 128; where there are fewer samples, all of them. A last batch of one sample is
        left out (batch normalization cannot use it).
    accumulate: so many batches make up one step, by the mean gradient over all their samples (default 1): a step of
        batch_size · accumulate samples in the memory of batch_size. Batch normalization sees each batch alone; a last
        step of an epoch may have fewer batches. Hooks and counts of steps are those of steps.
    seed: of the order of samples; by default the model's. Every epoch has another order, also over several calls.
    shuffle: False goes through the samples in their order in every epoch (default True).
    penalty: L1, L2 or ElasticNet, added to the loss; a layer's own goes before it. Where there is one, loss is the
        sum of data_loss and penalty; val_loss is the data loss alone.
    sample_weight (N,): how much each sample counts, at least 0. Only proportions matter: the weights are divided by
        their mean, once, so that a weight of 2 is worth a sample that stands twice.
    class_weight: the same by label: a dict (a label that it lacks counts 1), an array (C,), or "balanced", N/(C·count):
        all classes that occur count alike. Both are multiplied. Loss and accuracy become weighted means; the
        statistics of batch normalization stay those of all samples alike.
    preprocessing: a transformer or `pynn.Pipeline`. A copy of it is fitted to x alone, never to validation, and becomes
        `model.preprocessing`; evaluate, predict and predict_proba then take raw samples, as fit does. None goes on with
        the model's own. x and validation are transformed once, at the start: as many floats in memory as they have
        numbers after it. An iterable cannot fit it: it needs one that is fitted, and each batch is transformed.
    target_preprocessing: a transformer of targets that are numbers, such as `pynn.Standardization()`. A copy of it is
        fitted to y alone; loss and val_loss are those of transformed targets, metrics and `predict` are in the units of
        y. None goes on with the model's own.
    augmentation: `pynn.Augment`, an augmentation or a list of them, applied to raw images x (N, H, W, C), never to
        validation: a function of (seed, epoch, sample). With preprocessing each batch is augmented, then transformed.
    prefetch: how many batches a Python thread prepares ahead (default 0: none), with the same results. An iterable
        must give new arrays every time then, and runs on that thread.
    progress: True shows a bar, False nothing, "auto" a bar on a terminal and else a line an epoch on stderr.
    callbacks: `pynn.Callback` objects, called in their order, or functions f(trainer), called at each epoch's end. They
        see the run as a `pynn.Trainer` and may stop it; model.history holds the history while it runs and after it,
        whatever ended it.
    checkpoint: a folder, or a `pynn.Checkpoint`: there is a checkpoint in it after each epoch (or more often), and when
        the run is stopped or Ctrl-C ends it. resume: True goes on from the newest one, and ends with the bits of a run
        that was never killed; where there is none it begins. Model and arguments must be the same again, but for epochs
        (all of the run's), progress and prefetch; an iterable must give the same batches. Default False. One run at a
        time has the folder: a RuntimeError names the process that has it. What a killed one left is taken over.
    distributed: True or a `pynn.Distributed`: under `mpirun -n K python script.py` K processes train together, each on
        its part of every batch; alone it changes nothing. Needs mpi4py (extra `mpi`). Default False. Not with
        accumulate: more processes do the same.
    Raises ValueError or TypeError for data that cannot be trained on, before anything is changed; FloatingPointError
    when the loss becomes NaN or infinite: parameters and running statistics are then those before that step; also when
    a parameter is not finite at an epoch's end, after a last step that went too far. Ctrl-C lets the step that is
    under way come to its end, then raises KeyboardInterrupt.
    """
    if distributed is not False:
        arguments = {**locals(), "distributed": False}
        from .distributed import together  # here: importing pynn must stay light

        return together(fit, distributed, arguments)  # which comes back with model.context.group, if there are others
    goal, driver, group = chosen_loss(model, loss), _driver(model, optimizer), model.context.group
    with goal.used(model):  # refused before anything is changed; the run has it until its end
        _check_settings(epochs, batch_size, seed, penalty, prefetch, accumulate, shuffle)
    if accumulate > 1 and group.size > 1:
        raise ValueError(f"accumulate is {accumulate}, but distributed steps take one batch; start more processes")
    _check_weights(y, sample_weight, class_weight, target_preprocessing)
    keeper, measures = _keeper(checkpoint, resume), Measures(metrics)
    measures.check(goal)
    listening = [*progresses.shown(progress), *all_callbacks(callbacks), *keeper]
    _check_monitors(driver, listening, measures.names(goal), validation)
    drawn = model.seed if seed is None else seed
    form = model.inputs
    if y is not None:
        (form, x), y = inputs.taken(model, x), targets.read(y)
    labels = y
    x, y, sample_weight, validation = validations.separated(x, y, sample_weight, validation, drawn)
    augment = _augment(augmentation, x, y)
    prepared, x = inputs.prepare(model, preprocessing, x, y, augment is not None)
    validation = inputs.held_out(form, prepared, model.dtype, validation)
    with unbuilt_on_failure(model, driver), ExitStack() as ends:
        source = (
            Arrays(model, goal, x, y, batch_size, seed, sample_weight, class_weight, augment, prepared, prefetch,
                   shuffle, target_preprocessing, labels)
            if y is not None else iterable_source(model, goal, x, epochs, prefetch)
        )  # fmt: skip
        if isinstance(source, Batches) and (batch_size is not None or not shuffle):
            raise TypeError("batch_size and shuffle go with arrays x and y; an iterable gives batches as they are")
        source.accumulate = accumulate
        held_out = validations.held_out(model, goal, validation, source.targets)
        if group.rank == 0:
            heads.warn_of_squeezed(model, goal)
        given = (model, goal, driver, source, held_out or (), penalty, listening, measures)
        writing = keeper and group.rank == 0
        found = keeper[0].open(given, resume, progress is False) if writing else None
        if writing:
            ends.callback(keeper[0].close)
        _claim(model, driver)
        found, source.share = group.begin(given, found), (group.rank, group.size)
        before = known_of(model)
        _warn_of_other_scales(model, prepared, source.targets)
        model.loss, model.optimizer, model.preprocessing = goal, driver, prepared
        model.inputs, model.targets = form, source.targets
        validate = validations.validator(model, validation, held_out, measures)
        trainer = Trainer(
            model, source, epochs, penalty=penalty, measures=measures, validate=validate, callbacks=listening
        )
        if found is not None:
            with as_before_without_a_step(model, before):
                keeper[0].go_on(trainer, found)
        ended = ends.pop_all()
    with ended, as_before_without_a_step(model, before):
        return trainer.run()


def _warn_of_other_scales(model: Trainable, preprocessing: Transformer | None, form: targets.Targets | None) -> None:
    """Warn where this run brings trained weights numbers on other scales than before."""
    if not model.epoch:
        return
    inputs.warn_of_another("preprocessing", model.preprocessing, preprocessing)
    if model.targets is not None and form is not None:
        inputs.warn_of_another("target_preprocessing", model.targets.scaling, form.scaling)


def _driver(model: Trainable, optimizer: str | Optimizer | None) -> Optimizer:
    """What to train with: this optimizer, the model's, or Adam."""
    if optimizer is None and model.optimizer is not None:
        return model.optimizer
    return optimizers.optimizer("adam" if optimizer is None else optimizer)


def _claim(model: Trainable, driver: Optimizer) -> None:
    """Refuse an optimizer that another model is trained with."""
    if model.built:
        driver.claim(model.parameters, getattr(model, "layout", None))
    else:
        driver.expect_free()


def _keeper(checkpoint: str | os.PathLike[str] | Checkpoint | None, resume: bool) -> list[Checkpoint]:
    """What writes the checkpoints, if anything does."""
    expect_flag("", resume=resume)
    if checkpoint is None:
        if resume:
            raise ValueError("resume goes with checkpoint: the folder to go on from")
        return []
    from .checkpoint import Checkpoint  # here: importing pynn must stay light

    return [checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)]


def _augment(augmentation: Augmentations | None, x: Any, y: Any) -> Augment | None:
    """The chain of augmentations, fitted to x."""
    if augmentation is None:
        return None
    augment = chain(augmentation)
    if y is None:
        raise TypeError(
            "augmentation goes with arrays x and y; give an iterable of batches augmented ones (pynn.Augment.apply)"
        )
    return augment.prepared(arrays.samples("x", x))


def _check_settings(
    epochs: int,
    batch_size: int | None,
    seed: int | None,
    penalty: Penalty | None,
    prefetch: int,
    accumulate: int,
    shuffle: bool,
) -> None:
    checks.check_count("epochs", epochs, 0)
    checks.check_count("accumulate", accumulate, 1)
    expect_flag("", shuffle=shuffle)
    checks.check_count("prefetch", prefetch, 0)
    if batch_size is not None:
        checks.check_count("batch_size", batch_size, 1)
    if seed is not None:
        checks.check_seed(seed)
    if penalty is not None:
        expect_instance(penalty, Penalty, "penalty")


def _check_monitors(driver: Optimizer, listening: list[Callback], measured: list[str], validation: Any) -> None:
    """ValueError for a callback or a schedule that waits for a measurement which will not come."""
    held_out = validations.names(validation, measured)
    names = [*measured, "data_loss", "penalty", *held_out, "learning_rate", "samples_per_second"]
    who: list[tuple[str, str | None]] = [(type(one).__name__, one.monitor) for one in listening]
    if driver.schedule is not None:
        who.append((repr(driver.schedule), driver.schedule.monitor))
    for one, monitor in who:
        if monitor is not None and monitor.startswith("val_") and validations.is_function(validation):
            continue  # who knows what the function measures
        if monitor is not None and monitor.startswith("val_") and validation is None:
            raise ValueError(f"{one} reads {monitor}, which needs validation=(x, y)")
        if monitor is not None and monitor not in names:
            raise ValueError(f"{one} reads {monitor}, which is not measured; there are {', '.join(names)}")


@answering
@one_at_a_time
def partial_fit(
    model: T,
    x: ArrayLike,
    y: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    batch_size: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> T:
    """Train one epoch on these samples and go on with the next ones at the next call; returns the model.

    x (N, ...), y, loss, optimizer, batch_size, sample_weight: as in `fit`. The optimizer and its state stay from call
    to call; every call is an epoch to its schedule. classes: all labels that may ever come, needed at the first call
    where they are not 0..C-1 and the first samples do not show them all (default None).
    """
    goal, before = chosen_loss(model, loss), model.targets
    try:
        with unbuilt_on_failure(model):
            if classes is not None:
                inputs.accept(model, inputs.raw(model, x), "x")
                if before is None:
                    model.targets = targets.of_classes(goal, classes, model.output_shape)
                else:
                    before.encode(goal, classes, model.output_shape[-1:], "classes")
            fit(
                model, x, y, loss=loss, optimizer=optimizer, batch_size=batch_size, sample_weight=sample_weight,
                epochs=1, progress=False,
            )  # fmt: skip
    except BaseException:
        if model.optimizer is None:  # it never trained
            model.targets = before
        raise
    return model
