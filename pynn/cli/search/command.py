"""``pynn search``: check everything, do the trials, report, and write the best model with a picture."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pynn

from ...messages import terminal
from ...messages.counting import several
from .. import messages, models, writing
from ..applicable import expect
from ..tables import files
from . import showing
from .applicable import FOR_DATASETS, FOR_TABLES
from .defaults import TRIALS, VALIDATION

if TYPE_CHECKING:
    from ...search import Result, Search


class Job(Protocol):
    """What is searched: samples, a space, and how a trial is made of its parameters."""

    x: Any
    y: Any
    space: Any
    build: Any
    epochs: int

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def metric(self) -> str | None:
        """The score."""

    def print_header(self) -> None:
        """Say what runs, and what it learns from."""

    def finish(self, model: pynn.Sequential) -> tuple[Any, str]:
        """The best model as it is to be saved, and the last line."""


def run(options: argparse.Namespace) -> int:
    """Search according to the options; return the exit code."""
    expect(options, FOR_DATASETS, FOR_TABLES)
    _expect_one_length(options)

    _fill(options)
    table = isinstance(options.dataset, files.TablePath)
    stem = files.stem(str(options.dataset)) if table else options.dataset
    path = Path(options.output or f"{stem}.search.safetensors")
    picture = path.with_suffix(".png") if options.plot else None
    models.set_threads(options.threads)
    with _warned():
        job = _job(options, path, picture, table)
    storage = options.storage or str(path.with_suffix(".log"))
    search = _made(options, job, storage, path)
    shown = _shown(storage)
    if not options.quiet:
        _print_header(options, job, shown)
    try:
        result = _searched(options, job, search, shown)
    except KeyboardInterrupt:
        return _interrupted(search, shown)
    return _ended(options, job, result, path, picture)


def _expect_one_length(options: argparse.Namespace) -> None:
    """ValueError for options that say twice how long the search is."""
    for name in ("trials", "epochs"):
        if options.stages is not None and getattr(options, name) is not None:
            raise ValueError(f"--stages says the {name} of each stage; leave out --{name}")
    if options.stages is None and options.go_on:
        raise ValueError("--go-on is for --stages: there is no stage before this one")
    if options.dask is not None and options.jobs is not None:
        raise ValueError("--dask has as many trials at a time as the cluster has workers; leave out --jobs")
    if options.folds is not None and options.validation is not None:
        raise ValueError("--folds and --validation are two ways to score a trial; leave one of them out")


def _fill(options: argparse.Namespace) -> None:
    options.validation = VALIDATION if options.validation is None else options.validation
    options.drop, options.categorical = options.drop or (), options.categorical or ()


def _job(options: argparse.Namespace, path: Path, picture: Path | None, table: bool) -> Job:
    """What is searched, after a check that the results can be written to these files."""
    if table:
        files.expect_libraries()
        from .tables import Tables  # here: it needs pandas and scikit-learn

        return Tables(options, path, picture)
    from .images import Images

    writing.check_output(path, picture)
    return Images(options)


def _made(options: argparse.Namespace, job: Job, storage: str, path: Path) -> Search:
    from ...search import Search

    url = "://" in storage
    return Search(
        job.build, job.space, job.x, job.y, validation=None if options.folds else options.validation,
        folds=options.folds, metric=job.metric, sampler=options.sampler or "random", pruner=options.pruner,
        storage=storage, name=job.name, folder=f"{path}.models" if url else None,
        jobs=options.dask or options.jobs or 1, seed=options.seed, progress=not options.quiet,
    )  # fmt: skip


def _shown(storage: str) -> str:
    """The storage as it may be shown; a URL may hold a password."""
    from ...search.storage import journal

    return journal.shown(storage)


def _print_header(options: argparse.Namespace, job: Job, storage: str) -> None:
    job.print_header()
    sampler = "from a grid" if options.sampler == "grid" else f"by {options.sampler or 'random'} search"
    length = f"{options.trials or TRIALS} trials of {several(options.epochs or job.epochs, 'epoch')}"
    if options.stages is not None:
        length = ", then ".join(
            f"{several(count, 'trial')} of {several(epochs, 'epoch')}" for count, epochs in options.stages
        )
    jobs = f", {options.jobs} at a time" if (options.jobs or 1) > 1 else ""
    if options.dask is not None:
        jobs = f", in the Dask cluster at {options.dask}"
    print(messages.filled(f"{length} {sampler}{jobs}, kept in {storage}"))
    print(f"\n{showing.space(job.space)}\n", flush=True)


def _searched(options: argparse.Namespace, job: Job, search: Search, storage: str) -> Result:
    """Do the trials that are lacking."""
    from ...search.storage.settings import OtherSettings

    try:
        with _warned():
            if options.stages is not None:
                return search.coarse_to_fine(options.stages, go_on=options.go_on, time=options.time_budget)
            return search.run(options.trials or TRIALS, options.epochs or job.epochs, options.time_budget)
    except OtherSettings as cause:
        raise ValueError(
            f"{storage} holds the search {terminal.printable(job.name)!r} with other settings: "
            f"{cause.changes}; go on with the same, or choose another --storage"
        ) from None
    except RuntimeError as cause:  # the first trials all failed
        raise ValueError(str(cause).partition("\n\nTraceback")[0]) from cause


@contextmanager
def _warned() -> Iterator[None]:
    """Print warnings in one line, but those of the ends of ranges, of which the command has words of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", message=r"the best \d+ of \d+ trials sit at")
        warnings.showwarning = lambda message, *_, **__: terminal.say(f"pynn: {message}")
        yield


