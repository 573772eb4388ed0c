"""Rules on the network: frozen layers, first weights, statistics of batch normalization, signals and gradients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .. import thresholds as at
from ..case import Case
from ..verdicts import Verdict


def structure(case: Case) -> Iterator[Verdict]:
    """What was found before the first step."""
    for finding in case.record.findings:
        verdict = Verdict(**finding)
        fine = case.unharmed or case.copies_inputs
        if verdict.name == "missing_activation" and fine and _is_bottleneck(case, verdict.where):
            verdict = replace(verdict, severity="info")  # a product of low rank, or the code of an autoencoder
        yield verdict


def _is_bottleneck(case: Case, where: str) -> bool:
    """Whether the first of two layers is narrower than what it takes and what the second gives."""
    first, second = (next((one for one in case.layers if one["name"] == name), None) for name in where.split(" and "))
    if first is None or second is None:
        return False
    middle = math.prod(first["outputs"])
    return bool(middle < min(math.prod(first.get("inputs") or [0]), math.prod(second["outputs"])))


def frozen(case: Case) -> Iterator[Verdict]:
    """Layers that should learn and do not."""
    if case.settings["learning_rate"] == 0 and case.settings["schedule"] is None:
        yield Verdict("frozen", "error", "", "the learning rate is 0", "Pass a positive learning rate.")
        return
    if case.facts.get("random"):
        names = case.facts["random"]
        yield Verdict(
            "frozen", "info" if case.unharmed else "warning", ", ".join(names[:3]),
            "its weights are frozen at the random numbers that the model began with",
            "Load or train weights before you freeze layers, or call model.unfreeze().",
        )  # fmt: skip
        return
    if case.last.step <= case.first.step:
        return
    still = []
    for layer in case.weighted:
        if layer["frozen"]:
            continue
        ratios = case.over_time(layer["name"], "ratio")
        gradients = case.over_time(layer["name"], "weight_gradient")
        if (
            ratios
            and max(ratios) == 0
            and (layer["factor"] == 0 or (max(gradients, default=0) == 0 and layer["custom"]))
        ):
            still.append(layer["name"])
    if still:
        yield Verdict(
            "frozen", "warning", ", ".join(still[:3]), "its weights never changed",
            "Set its learning_rate_factor to 1, or let its backward() fill in the gradients.",
        )  # fmt: skip


DEFAULTS = "Leave initializer= out, or take He() for ReLU, Glorot() for tanh and sigmoid."


def initialization(case: Case) -> Iterator[Verdict]:
    """First weights far from the size at which signals keep theirs: the first sign of it."""
    if not case.settings["first_epoch"] and case.record.snapshots:
        found = next(itertools.chain(_large(case), _growing(case), _small(case)), None)
        if found is not None:
            yield found


def _normalized(case: Case) -> bool:
    return any("Norm" in layer["kind"] for layer in case.layers)


def _gain(layer: dict[str, Any]) -> float:
    """Root mean square of the first weights, times √inputs."""
    return float((layer["first_weight"] or 0.0) * math.sqrt(layer["fan_in"]))


def _large(case: Case) -> Iterator[Verdict]:
    """Weights or biases of a single layer that are far too large."""
    far = case.first.loss > 10 * case.baseline and case.trained < case.reachable - 0.02
    far |= case.validated < case.reachable_in_validation - at.BEHIND
    limit = 5 * at.LARGE_GAIN if _normalized(case) else at.LARGE_GAIN
    for layer in case.weighted:
        bias = layer["first_bias"] or 0.0
        if _gain(layer) > limit and layer["first_weight"] > 0.3:
            yield Verdict(
                "initialization", "info" if case.unharmed and not far else "warning", layer["name"],
                f"its first weights are {_gain(layer):.1f} times 1/√{layer['fan_in']}; 1 to 1.5 keeps signals' size",
                DEFAULTS,
            )  # fmt: skip
        elif abs(bias) > at.LARGE_BIAS and layer in case.hidden:
            yield Verdict(
                "initialization", "info" if case.unharmed else "warning", layer["name"],
                f"its first biases are {bias:.3g} on average", "Let biases begin at 0.",
            )  # fmt: skip


def _growing(case: Case) -> Iterator[Verdict]:
    """Signals that grow from layer to layer."""
    growth = math.prod(
        _gain(layer) / (math.sqrt(2) if layer["activation"] == "relu" else 1)
        for layer in case.hidden if layer["activation"] not in ("sigmoid", "tanh") and not layer["residual"]
    )  # fmt: skip
    if growth > at.GROWTH and not _normalized(case) and case.suffers:
        yield Verdict(
            "initialization", "warning", case.hidden[0]["name"],
            f"the first weights make signals {growth:.3g} times as large from the first to the last hidden layer; the "
            f"first loss is {case.first.loss:.3g}, constant outputs have {case.baseline:.3g}",
            DEFAULTS,
        )  # fmt: skip


def _small(case: Case) -> Iterator[Verdict]:
    """Weights so small that nothing arrives."""
    small = [layer for layer in case.hidden if 0 < _gain(layer) < at.SMALL_GAIN and layer["fan_in"] >= 3]
    if small and not _normalized(case) and case.suffers:
        last = case.first.layers.get(case.weighted[-2]["name"])
        spread = "" if last is None else f": outputs of the last hidden layer spread by {last.spread:.2g}"
        yield Verdict(
            "initialization", "warning", small[0]["name"],
            f"the first weights of {len(small)} layers are below 0.1/√n for n inputs{spread}", DEFAULTS,
        )  # fmt: skip


def batch_statistics(case: Case) -> Iterator[Verdict]:
    """Running statistics that differ from those of batches."""
    layers = [layer for layer in case.layers if layer["kind"] == "BatchNorm"]
    if not layers or case.last.step == case.first.step:
        return
    scale = case.baseline if math.isfinite(case.baseline) else abs(case.first.loss)
    late = [one for one in case.record.snapshots if one.step >= 50 or one is case.last]
    apart = [
        one for one in late
        if one.loss_as_predicted > at.APART * one.loss + 0.1 * abs(scale) or not math.isfinite(one.loss_as_predicted)
    ]  # fmt: skip
    if case.last in apart or len(apart) >= max(2, len(late) / 2):
        trained, predicted = apart[-1].loss, apart[-1].loss_as_predicted
        yield Verdict(
            "batch_statistics", "warning", layers[0]["name"],
            f"at step {apart[-1].step} the loss on the same samples is {trained:.3g} with the statistics of their "
            f"batch, and {predicted:.3g} with the running ones, which predict uses",
            f"Take larger batches and more steps, and momentum 0.9 (it is {layers[0]['momentum']:g}); "
            "pynn.reestimate_statistics mends a trained model.",
        )  # fmt: skip


def gradients(case: Case) -> Iterator[Verdict]:
    """Gradients that vanish or grow from layer to layer."""
    names = [layer["name"] for layer in case.weighted if not layer["frozen"]]
    if len(names) < 3:
        return
    shares = []
    for snapshot in case.record.snapshots[: max(2, len(case.record.snapshots) // 2)]:
        found = [snapshot.layers[name] for name in names if name in snapshot.layers]
        relative = [
            one.weight_gradient / one.weight for one in found
            if one.weight_gradient is not None and one.weight and math.isfinite(one.weight_gradient)
        ]  # fmt: skip
        if len(relative) == len(names) and relative[-1] > 0:
            shares.append(min(relative[: max(1, len(relative) // 3)]) / relative[-1])
    if not shares:
        return
    typical = float(np.median(shares))
    if typical < at.VANISHING and case.suffers:
        yield Verdict(
            "vanishing_gradient", "warning", names[0],
            f"the gradient of its weights is {typical:.1g} times that of {names[-1]}, each beside its weights",
            "Use ReLU or a relative instead of sigmoid and tanh, BatchNorm after each layer, or Residual blocks.",
        )  # fmt: skip
    first = case.first.layers
    sizes = [first[name].gradient for name in names if name in first]
    spreads = [first[name].spread for name in names if name in first]
    if (
        len(sizes) > 2
        and (sizes[0] > at.EXPLODING * max(sizes[-1], 1e-30) or max(spreads[1:]) > at.SPREADING * max(spreads[0], 1.0))
        and case.suffers
    ):
        yield Verdict(
            "exploding", "warning", names[0],
            f"outputs spread by {spreads[0]:.2g} after {names[0]} and {max(spreads):.2g} later; gradients grow from "
            f"{sizes[-1]:.2g} at {names[-1]} to {sizes[0]:.2g} at {names[0]}",
            "Let weights begin at He() or Glorot(), add BatchNorm, and limit gradients: clip_norm=1.",
        )  # fmt: skip


def softmax_between(case: Case) -> Iterator[Verdict]:
    """Softmax between layers with weights: its outputs add up to 1, so that hardly any signal or gradient passes."""
    layers = case.layers
    stop = layers.index(case.weighted[-1]) if case.weighted else 0
    inside = [layer for layer in layers[:stop] if layer["kind"] == "Softmax"]
    if inside and case.suffers:
        units = inside[0]["outputs"][-1] if inside[0]["outputs"] else 0
        yield Verdict(
            "vanishing_gradient", "warning", inside[0]["name"],
            f"softmax between layers: its {units} outputs add up to 1, and its slopes shrink gradients likewise",
            "Use ReLU there; softmax belongs at the end, and softmax_cross_entropy has its own.",
        )  # fmt: skip


def dead_units(case: Case) -> Iterator[Verdict]:
    """Units of ReLU that give 0 for all samples."""
    dead = [(case.at_end(layer["name"]), layer) for layer in case.layers if layer["activation"] == "relu"]
    worst = max(((one.dead, layer["name"]) for one, layer in dead if one is not None), default=(0.0, ""))
    if worst[0] > at.DEAD_ANYWAY or (worst[0] > at.DEAD and case.suffers):
        begun = case.first.layers[worst[1]].dead if worst[1] in case.first.layers else 0.0
        cure = "Lower the learning rate, or use LeakyReLU."
        if begun > 0.7 * worst[0]:
            cure = "Standardize the inputs, let biases begin at 0, or use LeakyReLU."
        yield Verdict(
            "dead_units", "info" if case.unharmed else "warning", worst[1],
            f"{worst[0]:.0%} of its units give 0 for all samples that were watched ({begun:.0%} before the first step)",
            cure,
        )  # fmt: skip
        units = next(math.prod(layer["outputs"]) for layer in case.layers if layer["name"] == worst[1])
        if units <= at.NARROW and case.suffers:
            evidence = f"it has {units} units, {worst[0]:.0%} of them dead"
            yield Verdict("underfitting", "warning", worst[1], evidence, "Add units.")


def saturation(case: Case) -> Iterator[Verdict]:
    """Units of sigmoid and tanh at their ends."""
    worst, name = 0.0, ""
    for layer in case.layers:
        values = case.over_time(layer["name"], "saturated")
        if not values:
            continue
        # A trained classifier may be sure of itself at its last layer, an untrained one may not.
        share = float(np.median(values)) if layer in case.hidden_activations else values[0]
        if share > worst:
            worst, name = share, layer["name"]
    if worst > at.SATURATED and case.suffers:
        yield Verdict(
            "saturation", "warning", name, f"{worst:.0%} of its outputs sit where the activation is flat",
            "Standardize the inputs, begin with smaller weights, or use ReLU.",
        )  # fmt: skip
