"""pynn.sklearn's MLPClassifier and MLPRegressor beside scikit-learn's, at equal settings: seconds of fit, and scores.

python bench/mlp.py [runs]

The estimators take turns, 5 times by default; the table has medians. PYNN_BENCH_THREADS is the number of threads of
both, 2 by default. X is float64, scikit-learn's usual; its MLP is also timed on a float32 copy, as pynn trains in
float32. A predicted row is a NumPy array (1, D).
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits, make_classification, make_regression
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import pynn
from pynn import sklearn as ours

THREADS = int(os.environ.get("PYNN_BENCH_THREADS", "2"))


def tables() -> dict[str, tuple[str, Any, Any, dict[str, Any]]]:
    """Name: the estimator's name, X, y, and its arguments. All epochs are trained."""
    digits = load_digits()
    wide = make_classification(
        50_000, 100, n_informative=30, n_redundant=20, n_classes=5, class_sep=1.5, random_state=0
    )
    numbers, prices = make_regression(50_000, 100, n_informative=30, noise=10, random_state=0)
    return {
        "digits, 200 epochs": ("MLPClassifier", digits.data / 16, digits.target, {"max_iter": 200}),
        "50,000 x 100, 5 classes, 10 epochs": ("MLPClassifier", *wide, {"max_iter": 10}),
        "50,000 x 100, 5 classes, 512-256, 3 epochs": (
            "MLPClassifier", *wide, {"max_iter": 3, "hidden_layer_sizes": (512, 256)},
        ),
        "50,000 x 100, numbers, 10 epochs": ("MLPRegressor", numbers, prices / prices.std(), {"max_iter": 10}),
    }  # fmt: skip


def seconds(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def row_time(estimator: Any, row: Any, calls: int = 300) -> float:
    """Microseconds of one prediction."""
    estimator.predict(row)
    return min(seconds(lambda: [estimator.predict(row) for _ in range(calls)]) for _ in range(5)) / calls * 1e6


def main(runs: int) -> None:
    warnings.simplefilter("ignore")  # that training has not converged
    pynn.set_num_threads(THREADS)
    print(f"{pynn.info()}\n{THREADS} threads, medians of {runs} runs in turns\n")
    print("| table | scikit-learn, s | on float32, s | pynn, s | in float64, s | times as fast | scores | a row, µs |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (kind, X, y, settings) in tables().items():
        settings = {"tol": 0, "n_iter_no_change": 10_000, "random_state": 0, **settings}
        theirs, mine = getattr(neural_network, kind), getattr(ours, kind)
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
        contestants = [
            (theirs(**settings), X), (theirs(**settings), X.astype(np.float32)), (mine(**settings), X),
            (mine(dtype="float64", **settings), X),
        ]  # fmt: skip
        times: list[list[float]] = [[] for _ in contestants]
        for _ in range(runs):
            for (estimator, data), taken in zip(contestants, times, strict=True):
                taken.append(seconds(partial(estimator.fit, data, y)))
        scores = [estimator.score(X_test, y_test) for estimator, _ in contestants]
        first, single, fast, exact = map(median, times)
        rows = [row_time(estimator, X_test[:1]) for estimator in (contestants[0][0], contestants[2][0])]
        print(
            f"| {name} | {first:.2f} | {single:.2f} | {fast:.3f} | {exact:.3f} | {first / fast:.1f} "
            f"| {scores[0]:.4f} and {scores[2]:.4f} | {rows[0]:.0f} and {rows[1]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    if os.environ.pop("OPENBLAS_CORETYPE", None):  # it may keep OpenBLAS from the processor's best instructions
        os.execv(sys.executable, [sys.executable, *sys.argv])
    with threadpool_limits(THREADS):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
