"""A trial: a model built from parameters, trained and scored on every fold. Knows no studies; runs in any process."""

from __future__ import annotations

import inspect
import math
import os
import time
import traceback
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from optuna.exceptions import TrialPruned

from ...checks import expect_instance
from ...ensembles.polyak import PolyakAverage
from ...messages.terminal import brief
from ...models.file import ENTRY
from ...models.sequential import Sequential
from ...saving import container
from ..data import Data, Part
from . import measured
from .checkpoints import Rare
from .watching import DIVERGED, FAILED, FINISHED, PRUNED, Middle, Report, Watcher

Build = Callable[..., Any]
Built = tuple[Sequential, dict[str, Any]]
# What the search itself passes to `fit`.
OURS = ("x", "y", "validation", "epochs", "seed", "progress", "checkpoint", "resume", "distributed", "diagnose")
LEFT_OUT = ("samples_per_second",)  # of the curves
_trained: weakref.WeakSet[Sequential] = weakref.WeakSet()  # the models that trials of this process have trained


@dataclass(frozen=True)
class Task:
    """What a process is told to do for one trial, as plain values.

    Parameters
    ----------
    number : int
        Of the trial.
    params : dict
        For `build`.
    epochs : int
        Passes over the samples, on each fold.
    seed : int
        Of the model and of the order of samples.
    metric, mode : str
        What is the score, and whether more is better, as for `EarlyStopping`.
    stop : bool
        Whether to end a hopeless trial.
    beat : float or None
        The best score so far: a model that does not beat it is not kept.
    ties : bool
        Whether the same score is enough.
    middles : dict of int to Middle
        What others had reached, by epoch.
    start : list of bytes, optional
        Model files to go on from, one for each fold.
    checkpoint : str, optional
        Folder for checkpoints of a long trial; there it goes on if it was interrupted. It stays until the study
        knows how the trial has ended.
    ends : float, optional
        When the time is over, by `time.time`.
    """

    number: int
    params: Mapping[str, Any]
    epochs: int
    seed: int
    metric: str
    mode: str
    stop: bool = True
    beat: float | None = None
    ties: bool = False
    middles: Mapping[int, Middle] = field(default_factory=dict)
    start: Sequence[bytes] | None = None
    checkpoint: str | None = None
    ends: float | None = None


