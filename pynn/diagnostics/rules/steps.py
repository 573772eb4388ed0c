"""Rules on steps and amount: learning rate, epochs, size of the model, regularization, overfitting."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .. import thresholds as at
from ..case import Case
from ..verdicts import Verdict


def learning_rate_too_large(case: Case) -> Iterator[Verdict]:
    """Steps so long that the loss jumps, rises, or ends high."""
    ratios, late = case.ratios(), case.ratios(0.5)
    rate = case.settings["learning_rate"]
    largest = float(ratios.max()) if len(ratios) else math.nan
    typical = float(np.median(late)) if len(late) else largest
    cure = f"Divide the rate ({rate:g}) by 10; pynn.diagnostics.learning_rate_range finds a good one."
    if case.broken:
        yield Verdict(
            "learning_rate_too_large", "error", "",
            f"the loss was not finite after step {len(case.losses)}; a step moved weights by up to {largest:.2g} of "
            "their size",
            cure,
        )  # fmt: skip
        return
    dead = _died(case)
    worse = case.suffers or (dead and largest > 0.1 and case.trained < case.reachable - 0.04)
    if not worse or not len(case.losses) or (_shrunk(case) and (case.first.penalty > case.first.loss or _decays(case))):
        return
    rose = case.level(0.8, 1.0) > at.RISE * max(case.losses[0], case.baseline if case.baseline > 0 else 0.0)
    lowest = min(case.level(start, start + 0.1) for start in np.arange(0, 0.95, 0.1))
    bounced = len(case.losses) >= 20 and case.level(0.8, 1.0) > at.BOUNCE * lowest + 0.02 * abs(case.baseline or 0)
    if rose or typical > at.LONG_STEP or (bounced and typical > at.LONG_IF_BOUNCING) or (dead and largest > 0.1):
        yield Verdict(
            "learning_rate_too_large", "warning", "",
            f"steps move weights by up to {largest:.2g} of their size (0.001 is usual), and the loss "
            f"went from {case.losses[0]:.3g} over {lowest:.3g} to {case.level(0.8, 1.0):.3g}{dead}",
            cure,
        )  # fmt: skip


def _died(case: Case) -> str:
    """What died of long steps, as text; "" if nothing did."""
    for layer in case.layers:
        shares = case.over_time(layer["name"], "dead")
        if shares and shares[-1] > 0.6 and shares[0] < 0.3:
            return f"; {shares[-1]:.0%} of the units of {layer['name']} died"
    return ""


def learning_rate_too_small(case: Case) -> Iterator[Verdict]:
    """Steps too short for the number of epochs: of the rate, by clipping, or by a schedule that ends early."""
    if not case.suffers or case.broken or len(case.losses) < 2:
        return
    ratios, settings = case.ratios(), case.settings
    typical = float(np.median(ratios)) if len(ratios) else math.nan
    rate = max((snapshot.rate for snapshot in case.record.snapshots), default=0.0)
    usual = at.USUAL_RATE.get(settings["optimizer"], 0.001)
    clipped = _clipped(case)
    middle = next((one.rate for one in case.record.snapshots if one.step >= case.last.step / 3), case.first.rate)
    if clipped > 0.5:
        limit = settings["clip_norm"] if settings["clip_norm"] is not None else settings["clip_value"]
        yield Verdict(
            "learning_rate_too_small", "warning", "",
            f"{clipped:.0%} of the steps are clipped to {limit:g}, and move weights by {typical:.1g} of their size",
            "Raise clip_norm to the usual norm of the gradient, or leave it out.",
        )  # fmt: skip
    elif rate > at.EARLY_DECAY * max(middle, 1e-300):
        yield Verdict(
            "learning_rate_too_small", "warning", "",
            f"the rate fell from {rate:.3g} to {middle:.3g} in the first half, with much left to learn",
            "Let the schedule end later, or at a higher rate.",
        )  # fmt: skip
    elif (
        typical < at.SHORT_STEP
        or rate < at.LOW_RATE * usual
        or (typical < at.SHORT_IN_LONG_RUN and len(case.losses) > 2000)
    ):
        yield Verdict(
            "learning_rate_too_small", "warning", "",
            f"a step moves weights by {typical:.1g} of their size (0.001 is usual): in {len(case.losses)} steps "
            f"the loss went from {case.losses[0]:.4g} to {case.level(0.9, 1.0):.4g}",
            f"Multiply the rate ({rate:g}) by 10 or more; pynn.diagnostics.learning_rate_range finds a good one.",
        )  # fmt: skip


def too_few_epochs(case: Case) -> Iterator[Verdict]:
    """A loss that was still falling at the end."""
    short = len(case.losses) < at.FEW_STEPS
    if _unfinished(case) and (short or (case.still_falling > at.STILL_FALLING and not _narrow(case))):
        fell = f"the loss still fell by {case.still_falling:.1%} in the last quarter of the run"
        yield Verdict(
            "too_few_epochs", "warning", "",
            f"{fell if case.still_falling > 0 else 'the run was short'}: {len(case.losses)} steps gave a skill of "
            f"{case.trained:.2f} on training rows, kernel regression reaches {case.reachable:.2f} on rows left out",
            "Train longer.",
        )  # fmt: skip


def _unfinished(case: Case) -> bool:
    """Whether there is more to learn, and the loss has not settled."""
    falling = case.still_falling
    short = len(case.losses) < at.FEW_STEPS and falling > 0.1 and case.trained < case.reachable - 0.05
    if not (case.suffers or short) or case.broken or len(case.losses) < 2 or case.record.ended.get("error"):
        return False
    return math.isnan(falling) or falling > at.SETTLED or not case.fell or len(case.losses) < at.FEW_STEPS


def only_begun(case: Case) -> Iterator[Verdict]:
    """A run of few steps whose outputs are right more often than chance, and far from sure."""
    missed = 1 - max(case.reachable, case.trained)
    left = case.last.loss_as_predicted / case.baseline if case.baseline > 0 else math.nan
    few = len(case.losses) < at.FEW_STEPS and case.still_falling > at.STILL_FALLING
    plain = case.task != "numbers" and not case.settings["label_smoothing"] and not case.settings["custom_loss"]
    if few and plain and left > at.BEGUN + 1.5 * missed and not case.record.ended.get("error"):
        yield Verdict(
            "too_few_epochs", "warning", "",
            f"after {len(case.losses)} steps the loss is {left:.0%} of that of constant outputs, and still fell by "
            f"{case.still_falling:.1%} in the last quarter of the run",
            "Train longer.",
        )  # fmt: skip


def _narrow(case: Case) -> bool:
    """Whether everything has to pass through one or two units."""
    widths = [math.prod(layer["outputs"]) for layer in case.hidden]
    return bool(widths) and min(widths) <= at.NARROW and case.settings["samples"] >= at.TINY


def _clipped(case: Case) -> float:
    """Share of the snapshots at which the gradient was far above the limit."""
    norm, value = case.settings["clip_norm"], case.settings["clip_value"]
    if norm is not None:
        return float(np.mean([snapshot.norm > at.CLIPPED * norm for snapshot in case.record.snapshots]))
    if value is not None:
        over = [
            max((one.weight_gradient or 0.0) for one in snapshot.layers.values()) > 2 * value
            for snapshot in case.record.snapshots if snapshot.layers
        ]  # fmt: skip
        return float(np.mean(over)) if over else 0.0
    return 0.0


def over_regularized(case: Case) -> Iterator[Verdict]:
    """Penalty, decay, dropout or noise that outweigh the data."""
    last = case.last
    harmful = last.loss > at.HARMED * last.loss_as_predicted and case.trained < case.reachable - at.HARMLESS
    if not (case.suffers or harmful) or case.broken:
        return
    shares = [one.penalty / max(one.penalty + one.loss, 1e-300) for one in case.record.snapshots]
    shrunk = _shrunk(case)
    high = len(case.losses) > 100 and not last.loss < 0.3 * case.baseline  # a rare class alone makes the loss small
    if (shares[-1] > at.PENALTY_SHARE and high) or (shrunk and max(shares) > at.PENALTY_SHARE):
        share = shares[-1] if shares[-1] > at.PENALTY_SHARE else max(shares)
        yield Verdict(
            "over_regularized", "warning", "", f"the penalty is {share:.0%} of the loss{shrunk}",
            f"Divide its strength ({case.settings['penalty']}) by 10.",
        )  # fmt: skip
        return
    if _decays(case):
        decay = f"weight_decay is {case.settings['weight_decay']:g}{shrunk}"
        yield Verdict("over_regularized", "warning", "", decay, "Divide it by 10 to 100.")
        return
    dropped = 1.0
    for layer in case.layers:
        dropped *= 1 - layer["rate"]
    noise = max((layer["noise"] for layer in case.layers), default=0.0)
    harmed = last.loss > 1.15 * last.loss_as_predicted
    if (dropped < at.PASSED and harmed) or dropped < at.PASSED_ANYWAY or noise > at.LARGE_NOISE:
        evidence = (
            f"dropout lets {dropped:.0%} pass through all layers"
            if dropped < 0.5
            else f"noise has a spread of {noise:g}"
        )
        yield Verdict(
            "over_regularized", "warning", "",
            f"{evidence}; the loss is {last.loss:.3g} with it, {last.loss_as_predicted:.3g} without",
            "Lower it until the training loss falls.",
        )  # fmt: skip


def _decays(case: Case) -> bool:
    """Whether the optimizer's weight decay is far above what is usual."""
    return bool(case.settings["weight_decay"] >= (at.LARGE_DECOUPLED if case.settings["decoupled"] else at.LARGE_DECAY))


