"""Runs experiments, one process pool for all of them, and keeps every result as it comes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import pynn

from .experiment import Experiment, Result, read
from .outcome import Outcome
from .store import Store, plain

Done = Callable[[str, int], None]


def outcomes(
    experiments: Iterable[Experiment],
    folder: Path,
    *,
    seeds: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    again: bool = False,
    done: Done = lambda name, seed: None,
) -> Iterator[Outcome]:
    """Yield the outcome of each experiment as soon as its last seed is done, in the order in which that happens.

    done: called after each run, and at once for those that are kept.
    """
    named = {experiment.name: experiment for experiment in experiments}
    stores = {name: Store(folder, experiment, quick) for name, experiment in named.items()}
    missing: list[tuple[str, int]] = []
    left: dict[str, int] = {}
    for name, experiment in named.items():
        wanted = range(chosen_seeds(experiment, seeds, quick))
        lacking = [seed for seed in wanted if again or stores[name].get(seed) is None]
        left[name] = len(lacking)
        missing += [(name, seed) for seed in lacking]
        for seed in set(wanted) - set(lacking):
            done(name, seed)

    def outcome(name: str) -> Outcome:
        wanted = range(chosen_seeds(named[name], seeds, quick))
        runs = {seed: run for seed in wanted if (run := stores[name].get(seed)) is not None}
        results = {seed: result for seed, (result, _) in runs.items()}
        return Outcome(named[name], results, sum(seconds for _, seconds in runs.values()), quick)

    yield from (outcome(name) for name, count in left.items() if not count)
    for name, seed, result, seconds in _ran(missing, quick, jobs):
        stores[name].put(seed, result, seconds)
        done(name, seed)
        left[name] -= 1
        if not left[name]:
            yield outcome(name)


def chosen_seeds(experiment: Experiment, seeds: int | None, quick: bool) -> int:
    """How many repetitions: the caller's number, else the experiment's, three in the short form."""
    return seeds if seeds is not None else min(experiment.seeds, 3) if quick else experiment.seeds


def _ran(tasks: list[tuple[str, int]], quick: bool, jobs: int) -> Iterator[tuple[str, int, Result, float]]:
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        for name, seed in tasks:
            yield name, seed, *_run(name, seed, quick)
        return
    threads = max(1, pynn.get_num_threads() // jobs)
    with _threads_of_workers(threads):
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _leave_interrupts)
        try:
            futures: dict[Future[Any], tuple[str, int]] = {
                pool.submit(_run, name, seed, quick, threads): (name, seed) for name, seed in tasks
            }
            for future in as_completed(futures):
                yield *futures[future], *future.result()
        except BaseException:  # Ctrl-C, an error, or a caller that has seen enough: nobody waits for the runs under way
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches the workers too; only their parent answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _threads_of_workers(threads: int) -> Iterator[None]:
    """NumPy's products in the workers take the same number of threads; they read it when they start."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _run(name: str, seed: int, quick: bool, threads: int | None = None) -> tuple[Result, float]:
    if threads is not None:
        pynn.set_num_threads(threads)
    started = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # experiments do on purpose what pynn warns of
        result = plain(dict(read(name).run(seed, quick)))
    return result, time.perf_counter() - started


def run(name: str, *, seeds: int | None = None, quick: bool = False, jobs: int = 1) -> Outcome:
    """Run an experiment of the lab.

    Parameters
    ----------
    name : str
        One of `names()`.
    seeds : int, optional
        Repetitions, each with another seed; by default those of the experiment, mostly 5.
    quick : bool, default False
        The short form: less data, fewer steps, 3 seeds. Its verdicts may differ.
    jobs : int, default 1
        Processes that run seeds at the same time.

    Returns
    -------
    Outcome
        Its `verdicts` have the figures of each claim and whether it holds.

    Raises
    ------
    ValueError
        For an unknown name, with a suggestion.
    FileNotFoundError
        If the experiment needs a data set that is not there.

    Examples
    --------
    >>> outcome = pynn.lab.run("zero-init", quick=True)
    >>> [verdict.holds for verdict in outcome.verdicts]
    """
    from .contents import find

    with TemporaryDirectory() as folder:
        (outcome,) = outcomes([find(name)], Path(folder), seeds=seeds, quick=quick, jobs=jobs)
    return outcome