@dataclass
class Outcome:
    """What became of a trial, as plain values.

    Parameters
    ----------
    ended : str
        "finished", "diverged", "stopped" by its diagnosis, "pruned" by Optuna, "failed" with an error, or "unfinished"
        when the time was over.
    why : str
        In words; "" if it finished.
    score : float or None
        Of the best epoch, the mean over folds; None if there is none.
    folds : list of float
        The score of each fold.
    best_epochs : list of int
        The best epoch of each fold, from 1 on.
    curves : list of dict of str to list of float
        The measurements of every epoch, for each fold.
    verdicts : list of str
        What the diagnosis found, if it was asked.
    settings : dict of str to str
        What `build` gave for `fit`.
    first : float or None
        The loss with the first weights, on samples to train on.
    went_on : bool
        Whether it began with the weights of an earlier trial.
    seconds : float
        How long it took.
    error : str
        The traceback of a failed trial.
    place : str
        Where in the code the error was raised, and its type.
    again : str or None
        What `build` says to train such a model again, as those of `pynn search` do.
    models : list of bytes
        The model file of each fold, if the score beats the best so far.
    """

    ended: str = FINISHED
    why: str = ""
    score: float | None = None
    folds: list[float] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)
    curves: list[dict[str, list[float]]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    first: float | None = None
    went_on: bool = False
    seconds: float = 0.0
    error: str = ""
    place: str = ""
    again: str | None = None
    models: list[bytes] = field(default_factory=list)


class Asked(NamedTuple):
    """Who is asked whether to go on: after epochs, and after steps."""

    report: Report | None
    over: Callable[[], bool] | None


def run(
    build: Build, data: Data, task: Task, report: Report | None = None, over: Callable[[], bool] | None = None
) -> Outcome:
    """Do a trial, in any process.

    Parameters
    ----------
    build : callable
        Makes a model of parameters, as for `Search`.
    data : Data
        The samples and their parts.
    task : Task
        What to do.
    report : callable, optional
        Told of each epoch of the first fold, then of each fold's mean score; returns why the trial shall end, or None.
    over : callable, optional
        Asked after each step whether to leave the trial to the next search.

    Returns
    -------
    Outcome
        What became of it. An error in it is an outcome too; Ctrl-C is not.
    """
    begun, outcome = time.perf_counter(), Outcome()
    try:
        for fold in range(data.folds):
            _train(build, data, task, fold, Asked(report, over), outcome)
            if outcome.ended == FINISHED and 0 < fold < data.folds - 1 and report is not None:
                why = report(task.epochs + fold, math.fsum(outcome.folds) / len(outcome.folds))
                if why is not None:
                    outcome.ended, outcome.why = PRUNED, why
            if outcome.ended != FINISHED:
                break
    except TrialPruned as pruned:  # as in Optuna's own loop
        outcome.ended, outcome.why = PRUNED, ": ".join(["TrialPruned was raised", *map(str, pruned.args)])
    except Exception as error:
        outcome.ended, outcome.why = FAILED, f"{type(error).__name__}: {error}"
        outcome.error, outcome.place = traceback.format_exc(), _place(error)
    if outcome.folds:
        outcome.score = math.fsum(outcome.folds) / len(outcome.folds)
    if outcome.ended != FINISHED or not _beats(task)(math.nan if outcome.score is None else outcome.score):
        outcome.models.clear()  # nobody asks for them, and they may have a long way to go
    outcome.seconds = time.perf_counter() - begun
    return outcome


def _place(error: Exception) -> str:
    """Its type and the lines that led to it; folders are left out, since machines have others."""
    lines = [f"{os.path.basename(one.filename)}:{one.lineno}" for one in traceback.extract_tb(error.__traceback__)]
    return " ".join([type(error).__qualname__, *lines])


def _train(build: Build, data: Data, task: Task, fold: int, asked: Asked, outcome: Outcome) -> None:
    """Train a new model on one fold, and add to the outcome what came of it."""
    part, beats = data.part(fold), _beats(task)
    model, settings = built(build, task.params, task.epochs, task.seed, part)
    _expect_new(model)
    if not model.built:  # otherwise its weights are those of its own seed
        model.context.seed = task.seed
    measured.expect(task.metric, model, settings)
    watcher = Watcher(
        task.metric, task.mode, stop=task.stop, middles=task.middles if fold == 0 else None,
        keep=beats if data.folds == 1 else None, report=asked.report if fold == 0 else None,
        start=_start(task, fold), ends=task.ends, over=asked.over,
    )  # fmt: skip
    outcome.settings = {name: brief(value) for name, value in settings.items()}
    if hasattr(build, "pynn_again"):
        outcome.again = build.pynn_again(task.params, task.epochs, task.seed)
    own = _callbacks(settings.pop("callbacks", None) or ())
    checkpoint = None if task.checkpoint is None else Rare(Path(task.checkpoint) / str(fold))
    try:
        model.fit(
            part.x, part.y, validation=part.validation, sample_weight=part.weights, epochs=task.epochs, seed=task.seed,
            progress=False, callbacks=[watcher, *own], checkpoint=checkpoint, resume=checkpoint is not None, **settings,
        )  # fmt: skip
    except FloatingPointError as error:
        watcher.ended = DIVERGED
        outcome.why = str(error)
    _add(outcome, watcher, model)
    score = outcome.folds[-1] if outcome.folds else math.nan
    if not watcher.ended and (data.folds > 1 or beats(score)):
        outcome.models.append(model.to_bytes())


def _expect_new(model: Sequential) -> None:
    """ValueError for a model that another trial or fold has trained: it has seen the samples of its validation."""
    if model in _trained:
        raise ValueError(
            "build(params) returned a model that an earlier trial or fold has trained; make a new one in build, or a "
            "copy of a trained one: copy.deepcopy(model)"
        )
    _trained.add(model)


def _callbacks(given: Any) -> list[Any]:
    """The callbacks that `build` gave."""
    own = list(given) if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(one, PolyakAverage) for one in own):
        raise ValueError(
            "build(params) returned PolyakAverage, but a trial ends with the weights of its best epoch; leave it out, "
            "and pass it to the fit of the best settings"
        )
    return own


