"""diagnose: what is wrong with a training run, in words, with evidence and cure."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models.sequential import Sequential
from ..training.history import History
from . import sources
from .case import Case
from .record import Record
from .rules.causes import judge
from .rules.curves import judge_curves
from .verdicts import Verdict, Verdicts


def diagnose(run: Any) -> Verdicts:
    """Say what is wrong with a training run: the cause, its evidence in figures, where, and the cure.

    Parameters
    ----------
    run : Sequential, estimator, History, Record or path
        A model or an estimator of `pynn.sklearn` after `fit`, the history that `fit` returned, what a `Monitor`
        recorded, or its run folder. Without a `Monitor` among the callbacks only the curves can be judged.

    Returns
    -------
    Verdicts
        In the order of what to try first; empty if nothing is wrong as far as can be seen. Printed, they are sentences.
        ``.names`` are the names of those of severity "warning" or "error".

    Raises
    ------
    TypeError
        For anything else.
    ValueError
        If the model was not trained or has been read from a file, for an ensemble of several networks, each of which
        has a training of its own, and if the folder does not hold a run.

    Notes
    -----
    A cause is named before what follows from it, and what follows is not named beside it: inputs that are not scaled
    saturate units, so the verdict is unscaled_inputs. A model that does about as well as kernel regression does on
    rows left out is not blamed for its learning rate or size.

    References
    ----------
    .. [1] CS231n notes, "Neural Networks Part 3: Learning and Evaluation".
    .. [2] Schoop et al., "UMLAUT: Debugging Deep Learning Programs using Program Structure and Model Behavior", 2021.
    .. [3] Zhang et al., "AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System", 2021.

    Examples
    --------
    >>> model.fit(x, y, validation=(x_val, y_val), callbacks=[pynn.Monitor()])
    >>> print(pynn.diagnose(model))
    """
    run = sources.single(run)
    history = run.history if isinstance(run, Sequential) else run
    if isinstance(run, Sequential) and history is None:
        raise ValueError(
            "the model has no history of a training: it was not trained yet, or comes from a file or a pickle, which "
            "have none; sanity_check checks before training"
        )
    if isinstance(history, History) and history.record is None:
        return of_history(history)
    return of_record(sources.of(run).record)


def of_history(history: History) -> Verdicts:
    """The verdicts on the curves alone."""
    epochs = [{name: values[place] for name, values in history.items()} for place in range(history.epochs)]
    verdicts = judge_curves(epochs, history.stopped)
    verdicts.seen = "; only the curves were seen: train with callbacks=[pynn.Monitor()] for more"
    return verdicts


def of_record(record: Record) -> Verdicts:
    """The verdicts on a record."""
    if not record.snapshots:
        return Verdicts([Verdict(**finding) for finding in record.findings])
    with np.errstate(all="ignore"):
        return judge(Case(record))
