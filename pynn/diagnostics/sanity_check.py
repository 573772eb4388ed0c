"""sanity_check: what can be seen before training, as a table of findings."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..callbacks import progress as progresses
from ..data.batches import Samples
from ..losses import Loss
from ..models.sequential import Sequential
from ..optimizers import Adam, Optimizer
from ..preprocessing import Transformer
from ..regularizers import L2, Penalty
from ..training.validation import Validation
from ..typing import Array
from .case import Case
from .monitor import Monitor
from .record import Record
from .rules.causes import before_training
from .verdicts import Verdicts

FEW = 20  # samples that any sound model learns by heart
RATES = (0.003, 0.03, 0.0003)
LEARNED = 0.03  # of the loss of constant outputs


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Parameters
    ----------
    check : str
        What was looked at.
    passed : bool
        Whether it is as it should be.
    expected, measured : str
        In figures.
    advice : str
        What to do if it did not pass; "" otherwise.
    """

    check: str
    passed: bool
    expected: str
    measured: str
    advice: str = ""


@dataclass(frozen=True, eq=False)
class SanityCheck:
    """The result of `sanity_check`; true if everything passed. Printed, it is a table.

    Parameters
    ----------
    findings : tuple of Finding
        In the order of the checks.
    verdicts : Verdicts
        What can be said of data and model without a step, in the words of `diagnose`.
    """

    findings: tuple[Finding, ...]
    verdicts: Verdicts

    @property
    def passed(self) -> bool:
        """Whether every check passed, and no verdict is a warning or an error."""
        return not self.verdicts and all(finding.passed for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        rows = [("", "check", "expected", "measured")]
        rows += [("ok" if one.passed else "NO", one.check, one.expected, one.measured) for one in self.findings]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for place, row in enumerate(rows):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
            if place and self.findings[place - 1].advice:
                lines.append(f"    {self.findings[place - 1].advice}")
        return "\n".join([*lines, "", str(self.verdicts)])

    __repr__ = __str__


def sanity_check(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    *,
    validation: Validation | None = None,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer | None = None,
    penalty: Penalty | None = None,
    batch_size: int | None = None,
    class_weight: Any = None,
    preprocessing: Transformer | None = None,
    target_preprocessing: Transformer | None = None,
    shuffle: bool = True,
    steps: int = 1000,
    seed: int | None = None,
    progress: bool | str = "auto",
) -> SanityCheck:
    """Check data, model and loss before training; nothing is changed.

    Parameters
    ----------
    model : Sequential
        Built or not. A copy of it is measured and trained.
    x, y : array (N, ...)
        Training data, as for `fit`.
    validation, loss, optimizer, penalty, batch_size, class_weight, preprocessing, target_preprocessing : optional
        As for `fit`.
    shuffle : bool, default True
        As for `fit`.
    steps : int, default 1000
        Most steps in which a copy may learn 20 samples by heart.
    seed : int, optional
        As for `fit`.
    progress : bool or str, default "auto"
        A bar: True, False, or "auto": on a terminal, where it takes more than a second.

    Returns
    -------
    SanityCheck
        A table of what was expected and measured, and verdicts on data and model; true if all is well.

    Raises
    ------
    ValueError or TypeError
        For data or settings that do not fit.

    Notes
    -----
    Three checks need the model. The first loss is compared with that of constant outputs: ln C for
    softmax_cross_entropy over C classes (2.303 for 10), C - 1 for hinge, ln 2 for binary_cross_entropy, the variance of
    y for l2. A penalty has to raise the loss. And 20 samples have to be learned by heart, with dropout,
    noise and penalties off: a model that cannot do that has a fault. The verdicts come from the data and the structure
    of the model alone: scales, constants, placeholders, labels, order, rows in both parts, last layer, missing
    activations, first weights and so on. More parameters than samples are no fault.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3: Learning and Evaluation".

    Examples
    --------
    >>> print(pynn.diagnostics.sanity_check(model, x, y, validation=(x_val, y_val)))
    """
    checks.expect_count("", 1, steps=steps)
    progresses.expect_shown(progress)
    if y is None:
        raise TypeError(
            "sanity_check needs arrays x and y, not an iterable of batches: pass the samples of some batches"
        )
    twin = copy.deepcopy(model)
    monitor = Monitor()
    own = optimizer is None or optimizer is model.optimizer  # the copy has its own copy of it
    twin.fit(
        x, y, validation=validation, loss=copy.deepcopy(loss), optimizer=None if own else copy.deepcopy(optimizer),
        penalty=penalty, batch_size=batch_size, class_weight=class_weight, preprocessing=preprocessing,
        target_preprocessing=target_preprocessing, shuffle=shuffle, seed=seed, epochs=0,
        callbacks=[monitor], progress=False,
    )  # fmt: skip
    record = monitor.record
    assert record is not None  # arrays build the model, so that the Monitor begins
    with np.errstate(all="ignore"):
        case = Case(record)
        verdicts = before_training(case)
        findings = [_first_loss(case), _penalized(twin, record, penalty), _by_heart(twin, record, steps, progress)]
    return SanityCheck(tuple(finding for finding in findings if finding is not None), verdicts)


def _first_loss(case: Case) -> Finding | None:
    expected, measured = case.baseline, case.first.loss
    if not math.isfinite(expected):
        return None
    name, classes = case.settings["loss"], case.settings["classes"]
    formula = {"SoftmaxCrossEntropy": f"ln {classes}", "BinaryCrossEntropy": "ln 2 per output"}.get(name, "")
    if name == "Hinge":
        formula = f"{classes} - 1"
    if case.task == "numbers":
        formula = "of the best constant"
    passed = 0.4 * expected <= measured <= 2.5 * expected + 0.1 or (case.task == "numbers" and measured < expected)
    advice = "" if passed else "Check the loss, the scale of inputs and targets, and the first weights."
    return Finding(
        "first loss", passed, f"about {expected:.4g} ({formula})".replace(" ()", ""), f"{measured:.4g}", advice
    )


def _penalized(model: Sequential, record: Record, penalty: Penalty | None) -> Finding:
    """Whether a penalty raises the loss: the run's own, or an L2."""
    own = penalty is not None or model.has_penalties
    value = record.snapshots[0].penalty if own else L2(0.001).value(model)
    plain = record.snapshots[0].loss
    name = "" if own else " by L2(0.001)"
    passed = math.isfinite(value) and value > 0
    advice = "" if passed else "The strength of the penalty is 0, or all weights are 0."
    return Finding(f"regularization raises it{name}", passed, f"over {plain:.4g}", f"{plain + value:.4g}", advice)


def _by_heart(model: Sequential, record: Record, steps: int, progress: bool | str) -> Finding:
    """Train copies on a few samples until they are known by heart."""
    assert record.train is not None
    places = few(record.train.y, FEW)
    x, y = record.train.x[places], record.train.y[places]
    best: tuple[float, float, int] = (math.inf, 0.0, 0)
    constant = record.facts["baseline"]
    least = model.loss._least(y)
    scale = abs(constant if math.isfinite(constant) else record.snapshots[0].loss)
    goal = floor(record.settings) + least + LEARNED * scale
    for rate in RATES:
        twin = copy.deepcopy(model)
        without_regularization(twin)
        with progresses.bar(f"{len(x)} samples by heart, rate {rate:g}", steps, progress) as bar:
            best = min(best, _trained(twin, Samples(x, y, None), rate, steps, goal, bar.update))
        if best[0] <= goal:
            break
    loss, right, taken = best
    labelled = not math.isnan(right)
    passed = loss <= goal and (right == 1 or not labelled)
    measured = f"loss {loss:.2g}" + (f", accuracy {right:.2f}" if labelled else "") + f" after {taken} steps"
    expected = ("loss 0" if not least else f"loss {goal:.2g}") + (", accuracy 1" if labelled else "")
    advice = (
        "" if passed else "Something keeps the model from learning: loss, gradients (gradient_check), last layer, y."
    )
    return Finding(f"{len(x)} samples are learned by heart", passed, expected, measured, advice)


def few(y: Array, count: int) -> Array:
    """Places of some rows, of all classes if they are labels, that do not contradict each other."""
    flat = y.reshape(len(y), -1)
    _, first = np.unique(flat, axis=0, return_index=True)
    chosen = first[:count] if len(first) <= count else np.array([], np.int64)
    rest = [place for place in range(len(y)) if place not in set(chosen.tolist())]
    return np.sort(np.concatenate([chosen, np.array(rest[: count - len(chosen)], np.int64)]))


def without_regularization(model: Sequential) -> None:
    """Turn dropout, noise, stochastic depth, penalties and freezing off."""
    model.penalty = None
    model.unfreeze()
    for layer in model.walk():
        settings: Any = layer
        if layer.kind in ("Dropout", "SpatialDropout", "DropConnect"):
            settings.rate = 0.0
        elif layer.kind == "GaussianNoise":
            settings.std = 0.0
        elif layer.kind == "Residual":
            settings.survival = 1.0


def floor(settings: dict[str, Any]) -> float:
    """The least value of the loss: with label smoothing, the entropy of the smoothed targets; else 0."""
    smoothing, classes = settings["label_smoothing"], settings["classes"]
    if not smoothing or not classes:
        return 0.0
    other = smoothing / classes
    right = 1 - smoothing + other
    return float(-(right * math.log(right) + (classes - 1) * other * math.log(other)))


def _trained(
    model: Sequential, samples: Samples, rate: float, steps: int, goal: float, done: Callable[[], Any]
) -> tuple[float, float, int]:
    """Loss, accuracy and number of steps after training on these samples, until the loss is at the goal."""
    loss, optimizer = model.loss, Adam(rate)
    value, right, taken = math.inf, math.nan, 0
    try:
        for taken in range(steps + 1):
            if taken % 10 == 0:
                outputs = model.forward(samples.x, training=True)
                value = float(loss.forward(outputs, samples.y))
                hit = loss.correct(outputs, samples.y)
                right = math.nan if hit is None else float(np.mean(hit))
                if value <= goal and (math.isnan(right) or right == 1):
                    break
            model.train_step(samples.x, samples.y, loss, optimizer)
            done()
    except FloatingPointError:
        return math.inf, 0.0, taken
    return value, right, taken
