"""Detects callbacks with unknown hooks, and objects that are not callbacks. Knows no training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ..messages.terminal import brief

# Other libraries' names of the hooks; their hooks for test, predict or validation steps have no counterpart here.
RENAMED = {
    "on_batch_begin": "on_step_begin",
    "on_batch_start": "on_step_begin",
    "on_train_batch_begin": "on_step_begin",
    "on_train_batch_start": "on_step_begin",
    "on_step_start": "on_step_begin",
    "on_batch_end": "on_step_end",
    "on_train_batch_end": "on_step_end",
    "on_after_backward": "on_step_end",
    "on_epoch_start": "on_epoch_begin",
    "on_train_epoch_begin": "on_epoch_begin",
    "on_train_epoch_start": "on_epoch_begin",
    "on_train_epoch_end": "on_epoch_end",
    "on_validation_end": "on_epoch_end",
    "on_validation_epoch_end": "on_epoch_end",
    "on_test_end": "on_epoch_end",
    "on_fit_begin": "on_train_begin",
    "on_fit_start": "on_train_begin",
    "on_train_start": "on_train_begin",
    "on_training_begin": "on_train_begin",
    "on_training_start": "on_train_begin",
    "on_begin": "on_train_begin",
    "on_fit_end": "on_train_end",
    "on_training_end": "on_train_end",
    "on_end": "on_train_end",
    "on_exception": "on_train_end",
    "on_keyboard_interrupt": "on_train_end",
}

# Where objects that are not callbacks belong, by class.
PLACES = {
    "Schedule": "a schedule is given to the optimizer: optimizer=pynn.Adam({value})",
    "Optimizer": "an optimizer is given to fit: optimizer={value}",
    "Loss": "a loss is given to fit: loss={value}",
    "Metric": "a metric is given to fit: metrics=[{value}]",
    "Penalty": "a penalty is given to fit: penalty={value}",
    "Augmentation": "an augmentation is given to fit: augmentation={value}",
    "Augment": "augmentations are given to fit: augmentation={value}",
    "Transformer": "preprocessing is given to fit: preprocessing={value}",
    "Distributed": "several machines are given to fit: distributed={value}",
    "Split": "a split is given to fit: validation={value}",
    "Constraint": "a constraint is given to a layer: pynn.Affine(10, constraint={value})",
    "Layer": "a layer belongs in the model: pynn.Sequential(...)",
}


def expect_function(value: Any) -> None:
    """Raise TypeError unless it is a callback or a function of the trainer."""
    bases = () if isinstance(value, type) else type(value).__mro__
    for base in bases:
        if base.__name__ in PLACES and base.__module__.startswith("pynn."):
            raise TypeError(f"callbacks holds {brief(value)}; {PLACES[base.__name__].format(value=value)}")
    if isinstance(value, type) or not callable(value):
        hint = f"; write {value.__name__}(...)" if isinstance(value, type) else ""
        raise TypeError(
            f"callbacks holds {brief(value)}, expected pynn.Callback objects or functions of a trainer{hint}"
        )
    _expect_one_argument(value, f"callbacks holds the function {getattr(value, '__name__', repr(value))}")


def expect_hooks(callback: Any, base: type, hooks: Sequence[str]) -> None:
    """Raise TypeError for a method named on_... that is not a hook, or that does not take the trainer alone.

    base: the class whose methods are the hooks.
    """
    kind = type(callback)
    for name in dir(callback):
        if not name.startswith("on_") or not callable(getattr(callback, name)):
            continue
        if name not in hooks:
            hint = f"rename it {RENAMED[name]}" if name in RENAMED else f"the hooks are {', '.join(hooks)}"
            raise TypeError(f"{kind.__name__} has the method {name}, which training never calls; {hint}")
        if getattr(kind, name) is not getattr(base, name):
            _expect_one_argument(getattr(callback, name), f"{kind.__name__}.{name}")


def _expect_one_argument(function: Callable[..., Any], label: str) -> None:
    """Raise TypeError if the function cannot be called with the trainer alone, or would take it for the epoch."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some C functions have no signature
        return
    names = list(signature.parameters)
    try:
        signature.bind(None)
    except TypeError:
        names = ["", "logs"]
    if "logs" in names[1:]:
        raise TypeError(f"{label}{signature} is called with the trainer alone: define it with (trainer); "
                        "trainer.epoch, trainer.step and trainer.values hold the rest")  # fmt: skip
