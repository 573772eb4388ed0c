"""The state of a training run as plain data: taken from a trainer, and restored into a fresh one.

Knows no files. Masks, augmentation and the order of samples are functions of seed, epoch and step and have no state.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import checks, regularizers
from ..callbacks.base import Callback, Run
from ..data import arrays
from ..messages.terminal import brief
from ..regularizers import Penalty
from ..saving import config, container
from ..saving import state as memory
from ..schedules import Schedule
from . import targets
from .inputs import Inputs
from .sources import Arrays
from .targets import Targets
from .trainable import Trainable

if TYPE_CHECKING:
    from .plan import Plan
    from .trainer import Trainer

NEEDED = (  # keys of a state
    "input_shape", "tensors", "train", "step", "epoch", "optimizer", "callbacks", "first_epoch", "batch", "batches",
    "batch_loss", "running", "spent", "history",
)  # fmt: skip
OPTIONAL = ("settings", "inputs", "targets")
SETTINGS = ("_frozen", "_frozen_names", "_factor", "_factor_names", "_penalty")  # attributes of a layer
ROWS = 64  # rows of the data that enter a fingerprint
KINDS: dict[str, type] = {kind.__name__: kind for kind in regularizers.PENALTIES}


def settings(plan: Plan) -> dict[str, Any]:
    """What must be the same when a run is resumed, by the names that `fit` uses."""
    model, loss, source = plan.model, plan.loss, plan.data.source
    values: dict[str, Any] = {
        "the model": [_text(layer) + str(_train(layer)) for layer in list(model.walk())[1:]],
        "dtype": str(model.dtype),
        "the model's seed": model.seed,
        "loss": _text(loss),
        "optimizer": _text(plan.optimizer),
        "penalty": _text(plan.penalty),
        "metrics": plan.measures.names(loss),
        "callbacks with a memory": [type(callback).__name__ for callback in with_memory(plan.callbacks)],
        "the validation data": [fingerprint(part) for part in plan.data.held_out or ()],
    }
    if isinstance(source, Arrays):
        values["batch_size"], values["seed"] = int(source.batch_size), int(source.seed)
        values["the names of the classes"] = None if source.targets.classes is None else source.targets.classes.tolist()
        values["the shape of x"], values["augmentation"] = list(source.samples.x.shape), _text(source.augment)
        values["preprocessing"] = _text(source.preprocessing)  # of batches; otherwise the data are already transformed
        values["the data"] = [fingerprint(part) for part in source.samples]
        if not source.shuffle:
            values["shuffle"] = False
        if source.drop_last:
            values["drop_last"] = True
    else:
        values["the shape of x"] = "an iterable of batches"
    if source.accumulate > 1:
        values["accumulate"] = int(source.accumulate)
    return values


def differences(saved: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """The differences, as text."""
    texts = []
    for name in [*saved, *(name for name in current if name not in saved)]:
        before, now = saved.get(name), current.get(name)
        if before != now:
            long = isinstance(before, list) and name != "the shape of x"
            texts.append(f"{name} differs" if long else f"{name} was {before}, now it is {now}")
    return texts


def state(trainer: Run) -> dict[str, Any]:
    """All that a run remembers between two steps; arrays are not copied."""
    model, running = trainer.model, trainer.running
    return {
        "input_shape": list(model.input_shape),
        "tensors": model.tensors(),
        "train": [_train(layer) for layer in model.walk()],
        "step": trainer.step,
        "epoch": trainer.epoch,
        "optimizer": trainer.optimizer.state(),
        "callbacks": [callback.state() for callback in with_memory(trainer.callbacks)],
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
    """Make a trainer that has not begun continue from the state; ValueError, with nothing changed, if it cannot.

    Everything is checked before anything is restored. If a user's own class raises an error, the changes are undone.
    """
    put_back = _as_it_is(trainer)
    try:
        _take_up(trainer, state, _checked(trainer, state))
    except Exception as cause:
        put_back()
        why = str(cause) if isinstance(cause, ValueError) else f"{type(cause).__name__}: {cause}"
        raise ValueError(container.one_line(f"it is not a state of this run: {why}")) from container.safe_cause(cause)


def _checked(trainer: Trainer, state: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The layers whose training settings change, with the new ones; ValueError if the state is not of such a run."""
    config.expect_keys("the state", state, NEEDED, OPTIONAL)
    counts = {name: state[name] for name in ("step", "epoch", "first_epoch", "batch")}
    counts |= {} if state["batches"] is None else {"batches": state["batches"]}
    checks.expect_count("", 0, **counts)
    if state["first_epoch"] > state["epoch"] or max(counts.values()) >= 2**32 or state["batches"] == 0:
        raise ValueError(f"its counts are {counts}, which are impossible")
    source, batches = trainer.source.batches, state["batches"]
    other = isinstance(trainer.source, Arrays) and source != batches
    if batches is not None and (other or state["batch"] > batches):
        raise ValueError(f"it is in batch {state['batch']} of {batches}, this run has {source} in an epoch")
    checks.expect_numbers("", checks.NOT_NEGATIVE, spent=state["spent"])
    if state["batch_loss"] is not None:
        checks.expect_numbers("", checks.ANY, batch_loss=state["batch_loss"])
    model, callbacks, layers = trainer.model, with_memory(trainer.callbacks), state["train"]
    if not model.built:
        _build(model, state)
    memory.expect_tensors("tensors", state["tensors"], model.tensors())
    trainer.optimizer.expect_state(state["optimizer"], model.parameters)
    for name, there in (("train", list(model.walk())), ("callbacks", callbacks)):
        if not isinstance(state[name], list) or len(state[name]) != len(there):
            raise ValueError(f"{name} is {brief(state[name])}, expected a list of {len(there)}")
    for callback, saved in zip(callbacks, state["callbacks"], strict=True):
        if type(callback).state.__module__.startswith("pynn."):
            callback._expect(saved, model)
    kinds = {**KINDS, **_own_kinds(trainer)}
    changed = [(layer, train) for layer, train in zip(model.walk(), layers, strict=True) if train != _train(layer)]
    return [(layer, config.from_data(train, kinds)) for layer, train in changed]


