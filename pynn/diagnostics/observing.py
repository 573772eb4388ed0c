"""What the Monitor writes down of a run besides its snapshots: settings, layers, facts about the data."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..data import arrays
from ..data.batches import Samples
from ..layers import BatchNorm
from ..layers.base import Layer
from ..losses import AbsoluteError, Loss
from ..losses.attributes import AttributeLoss
from ..optimizers import AdamW, Lion
from ..schedules import Schedule
from ..typing import Array
from . import structure
from . import thresholds as at
from .gradient_check import compare_loss
from .measuring import bare_copy, function_of, leaves, quietly, root_mean_square
from .record import Record, Snapshot
from .reference import reference
from .repeated_rows import shared_rows

WHOLE = 1 << 22  # targets that are read as a whole, at most
COLUMNS_SEEN = 300  # whose smallest and largest numbers over all rows are kept, at most
AUGMENTED = 200  # images


def begun(trainer: Any, samples: Samples) -> Record:
    """The record of a run that has not taken a step."""
    model, loss = trainer.model, trainer.loss
    blocks = [layer for layer in model.walk() if isinstance(layer, structure.SIDE_BY_SIDE)]
    beside = {id(inner) for block in blocks for inner in block.walk()}
    layers = [{**of_layer(layer), "residual": id(layer) in beside} for layer in leaves(model)]
    record = Record(settings(trainer, len(samples.x)), layers)
    learn(record, trainer, samples)
    record.facts["random"] = random_frozen(model)
    for verdict in structure.of_model(model, loss, record.settings["batch_size"]):
        record.findings.append(dict(vars(verdict)))
    return record


def learn(record: Record, trainer: Any, samples: Samples) -> None:
    """Write down facts about the data."""
    model, loss = trainer.model, trainer.loss
    record.facts.update(facts(loss, samples, trainer.held_out, model.output_shape))
    record.facts["baseline"] = baseline(model, loss, samples)
    record.facts.update(of_loss(model, loss, samples))


def settings(trainer: Any, count: int) -> dict[str, Any]:
    """What the run was asked for."""
    model, loss, optimizer, source, penalty = (
        trainer.model, trainer.loss, trainer.optimizer, trainer.source, trainer.penalty
    )  # fmt: skip
    sized = hasattr(source, "batch_size")
    return {
        "loss": type(loss).__name__,
        "custom_loss": loss.is_custom,
        "family": "numbers" if model.targets is None else model.targets.family,
        "classes": loss.classes(model.output_shape),
        "label_smoothing": float(getattr(loss, "label_smoothing", 0.0)),
        "outputs": list(model.output_shape),
        "inputs": list(model.input_shape),
        "optimizer": type(optimizer).__name__,
        "learning_rate": optimizer.learning_rate,
        "schedule": None if optimizer.schedule is None else repr(optimizer.schedule),
        "clip_norm": optimizer.clip_norm,
        "clip_value": optimizer.clip_value,
        "weight_decay": optimizer.weight_decay,
        "decoupled": isinstance(optimizer, (AdamW, Lion)),
        "penalty": None if penalty is None else repr(penalty),
        "batch_size": source.batch_size if sized else count,
        "batches": source.batches,
        "accumulate": source.accumulate,
        "shuffle": bool(getattr(source, "shuffle", False)),
        "arrays": sized,
        "epochs": trainer.epochs,
        "first_epoch": trainer.first_epoch,
        "samples": count,
        "seed": model.seed,
        "dtype": str(model.dtype),
        "parameters": int(sum(math.prod(one.shape) for layer in model.walk() for one in layer.declared)),
        "preprocessing": None if model.preprocessing is None else repr(model.preprocessing),
        "augmentation": None if getattr(source, "augment", None) is None else repr(source.augment),
        "validated": trainer.validate is not None,
        "restores": any(getattr(callback, "restore_best", False) for callback in trainer.callbacks),
    }


def of_layer(layer: Layer) -> dict[str, Any]:
    """The description of a layer, as plain values."""
    weight = layer.declared[0].value if layer.declared else None
    scale = float(getattr(layer, "_scale", 1.0))  # of the product with the weight, as in parametrization="ntk"
    fan_in = 0 if weight is None or weight.ndim < 2 else math.prod(weight.shape[:-1])
    return {
        "name": layer.name,
        "kind": layer.kind,
        "custom": layer.is_custom,
        "activation": function_of(layer),
        "inputs": list(layer.input_shape),
        "outputs": list(layer.output_shape),
        "parameters": int(sum(math.prod(one.shape) for one in layer.declared)),
        "fan_in": int(fan_in),
        "frozen": layer.frozen,
        "factor": max((layer.factor_of(one.name) for one in layer.declared), default=1.0),
        "rate": _dropped(layer),
        "noise": float(getattr(layer, "std", 0.0)) if layer.kind == "GaussianNoise" else 0.0,
        "momentum": layer.momentum if isinstance(layer, BatchNorm) else None,
        "first_weight": None if weight is None or weight.ndim < 2 else scale * root_mean_square(weight),
        "first_bias": _bias(layer),
    }


def _dropped(layer: Layer) -> float:
    """The rate of a kind of dropout, in the first step if it is a schedule."""
    rate = getattr(layer, "rate", 0.0) if "ropout" in layer.kind or layer.kind == "DropConnect" else 0.0
    return rate(0) if isinstance(rate, Schedule) else float(rate)


def _bias(layer: Layer) -> float | None:
    for one in layer.declared[1:]:
        if one.name == "bias" and one.value is not None:
            return float(one.value.mean())
    return None


def facts(loss: Loss, samples: Samples, held: Samples | None, output_shape: tuple[int, ...]) -> dict[str, Any]:
    """Facts about all targets, and about rows that are in both parts."""
    found: dict[str, Any] = {"weighted": samples.weights is not None}
    for name, part in (("train", samples), ("validation", held)):
        if part is not None:
            found[name] = _of_targets(part.y, loss.classes(output_shape))
    if samples.x.ndim == 2 and samples.x.shape[1] <= COLUMNS_SEEN:
        found["least"] = np.asarray(samples.x.min(axis=0), np.float64).tolist()
        found["most"] = np.asarray(samples.x.max(axis=0), np.float64).tolist()
    if held is not None and held.x.ndim > 1:
        found["shared"] = shared_rows(samples.x, held.x)
    return found


def _of_targets(y: Array, classes: int | None) -> dict[str, Any]:
    some = y[:: max(1, y.size // WHOLE)]
    if classes is not None:
        flat = some.reshape(-1).astype(np.int64)
        return {
            "count": len(y),
            "labels": np.bincount(flat, minlength=classes).tolist(),
            "changes": int(np.count_nonzero(flat[1:] != flat[:-1])),
        }
    numbers = some.reshape(len(some), -1).astype(np.float64)
    first = numbers[:, 0]
    values = np.unique(first[:5000])
    return {
        "count": len(y),
        "mean": numbers.mean(axis=0)[:64].tolist(),
        "spread": numbers.std(axis=0)[:64].tolist(),
        "least": float(numbers.min()),
        "largest": float(numbers.max()),
        "distinct": len(values),
        "whole": bool(np.all(numbers == np.round(numbers))) or _evenly_spaced(values, numbers.shape[1]),
        "one_hot": numbers.shape[1] > 1
        and bool(np.all((numbers == 0) | (numbers == 1)) and np.all(numbers.sum(axis=1) == 1)),
        "turns": _turns(first),
        "sum": [float(numbers.sum(axis=1).min()), float(numbers.sum(axis=1).max())],
    }


def _turns(values: Array) -> float:
    """Share of places where neighbours' order turns; 2/3 for shuffled numbers, near 0 for sorted ones."""
    steps = np.sign(np.diff(values))
    steps = steps[steps != 0]
    return float(np.mean(steps[1:] != steps[:-1])) if len(steps) > 2 else 0.0


