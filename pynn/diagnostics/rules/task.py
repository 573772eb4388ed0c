"""Rules on the task: loss and last layer beside the targets, and classes that are never predicted."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...typing import Array
from .. import thresholds as at
from ..case import Case
from ..record import Part
from ..verdicts import Verdict

NUMERIC = ("SquaredError", "AbsoluteError", "Huber")


def wrong_loss(case: Case) -> Iterator[Verdict]:
    """A loss for another kind of target, or with a wrong gradient."""
    yield from _custom(case)
    name, facts = case.settings["loss"], case.facts.get("train", {})
    if name in NUMERIC and facts.get("whole") and 2 < facts["distinct"] <= 20 and len(facts["mean"]) == 1:
        classes, amounts = case.as_classes_and_amounts
        common = case.share_of_one_target
        if classes > max(amounts + at.UNORDERED, common + 0.3 * (1 - common)):
            yield Verdict(
                "wrong_loss", "warning", name,
                f"targets are {facts['distinct']} whole numbers without an order: neighbours predict {classes:.0%} of "
                f"them as classes, {amounts:.0%} as rounded amounts",
                f'Use pynn.Affine({facts["distinct"]}) as last layer and loss="softmax_cross_entropy".',
            )  # fmt: skip
    counts = [count for count in facts.get("labels", []) if count]
    if counts and len(counts) > 30 and float(np.median(counts)) < 8 and facts["count"] > 60 and case.labels_are_amounts:
        yield Verdict(
            "wrong_loss", "warning", name,
            f"{len(counts)} classes have {np.median(counts):g} samples each: they look like amounts",
            'Use pynn.Affine(1) as last layer and loss="l2" on standardized targets.',
        )  # fmt: skip
    if name == "BinaryCrossEntropy" and facts.get("one_hot") and facts["distinct"] == 2:
        yield Verdict(
            "wrong_loss", "warning", name, "every sample has exactly one class, and each output is judged alone",
            'Use loss="softmax_cross_entropy".',
        )  # fmt: skip
    if name.startswith("Binary") and len(facts.get("mean", [])) == 1 and facts["distinct"] == 3:
        yield Verdict(
            "wrong_loss", "warning", name, "targets are three different numbers, not yes and no",
            'For classes use pynn.Affine(3) and loss="softmax_cross_entropy", for amounts loss="l2".',
        )  # fmt: skip
    elif name == "BinaryCrossEntropy" and len(facts.get("mean", [])) == 1 and facts["distinct"] > 20 and case.suffers:
        yield Verdict(
            "wrong_loss", "warning", name, f"targets are numbers from {facts['least']:g} to {facts['largest']:g}",
            'Use loss="l2".',
        )  # fmt: skip
    if name == "AbsoluteError" and case.suffers and case.share_of_one_target >= 0.5:
        yield Verdict(
            "wrong_loss", "warning", name,
            f"{case.share_of_one_target:.0%} of the targets are equal: they are the median, which this loss predicts",
            'Use loss="l2", or "huber", to predict means.',
        )  # fmt: skip


def _custom(case: Case) -> Iterator[Verdict]:
    """A loss of the user's own."""
    facts, name = case.facts, case.settings["loss"]
    error, gradient = facts.get("loss_gradient_error"), facts.get("loss_gradient")
    if gradient == 0 or (error is not None and error > at.GRADIENT_ERROR):
        evidence = (
            "its gradient is 0" if gradient == 0 else f"its gradient differs from the slope of its value by {error:.0%}"
        )
        yield Verdict(
            "wrong_loss", "info" if case.learned and not math.isnan(case.trained) else "error", name, evidence,
            "Correct backward(): it returns the derivative of the mean that forward() returns; "
            "pynn.diagnostics.gradient_check compares them.",
        )  # fmt: skip
        return
    targets = facts.get("train", {})
    if facts.get("sums_to_zero") and targets.get("distinct") == 2 and targets["whole"] and targets["sum"][1] > 1:
        low, high = targets["sum"]
        yield Verdict(
            "wrong_loss", "warning", name,
            f"its gradient adds up to 0 over the outputs, as for one class out of many, but samples have {low:g} to "
            f"{high:g} of them",
            'Judge each answer alone: loss="binary_cross_entropy".',
        )  # fmt: skip
        return
    least, constant = facts.get("loss_at_targets"), case.baseline
    pairs = facts.get("separable") is False  # samples are mixed with each other, as broadcasting does
    if pairs and least is not None and math.isfinite(constant) and least > constant - 0.05 * abs(constant):
        yield Verdict(
            "wrong_loss", "error", name,
            f"it is {least:.3g} where outputs equal the targets, and {constant:.3g} for a constant",
            "Correct forward(): check the shapes first, since (N, 1) minus (N,) is a matrix.",
        )  # fmt: skip


def amounts_for_classes(case: Case) -> Iterator[Verdict]:
    """A loss of numbers for classes, where the model does badly and nothing else is wrong."""
    name, facts = case.settings["loss"], case.facts.get("train", {})
    if name in NUMERIC and facts.get("whole") and (case.suffers or (facts["one_hot"] and case.behind_in_choice)):
        two = facts["distinct"] == 2 and len(facts["mean"]) == 1 and facts["least"] in (0, -1) and facts["largest"] == 1
        if facts["one_hot"] or two:
            kind = "one-hot vectors" if facts["one_hot"] else f"{facts['least']:g} and {facts['largest']:g}"
            cure = "softmax_cross_entropy" if facts["one_hot"] else "binary_cross_entropy"
            yield Verdict(
                "wrong_loss", "warning", name, f"targets are {kind}, classes and not amounts",
                f'Use loss="{cure}", with a last layer that gives scores.',
            )  # fmt: skip


