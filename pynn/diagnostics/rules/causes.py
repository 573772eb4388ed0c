"""All rules, and which verdicts are consequences of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..case import Case
from ..verdicts import Verdict, Verdicts
from . import data, network, steps, task

RULES: tuple[Callable[[Case], Iterator[Verdict]], ...] = (
    data.bad_data, data.labels, data.leakage, data.data_mismatch, data.order, data.unscaled_inputs,
    data.unscaled_targets, task.wrong_loss, task.wrong_last_layer, task.imbalance, network.structure, network.frozen,
    network.initialization, network.batch_statistics, network.softmax_between, network.gradients, network.dead_units,
    network.saturation,
    steps.learning_rate_too_large, steps.learning_rate_too_small, steps.over_regularized, steps.strange_augmentation,
    steps.overfitting,
)  # fmt: skip

STEPS = ("exploding", "vanishing_gradient", "dead_units", "saturation", "learning_rate_too_large",
         "learning_rate_too_small", "imbalance", "over_regularized", "underfitting", "too_few_epochs")  # fmt: skip
# What a cause brings about, and is not named beside it.
FOLLOWS = {
    "bad_data": ("labels", "unscaled_inputs", "initialization", *STEPS),
    "labels": ("data_mismatch", "overfitting", "wrong_loss", *STEPS),
    "leakage": ("overfitting",),
    "data_mismatch": ("overfitting",),
    "order": ("overfitting", "data_mismatch", "batch_statistics", *STEPS),
    "wrong_loss": ("wrong_last_layer", "initialization", "unscaled_targets", *STEPS),
    "wrong_last_layer": ("initialization", *STEPS),
    "missing_activation": STEPS,
    "frozen": STEPS,
    "symmetry": ("initialization", *STEPS),
    "unscaled_inputs": ("initialization", "overfitting", "batch_statistics", *STEPS),
    "unscaled_targets": ("initialization", "overfitting", *STEPS),
    "initialization": STEPS,
    "batch_statistics": ("overfitting", *STEPS),
    "exploding": ("dead_units", "saturation", "learning_rate_too_large", "imbalance", "underfitting",
                  "too_few_epochs"),
    "vanishing_gradient": ("saturation", "dead_units", "learning_rate_too_small", "imbalance", "underfitting",
                           "too_few_epochs"),
    "learning_rate_too_large": ("dead_units", "saturation", "exploding", "vanishing_gradient",
                                "learning_rate_too_small", "imbalance", "underfitting", "too_few_epochs",
                                "over_regularized"),
    "dead_units": ("imbalance", "too_few_epochs", "learning_rate_too_small"),
    "saturation": ("imbalance", "underfitting", "too_few_epochs", "learning_rate_too_small"),
    "over_regularized": ("dead_units", "saturation", "imbalance", "underfitting", "too_few_epochs",
                         "learning_rate_too_small"),
    "learning_rate_too_small": ("imbalance", "underfitting", "too_few_epochs"),
    "imbalance": ("underfitting", "too_few_epochs"),
    "too_few_epochs": ("imbalance", "underfitting"),
}  # fmt: skip


# Asked one after the other if no rule found anything.
LAST: tuple[Callable[[Case], Iterator[Verdict]], ...] = (
    task.amounts_for_classes, steps.over_augmented, steps.too_few_epochs, steps.underfitting,
    steps.only_begun,
)  # fmt: skip


def judge(case: Case) -> Verdicts:
    """All verdicts, without those that follow from others."""
    found: dict[str, Verdict] = {}
    for rule in RULES:
        _add(found, rule(case))
    verdicts = _causes(found)
    for rule in LAST:
        if not verdicts:
            _add(found, rule(case))
            verdicts = _causes(found)
    return verdicts


# What can be said before the first step.
EARLY: tuple[Callable[[Case], Iterator[Verdict]], ...] = (
    data.bad_data, data.labels, data.leakage, data.data_mismatch, data.order, data.unscaled_inputs,
    data.unscaled_targets, data.rare_classes, task.wrong_loss, task.wrong_last_layer, network.structure,
    network.frozen, network.initialization, network.gradients,
)  # fmt: skip


def before_training(case: Case) -> Verdicts:
    """All verdicts that need no step."""
    found: dict[str, Verdict] = {}
    for rule in EARLY:
        _add(found, rule(case))
    return _causes(found)


def _add(found: dict[str, Verdict], verdicts: Iterator[Verdict]) -> None:
    for verdict in verdicts:
        before = found.get(verdict.name)
        if before is None or (before.severity == "info" and verdict.severity != "info"):
            found[verdict.name] = verdict


def _causes(found: dict[str, Verdict]) -> Verdicts:
    verdicts = Verdicts(found.values())
    dropped: set[str] = set()
    for verdict in verdicts:
        if verdict.severity != "info" and verdict.name not in dropped:
            dropped.update(FOLLOWS.get(verdict.name, ()))
    return Verdicts(one for one in verdicts if one.severity == "info" or one.name not in dropped)
