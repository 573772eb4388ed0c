"""Training: `fit` and `partial_fit`. Works on any model that is `Trainable`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import ArrayLike

from .. import checks, optimizers
from ..callbacks import progress as progresses
from ..callbacks.base import Callback, Callbacks, all_callbacks
from ..checks import expect_flag, expect_instance
from ..data import arrays
from ..data.augment import Augment, Augmentations, chain
from ..locks import one_at_a_time
from ..losses import Loss
from ..optimizers import Optimizer
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..signatures import answering
from . import heads, inputs, targets
from . import validation as validations
from .history import History
from .measures import Measures, Metrics
from .sample_weights import ClassWeight, expect_arrays_for_weights
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
    """Train the model.

    Parameters
    ----------
    model : Sequential
        The model; ``model.fit(x, y)`` passes it.
    x : array (N, ...) or iterable
        Samples; or batches (x, y) or (x, y, weights), iterated over once per epoch, whose weights are used as they are.
        Images (N, H, W, C) of uint8 are read as 0..1. Memory-mapped arrays may exceed memory (without preprocessing):
        they are never copied as a whole.
    y : array (N,), optional
        Targets; left out if x is an iterable.
    validation : tuple, float, Split, iterable or function, optional
        What is measured after each epoch as val_loss and so on, without class_weight: (x, y) or (x, y, sample_weight);
        an iterable of such batches that can be restarted; a fraction 0 < v < 1 of x and y, drawn by the seed and kept
        out of training; a `pynn.Split`, which can be stratified (both parts are copies); or a function of the model
        that returns a dict of numbers, recorded as val_NAME.
    metrics : list, optional
        Names ("accuracy", "top5", "f1", "mae", ...: see `pynn.metrics`), metrics, or functions (outputs, targets) ->
        number. By default the accuracy, if the loss defines one. The loss is always measured.
    loss : Loss or str, optional
        By default the model's current loss, which is softmax_cross_entropy at first.
    optimizer : Optimizer or str, optional
        By default the model's current optimizer, or Adam(0.001). If its learning rate is a `pynn.Schedule`, the rate is
        set before every step from the epochs since this optimizer first ran, also over several calls: epoch + i/batches
        before batch i. In the first epoch of an iterable without a length the rate stays at its initial value; after
        that, the number of batches is known.
    epochs : int, default 10
        Passes over all samples.
    batch_size : int, optional
        At least 1; by default 128, or N if there are fewer samples. A last batch of one sample is left out, because
        batch normalization cannot use it.
    seed : int, optional
        Seed of the order of samples; by default the model's. Every epoch has a different order, also over several
        calls.
    penalty : Penalty, optional
        L1, L2 or ElasticNet, added to the loss; a layer's own penalty takes precedence. With a penalty, the recorded
        loss is the sum of data_loss and penalty; val_loss is the data loss alone.
    sample_weight : array (N,), optional
        Weights of at least 0. Only proportions matter: they are divided by their mean, once, so that a weight of 2
        equals a sample that occurs twice.
    class_weight : dict, array (C,) or "balanced", optional
        Weights by label: a dict (labels it lacks count 1), an array, or "balanced", N/(C·count), which gives all
        classes that occur the same total. Multiplied by sample_weight. Loss and accuracy become weighted means; the
        statistics of batch normalization stay unweighted.
    preprocessing : Transformer, optional
        A transformer or `pynn.Pipeline`; by default the model's own. A copy is fitted to x alone, never to validation
        data, and becomes `model.preprocessing`; evaluate, predict and predict_proba then take raw samples, as fit does.
        x and validation are transformed once, at the start, into floats in memory. For an iterable it must already be
        fitted; each batch is transformed.
    target_preprocessing : Transformer, optional
        For numeric targets, such as ``pynn.Standardization()``; by default the model's own. A copy is fitted to y
        alone. loss and val_loss refer to transformed targets, metrics and `predict` to the units of y.
    augmentation : Augment, Augmentation or list, optional
        Applied to raw images x (N, H, W, C), never to validation data, as a function of (seed, epoch, sample). With
        preprocessing, each batch is augmented first, then transformed.
    prefetch : int, default 0
        Batches that a Python thread prepares ahead, with the same results. An iterable then runs on that thread and
        must yield new arrays every time.
    progress : bool or str, default "auto"
        True shows a bar, False nothing, "auto" a bar on a terminal and else one line per epoch on stderr.
    callbacks : list, optional
        `pynn.Callback` objects, called in this order, or functions f(trainer), called at the end of each epoch. They
        see the run as a `pynn.Trainer` and may stop it. `model.history` holds the history during the run and after it,
        however it ended.
    checkpoint : path or Checkpoint, optional
        Folder for a checkpoint after each epoch (a `pynn.Checkpoint` can write more often) and when the run is stopped
        or interrupted by Ctrl-C. One run at a time may use a folder: a RuntimeError names the process that holds it. A
        folder left behind by a killed process is taken over.
    resume : bool, default False
        Continue from the newest checkpoint, to the same bits as a run that was never killed; start from the beginning
        if there is none. Model and arguments must be as before, except for epochs (the total of the run), progress and
        prefetch; an iterable must yield the same batches.
    distributed : bool or Distributed, default False
        Under ``mpirun -n K python script.py`` K processes train together, each on its part of every batch; a single
        process trains as usual. Needs mpi4py (extra `mpi`). Excludes accumulate, which more processes replace.
    accumulate : int, default 1
        Batches per step, which uses the mean gradient over all their samples: a step of batch_size · accumulate samples
        in the memory of batch_size. Batch normalization sees each batch separately; the last step of an epoch may have
        fewer batches. Hooks and step counts refer to steps.
    shuffle : bool, default True
        False takes the samples in their order in every epoch.

    Returns
    -------
    History
        Loss, accuracy or other metrics, one number per epoch.

    Raises
    ------
    ValueError or TypeError
        If the data cannot be trained on; nothing has changed then.
    FloatingPointError
        If the loss becomes NaN or infinite; parameters and running statistics are those before that step. Also if a
        parameter is not finite at the end of an epoch, because the last step went too far.
    KeyboardInterrupt
        On Ctrl-C, after the current step has ended.
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
    expect_arrays_for_weights(y, sample_weight, class_weight, target_preprocessing)
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
            raise TypeError("batch_size and shuffle need arrays x and y; an iterable makes its own batches")
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
    """Warn if this run feeds trained weights numbers on other scales than before."""
    if not model.epoch:
        return
    inputs.warn_of_another("preprocessing", model.preprocessing, preprocessing)
    if model.targets is not None and form is not None:
        inputs.warn_of_another("target_preprocessing", model.targets.scaling, form.scaling)


