"""``pynn evaluate MODEL TABLE``: the scores on a table with known targets."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...messages import terminal
from ...messages.counting import several
from ...typing import Array
from .. import confusion, messages, models
from . import columns, files, predict, scores, text, train
from . import target as targets
from .estimators import Predictor
from .reading import quoted


def run(options: argparse.Namespace, model: Any) -> int:
    """Evaluate according to the options; return the exit code."""
    files.expect_libraries()
    table = str(options.dataset)
    predictor = Predictor(model)
    models.set_threads(options.threads)
    name = options.target or predictor.about.get("target")
    if name is None:
        raise ValueError(f"{options.model} does not say what it predicts; name the column: --target COLUMN")
    text_too = [name] if targets.kind(predictor.classes) == columns.CATEGORY else []
    frame, source = predict.read(predictor, table, options.encoding, text_too)
    name = targets.find(frame, name, source)
    truth = targets.known(frame[name], predictor.classes, predictor.about.get("words", ()), source)
    rows = np.flatnonzero(truth.notna().to_numpy(bool))
    if not len(rows):
        raise ValueError(f"{terminal.printable(table)}, column {quoted(name)}: all values are missing")
    if len(rows) < len(frame):
        terminal.say(f"pynn: {several(len(frame) - len(rows), 'row')} without a value of {quoted(name)} left out")
    truth = truth.iloc[rows]
    inputs = predict.prepared(predictor, frame, source).iloc[rows]
    print(messages.filled(f"{options.model} on {several(len(rows), 'row')} of {table}"), end="\n\n")
    if predictor.classes is None:
        y = truth.to_numpy("float64")
        known = {"mean": float(y.mean()), "median": float(np.median(y))} | predictor.about
        found = scores.of_numbers(y, predictor.numbers(inputs), known["mean"], known["median"])
        if predictor.levels:
            print(messages.filled(f"scores of the quantile {predictor.levels[predictor.middle]}"), end="\n\n")
        baseline = train.trivial(predictor, None)
    else:
        y = _codes(predictor, truth, name)
        found, baseline = _classes(predictor, inputs, y)
    print(text.scores(found, baseline, f" of {name}"))
    print(f"\ntest {found[0].spoken} {text.number(found[0].model)}")
    return 0


def _codes(predictor: Predictor, truth: Any, name: str) -> Array:
    """Places of the true classes, -1 for one that the model does not know; ValueError if it knows none."""
    assert predictor.classes is not None
    y = train.codes(truth.to_numpy(object).astype(str), predictor)
    unknown = int(np.count_nonzero(y < 0))
    if unknown == len(y):
        known = ", ".join(map(quoted, predictor.classes[:10]))
        raise ValueError(f"column {quoted(name)}: no value is a class of the model, {known}")
    if unknown:
        has = "has" if unknown == 1 else "have"
        terminal.say(
            f"pynn: {several(unknown, 'row')} of {quoted(name)} {has} a class that the model does not know, which "
            "counts as wrong"
        )
    return y


def _classes(predictor: Predictor, inputs: Any, y: Array) -> tuple[list[scores.Score], str]:
    """The scores, after the confusion matrix, and the baseline."""
    assert predictor.classes is not None
    probabilities = predictor.probabilities(inputs)
    names = list(map(str, predictor.classes))
    if len(names) <= train.MATRIX:
        print(confusion.table(_counts(y, probabilities, len(names)), names, messages.width()), end="\n\n")
    shares = predictor.about.get("shares")
    if shares is None:  # a model that was saved from Python
        shares = np.bincount(y[y >= 0], minlength=len(names)) / np.count_nonzero(y >= 0)
    return scores.of_classes(y, probabilities, np.asarray(shares)), train.trivial(predictor, shares)


def _counts(y: Array, probabilities: Array, classes: int) -> Array:
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (y[y >= 0], probabilities[y >= 0].argmax(axis=1)), 1)
    return counts
