"""Training: `fit` and `partial_fit`. Works on any model that is `Trainable`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

from numpy.typing import ArrayLike

from .. import checks
from ..callbacks import progress as progresses
from ..callbacks.base import Callbacks, all_callbacks
from ..checks import FLAG, SEED, Count, Instance, OrNone
from ..data.augment import Augmentations
from ..locks import one_at_a_time
from ..losses import Loss
from ..optimizers import Optimizer
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..signatures import answering, takes
from . import data, inputs, targets
from .history import History
from .measures import Measures, Metrics
from .plan import Plan, expect_monitored
from .sample_weights import ClassWeight
from .sources import Options
from .trainable import Batch, Rollback, Trainable, chosen_loss, chosen_optimizer
from .trainer import Trainer
from .validation import Validation

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .distributed import Distributed

T = TypeVar("T", bound=Trainable)
SETTINGS = takes(
    epochs=Count(0), accumulate=Count(1), shuffle=FLAG, drop_last=FLAG, prefetch=Count(0), batch_size=OrNone(Count(1)),
    seed=OrNone(SEED), penalty=OrNone(Instance(Penalty)), resume=FLAG, diagnose=FLAG,
)  # fmt: skip


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
    distributed: bool | Distributed = False, accumulate: int = 1, shuffle: bool = True, drop_last: bool = False,
    diagnose: bool = False,
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
        With a `pynn.TableEncoder` x is a data frame with columns of any kind, in fit as in predict.
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
    drop_last : bool, default False
        Leave out a last batch that is smaller than batch_size, so that all batches have the same number of samples;
        with fewer samples than batch_size, the only batch is kept.
    diagnose : bool, default False
        Watch the run with a `pynn.Monitor`, unless callbacks hold one, and print at its end what is wrong with it.

    Returns
    -------
    History
        Loss, accuracy or other metrics, one number per epoch.

    Raises
    ------
    ValueError or TypeError
        If the data cannot be trained on; nothing has changed then (a resumed run keeps its checkpoint's state).
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
    loss, optimizer = chosen_loss(model, loss), chosen_optimizer(model, optimizer)
    with loss.used(model):  # refused before anything is changed; the run has it until its end
        checks.expect_kinds(
            SETTINGS, epochs=epochs, accumulate=accumulate, shuffle=shuffle, drop_last=drop_last, prefetch=prefetch,
            batch_size=batch_size, seed=seed, penalty=penalty, resume=resume, diagnose=diagnose,
        )  # fmt: skip
    options = Options(
        batch_size=batch_size, seed=seed, shuffle=shuffle, drop_last=drop_last, accumulate=accumulate,
        prefetch=prefetch, sample_weight=sample_weight, class_weight=class_weight, preprocessing=preprocessing,
        target_preprocessing=target_preprocessing, augmentation=augmentation, validation=validation,
    )  # fmt: skip
    saving, measures = _checkpoint(checkpoint, resume), Measures(metrics)
    measures.check(loss)
    listening = [*progresses.shown(progress), *all_callbacks(callbacks), *saving]
    if diagnose:
        from ..diagnostics import diagnosing  # here: importing pynn must stay light

        listening = diagnosing(listening)
    expect_monitored(optimizer, listening, measures.names(loss), validation)
    with Rollback(model, optimizer) as rollback, ExitStack() as ends:
        samples = data.read(model, loss, x, y, epochs, options)
        plan = Plan(model, loss, optimizer, samples, epochs, penalty, measures, listening)
        trainer = _begun(plan, saving, resume, progress is False, ends)
        rollback.running = True
        return trainer.run()


def _checkpoint(checkpoint: str | os.PathLike[str] | Checkpoint | None, resume: bool) -> list[Checkpoint]:
    """The checkpoint callback, if there is to be one."""
    if checkpoint is None:
        if resume:
            raise ValueError("resume needs checkpoint, the folder to continue from")
        return []
    from .checkpoint import Checkpoint  # here: importing pynn must stay light

    return [checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)]


def _begun(plan: Plan, saving: list[Checkpoint], resume: bool, quiet: bool, ends: ExitStack) -> Trainer:
    """The run, resumed if there is a checkpoint; its folder is locked until the stack ends."""
    group, source, state = plan.model.context.group, plan.data.source, None
    if source.accumulate > 1 and group.size > 1:
        raise ValueError(
            f"accumulate is {source.accumulate}, but distributed steps take one batch; start more processes"
        )
    if saving and group.rank == 0:
        state = saving[0].open(plan, resume, quiet)
        ends.callback(saving[0].close)
    state, source.share = group.begin(plan, state), (group.rank, group.size)
    trainer = plan.trainer()
    if state is not None:
        saving[0].go_on(trainer, state)
    return trainer


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
    chosen = chosen_loss(model, loss)
    with Rollback(model) as rollback:
        if classes is not None:
            inputs.accept(model, inputs.raw(model, x), "x")
            if model.targets is None:
                model.targets = targets.of_classes(chosen, classes, model.output_shape)
            else:
                model.targets.encode(chosen, classes, model.output_shape[-1:], "classes")
        rollback.running = True
        fit(
            model, x, y, loss=loss, optimizer=optimizer, batch_size=batch_size, sample_weight=sample_weight,
            epochs=1, progress=False,
        )  # fmt: skip
    return model
