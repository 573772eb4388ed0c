"""What a run of training remembers, as plain data: taken out of a trainer, and put back into a fresh one.

Knows no files. Masks, augmentation and the order of samples are functions of seed, epoch and step: no state of theirs.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import describe, regularizers, targets
from .callbacks.base import Callback
from .inputs import Inputs
from .measuring import Measures
from .regularizers import Penalty
from .sources import Arrays, Batches, Trainable
from .targets import Targets

if TYPE_CHECKING:
    from .losses import Loss
    from .optimizers import Optimizer
    from .trainer import Trainer

ROWS = 64  # of the data that a fingerprint looks at
KINDS: dict[str, type] = {kind.__name__: kind for kind in regularizers.PENALTIES}


def settings(
    model: Trainable,
    loss: Loss,
    optimizer: Optimizer,
    source: Arrays | Batches,
    held_out: Iterable[NDArray[Any] | None],
    penalty: Penalty | None,
    callbacks: Iterable[Callback],
    measures: Measures,
) -> dict[str, Any]:
    """What must be the same where a run is resumed, by the words of `fit`."""
    given: dict[str, Any] = {
        "the model": [_text(layer) + str(_train(layer)) for layer in list(model.walk())[1:]],
        "dtype": str(model.dtype),
        "the model's seed": model.seed,
        "loss": _text(loss),
        "optimizer": _text(optimizer),
        "penalty": _text(penalty),
        "metrics": measures.names(loss),
        "callbacks with a memory": [type(one).__name__ for one in with_memory(callbacks)],
        "the validation data": [fingerprint(part) for part in held_out],
    }
    if isinstance(source, Arrays):
        given["batch_size"], given["seed"] = int(source.batch_size), int(source.seed)
        given["the names of the classes"] = None if source.targets.classes is None else source.targets.classes.tolist()
        given["the shape of x"], given["augmentation"] = list(source.x.shape), _text(source.augment)
        given["preprocessing"] = _text(source.preprocessing)  # of batches; else the data are transformed already
        given["the data"] = [fingerprint(part) for part in (source.x, source.y, source.weights)]
        if not source.shuffle:
            given["shuffle"] = False
    else:
        given["the shape of x"] = "an iterable of batches"
    if source.accumulate > 1:
        given["accumulate"] = int(source.accumulate)
    return given


def differences(saved: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What is not the same, in words."""
    found = []
    for name in [*saved, *(name for name in given if name not in saved)]:
        one, other = saved.get(name), given.get(name)
        if one != other:
            long = isinstance(one, list) and name != "the shape of x"
            found.append(f"{name} differs" if long else f"{name} was {one}, now it is {other}")
    return found


def state(trainer: Trainer) -> dict[str, Any]:
    """All that a run remembers between two steps; arrays are not copied."""
    model, running = trainer.model, trainer.running
    return {
        "input_shape": list(model.input_shape),
        "tensors": model.tensors(),
        "train": [_train(layer) for layer in model.walk()],
        "step": trainer.step,
        "epoch": trainer.epoch,
        "optimizer": trainer.optimizer.state(),
        "callbacks": [one.state() for one in with_memory(trainer.callbacks)],
        "first_epoch": trainer.first_epoch,
        "batch": trainer.batch,
        "batches": trainer.batches,
        "batch_loss": trainer.batch_loss,
        "running": running.state(),
        "spent": time.perf_counter() - trainer.started if trainer.batch else 0.0,
        "history": dict(trainer.history),
        "inputs": None if model.inputs is None else model.inputs.to_data(),
        "targets": None if model.targets is None else model.targets.to_data(),
    }


def restore(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Make a trainer that has not begun go on where the state was taken."""
    model = trainer.model
    if not model.built:
        model.build(tuple(state["input_shape"]))
    tensors = model.tensors()
    if {name: array.shape for name, array in tensors.items()} != {
        name: np.shape(array) for name, array in state["tensors"].items()
    }:
        raise ValueError("the tensors of the checkpoint are not those of the model")
    for name, array in tensors.items():
        array[...] = state["tensors"][name]
    for layer, train in zip(model.walk(), state["train"], strict=True):
        if train != _train(layer):
            layer.restore_training_settings(describe.from_data(train, {**KINDS, **_own_kinds(trainer)}))
    model.context.step, model.epoch = state["step"], state["epoch"]
    trainer.optimizer.claim(model.parameters, getattr(model, "layout", None))
    trainer.optimizer.restore(state["optimizer"])
    for callback, memory in zip(with_memory(trainer.callbacks), state["callbacks"], strict=True):
        callback.restore(memory)
    trainer.first_epoch, trainer.batch, trainer.spent = state["first_epoch"], state["batch"], state["spent"]
    if trainer.source.batches is None:
        trainer.source.batches = state["batches"]
    trainer.batch_loss, trainer.resumed = state["batch_loss"], True
    if model.inputs is None and state.get("inputs") is not None:  # of an iterable: no batch is read yet
        model.inputs = Inputs.from_data(state["inputs"])
    if model.targets is None and state.get("targets") is not None:
        model.targets = targets.loaded(Targets.from_data(state["targets"]), trainer.loss, model.output_shape)
    trainer.running.restore(state["running"])
    trainer.history.restore(state["history"])


def with_memory(callbacks: Iterable[Callback]) -> list[Callback]:
    """Those that have something to remember."""
    return [one for one in callbacks if type(one).state is not Callback.state]


def fingerprint(x: NDArray[Any] | None) -> int | None:
    """A number that is another one for other data, as far as some of the rows tell."""
    if x is None:
        return None
    crc = zlib.crc32(f"{x.shape} {x.dtype}".encode())
    for row in np.unique(np.linspace(0, len(x) - 1, ROWS).astype(np.int64)):
        crc = zlib.crc32(np.asarray(x[row]).tobytes(), crc)
    return crc


def _train(layer: Any) -> dict[str, Any]:
    """A layer's training settings, all of them, as plain data."""
    whole = {"frozen": [], "learning_rate_factor": 1.0, "penalty": None, **layer.training_settings()}
    return {name: describe.to_data(value, (Penalty,), KINDS) for name, value in whole.items()}


def _own_kinds(trainer: Trainer) -> dict[str, type]:
    """The user's own classes of penalties that the model has."""
    there = [trainer.penalty, *(getattr(layer, "penalty", None) for layer in trainer.model.walk())]
    return {type(one).__name__: type(one) for one in there if one is not None}


def _text(thing: object) -> str:
    """What tells a thing from others in another process; own classes that do not say are told by their names."""
    try:
        text = repr(thing)
    except TypeError:
        return type(thing).__name__
    return type(thing).__name__ if " at 0x" in text or "\n" in text else text