def _add(outcome: Outcome, watcher: Watcher, model: Sequential) -> None:
    history = model.history
    assert history is not None
    outcome.curves.append({name: list(values) for name, values in history.items() if name not in LEFT_OUT})
    outcome.first = watcher.first if outcome.first is None else outcome.first
    outcome.went_on |= watcher.went_on
    outcome.verdicts += [name for name in watcher.verdicts if name not in outcome.verdicts]
    if watcher.ended:
        outcome.ended, outcome.why = watcher.ended, outcome.why or history.stopped or ""
    if watcher.best.value is not None and math.isfinite(watcher.best.value):
        outcome.folds.append(watcher.best.value)
        outcome.best_epochs.append(watcher.best_epoch)
    elif not watcher.ended:
        found = "was never a number" if watcher.best.value is None else f"was {watcher.best.value:g}"
        outcome.ended, outcome.why = DIVERGED, f"{watcher.monitor} {found}"


def _beats(task: Task) -> Callable[[float], bool]:
    """Whether a score is better than the best so far."""
    if task.beat is None:
        return math.isfinite
    best = task.beat
    better = float.__gt__ if task.mode == "max" else float.__lt__
    return lambda score: math.isfinite(score) and (better(score, best) or (task.ties and score == best))


def _start(task: Task, fold: int) -> Mapping[str, Any] | None:
    """The tensors to go on from."""
    return None if not task.start else container.unpacked(task.start[fold], "start", ENTRY, "model")[1]


def built(build: Build, params: Mapping[str, Any], epochs: int, seed: int, part: Part | None) -> Built:
    """The model and the settings of `fit` that `build` makes; TypeError or ValueError if it makes something else.

    part: what it trains on, if `build` asks for x or y.
    """
    given: dict[str, Any] = {"epochs": epochs, "seed": seed}
    if part is not None:
        given |= {"x": part.x, "y": part.y}
    made = build(dict(params), **{name: given[name] for name in wanted(build, given)})
    model, settings = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
    expect_instance(model, Sequential, "build(params)")
    if not isinstance(settings, dict):
        raise TypeError(f"build(params) gave {brief(settings)} beside the model, expected a dict of settings of fit")
    for name in OURS:
        if name in settings:
            raise ValueError(f"build(params) sets {name}, which the search sets itself; leave it out")
    if "sample_weight" in settings:
        raise ValueError("build(params) sets sample_weight; pass Search(..., sample_weight=...), which parts it too")
    metrics = settings.get("metrics")
    if isinstance(metrics, Iterator):  # they are read more than once
        settings = {**settings, "metrics": list(metrics)}
    return model, dict(settings)


def wanted(build: Build, names: Collection[str]) -> list[str]:
    """Those of the names that parameters of `build` have, beside the first and those that a partial function sets.

    x and y with a default are the user's own.
    """
    try:
        parameters = list(inspect.signature(build).parameters.values())[1:]
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    there = [one for one in parameters if one.kind in named and one.name in names]
    ours = [one.name for one in there if one.name not in ("x", "y") or one.default is one.empty]
    return [name for name in ours if name not in getattr(build, "keywords", {})]
