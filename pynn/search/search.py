"""Search: many trials of a model with parameters from a space, in one stage or from coarse to fine."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from numpy.typing import ArrayLike
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from .. import checks
from ..callbacks import progress as progresses
from ..checks import FLAG, POSITIVE, Choice, Count, OrNone, chosen_seed, expect_name
from ..data.split import Split
from ..messages.terminal import brief
from ..monitor import MODES
from ..signatures import Constructed, answering, takes
from . import arguments, data, loading, narrowing, samplers
from .result import Result
from .space import Space
from .stage import Stage
from .storage import code, journal
from .storage.keeping import Keeper
from .storage.settings import OtherSettings, Settings, plain
from .study import Study
from .trials import trial as training
from .trials.watching import DIVERGED
from .work import Start, Work


class Search(Constructed):
    """A search for the parameters with which a model does best.

    Parameters
    ----------
    build : callable
        Makes a new model of a dict of parameters: ``build(params)`` returns the model, or (model, settings of `fit`).
        If it has parameters called epochs or seed too, it is given those of the trial: epochs for schedules, the seed
        for a model that it builds itself (``model.build``, `lsuv`); with parameters called x and y, without defaults,
        the samples that it trains on. If the parameters make no model it may raise ``optuna.TrialPruned``; with another
        error the trial counts as failed.
    space : Space, dict or path
        What is chosen from: `log_uniform`, `uniform`, `integer` and `choice` by name; or a file of TOML.
    x : array (N, ...) or data frame
        Samples, as for `fit`.
    y : array (N,)
        Targets.
    sample_weight : array (N,), optional
        As for `fit`.
    validation : float, Split or tuple, optional
        A share of the samples, by default 0.2, stratified if y has labels; a `pynn.Split`; or samples of their own,
        (x, y). All trials have the same parts. Samples that are equal, targets included, are in the same part, unless
        few are different.
    folds : int, optional
        Train and validate each trial on so many folds, instead of validation. The score is the mean over the folds. A
        sample that stands more often than a fold has samples is trained on in all.
    groups : array (N,), optional
        The group of each sample; no group is in both parts.
    metric : str, optional
        A measurement of `fit`; the score of a trial is its value in the best epoch. By default val_accuracy, or
        val_loss if the loss defines no accuracy.
    mode : {"auto", "min", "max"}, default "auto"
        Whether lower or higher is better; "auto" knows it for losses and pynn's metrics.
    sampler : {"random", "grid", "tpe"} or sampler of Optuna, default "random"
        How parameters are chosen. A grid has as many points of each range as fit into the number of trials; a later run
        with more trials refines it if a finer one that contains it fits.
    pruner : {"median", "hyperband"} or pruner of Optuna, optional
        Ends trials that do worse than others.
    stop : bool, default True
        Whether to end a trial whose loss rises over 3 times the first (in its first tenth, and first 50 steps, over 100
        times: a good one may overshoot and come back), and one that is behind half of the others if its diagnosis is
        bad: rate too small or too large, dead or saturated units, vanishing or exploding signals.
    storage : path, URL or storage of Optuna, optional
        Where trials are kept: a journal file, or a database by its URL, such as "sqlite:///study.db". Searches in
        several processes, also of several machines, may share it. By default trials are kept in memory.
    name : str, default "search"
        Of the study in the storage.
    folder : path, optional
        For model files of the best trials, and checkpoints of long ones. By default beside the journal file, without
        which the best model is kept in memory.
    jobs : int, Client or str, default 1
        Number of processes that do trials at the same time, each with its share of the threads and a view of the same
        samples. They import `build`, so it must be in a module or in the script, whose doings then stand under
        ``if __name__ == "__main__":``; a notebook imports it from a file. Or a cluster (extra `dask`): a Client of
        Dask's distributed, or the address of its scheduler. There `build` may also be a lambda or in a notebook.
    seed : int, default 0
        Of the parameters chosen, and of the parts. Trial n has the seed plus n, for the order of samples, and for first
        weights and masks in place of the model's own. A model that `build` returns built keeps its weights and its
        seed: have `build` take the trial's.
    progress : bool or str, default "auto"
        True shows a bar with the best score, or lines where stderr is no terminal, False nothing, "auto" a bar on a
        terminal.

    Attributes
    ----------
    result : Result
        What there is so far, also after Ctrl-C.

    Raises
    ------
    ValueError or TypeError
        For settings out of range, a metric that `build` does not have measured, and samples that cannot be parted so.

    Notes
    -----
    The parameters of trial n follow from seed, name and n alone (with "tpe", also from the trials that ended before),
    whatever the number of jobs. What a trial is compared with, if it shall stop, are the trials that ended before.
    A search that was killed goes on: with the same storage, name, samples and settings `run` takes up the trials that
    were under way, and none that ended is done again. If a process of ``jobs=2`` or more is killed, another takes up
    its trial; if that is killed too, the trial counts as failed.

    Of searches that share a storage, one takes up the trials of another whose process has ended. Of processes on other
    machines, and in other containers, a sign of life is in the storage every ten seconds; those that are silent for two
    minutes, by the clock of the other, have ended. Before it ends, a run waits until that is known.

    Each worker of a Dask cluster does one trial at a time, with all threads that Dask gives it, and is sent the samples
    once. Workers that join later get trials too. The storage and the folder are those of this process; workers need
    not see them, but only if they see the folder does a trial whose worker was lost go on from its checkpoint. The
    cluster does not grow by itself for a search: ``cluster.scale`` sets the number of workers.

    References
    ----------
    .. [1] Bergstra & Bengio, "Random Search for Hyper-Parameter Optimization", 2012.
    .. [2] CS231n notes, "Neural Networks Part 3", hyperparameter optimization.
    .. [3] Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", 2019.

    Examples
    --------
    >>> from pynn.search import Search, integer, log_uniform
    >>> def build(params):
    ...     model = pynn.Sequential(pynn.Affine(params["units"]), pynn.ReLU(), pynn.Affine(10))
    ...     return model, {"optimizer": pynn.Adam(params["learning_rate"])}
    >>> space = {"units": integer(16, 256, log=True), "learning_rate": log_uniform(1e-5, 1e-1)}
    >>> result = Search(build, space, x, y, storage="study.log").run(trials=60, epochs=10)
    >>> result.best_params, result.best_model.evaluate(x_test, y_test)
    """

    _takes = takes(mode=Choice(*MODES), stop=FLAG, jobs=arguments.Jobs(1))

    def __init__(
        self,
        build: Callable[..., Any],
        space: Space | Mapping[str, Any] | str | os.PathLike[str],
        x: Any,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        validation: float | Split | tuple[Any, ...] | None = None,
        folds: int | None = None,
        groups: ArrayLike | None = None,
        metric: str | None = None,
        mode: str = "auto",
        sampler: str | BaseSampler = "random",
        pruner: str | BasePruner | None = None,
        stop: bool = True,
        storage: str | os.PathLike[str] | BaseStorage | None = None,
        name: str = "search",
        folder: str | os.PathLike[str] | None = None,
        jobs: Any = 1,
        seed: int = 0,
        progress: bool | str = "auto",
    ) -> None:
        if not callable(build):
            raise TypeError(f"Search: build is {brief(build)}, expected a function that makes a model of parameters")
        expect_name("Search", "the study", name=name)
        samplers.expect_sampler(sampler)
        samplers.expect_pruner(pruner)
        progresses.expect_shown(progress)
        arguments.expect_validation(validation)
        self.build, self.space, self.seed = build, Space.of(space), chosen_seed(seed)
        self.data = data.read(x, y, sample_weight, validation, folds, groups, self.seed)
        self.metric = arguments.chosen_metric(build, self.space, self.data.part(0), metric, mode)
        self.mode, self.sampler, self.pruner, self.stop = mode, sampler, pruner, stop
        self.name, self.progress, self.jobs = name, progress, jobs
        self._keeper = Keeper(arguments.models_folder(folder, storage))
        self._storage, self._where = journal.opened(storage), journal.shown(storage)
        self._work = Work(build, self.data, self._keeper, stop, progress, jobs)
        self._stages: list[Stage[Study]] = []

    # Use ------------------------------------------------------------------------------------------

    @property
    def result(self) -> Result:
        """What there is so far."""
        if not self._stages:
            raise ValueError("the search has not begun: call run or coarse_to_fine")
        needed = training.wanted(self.build, ("x", "y"))
        part = self.data.part(0) if needed else None  # else a result would keep the samples alive
        return Result(self.name, self._stages, self._keeper, partial(training.built, self.build, epochs=1, part=part))

    @answering
    def run(self, trials: int = 60, epochs: int = 10, time: float | None = None) -> Result:
        """Do trials until the study has so many, those of earlier and of other processes included.

        It returns when none is left to begin. Other processes that share the storage may still be at theirs then:
        ``search.result`` has these too once they have ended.

        Parameters
        ----------
        trials : int, default 60
            Number of trials in the study.
        epochs : int, default 10
            Passes over the samples in each trial.
        time : float, optional
            Seconds after which no trial begins, and those under way are left to the next run.

        Returns
        -------
        Result
            Trials, the best one and its model.

        Raises
        ------
        RuntimeError
            If the first three trials all fail, at the same place in the code: their parameters seem not to matter. The
            error has the first one's. The next run does them again; if they fail there once more, it counts them as
            failed and goes on. With several jobs, also if they cannot import `build`.
        ConnectionError
            If the scheduler of a Dask cluster is lost, or not there. Trials that ended are kept.
        KeyboardInterrupt
            On Ctrl-C; the next run takes up the trials that were under way.
        """
        Count(1)("run", "trials", trials)
        Count(1)("run", "epochs", epochs)
        OrNone(POSITIVE)("run", "time", time)
        self._stages = [self._stage(1, self.name, self.space, epochs)]
        with closing(self._work):
            self._work.do(self._stages[0].study, trials, None if time is None else clock.time() + time)
        for sentence in self._edges(self._stages[0]):
            checks.warn(f"{sentence}; move the range, or use coarse_to_fine")
        return self.result

    @answering
    def coarse_to_fine(
        self, stages: Sequence[tuple[int, int]] = ((30, 3), (15, 10), (5, 30)), *, go_on: bool = False,
        time: float | None = None,
    ) -> Result:  # fmt: skip
        """Search in stages: many short trials in wide ranges, then fewer and longer ones around the best.

        Parameters
        ----------
        stages : list of (int, int), default ((30, 3), (15, 10), (5, 30))
            Trials and epochs of each stage.
        go_on : bool, default False
            Whether trials begin with the weights of the best trial of the stage before, if their layers have the same
            shapes.
        time : float, optional
            Seconds for all stages together, as for `run`.

        Returns
        -------
        Result
            Of all stages; `stages` says what became of each range.

        Raises
        ------
        ValueError
            If no trial of a stage has finished: there is nothing to search around. At once if a grid does not fit into
            the trials of a stage.
        FloatingPointError
            If all of them diverged.
        RuntimeError, ConnectionError or KeyboardInterrupt
            As for `run`.

        Notes
        -----
        Each range is narrowed around the best sixth of the trials, three at least, on its own scale. If the best sit at
        its end it is moved beyond it by a quarter, with a warning. A value of a choice is left out if three trials or
        more had it, and none of the best. After fewer than 8 finished trials all stays as it is, with a warning.

        References
        ----------
        .. [1] CS231n notes, "Neural Networks Part 3", hyperparameter optimization.
        """
        listed = arguments.listed_stages(stages)
        samplers.expect_for_stages(self.sampler, self.space, listed)
        checks.expect_flag("coarse_to_fine", go_on=go_on)
        OrNone(POSITIVE)("coarse_to_fine", "time", time)
        with closing(self._work):
            self._all_stages(listed, go_on, None if time is None else clock.time() + time)
        return self.result

    # Stages ---------------------------------------------------------------------------------------

    def _stage(self, place: int, name: str, space: Space, epochs: int) -> Stage[Study]:
        settings = Settings(
            space, self.metric, self.mode, epochs, self.seed, self.data.parts, self.data.samples, self.data.contents
        )
        try:
            study = Study(self._storage, name, settings, self.sampler, self.pruner, place)
        except OtherSettings as other:
            raise OtherSettings(name, other.changes, self._where) from None
        if study.is_other_code(code.fingerprint(self.build)):
            checks.warn(f"build was edited since the study {name!r} was begun, and the study compares trials of both; "
                        "with another name= a new one begins")  # fmt: skip
        return Stage(study)

    def _all_stages(self, stages: Sequence[tuple[int, int]], go_on: bool, ends: float | None) -> None:
        space, start = self.space, None
        self._stages = []
        for place, (trials, epochs) in enumerate(stages, 1):
            stage = self._stage(place, f"{self.name} stage {place}", space, epochs)
            if start is not None:
                stage.study.note_start(start.trial)
            self._stages.append(stage)
            finer = f"{self.name} stage {place + 1}" if place < len(stages) else None
            if not self._work.do(stage.study, trials, ends, start, partial(self._decides, finer)):
                break
            if finer is not None:
                space = self._finer(stage, finer)
                start = self._weights(stage) if go_on else None

    def _decides(self, finer: str | None) -> bool:
        """Whether the trials of a stage decide on the space of the next one, which no process has begun yet."""
        return finer is not None and loading.begun(self._storage, finer) is None

    def _finer(self, stage: Stage[Study], name: str) -> Space:
        """The space of the next stage, around the best trials of this one, which says what became of its ranges.

        If the next stage was begun, it is the space of that.
        """
        ranked = [one.params for one in stage.study.ranked()]
        if not ranked:
            none = f"no trial of stage {stage.study.stage} has finished, {self.result.table()}"
            if all(one.ended == DIVERGED for one in self.result.trials):
                raise FloatingPointError(f"{none}. Lower the range of the learning rate")
            raise ValueError(none)
        before = stage.study.settings.space
        space, stage.words = narrowing.narrowed(before, ranked, stage.study.tried())
        given = loading.begun(self._storage, name)
        if given is not None and given != plain(space.data()):
            checks.warn(f"stage {stage.study.stage + 1} was begun before all trials of the stage before had ended, "
                        "and keeps its ranges; another name= begins a new search")  # fmt: skip
            space = loading.space(self._storage, (stage.study.name, name))
            stage.words = narrowing.changes(before, space, ranked)
            return space
        if len(ranked) < narrowing.LEAST:
            checks.warn(f"stage {stage.study.stage}: {narrowing.too_few(len(ranked))}")
        for sentence in self._edges(stage):
            checks.warn(f"{sentence}; the next stage goes beyond it")
        return space

    def _edges(self, stage: Stage[Study]) -> list[str]:
        return narrowing.edge_warning(stage.study.settings.space, [one.params for one in stage.study.ranked()])

    def _weights(self, stage: Stage[Study]) -> Start | None:
        """The models of the best trial of a stage; None if they are not there."""
        best = stage.study.ranked()[0]
        try:
            return Start(best.number, self._keeper.models(stage.study.files(best.number), self.data.folds))
        except LookupError as cause:
            checks.warn(f"stage {stage.study.stage + 1} begins with new weights: {cause}")
            return None