def _build(model: Trainable, state: Mapping[str, Any]) -> None:
    """Build a model whose batches come from an iterable: none has been read yet. Limited to the size of the state."""
    shape, tensors = state["input_shape"], state["tensors"]
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"input_shape is {brief(shape)}, expected a list of sizes of at least 1")
    config.expect_keys("tensors", tensors, (), tensors)
    model.context.limit = max(sum(np.size(tensor) for tensor in tensors.values()), 100_000)
    try:
        model.build(tuple(shape))
    finally:
        model.context.limit = None


def _take_up(trainer: Trainer, state: Mapping[str, Any], changed: list[tuple[Any, Any]]) -> None:
    model = trainer.model
    form, known = state.get("inputs"), state.get("targets")
    if model.inputs is None and form is not None:  # x is an iterable: no batch has been read yet
        model.inputs = Inputs.from_data(form)
    if model.targets is None and known is not None:
        model.targets = targets.loaded(Targets.from_data(known), trainer.loss, model.output_shape)
    for callback, saved in zip(with_memory(trainer.callbacks), state["callbacks"], strict=True):
        callback.restore(saved)
    trainer.running.restore(state["running"])
    trainer.history.restore(state["history"])
    for layer, train in changed:
        layer._restore_training_settings(train)
        layer._expect_parameters(*layer._frozen_names)
        layer._expect_factors(layer._factor_names)
    trainer.optimizer.claim(model.parameters, getattr(model, "layout", None))
    with model.lock:  # another thread may save it
        trainer.optimizer.restore(state["optimizer"])  # from here on nothing can fail
        for name, array in model.tensors().items():
            array[...] = state["tensors"][name]
        model.context.step, model.epoch = state["step"], state["epoch"]
    trainer.first_epoch, trainer.batch, trainer.spent = state["first_epoch"], state["batch"], state["spent"]
    if trainer.source.batches is None:
        trainer.source.batches = state["batches"]
    trainer.batch_loss, trainer.resumed = state["batch_loss"], True


def _as_it_is(trainer: Trainer) -> Callable[[], None]:
    """A function that undoes all that `_take_up` may have changed."""
    model, optimizer = trainer.model, trainer.optimizer
    built, known = model.built, (model.optimizer, model.inputs, model.targets)
    claim = optimizer._parameters, optimizer._layout
    held: list[Any] = [*with_memory(trainer.callbacks), trainer.running, *trainer.running.metrics, trainer.history]
    for schedule in (optimizer.schedule, optimizer.weight_decay_schedule):
        inside: Any = schedule
        while isinstance(inside, Schedule):
            held.append(inside)
            inside = getattr(inside, "schedule", None)  # of a Warmup
    memories = [(thing, dict(vars(thing))) for thing in held]
    layers = [(layer, {name: getattr(layer, name) for name in SETTINGS}) for layer in model.walk()]

    def put_back() -> None:
        if not built and model.built:
            model.unbuild()
        model.optimizer, model.inputs, model.targets = known
        optimizer._parameters, optimizer._layout = claim
        for thing, before in memories:
            vars(thing).clear()
            vars(thing).update(before)
        for layer, settings in layers:
            vars(layer).update(settings)
        model.context.changes += 1

    return put_back


def with_memory(callbacks: Iterable[Callback]) -> list[Callback]:
    """The callbacks that have a state."""
    return [callback for callback in callbacks if type(callback).state is not Callback.state]


def fingerprint(x: NDArray[Any] | None) -> int | None:
    """A checksum of the shape, the dtype and some of the rows, to tell different data apart."""
    if x is None:
        return None
    crc = zlib.crc32(f"{x.shape} {x.dtype}".encode())
    for row in arrays.spread(len(x), ROWS):
        crc = zlib.crc32(np.asarray(x[row]).tobytes(), crc)
    return crc


def _train(layer: Any) -> dict[str, Any]:
    """All training settings of a layer as plain data."""
    whole = {"frozen": [], "learning_rate_factor": 1.0, "penalty": None, **layer._training_settings()}
    return {name: config.to_data(value, (Penalty,), KINDS) for name, value in whole.items()}


def _own_kinds(trainer: Trainer) -> dict[str, type]:
    """The classes of the penalties in the model, a user's own included."""
    penalties = [trainer.penalty, *(getattr(layer, "penalty", None) for layer in trainer.model.walk())]
    return {type(penalty).__name__: type(penalty) for penalty in penalties if penalty is not None}


def _text(thing: object) -> str:
    """Text that identifies an object in another process; for a class without a useful repr, its name."""
    try:
        text = repr(thing)
    except TypeError:
        return type(thing).__name__
    return type(thing).__name__ if " at 0x" in text or "\n" in text else text