def _shrunk(case: Case) -> str:
    """The layer whose weights were pulled to nothing, as text; "" if there is none."""
    for layer in case.weighted:
        sizes = case.over_time(layer["name"], "weight")
        limit = at.SHRUNK_BY_PENALTY if case.first.penalty > case.first.loss else at.SHRUNK
        if len(sizes) > 1 and sizes[-1] < limit * sizes[0]:
            return f", and it has pulled the weights of {layer['name']} from {sizes[0]:.2g} to {sizes[-1]:.2g}"
    return ""


def strange_augmentation(case: Case) -> Iterator[Verdict]:
    """Augmentation whose images look like those of other classes."""
    plain, augmented = case.facts.get("right", 0.0), case.facts.get("right_if_augmented", 1.0)
    if augmented < at.STRANGE * plain and len(case.losses) > at.FEW_STEPS / 2:
        yield from _augmented(
            case, f"kernel regression tells {plain:.0%} of the images right, and {augmented:.0%} of the augmented ones"
        )


def over_augmented(case: Case) -> Iterator[Verdict]:
    """Augmentation that may be too strong, where nothing else is wrong."""
    falling = case.still_falling > at.STILL_FALLING or len(case.losses) < at.FEW_STEPS
    if not (falling and case.fell):
        yield from _augmented(
            case,
            f"the loss is {case.level(0.9, 1.0):.3g} on augmented samples and {case.last.loss_as_predicted:.3g} on "
            "their originals",
        )