def _driver(model: Trainable, optimizer: str | Optimizer | None) -> Optimizer:
    """The optimizer to train with: this one, the model's, or Adam."""
    if optimizer is None and model.optimizer is not None:
        return model.optimizer
    return optimizers.optimizer("adam" if optimizer is None else optimizer)


def _claim(model: Trainable, driver: Optimizer) -> None:
    """Refuse an optimizer that trains another model."""
    if model.built:
        driver.claim(model.parameters, getattr(model, "layout", None))
    else:
        driver.expect_free()


def _keeper(checkpoint: str | os.PathLike[str] | Checkpoint | None, resume: bool) -> list[Checkpoint]:
    """The checkpoint callback, if there is to be one."""
    expect_flag("", resume=resume)
    if checkpoint is None:
        if resume:
            raise ValueError("resume needs checkpoint, the folder to continue from")
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
            "augmentation needs arrays x and y; augment the batches of an iterable yourself (pynn.Augment.apply)"
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
    checks.expect_count("", 0, epochs=epochs)
    checks.expect_count("", 1, accumulate=accumulate)
    expect_flag("", shuffle=shuffle)
    checks.expect_count("", 0, prefetch=prefetch)
    if batch_size is not None:
        checks.expect_count("", 1, batch_size=batch_size)
    if seed is not None:
        checks.check_seed(seed)
    if penalty is not None:
        expect_instance(penalty, Penalty, "penalty")


def _check_monitors(driver: Optimizer, listening: list[Callback], measured: list[str], validation: Any) -> None:
    """ValueError for a callback or schedule that monitors a measurement this run does not make."""
    held_out = validations.names(validation, measured)
    names = [*measured, "data_loss", "penalty", *held_out, "learning_rate", "samples_per_second"]
    who: list[tuple[str, str | None]] = [(type(one).__name__, one.monitor) for one in listening]
    if driver.schedule is not None:
        who.append((repr(driver.schedule), driver.schedule.monitor))
    for one, monitor in who:
        if monitor is not None and monitor.startswith("val_") and validations.is_function(validation):
            continue  # what a function measures is not known in advance
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
    """Train one epoch on these samples; the next call continues with the next ones.

    Parameters
    ----------
    model : Sequential
        The model; ``model.partial_fit(x, y)`` passes it.
    x : array (N, ...)
        Samples, as in `fit`.
    y : array (N,)
        Targets, as in `fit`.
    classes : array, optional
        All labels that may ever occur; needed at the first call if they are not 0..C-1 and the first samples do not
        contain all of them.
    loss, optimizer, batch_size, sample_weight : optional
        As in `fit`. The optimizer keeps its state from call to call; to its schedule every call is an epoch.

    Returns
    -------
    Sequential
        The model.
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