def _evenly_spaced(values: Array, columns: int) -> bool:
    """Whether a few different targets are whole numbers up to a scale and a shift, such as standardized labels."""
    if columns > 1 or not 2 < len(values) <= 20:
        return False
    steps = (values - values[0]) / np.diff(values).min()
    return bool(np.abs(steps - np.round(steps)).max() < 1e-3)


def baseline(model: Any, loss: Loss, samples: Samples) -> float:
    """The loss of the best constant outputs, such as ln C or the variance of y; NaN if they are not known."""
    y = np.asarray(samples.y[:: max(1, len(samples.y) // 2000)])
    if type(loss)._least is not Loss._least:
        return math.nan  # the rules compare losses whose least value is 0
    try:
        twin = copy.deepcopy(loss)
        if loss.classes(model.output_shape) is not None:
            outputs = np.zeros((len(y), *model.output_shape))
        elif isinstance(loss, AttributeLoss):
            outputs = np.zeros(y.shape)
        elif (constant := loss._constant(y.astype(np.float64))) is not None:
            outputs = constant
        else:
            outputs = np.broadcast_to(y.astype(np.float64).mean(axis=0), y.shape).copy()
            if isinstance(loss, AbsoluteError):
                outputs[...] = np.median(y, axis=0)
        return float(twin.forward(outputs.astype(model.dtype), y))
    except Exception:  # of a custom loss, which may take other outputs
        return math.nan


def of_loss(model: Any, loss: Loss, samples: Samples) -> dict[str, Any]:
    """What a custom loss is like: its gradient beside its slope, and whether its aim is outputs that equal targets."""
    if not loss.is_custom:
        return {}
    y = np.asarray(samples.y[:: max(1, len(samples.y) // 32)])
    found: dict[str, Any] = {}
    try:
        with quietly():
            _probe_loss(copy.deepcopy(loss), y, (len(y), *model.output_shape), found)
    except Exception:  # it takes outputs of its own kind: the rules do without
        return found
    return found


def _probe_loss(loss: Loss, y: Array, shape: tuple[int, ...], found: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    scale = float(np.std(y.astype(np.float64))) or 1.0
    outputs = generator.normal(0.5, 0.5, shape) * scale  # away from the targets, where many losses have a kink
    whole = float(loss.forward(outputs, y))
    if whole != loss.forward(outputs, y):  # it draws random numbers
        return
    gradient = np.asarray(loss.backward(), np.float64)
    size = float(np.linalg.norm(gradient))
    sums = np.abs(gradient.reshape(len(y), -1).sum(axis=1))
    found["sums_to_zero"] = bool(gradient.size > 2 * len(y) and sums.max() < 1e-4 * np.abs(gradient).max())
    block = compare_loss(loss, outputs, y, generator)
    found["loss_gradient_error"] = block.error if block.verdict == "wrong" else 0.0
    found["loss_gradient"] = size
    if y.size != math.prod(shape) or y.dtype.kind not in "fiu":
        return
    goal = y.reshape(shape).astype(np.float64)
    found["loss_at_targets"] = float(loss.forward(goal, y))
    found["aims_at_targets"] = bool(np.linalg.norm(np.asarray(loss.backward(), np.float64)) < 0.05 * size)
    single = float(np.mean([loss.forward(outputs[row : row + 1], y[row : row + 1]) for row in range(len(y))]))
    found["separable"] = bool(abs(whole - single) <= 1e-3 * max(abs(whole), abs(single)))


def of_augmentation(source: Any, samples: Samples, record: Record) -> dict[str, Any]:
    """How many labels kernel regression on images as they are predicts for left-out ones, and for augmented ones."""
    augment, part, classes = getattr(source, "augment", None), record.train, record.settings["classes"]
    if augment is None or part is None or classes is None or part.y.ndim != 1 or len(part.y) < 2 * at.TINY:
        return {}
    places = arrays.spread(len(samples.x), AUGMENTED)
    images = augment.apply(samples.x, places, seed=1, dtype=part.x.dtype)
    if source.preprocessing is not None:
        images = source.preprocessing.apply(images, part.x.dtype)
    found = reference(part.x, np.eye(classes)[part.y.astype(np.int64)], images)
    assert found.predicted is not None
    plain = found.left_out.argmax(axis=1) == part.y[found.rows]
    return {
        "right": float(np.mean(plain)),
        "right_if_augmented": float(np.mean(found.predicted.argmax(axis=1) == samples.y[places])),
    }


def before_preprocessing(model: Any, x: Array) -> Array | None:
    """The rows of a table as the user knows them; None if there is no preprocessing, or it cannot be undone."""
    if model.preprocessing is None or x.ndim != 2:
        return None
    try:
        raw = np.asarray(model.preprocessing.inverse_transform(x))
    except Exception:  # of a transformer of the user's own
        return None
    return raw if len(raw) == len(x) else None


def random_frozen(model: Any) -> list[str]:
    """Names of frozen layers whose weights are still the random ones that the model began with."""
    frozen = [layer for layer in leaves(model) if layer.frozen and layer.declared and not layer.is_custom]
    if not frozen:
        return []
    try:
        twin = bare_copy(model)
        twin.build(model.input_shape)
    except Exception:  # a custom layer may not be built twice
        return []
    names = []
    for layer in frozen:
        other = twin.layer(layer.name)
        weight, first = layer.declared[0].value, other.declared[0].value
        if weight is not None and first is not None and weight.ndim > 1 and np.array_equal(weight, first):
            names.append(layer.name)
    return names


def first_loss(record: Record) -> float:
    """The loss before the first step, or that of constant outputs if it is larger."""
    first = record.snapshots[0].loss
    constant = record.facts.get("baseline", math.nan)
    return max(value for value in (first, constant, 0.0) if math.isfinite(value))


def facts_of_batches(batches: Iterable[Array]) -> dict[str, Any]:
    """How many different labels a batch holds, and how far its targets spread, beside all of them together."""
    batches = list(batches)
    if len(batches) < 2 or min(map(len, batches)) < 2:
        return {}
    together = np.concatenate([batch.reshape(len(batch), -1)[:, 0] for batch in batches]).astype(np.float64)
    spread = float(together.std())
    if not spread:
        return {}
    inside = float(np.mean([batch.reshape(len(batch), -1)[:, 0].astype(np.float64).std() for batch in batches]))
    return {
        "spread_in_batches": inside / spread,
        "labels_together": len(np.unique(together)),
    }


def set_ratios(snapshot: Snapshot, model: Any, before: Array) -> None:
    """Fill in ‖Δw‖/‖w‖ of every layer, from the parameters before the step and those after it."""
    for layer, parameter, start in model._places:
        if layer.declared[0] is not parameter or layer.name not in snapshot.layers:
            continue
        old = before[start : start + parameter.value.size]
        moved = np.linalg.norm(parameter.value.reshape(-1) - old)
        size = float(np.linalg.norm(old))
        ratio = float(moved) / size if size else (math.inf if moved else 0.0)
        snapshot.layers[layer.name] = replace(snapshot.layers[layer.name], ratio=ratio)


def continues(record: Record, previous: Record) -> bool:
    """Whether a run goes on with the same task as the one before."""
    same = all(record.settings[name] == previous.settings[name] for name in ("loss", "samples", "inputs", "outputs"))
    return same and record.facts.get("train") == previous.facts.get("train")


def join(record: Record, previous: Record) -> None:
    """Put what was seen in the runs before in front."""
    put_before(record, previous)
    record.settings["epochs"] += len(previous.epochs)


def put_before(record: Record, previous: Record) -> None:
    """Put losses, snapshots and epochs in front, and say with which weights it all began."""
    record.losses[:0] = previous.losses
    record.rates[:0] = previous.rates
    record.snapshots[:0] = previous.snapshots
    record.epochs[:0] = previous.epochs
    first = {layer["name"]: layer for layer in previous.layers}
    for layer in record.layers:
        if layer["name"] in first:
            layer.update({name: first[layer["name"]][name] for name in ("first_weight", "first_bias")})
    record.settings["first_epoch"] = previous.settings["first_epoch"]


def rows(x: Any, places: Array, dtype: Any, source: Any = None) -> Array:
    """Some rows as the layers take them."""
    transform = getattr(source, "preprocessing", None)
    if transform is not None:
        return np.ascontiguousarray(transform.apply(np.asarray(x[places]), dtype))
    return arrays.to_model(np.asarray(x[places]), dtype)