def _interrupted(search: Search, storage: str) -> int:
    """Say what there is so far, and how it goes on; return the exit code."""
    try:
        result = search.result
    except ValueError:  # there is no study yet
        terminal.say("pynn: interrupted; no trial had begun")
        return 130
    ended, best = _count_ended(result), ""
    if result.ranked:
        best = f", the best with {result.metric} {result.best_score:.4g} (trial {result.best_trial.number})"
    terminal.say(
        f"pynn: interrupted; {several(ended, 'trial')} {'is' if ended == 1 else 'are'} in "
        f"{storage}{best}; the same command goes on"
    )
    return 130


def _ended(options: argparse.Namespace, job: Job, result: Result, path: Path, picture: Path | None) -> int:
    """Report, test and write; return the exit code."""
    _expect_best(result)
    if not options.quiet:
        _print_trials(job, result)
        _say_edges(result)
        _say_time(options, result)
    try:
        best = result.best_model
    except LookupError as cause:
        raise ValueError(str(cause)) from cause
    model, last = job.finish(best)
    for part in [model] if isinstance(model, pynn.Sequential) else model.parts:
        part.notes["search"] = {
            "params": {name: list(one) if isinstance(one, tuple) else one for name, one in result.best_params.items()},
            result.metric: result.best_score,
        }
    try:
        with writing.without_interrupts():
            writing.save(model, path)
        drawn = _draw(result, picture, options.quiet) if picture is not None else ""
    except KeyboardInterrupt:
        terminal.say(f"pynn: interrupted; the best model ({last}) is in {terminal.printable(path)}")
        return 130
    if not options.quiet:
        print(f"wrote {terminal.printable(path)}{drawn}")
    print(last)
    return 0


def _count_ended(result: Result) -> int:
    return sum(one.ended != "unfinished" for one in result.trials)


def _expect_best(result: Result) -> None:
    """FloatingPointError if all trials diverged; ValueError if none had the time to finish."""
    if result.ranked:
        return
    if _count_ended(result):
        raise FloatingPointError(
            f"no trial has finished, {result.table()}; nothing was written. Lower the range of the learning rate"
        )
    raise ValueError("--time-budget: the time was too short for a trial; raise it, and the same command goes on")


def _say_time(options: argparse.Namespace, result: Result) -> None:
    """Say if the time was over before all trials had ended."""
    planned = sum(count for count, _ in options.stages) if options.stages else options.trials or TRIALS
    if options.time_budget is not None and options.sampler != "grid" and (ended := _count_ended(result)) < planned:
        terminal.say(f"pynn: the time was over after {ended} of {planned} trials; the same command goes on")


def _print_trials(job: Job, result: Result) -> None:
    print(showing.table(result))
    if len(result.spaces) > 1:
        print()
        for sentence in result.stages:
            print(messages.filled(sentence))
    best = result.best_trial
    fold = f"; the model is that of the best of {len(best.folds)} folds" if len(best.folds) > 1 else ""
    print()
    print(messages.filled(f"best: {result.metric} {best.score:.4g} with {showing.params(best.params)}{fold}"))
    if best.again:
        print(messages.filled(f"train it again: {best.again}"))
    print(flush=True)


def _say_edges(result: Result) -> None:
    """Say at which ends of their ranges the best of the last stage sit."""
    from ...search import narrowing

    params = [one.params for one in result.ranked if one.stage == len(result.spaces)]
    for sentence in narrowing.edge_warning(result.spaces[-1], params):
        terminal.say(f"pynn: {sentence}; move the range in --space, or use --stages")


def _draw(result: Result, picture: Path, quiet: bool) -> str:
    """Draw the picture and return " and NAME"; a failure must not affect the result."""
    try:
        from pynn import plot  # here: matplotlib is slow to import, and may be missing
    except ImportError as missing:
        if not quiet:
            print(f"no picture: {missing}")
        return ""
    try:
        plot.save(plot.search_report(result), picture)
    except OSError as cause:
        terminal.say(f"pynn: no picture: {messages.sentence(cause)}")
        return ""
    return f" and {terminal.printable(picture)}"
