"""Result: the trials of a search, the best of them, and its model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from ..checks import expect_count
from ..losses import Loss
from ..messages.counting import several
from ..messages.terminal import printable
from ..models.loading import from_bytes, own_classes
from ..models.sequential import Sequential
from ..preprocessing import Transformer
from . import narrowing, parts
from .stage import Stage
from .storage.keeping import Keeper
from .storage.records import Trial, ranked
from .trials.watching import DIVERGED, FAILED, UNFINISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 10  # trials of a table
LONGEST = 60  # characters of a cell of a notebook
HELD = 3  # processes that are named below it, as they have trials under way
COMMON = ("epochs", "seed", "parts", "samples")  # settings of a stage that are told


class Result:
    """What a search has found; ``search.run(...)`` and ``pynn.search.load(...)`` return it.

    Parameters
    ----------
    name : str
        Of the search.
    stages : list of Stage
        The stages.
    keeper : Keeper
        Of the model files.
    build : callable, optional
        Makes a model and its settings of parameters.

    Attributes
    ----------
    name : str
        Of the search.
    metric : str
        What the score is.
    mode : {"max", "min"}
        Whether more or less of it is better.
    spaces : list of Space
        What each stage chose from.
    settings : list of dict
        What the trials of each stage have in common: epochs, seed, samples, and in words their parts.
    studies : list of optuna.Study
        Optuna's study of each stage, for its own pictures and analyses.
    """

    def __init__(
        self, name: str, stages: Sequence[Stage[Any]], keeper: Keeper, build: Callable[..., Any] | None = None
    ) -> None:
        self.name = name
        self._stages, self._keeper, self._build = list(stages), keeper, build
        first = stages[0].study
        self.metric, self._largest = first.settings.metric, first.largest
        self.mode = "max" if self._largest else "min"
        self.spaces = [stage.study.settings.space for stage in stages]
        self.settings = [
            {name: parts.text(value) if name == "parts" else value
             for name, value in stage.study.settings._asdict().items() if name in COMMON}
            for stage in stages
        ]  # fmt: skip
        self.studies = [stage.study.optuna for stage in stages]
        self._frozen = [stage.study.frozen() for stage in stages]  # as they are now: the search may go on

    @cached_property
    def trials(self) -> list[Trial]:
        """All trials, stage by stage."""
        return [
            stage.study.trial(one)
            for stage, frozen in zip(self._stages, self._frozen, strict=True)
            for one in frozen
        ]  # fmt: skip

    @cached_property
    def ranked(self) -> list[Trial]:
        """The finished trials, the best first; of equal ones, the later stage and the earlier trial."""
        return ranked(self.trials, self._largest)

    @property
    def best_trial(self) -> Trial:
        """The finished trial with the best score."""
        if not self.ranked:
            raise ValueError(f"no trial has finished: {self._endings() or 'none has begun'}")
        return self.ranked[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The parameters of the best trial."""
        return dict(self.best_trial.params)

    @property
    def best_score(self) -> float:
        """The score of the best trial: the metric in its best epoch, the mean over folds."""
        score = self.best_trial.score
        assert score is not None
        return score

    @cached_property
    def best_models(self) -> list[Sequential]:
        """The model of each fold of the best trial, with the weights of its best epoch."""
        best = self.best_trial
        try:
            contents = self._keeper.models(self._stages[best.stage - 1].study.files(best.number), len(best.folds))
        except LookupError as cause:
            raise LookupError(f"the model of trial {best.number} is not there: {cause}") from None
        own = self._own_classes(best) if contents else []
        return [from_bytes(content, own=own) for content in contents]

    @property
    def best_model(self) -> Sequential:
        """The model of the best trial, with the weights of its best epoch; of several folds, that of the best one.

        With folds, train a model on all samples for use: ``build(result.best_params)``.
        """
        choose = max if self._largest else min
        scores = self.best_trial.folds
        return self.best_models[scores.index(choose(scores))]

    def _own_classes(self, best: Trial) -> list[type]:
        """The user's own classes in the model, without which its file is not read."""
        if self._build is None:
            return []
        model, settings = self._build(best.params, seed=best.seed)
        if isinstance(settings.get("loss"), Loss):
            model.loss = settings["loss"]
        if isinstance(settings.get("preprocessing"), Transformer):
            model.preprocessing = settings["preprocessing"]
        return own_classes(model)

    @property
    def stages(self) -> list[str]:
        """What each stage did, and what became of the ranges after it, in words."""
        return [stage.text([one for one in self.trials if one.stage == stage.study.stage]) for stage in self._stages]

    @cached_property
    def edges(self) -> list[dict[str, str]]:
        """For each stage, by parameter, the end of its range at which the best trials sit: "lower" or "upper"."""
        found = []
        for stage in self._stages:
            params = [one.params for one in self.ranked if one.stage == stage.study.stage]
            found.append(narrowing.edges(stage.study.settings.space, params))
        return found

    # Views ----------------------------------------------------------------------------------------

    def table(self, rows: int = SHOWN) -> str:
        """Return the best trials as text, then how the others ended, and which processes have some under way.

        Parameters
        ----------
        rows : int, default 10
            Trials to show, at least 1.

        Returns
        -------
        str
            A line for each trial.
        """
        expect_count("table", 1, rows=rows)
        lines = self._cells(rows)
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*(text if self.ranked else []), self._endings()])

    def _cells(self, rows: int) -> list[list[str]]:
        """The cells of a table of the best trials, its heading first."""
        shown = self.ranked[:rows]
        names = list(dict.fromkeys(name for one in shown for name in one.params))
        staged = ["stage"] if len(self._stages) > 1 else []
        lines = [[*staged, "trial", self.metric, "epochs", "seconds", *names]]
        for one in shown:
            stage = [str(one.stage)] if staged else []
            params = [_short(one.params[name]) if name in one.params else "" for name in names]
            lines.append([*stage, str(one.number), _short(one.score), str(one.epochs), f"{one.seconds:.2f}", *params])
        return lines

    def _endings(self) -> str:
        counts = Counter(one.ended for one in self.trials)
        text = ", ".join(f"{n} {ended}" for ended, n in counts.most_common())
        whys = Counter(one.why for one in self.trials if one.ended == UNFINISHED and one.why)
        more = [f"{n} unfinished: {why}" for why, n in whys.most_common(HELD)]
        for ended in (FAILED,) if self.ranked else (FAILED, DIVERGED):
            first = next((one for one in self.trials if one.ended == ended), None)
            if first is not None:
                why = first.why.partition("\n")[0]
                more.append(f"trial {first.number} {ended}: {printable(why, 200)}")
        return "; ".join([f"{several(len(self.trials), 'trial')}: {text}", *more])

    def frame(self) -> Any:
        """Return all trials as a data frame of pandas, which must be installed.

        Returns
        -------
        pandas.DataFrame
            A row for each trial: stage, trial, score, ended, why, epochs, seconds, seed, and the parameters.
        """
        try:
            import pandas
        except ModuleNotFoundError as cause:
            raise ImportError("result.frame() needs pandas: pip install pandas; result.trials is a list") from cause
        return pandas.DataFrame([
            {"stage": one.stage, "trial": one.number, "score": one.score, "ended": one.ended, "why": one.why,
             "epochs": one.epochs, "seconds": one.seconds, "seed": one.seed, **one.params}
            for one in self.trials
        ])  # fmt: skip

    def importance(self, stage: int = 1) -> dict[str, float]:
        """Return how much each parameter matters for the score, by Optuna; the shares add up to 1.

        Parameters
        ----------
        stage : int, default 1
            The stage, whose ranges are widest in the first.

        Returns
        -------
        dict of str to float
            By name, the largest first, of parameters that all finished trials have.

        Raises
        ------
        ValueError
            If fewer than two trials have finished.
        """
        from optuna.importance import get_param_importances

        expect_count("importance", 1, stage=stage)
        if stage > len(self._stages):
            raise ValueError(f"stage is {stage}, but the search has {several(len(self._stages), 'stage')}")
        study = self._stages[stage - 1].study
        if len(study.ranked()) < 2:
            there = "is 1" if study.ranked() else "are 0"
            raise ValueError(f"importance needs at least 2 finished trials, and there {there}")
        found = get_param_importances(study.optuna)
        return {name.rpartition("/")[2]: share for name, share in found.items()}

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Plot the best trials' curves, the score against each parameter, and parallel coordinates of all trials.

        Needs matplotlib (extra `plot`).

        Parameters
        ----------
        path : path, optional
            File to save the figure to.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        from ..plot import save, search_report

        figure: Figure = search_report(self)
        if path is not None:
            save(figure, path)
        return figure

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write a page: the best settings, a table of trials, curves, parameters and their importance, the stages.

        Parameters
        ----------
        path : path
            The HTML file, which needs no network.

        Raises
        ------
        ValueError
            If there are no trials.
        """
        from ..diagnostics.report import report

        report(self, path)

    def __repr__(self) -> str:
        if not self.ranked:
            return f"Result(no trial has finished; {self._endings()})"
        return f"Result(best {self.metric} {self.best_score:.5g} with {self.best_params})\n{self.table(5)}"

    def _repr_html_(self) -> str:
        """The best trials as a table of a notebook."""
        endings = f"<p>{escape(self._endings())}</p>"
        if not self.ranked:
            return endings
        head, *rows = ([escape(printable(cell, LONGEST)) for cell in line] for line in self._cells(SHOWN))
        heading = "".join(f"<th>{cell}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>{endings}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