def _augmented(case: Case, evidence: str) -> Iterator[Verdict]:
    if case.settings["augmentation"] is not None and case.suffers and not case.broken:
        cure = f"Augment less ({case.settings['augmentation']:.80}): only as far as the label stays right."
        yield Verdict("over_regularized", "warning", "", evidence, cure)


def underfitting(case: Case) -> Iterator[Verdict]:
    """A model that has settled above what can be reached."""
    if case.suffers and not case.broken and len(case.losses) >= 20:
        yield Verdict(
            "underfitting", "warning", "",
            f"its skill on training rows is {case.trained:.2f}, kernel regression reaches {case.reachable:.2f} on rows "
            f"left out; the loss has settled ({case.still_falling:.1%} in the last quarter)",
            "Add units or layers.",
        )  # fmt: skip


def overfitting(case: Case) -> Iterator[Verdict]:
    """Validation that gets worse while training gets better."""
    held = case.record.curve("val_loss") if case.record.epochs else np.array([])
    held = held[np.isfinite(held)]
    if len(held) < 1 or case.broken:
        return
    best = float(held.min())
    end = float(np.median(held[-max(1, len(held) // 10) :]))
    scale = abs(case.baseline) if math.isfinite(case.baseline) else abs(float(held[0]))
    rose = end > at.OVERFITTED * best + 0.02 * scale
    best_place = int(held.argmin())
    gap = case.gap
    wide = gap > at.GAP and case.trained > 0.8 and case.validated < case.reachable_in_validation - 0.1
    few = case.record.validation is not None and len(case.record.validation.x) < at.FEW_HELD
    as_good = case.validated > case.reachable_in_validation - at.SHORT  # as what else can be had from these data
    wide |= gap > at.WIDE_GAP and case.trained > 0.9 and not (few and as_good)
    kept = case.settings["restores"]  # the weights of the best epoch
    if (
        len(held) >= 4
        and rose
        and not kept
        and best_place < at.BEST_BEFORE * len(held)
        and (gap > 0.05 or end > 2 * best)
    ):
        yield Verdict(
            "overfitting", "warning", "",
            f"val_loss was lowest in epoch {best_place + 1} ({best:.3g}) and ended at {end:.3g}, "
            f"while the training loss fell to {case.level(0.9, 1.0):.3g}",
            "Stop there (pynn.EarlyStopping()), and regularize: dropout, a penalty, augmentation, or more data.",
        )  # fmt: skip
    elif wide:
        yield Verdict(
            "overfitting", "warning", "",
            f"skill is {case.trained:.2f} on training rows and {case.validated:.2f} on validation, where kernel "
            f"regression reaches {case.reachable_in_validation:.2f}",
            "Regularize: dropout, a penalty, augmentation, fewer units, or more data.",
        )  # fmt: skip
