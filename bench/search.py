"""Searches: what they cost beside training alone, and what they find.

    pip install ".[search]" scikit-learn matplotlib
    python bench/search.py overhead                    # 100 trials of one step each, by storage
    python bench/search.py many [TRIALS] [--jobs 2]    # a 64-32-10 net, an epoch of digits a trial: trials/s, memory
    python bench/search.py peers [TRIALS]              # the same with plain Optuna and scikit-learn, and with Ray Tune
    PYNN_DATA=folder python bench/search.py book [--picture book.png]   # the book's search, 100 trials of 50 epochs
    PYNN_DATA=folder python bench/search.py jobs [ROUNDS]               # the book's search in one process and in two
    PYNN_DATA=folder python bench/search.py verdicts [STUDIES]          # what is saved by stopping, and what is lost

Source of the book's search: Saito, "Deep Learning from Scratch", 6.5: 500 samples of MNIST, six layers of 100 units,
weight decay 1e-8 to 1e-4, learning rate 1e-6 to 1e-2, of which 1e-3 to 1e-2 is good.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pynn
from pynn.search import Result, Search, integer, log_uniform

warnings.simplefilter("ignore")


# The book's search --------------------------------------------------------------------------------

BOOK = {"weight_decay": log_uniform(1e-8, 1e-4), "learning_rate": log_uniform(1e-6, 1e-2)}


def six_layers(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    hidden = [layer for _ in range(6) for layer in (pynn.Affine(100), pynn.ReLU())]
    settings = {
        "optimizer": pynn.SGD(params["learning_rate"]), "penalty": pynn.L2(params["weight_decay"]), "batch_size": 100,
    }  # fmt: skip
    return pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10)), settings


def book_search(seed: int = 0, **settings: Any) -> Search:
    """500 samples of MNIST, a fifth of them to validate on, drawn by the seed."""
    x, y = pynn.datasets.mnist().train
    rows = np.random.default_rng(seed).permutation(len(x))[:500]
    return Search(six_layers, BOOK, x[rows], y[rows], seed=1000 * seed, progress=False, **settings)


def book(options: argparse.Namespace) -> None:
    begun = time.perf_counter()
    result = book_search(jobs=options.jobs).run(trials=100, epochs=50)
    print(f"{time.perf_counter() - begun:.1f} s; {epochs(result)} of 5000 epochs; {ended(result)}")
    print(result.table(20))
    rates = [trial.params["learning_rate"] for trial in result.ranked[:10]]
    print(f"learning rates of the best 10: {min(rates):.1e} to {max(rates):.1e}; the book: 1e-3 to 1e-2")
    if options.picture:
        result.plot(options.picture)


def jobs(options: argparse.Namespace) -> None:
    ratios = []
    for seed in range(options.number or 3):
        searches = [book_search(seed, jobs=count, stop=False) for count in (1, 2)]
        one, two = (seconds(lambda search=search: search.run(trials=100, epochs=50)) for search in searches)
        ratios.append(one / two)
        print(f"one process {one:.1f} s, two {two:.1f} s: {one / two:.2f} times", flush=True)
    print(f"median {statistics.median(ratios):.2f} times")


def verdicts(options: argparse.Namespace) -> None:
    """Each study to the end and with stopping: a trial is the same in both up to where it is stopped."""
    saved, lost = [], 0
    for seed in range(options.number or 20):
        whole = book_search(seed, stop=False, jobs=options.jobs).run(trials=100, epochs=50)
        stopped = book_search(seed, jobs=options.jobs).run(trials=100, epochs=50)
        early = [trial.number for trial in stopped.trials if trial.ended != "finished"]
        ranks = {trial.number: rank for rank, trial in enumerate(whole.ranked, 1)}
        best = min((ranks.get(number, len(ranks)) for number in early), default=None)
        gone = [trial.number for trial in whole.ranked[:5] if trial.number in early]
        saved.append(1 - epochs(stopped) / epochs(whole))
        lost += len(gone)
        print(
            f"study {seed}: {len(early)} ended early, {saved[-1]:.0%} of the epochs saved; the best of them "
            f"would have been number {best}; lost of the best five: {gone or 'none'}",
            flush=True,
        )
    print(f"{len(saved)} studies: {np.mean(saved):.0%} saved ({min(saved):.0%} to {max(saved):.0%}), {lost} lost")


# Cost ---------------------------------------------------------------------------------------------


def one_step(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Affine(params["units"]), pynn.ReLU(), pynn.Affine(2))
    return model, {"optimizer": pynn.Adam(params["learning_rate"]), "batch_size": 32}


def overhead(options: argparse.Namespace) -> None:
    x = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    y = np.arange(40) % 2
    space = {"units": integer(4, 16), "learning_rate": log_uniform(1e-4, 1e-1)}

    def run(storage: str | None, trials: int) -> None:
        Search(one_step, space, x, y, storage=storage, progress=False).run(trials=trials, epochs=1)

    run(None, 2)  # imports
    for name in ("memory", "journal file", "SQLite"):
        took = []
        for _ in range(options.number or 5):
            with tempfile.TemporaryDirectory() as folder:
                storage = {"memory": None, "journal file": f"{folder}/study.log", "SQLite": f"sqlite:///{folder}/a.db"}
                took.append(seconds(lambda storage=storage[name]: run(storage, 100)))
        print(f"{name}: 100 trials of one step in {statistics.median(took):.2f} s ({min(took):.2f} to {max(took):.2f})")


DIGITS = {"learning_rate": log_uniform(1e-4, 1e-1), "weight_decay": log_uniform(1e-7, 1e-3)}


def small(params: dict[str, Any]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(32), pynn.ReLU(), pynn.Affine(10))
    settings = {
        "optimizer": pynn.Adam(params["learning_rate"]), "penalty": pynn.L2(params["weight_decay"]), "batch_size": 32,
    }  # fmt: skip
    return model, settings


def many(options: argparse.Namespace) -> None:
    trials = options.number or 20_000
    search = Search(small, DIGITS, *pynn.datasets.digits().train, jobs=options.jobs, storage=options.storage,
                    progress=False)  # fmt: skip
    search.run(trials=20, epochs=1)
    before, begun = 20, time.perf_counter()
    print(f"{before} trials: {resident():.0f} MB")
    for part in range(1, 11):
        count = max(trials * part // 10, before)
        took = seconds(lambda count=count: search.run(trials=count, epochs=1))
        print(f"{count} trials: {(count - before) / took:.0f} a second, {resident():.0f} MB", flush=True)
        before = count
    print(f"{options.jobs} process(es): {(before - 20) / (time.perf_counter() - begun):.1f} trials a second")


def peers(options: argparse.Namespace) -> None:
    trials = options.number or 500
    x, y = pynn.datasets.digits().train
    search = Search(small, DIGITS, x, y, jobs=options.jobs, progress=False)
    search.run(trials=20, epochs=1)
    took = seconds(lambda: search.run(trials=20 + trials, epochs=1))
    print(f"pynn.search, {options.jobs} process(es): {trials / took:.1f} trials a second")
    x = x.reshape(len(x), -1) / np.float32(255 if x.dtype == np.uint8 else 1)
    parts = x[: len(x) * 4 // 5], y[: len(x) * 4 // 5], x[len(x) * 4 // 5 :], y[len(x) * 4 // 5 :]
    took = seconds(lambda: with_optuna(trials, parts, options.jobs))
    print(f"Optuna and scikit-learn's MLPClassifier, n_jobs={options.jobs}: {trials / took:.1f} trials a second")
    try:
        import ray  # noqa: F401
    except ImportError:
        print("Ray Tune: not installed")
        return
    few = min(trials, 100)
    print(f"Ray Tune and scikit-learn's MLPClassifier: {few / with_ray(few, parts):.1f} trials a second")


def accuracy(params: dict[str, float], parts: tuple[Any, ...], seed: int) -> float:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (32,), learning_rate_init=params["learning_rate"], alpha=params["weight_decay"], max_iter=1, batch_size=32,
        random_state=seed,
    )  # fmt: skip
    return float(model.fit(parts[0], parts[1]).score(parts[2], parts[3]))


def with_optuna(trials: int, parts: tuple[Any, ...], jobs: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))

    def score(trial: Any) -> float:
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-7, 1e-3, log=True),
        }
        return accuracy(params, parts, trial.number)

    study.optimize(score, n_trials=trials, n_jobs=jobs)


def with_ray(trials: int, parts: tuple[Any, ...]) -> float:
    """Seconds of the trials, without those of Ray's own start."""
    import ray
    from ray import tune

    ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    shared = ray.put(parts)

    def score(params: dict[str, float]) -> dict[str, float]:
        return {"score": accuracy(params, ray.get(shared), 0)}

    space = {"learning_rate": tune.loguniform(1e-4, 1e-1), "weight_decay": tune.loguniform(1e-7, 1e-3)}
    tuner = tune.Tuner(
        score, param_space=space,
        tune_config=tune.TuneConfig(num_samples=trials, metric="score", mode="max"),
        run_config=tune.RunConfig(verbose=0),
    )  # fmt: skip
    took = seconds(tuner.fit)
    ray.shutdown()
    return took


# Figures ------------------------------------------------------------------------------------------


def seconds(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def epochs(result: Result) -> int:
    return sum(trial.epochs for trial in result.trials)


def ended(result: Result) -> str:
    kinds = [trial.ended for trial in result.trials]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


def resident() -> float:
    """Megabytes of this process in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


COMMANDS = {run.__name__: run for run in (overhead, many, peers, book, jobs, verdicts)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("number", nargs="?", type=int, help="of trials, rounds or studies")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--storage", help="of `many`: a journal file or a URL (default: memory)")
    parser.add_argument("--picture", help="of `book`: where to draw it")
    chosen = parser.parse_args()
    COMMANDS[chosen.command](chosen)