def wrong_last_layer(case: Case) -> Iterator[Verdict]:
    """An activation at the end that cuts off targets, or a number of outputs that does not suit them."""
    facts = case.facts.get("train", {})
    yield from _range(case)
    labels = facts.get("labels")
    if labels:
        present = np.flatnonzero(labels)
        unused = len(labels) - 1 - int(present[-1]) if len(present) else 0
        if len(present) > 1 and unused >= 2 and unused >= 0.3 * len(labels):
            yield Verdict(
                "wrong_last_layer", "warning", _last_name(case),
                f"it has {len(labels)} outputs, but labels go up to {present[-1]}",
                f"Use pynn.Affine({present[-1] + 1}).",
            )  # fmt: skip


def _last_name(case: Case) -> str:
    return str(case.layers[-1]["name"]) if case.layers else "the last layer"


RANGES = {"sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, math.inf)}


def _range(case: Case) -> Iterator[Verdict]:
    """Targets of a regression outside what the last activation can give."""
    facts, function = case.facts.get("train", {}), _last_function(case)
    if case.task != "numbers" or "least" not in facts or function not in RANGES or case.settings["custom_loss"]:
        return
    if case.settings["family"] == "amounts":
        return  # outputs are logarithms
    low, high = RANGES[function]
    beyond, spread = max(low - facts["least"], facts["largest"] - high), max(facts["spread"])
    sums = facts.get("sum", (1, 1))
    severity, evidence, cure = "warning", "", f"Leave {function} out at the end."
    if function == "softmax" and case.settings["outputs"] == [1]:
        severity, evidence = "error", "softmax over one output is always 1"
    elif function == "softmax" and (sums[1] > 1.05 or sums[0] < 0.5):
        severity = "error"
        evidence = f"outputs of softmax add up to 1, but targets of a sample add up to {sums[0]:.3g} to {sums[1]:.3g}"
        cure = 'For several answers per sample leave it out, and use loss="binary_cross_entropy".'
    elif beyond > at.CUT_OFF * spread:
        severity = "error" if beyond > spread else "warning"
        goals = f"{facts['least']:.4g} to {facts['largest']:.4g}"
        evidence = f"{function} gives {low:g} to {high:g}, but targets go from {goals}"
    elif case.suffers and function == "relu" and (zero := _share_of_zeros(case)) > 0.5:
        evidence = f"relu gives 0 for {zero:.0%} of the samples, where no gradient passes"
    elif case.suffers and function != "relu" and not _classes(case):
        evidence = f"{function} bounds the outputs of a regression"
    if evidence:
        yield Verdict("wrong_last_layer", severity, _last_name(case), evidence, cure)


def _last_function(case: Case) -> str:
    """The activation at the end of the model; "" if there is none."""
    for layer in reversed(case.layers):
        if layer["activation"] or layer["kind"] == "Softmax":
            return str(layer["activation"] or "softmax")
        if layer["parameters"]:
            break
    return ""


def _share_of_zeros(case: Case) -> float:
    part = case.record.train
    return 0.0 if part is None or part.outputs is None else float(np.mean(part.outputs == 0))


def _classes(case: Case) -> bool:
    facts = case.facts["train"]
    return bool(facts["one_hot"] or facts["distinct"] <= 2)


def imbalance(case: Case) -> Iterator[Verdict]:
    """Rare classes that are never predicted."""
    part = case.record.train
    if part is None or part.outputs is None or not np.isfinite(part.outputs).all() or case.reachable < 0.15:
        return  # below that nothing tells the classes apart
    limit = at.MISSED_BELOW if case.behind("recall") > at.SHORT_IN_VALIDATION else at.MISSED
    missed, of = [], 0
    for name, right, chosen, usual in _choices(case, part):
        share = float(np.mean(right))
        of += 1
        enough = 3 if limit == at.MISSED else 10
        if 0 < share <= at.RARE * usual and right.sum() >= enough and float(np.mean(chosen[right])) < limit:
            missed.append((share, name, float(np.mean(chosen[right]))))
    if missed and (case.task == "labels" or len(missed) >= of / 8):
        share, name, recall = min(missed)
        yield Verdict(
            "imbalance", "warning", name,
            f"{share:.1%} of the samples have it, and {recall:.0%} of these are found",
            'Pass class_weight="balanced" to fit, and judge by recall or f1 of each class.',
        )  # fmt: skip


def _choices(case: Case, part: Part) -> Iterator[tuple[str, Array, Array, float]]:
    """Name, which rows have it, which are predicted to have it, and the share of the most frequent, for each class."""
    assert part.outputs is not None
    outputs = part.outputs.reshape(len(part.y), -1)
    if case.task == "labels" and part.y.ndim == 1:
        labels, predicted = part.y.astype(int), outputs.argmax(axis=1)
        usual = float(np.bincount(labels).max() / len(labels))
        for place in np.unique(labels).tolist():
            yield f"class {place}", labels == place, predicted == place, usual
    elif case.task == "answers":
        yes = part.y.reshape(outputs.shape) > 0.5 * (part.y.min() + part.y.max())
        for column in range(outputs.shape[1]):
            right, chosen = yes[:, column], outputs[:, column] > case.middle
            share = float(right.mean())
            label = "" if outputs.shape[1] == 1 else f" to question {column}"
            yield f"yes{label}", right, chosen, 1 - share
            yield f"no{label}", ~right, ~chosen, share
