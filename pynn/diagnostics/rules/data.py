"""Rules on the data: bad values, labels, leaks, shifts, order, scales."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...typing import Array
from .. import data_checks
from .. import thresholds as at
from ..case import Case
from ..data_checks import View
from ..verdicts import Verdict

COLUMNS = 300  # of a table, at most


def bad_data(case: Case) -> Iterator[Verdict]:
    """Constants, placeholders and outliers in x."""
    part = case.record.train
    if part is not None:
        features = _fitting(case.record.features, part.x)
        view = View.of(part.x, features)
        if part.raw is not None:
            view = View.of(part.raw, _fitting(case.settings.get("columns"), part.raw))
        yield from data_checks.of_values(view, is_table(view.x))
        if part.x.ndim == 2 and part.x.shape[1] <= COLUMNS and len(part.x) >= at.TINY:
            yield from data_checks.of_squeezed(View.of(part.x, features))
        yield from _far(case, part.x, features)
        if case.task == "numbers" and part.y.size == len(part.y):
            yield from data_checks.of_outliers(View.of(part.y, ("y",)), share=0.05)


def _fitting(names: list[str] | None, x: Array) -> list[str] | None:
    """The names if they are those of the columns of x."""
    return names if names is not None and x.ndim == 2 and len(names) == x.shape[1] else None


def _far(case: Case, x: Array, names: list[str] | None) -> Iterator[Verdict]:
    """Single numbers far outside, which the rows that were kept may not hold."""
    least, most = case.facts.get("least"), case.facts.get("most")
    if least is None or most is None or x.ndim != 2 or len(least) != x.shape[1] or len(x) < at.TINY:
        return
    largest = float(np.quantile(np.abs(x), 0.999))
    for edge in (np.array(least), np.array(most)):
        column = int(np.abs(edge).argmax())
        if abs(edge[column]) > at.FAR_OUT * largest > 0:
            where = f"column {column}" if names is None else f"column {names[column]!r}"
            yield Verdict(
                "bad_data", "warning", where,
                f"it goes to {edge[column]:g}, and 99.9 % of all inputs to {largest:.3g} at most",
                "Check that number; correct it, or clip the column.",
            )  # fmt: skip
            return


def is_table(x: Array) -> bool:
    """Whether columns are features of their own, unlike pixels or words."""
    if x.ndim != 2 or x.shape[1] > COLUMNS:
        return False
    tops = x.max(axis=0)
    alike = float(np.mean(tops == np.median(tops)))
    return x.shape[1] < 32 or alike < 0.5


def unscaled_inputs(case: Case) -> Iterator[Verdict]:
    """Inputs far from mean 0 and spread 1, with no normalization behind them."""
    part, layers = case.record.train, case.layers
    if part is None or not case.weighted:
        return
    before = layers[: layers.index(case.weighted[0])]
    if any("Norm" in layer["kind"] or layer["custom"] for layer in before):
        return
    severity = "info" if case.unharmed else "warning"
    yield from data_checks.of_scales(View.of(part.x), is_table(part.x), severity)


def unscaled_targets(case: Case) -> Iterator[Verdict]:
    """Targets of a regression far from mean 0 and spread 1."""
    part = case.record.train
    if part is not None and case.task == "numbers":
        yield from data_checks.of_numbers(np.asarray(part.y, np.float64), "info" if case.unharmed else "warning")


def labels(case: Case) -> Iterator[Verdict]:
    """Constant targets, targets that have nothing to do with x, and many that contradict their neighbours."""
    part = case.record.train
    if part is None:
        return
    if len(np.unique(part.y.reshape(len(part.y), -1), axis=0)) == 1 and len(part.y) > 1:
        yield Verdict("labels", "error", "y", f"all targets are {part.y.flat[0]:g}", "Check how y was read.")
        return
    if len(part.x) < 2 * at.TINY or math.isnan(case.reachable) or case.broken:
        return
    noise = 2.0 / math.sqrt(len(part.x)) if case.task != "numbers" else 0.03
    validated = case.validated if not math.isnan(case.validated) else -math.inf
    if (
        case.reachable < noise
        and validated < max(noise, 0.1)
        and not (math.isnan(case.validated) and case.trained > 0.3 and case.settings["parameters"] < len(part.x))
    ):
        yield Verdict(
            "labels", "warning", "y",
            f"neighbouring rows of x predict y no better than a constant does (skill {case.reachable:.2f} of 1)",
            "Check that each row of y belongs to its row of x: shuffle both together, and look at a few samples.",
        )  # fmt: skip
        return
    yield from _noisy(case)


def _noisy(case: Case) -> Iterator[Verdict]:
    found = case._reference
    part = case.record.train
    if case.task == "numbers" or found is None or part is None or (goals := case.goals(part)) is None:
        return
    goals = goals[found.rows]
    if case.task == "answers":
        if goals.shape[1] > 1:
            return
        goals = np.hstack([goals <= goals.mean(), goals > goals.mean()]).astype(float)
        scores = np.hstack([1 - found.left_out, found.left_out])
    else:
        scores = found.left_out
    own = (scores * goals).sum(axis=1)
    best = scores.max(axis=1)
    second = np.sort(scores, axis=1)[:, -2]
    sure = best - second >= np.median(best - second)
    wrong = float(np.mean((best > own)[sure]))
    share = float(np.mean(best > own))
    if wrong < 0.1 or share < 0.12:
        return
    if case.trained > case.reachable + 0.2 and not case.validated > case.trained:
        return  # learned by heart, or what kernel regression cannot see
    gain = case.validated - case.trained  # validation may be clean
    contradicted = f"{wrong:.0%} of the samples whose neighbours agree clearly have another label than these"
    better = case.validated > case.reachable + at.SHORT  # than kernel regression, which judges here
    noisy = wrong >= at.NOISY and 0.75 * share < wrong and share < 0.5 and not better
    if noisy or gain > at.SHORT_IN_VALIDATION:
        cure = "Look at these samples and correct their labels, or leave them out."
        yield Verdict("labels", "warning", "y", contradicted, cure)


def leakage(case: Case) -> Iterator[Verdict]:
    """Rows of validation that are in the training data."""
    shared = float(case.facts.get("shared", 0.0))
    if shared > at.LEAK:
        yield Verdict(
            "leakage", "warning", "validation", f"{shared:.0%} of its rows are in the training data",
            "Split before samples are repeated or augmented; validation must be new to the model.",
        )  # fmt: skip


def data_mismatch(case: Case) -> Iterator[Verdict]:
    """Validation that was prepared otherwise, or has another distribution."""
    train, held = case.record.train, case.record.validation
    if train is None or held is None:
        return
    apart = next(_missing_class(case), None)
    if apart is not None:
        yield apart
        return
    best = case.reachable if math.isnan(case.trained) else max(case.trained, case.reachable)
    worse = math.isnan(case.validated) or case.validated < best - at.SHORT
    shifts = list(data_checks.of_shift(View.of(train.x), View.of(held.x), worse))
    if shifts:
        yield from shifts
        return
    apart = next(_other_shares(case), None)
    if apart is not None:
        yield apart
        return
    if case.task == "numbers" and train.y.size == len(train.y):
        spread = float(train.y.std())
        shift = abs(float(held.y.mean() - train.y.mean())) / spread if spread else 0.0
        if shift > at.SHIFT_OF_TARGETS and case.validated < case.trained - 0.2:
            yield Verdict(
                "data_mismatch", "warning", "validation",
                f"its targets lie {shift:.1f} spreads from those of training",
                "Take training and validation from the same period and place, or split at random.",
            )  # fmt: skip
            return
    gap = case.reachable - case.reachable_in_validation
    error = 2.5 / math.sqrt(min(len(held.x), len(train.x)))
    if gap > at.OTHER_RELATION + error and case.validated < case.reachable - 0.2:
        yield Verdict(
            "data_mismatch", "warning", "validation",
            f"what holds between x and y in training (skill {case.reachable:.2f}) does not hold there "
            f"({case.reachable_in_validation:.2f})",
            "Prepare validation data as training data: same columns in the same order, same scaling, same labels.",
        )  # fmt: skip


SPLIT = "best with pynn.Split(0.2), which keeps the shares of classes."


def _missing_class(case: Case) -> Iterator[Verdict]:
    """A class that validation should have, and has not."""
    if case.label_counts is None:
        return
    train, held = case.label_counts
    expected = np.where(held == 0, train / train.sum() * held.sum(), 0)
    if expected.max() > at.MISSING_IN_VALIDATION:
        worst = int(expected.argmax())
        yield Verdict(
            "data_mismatch", "warning", "validation",
            f"it has no sample of class {worst}, which makes up {train[worst] / train.sum():.0%} of training",
            f"Shuffle before you split, {SPLIT}",
        )  # fmt: skip


def _other_shares(case: Case) -> Iterator[Verdict]:
    """Classes that are much rarer or more frequent in validation."""
    if case.label_counts is None:
        return
    noise = math.sqrt(sum(len(counts) / counts.sum() for counts in case.label_counts) / 4)
    if case.other_shares > max(at.OTHER_SHARES, 2 * noise):
        yield Verdict(
            "data_mismatch", "warning", "validation",
            f"shares of classes differ from training: {case.other_shares:.0%} of its samples would need another label",
            f"Split at random, {SPLIT}",
        )  # fmt: skip


def order(case: Case) -> Iterator[Verdict]:
    """Samples that come sorted."""
    settings, facts = case.settings, case.facts
    inside, together = facts.get("spread_in_batches", 1.0), facts.get("labels_together", 0)
    one_batch = settings["batches"] is not None and settings["batches"] <= 1
    if (settings["arrays"] and settings["shuffle"]) or one_batch:
        return
    train = facts.get("train", {})
    counts = [count for count in train.get("labels", []) if count]
    if settings["arrays"] and counts:
        changes, total = train["changes"], sum(counts)
        usual = total * (1 - sum((count / total) ** 2 for count in counts))
        if changes < at.SORTED * usual and len(counts) > 1 and total > 10 * len(counts):
            yield Verdict(
                "order", "warning", "y",
                f"neighbouring labels differ {changes} times in {total:,} samples (shuffled: about {usual:.0f} times)",
                "Leave shuffle=False out.",
            )  # fmt: skip
        return
    if settings["arrays"] and train.get("turns", 1.0) < at.SORTED_NUMBERS and train.get("distinct", 0) > 10:
        yield Verdict(
            "order", "warning", "y", f"its numbers turn from rising to falling at {train['turns']:.1%} of the places",
            "Leave shuffle=False out.",
        )  # fmt: skip
    elif inside < at.ALIKE_IN_BATCH and together > 1:
        severity = "info" if case.unharmed else "warning"
        yield Verdict(
            "order", severity, "y", f"targets spread {inside:.2f} times as far in a batch as in all batches together",
            "Shuffle the samples: leave shuffle=False out, or shuffle before you make batches.",
        )  # fmt: skip


def rare_classes(case: Case) -> Iterator[Verdict]:
    """Classes with few samples or none, worth knowing before training."""
    counts = np.array(case.facts.get("train", {}).get("labels", []))
    present = counts[counts > 0]
    if len(present) < 2 or case.facts.get("weighted"):
        return
    if len(present) < len(counts):
        missing = np.flatnonzero(counts == 0)
        yield Verdict(
            "imbalance", "info", "y", f"{len(missing)} of {len(counts)} classes have no sample, such as {missing[0]}",
            "Give the last layer as many units as there are classes.",
        )  # fmt: skip
    elif present.max() > 10 * present.min():
        yield Verdict(
            "imbalance", "info", "y", f"classes have from {present.min():,} to {present.max():,} samples",
            'Watch the recall of rare classes; class_weight="balanced" helps them.',
        )  # fmt: skip
