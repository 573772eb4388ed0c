"""Case: a record of a run with what the rules ask of it, each computed once, on first use."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from ..typing import Array
from . import thresholds as at
from .record import LayerStatistics, Part, Record, Snapshot
from .reference import Reference, reference

MANY = 1000  # classes: a matrix of samples and classes would fill the memory

# What a record says of a run if it says nothing: a run folder may come from another version.
SETTINGS: dict[str, Any] = {
    "loss": "", "custom_loss": False, "family": "numbers", "classes": None, "label_smoothing": 0.0, "outputs": [],
    "inputs": [], "optimizer": "", "learning_rate": 0.001, "schedule": None, "clip_norm": None, "clip_value": None,
    "weight_decay": 0.0, "decoupled": False, "penalty": None, "batches": None, "shuffle": True, "arrays": True,
    "first_epoch": 0, "restores": False, "samples": 0, "parameters": 0, "augmentation": None,
}  # fmt: skip
LAYER: dict[str, Any] = {
    "kind": "", "custom": False, "activation": "", "outputs": [], "parameters": 0, "fan_in": 0, "frozen": False,
    "residual": False, "factor": 1.0, "rate": 0.0, "noise": 0.0, "momentum": None, "first_weight": None,
    "first_bias": None,
}  # fmt: skip


class Case:
    """A record of a run, and what follows from it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.settings: dict[str, Any] = {**SETTINGS, **record.settings}
        self.facts: dict[str, Any] = record.facts

    # Task -----------------------------------------------------------------------------------------

    @cached_property
    def task(self) -> str:
        """ "labels", "answers" of yes and no, or "numbers"."""
        if self.settings["classes"] is not None:
            return "labels"
        return "answers" if self.settings["family"] == "answers" else "numbers"

    @cached_property
    def hidden(self) -> list[dict[str, Any]]:
        """Layers with weights, without the last."""
        return self.weighted[:-1]

    @cached_property
    def weighted(self) -> list[dict[str, Any]]:
        """Layers with weights, normalization left out."""
        return [layer for layer in self.layers if layer["fan_in"]]

    @cached_property
    def layers(self) -> list[dict[str, Any]]:
        """Descriptions of all layers that compute."""
        return [{**LAYER, **layer} for layer in self.record.layers]

    @cached_property
    def hidden_activations(self) -> list[dict[str, Any]]:
        """Layers with an activation, those of the output left out."""
        last = self.weighted[-1] if self.weighted else None
        layers = self.layers
        stop = len(layers) if last is None else layers.index(last)
        return [layer for layer in layers[:stop] if layer["activation"]]

    # Skill: 0 is what the best constant reaches, 1 is without error -------------------------------------

    def goals(self, part: Part) -> Array | None:
        """Targets of the rows as numbers (R, K), labels as 0 and 1; None for several labels in a row, or many."""
        if self.settings["custom_loss"] and self.task == "numbers" and not self.facts.get("aims_at_targets"):
            return None  # its outputs are no estimates of the targets
        if self.task == "labels":
            if part.y.ndim != 1:
                return None
            if self.settings["classes"] > MANY:
                return None
            return np.eye(int(self.settings["classes"]))[part.y.astype(np.int64)]
        return np.asarray(part.y, np.float64).reshape(len(part.y), -1)

    def skill(self, outputs: Array | None, goals: Array | None, measure: str = "best") -> float:
        """How much better than the best constant: of accuracy or recall, or of the squared error; NaN if unknown."""
        if outputs is None or goals is None or outputs.size != goals.size or not np.isfinite(outputs).all():
            return math.nan
        outputs = outputs.reshape(goals.shape).astype(np.float64)
        if self.task == "numbers":
            errors = np.square(outputs - goals).sum(axis=0)
            around = np.square(goals - goals.mean(axis=0)).sum(axis=0)
            if goals.shape[1] > at.FEW_OUTPUTS or not around.all():  # such as pixels, of which some hardly vary
                return 1 - float(errors.sum() / around.sum()) if around.any() else math.nan
            return float(np.mean(1 - errors / around))
        if self.task == "labels":
            return _of_classes(outputs.argmax(axis=1), goals.argmax(axis=1), measure)
        yes = goals > 0.5 * (goals.min() + goals.max())
        chosen = outputs > self.middle
        skills = [_of_classes(chosen[:, place], yes[:, place], measure) for place in range(goals.shape[1])]
        known = [value for value in skills if not math.isnan(value)]
        return float(np.mean(known)) if known else math.nan

    middle = 0.0  # outputs above it say yes

    @cached_property
    def trained(self) -> float:
        """Skill on training rows, as the model predicts at the end."""
        part = self.record.train
        return math.nan if part is None else self.skill(part.outputs, self.goals(part))

    @cached_property
    def validated(self) -> float:
        """Skill on validation rows at the end."""
        part = self.record.validation
        return math.nan if part is None else self.skill(part.outputs, self.goals(part))

    @cached_property
    def gap(self) -> float:
        """How much more of accuracy, or of R², training rows have than validation, beyond what chance explains."""
        train, held = self.record.train, self.record.validation
        if train is None or held is None:
            return math.nan
        measure = "recall" if self.other_shares > at.OTHER_SHARES / 2 else "accuracy"
        own = self.skill(train.outputs, self.goals(train), measure)
        other = self.skill(held.outputs, self.goals(held), measure)
        if self.task == "numbers" or math.isnan(own - other):
            return own - other
        _, counts = np.unique(held.y, return_counts=True)
        minor = 1 - counts.max() / counts.sum() if len(counts) > 1 else 1.0
        noise = 2 * math.sqrt(max(1 - max(other, 0.0), 0.02) / (max(minor, 1e-3) * len(held.y)))  # of the skill
        return own - other if own - other > noise else 0.0

    @cached_property
    def label_counts(self) -> tuple[Array, Array] | None:
        """How many samples of training and of validation each class has; None if there are no classes, or no part."""
        counts = [np.array(self.facts.get(name, {}).get("labels") or ()) for name in ("train", "validation")]
        return (counts[0], counts[1]) if counts[0].any() and counts[1].any() else None

    @cached_property
    def other_shares(self) -> float:
        """How many samples of validation would need another label to have the shares of training; 0 if unknown."""
        if self.label_counts is None:
            return 0.0
        train, held = (counts / counts.sum() for counts in self.label_counts)
        return 0.5 * float(np.abs(train - held).sum())

    @cached_property
    def _reference(self) -> Reference | None:
        part = self.record.train
        if part is None or len(part.x) < at.TINY or (goals := self.goals(part)) is None:
            return None
        held = self.record.validation
        return reference(part.x, goals, None if held is None else held.x)

    @cached_property
    def reachable(self) -> float:
        """Skill that kernel regression reaches on left-out rows of training; 1 for a handful of rows."""
        part, found = self.record.train, self._reference
        if part is None or (goals := self.goals(part)) is None:
            return math.nan
        if self.copies_inputs:
            return of_components(
                goals, min((math.prod(layer["outputs"]) for layer in self.weighted), default=goals.shape[1])
            )
        return 1.0 if found is None else self._of_scores(found.left_out, goals[found.rows])

    @cached_property
    def reachable_in_validation(self) -> float:
        """Skill that kernel regression reaches on validation."""
        part, found = self.record.validation, self._reference
        if part is None or found is None or found.predicted is None or (goals := self.goals(part)) is None:
            return math.nan
        if self.copies_inputs:
            return self.reachable
        return self._of_scores(found.predicted, goals)

    def _of_scores(self, scores: Array, goals: Array, measure: str = "best") -> float:
        """Skill of scores that lie about 0 and 1; for recall each class is judged beside its share."""
        if self.task == "numbers":
            return self.skill(scores, goals)
        low, high = float(goals.min()), float(goals.max())
        share = np.maximum(goals.mean(axis=0), 1e-3)
        if self.task == "answers":
            plain, beside = scores - 0.5 * (low + high), scores - goals.mean(axis=0)
        else:
            plain, beside = scores, scores / share
        found = {"accuracy": self.skill(plain, goals, "accuracy"), "recall": self.skill(beside, goals, "recall")}
        return found.get(measure, max(found.values()))

    @cached_property
    def as_classes_and_amounts(self) -> tuple[float, float]:
        """Accuracy of kernel regression on left-out rows if whole targets are classes, and if they are amounts."""
        part = self.record.train
        if part is None or len(part.y) < 2 * at.TINY:
            return math.nan, math.nan
        values, places = np.unique(part.y.reshape(-1), return_inverse=True)
        classes = reference(part.x, np.eye(len(values))[places])
        amounts = reference(part.x, part.y.reshape(-1, 1))
        right = places[classes.rows]
        nearest = np.abs(amounts.left_out - values).argmin(axis=1)
        return float(np.mean(classes.left_out.argmax(axis=1) == right)), float(np.mean(nearest == right))

    @cached_property
    def labels_are_amounts(self) -> bool:
        """Whether kernel regression on left-out rows predicts the number of the label, and not the label."""
        part = self.record.train
        if part is None or part.y.ndim != 1 or len(part.y) < 2 * at.TINY:
            return False
        found = reference(part.x, part.y.reshape(-1, 1))
        y = part.y[found.rows].astype(np.float64)
        explained = 1 - float(np.square(found.left_out[:, 0] - y).sum()) / max(
            float(np.square(y - y.mean()).sum()), 1e-12
        )
        return explained > 0.5 and not self.reachable > 0.5

    @cached_property
    def share_of_one_target(self) -> float:
        """How many targets have the most frequent value."""
        part = self.record.train
        if part is None:
            return 0.0
        return float(np.unique(part.y.reshape(len(part.y), -1)[:, 0], return_counts=True)[1].max() / len(part.y))

    @cached_property
    def copies_inputs(self) -> bool:
        """Whether the targets are the inputs, or what they were before noise: an autoencoder."""
        part = self.record.train
        if part is None or part.x.size != part.y.size or part.x.size // max(len(part.x), 1) < 2:
            return False
        x, y = part.x.ravel(), np.asarray(part.y, np.float64).ravel()
        return bool(x.std() and y.std() and np.corrcoef(x, y)[0, 1] > 0.5)

    @cached_property
    def suffers(self) -> bool:
        """Whether the model does worse on training rows than it could, or its outputs are not finite."""
        if self.broken:
            return True
        if math.isnan(self.trained) or math.isnan(self.reachable):
            # Unknown is not ill, unless the loss is still that of constant outputs, and has not moved.
            return not self.fell and not self.last.loss < 0.95 * self.baseline
        if self.task == "numbers":
            return self.trained < self.reachable - self.tolerance
        # A model is trained for accuracy, or, by class weights, for recall: it falls short if it does in both.
        return all(self._short(measure) for measure in ("accuracy", "recall"))

    def _short(self, measure: str) -> bool:
        return self.behind(measure) > self.tolerance

    def behind(self, measure: str) -> float:
        """How far its skill on training rows is behind what can be reached; NaN if unknown."""
        part, found = self.record.train, self._reference
        if part is None or (goals := self.goals(part)) is None:
            return math.nan
        best = 1.0 if found is None else self._of_scores(found.left_out, goals[found.rows], measure)
        return best - self.skill(part.outputs, goals, measure)

    @cached_property
    def behind_in_choice(self) -> bool:
        """Whether kernel regression chooses the right one of several outputs clearly more often."""
        part, found = self.record.train, self._reference
        if part is None or found is None or part.outputs is None or (goals := self.goals(part)) is None:
            return False
        right = np.mean(found.left_out.argmax(axis=1) == goals[found.rows].argmax(axis=1))
        own = np.mean(part.outputs.reshape(goals.shape).argmax(axis=1) == goals.argmax(axis=1))
        return bool(own < right - at.HARMLESS)

    @cached_property
    def tolerance(self) -> float:
        """How far below what can be reached is good enough: more where few samples of a class tell."""
        part = self.record.train
        if part is None or self.task == "numbers":
            return at.SHORT
        rarest = int(np.unique(part.y, return_counts=True)[1].min())
        return max(at.SHORT, 1 / math.sqrt(rarest)) if len(part.y) >= at.TINY else at.SHORT

    @cached_property
    def learned(self) -> bool:
        """Whether it does about as well as it can, in training and, if there is some, in validation."""
        if self.suffers:
            return False
        if math.isnan(self.validated):
            return True
        best = min(self.reachable, self.reachable_in_validation)
        return not self.validated < best - at.SHORT_IN_VALIDATION

    # Course of the loss -----------------------------------------------------------------------------

    @cached_property
    def losses(self) -> Array:
        """The loss of each step."""
        losses = np.array([math.nan if value is None else value for value in self.record.losses], np.float64)
        return losses[~np.isnan(losses)]  # those between a kill and the last line written are not known

    @cached_property
    def broken(self) -> bool:
        """Whether the loss, or what the model puts out at the end, is not finite."""
        error = self.record.ended.get("error") or ""
        part = self.record.train
        outputs = None if part is None else part.outputs
        lost = outputs is not None and not np.isfinite(outputs).all()
        return error.startswith("FloatingPointError") or lost

    @cached_property
    def first(self) -> Snapshot:
        """The state before the first step."""
        return self.record.snapshots[0]

    @cached_property
    def last(self) -> Snapshot:
        """The state at the end."""
        return self.record.snapshots[-1]

    @cached_property
    def baseline(self) -> float:
        """The loss of the best constant outputs."""
        value = self.facts.get("baseline")
        return math.nan if value is None else float(value)

    def level(self, start: float, stop: float) -> float:
        """The mean loss of the steps between two shares of the run."""
        count = len(self.losses)
        part = self.losses[int(start * count) : max(int(stop * count), int(start * count) + 1)]
        return float(np.mean(part)) if len(part) else math.nan

    @cached_property
    def fell(self) -> bool:
        """Whether the loss fell by at least a tenth of the first."""
        return self.last.loss < self.first.loss - 0.1 * abs(self.first.loss)

    @cached_property
    def unharmed(self) -> bool:
        """Whether the model reaches what can be reached, so that what looks wrong has done no harm."""
        return self.learned and not self.trained < self.reachable - at.HARMLESS

    @cached_property
    def still_falling(self) -> float:
        """What the loss fell in the last quarter of the run, as a share of what is left of it at most."""
        if len(self.losses) < 8:
            return math.nan
        before, after = self.level(0.5, 0.75), self.level(0.75, 1.0)
        noise = float(np.std(self.losses[len(self.losses) // 2 :])) / math.sqrt(len(self.losses) / 4)
        fall = before - after
        return fall / max(abs(before), 1e-12) if fall > 2 * noise else min(fall / max(abs(before), 1e-12), 0.0)

    # Layers over time ---------------------------------------------------------------------------------

    def ratios(self, start: float = 0.0) -> Array:
        """‖Δw‖/‖w‖ from this share of the run on: for each snapshot the median over layers with weights."""
        first = self.last.step * start
        names = {layer["name"] for layer in self.weighted if not layer["frozen"]}
        medians = []
        for snapshot in self.record.snapshots:
            if snapshot.step < first:
                continue
            found = [
                one.ratio for name, one in snapshot.layers.items()
                if name in names and one.ratio is not None and math.isfinite(one.ratio)
            ]  # fmt: skip
            if found:
                medians.append(float(np.median(found)))
        return np.array(medians)

    def over_time(self, name: str, quantity: str) -> list[float]:
        """A number of a layer in all snapshots that have it."""
        values = [
            getattr(snapshot.layers[name], quantity) for snapshot in self.record.snapshots if name in snapshot.layers
        ]
        return [value for value in values if value is not None]

    def at_end(self, name: str) -> LayerStatistics | None:
        """The statistics of a layer at the end."""
        return self.last.layers.get(name)


def _of_classes(chosen: Array, right: Array, measure: str) -> float:
    """Skill of choices among classes: of the "accuracy", of the mean "recall" of classes, or the "best" of both."""
    classes, counts = np.unique(right, return_counts=True)
    if len(classes) < 2:
        return math.nan
    constant = float(counts.max() / counts.sum())
    accuracy = float(np.mean(chosen == right))
    recall = float(np.mean([np.mean(chosen[right == one] == one) for one in classes]))
    skills = {
        "accuracy": (accuracy - constant) / (1 - constant),
        "recall": (recall - 1 / len(classes)) / (1 - 1 / len(classes)),
    }
    return skills.get(measure, max(skills.values()))


def of_components(rows: Array, count: int) -> float:
    """Share of the variance of rows that so many principal components keep."""
    values = np.square(np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False))
    return float(values[:count].sum() / values.sum()) if values.sum() else math.nan
