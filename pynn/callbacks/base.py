"""Callback: listens to a training run and may steer it. Knows no models and no files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..signatures import Constructed

if TYPE_CHECKING:
    from ..losses import Loss
    from ..optimizers import Optimizer


class Run(Protocol):
    """The part of a training run that a callback may use; `pynn.Trainer` implements it and explains the attributes.

    Attributes are read only, except that `on_train_end` may set `error`.
    """

    model: Any
    loss: Loss
    optimizer: Optimizer
    source: Any
    callbacks: list[Callback]
    penalty: Any
    held_out: Any
    samples: Any
    history: Any
    running: Any
    epochs: int
    first_epoch: int
    batch: int
    batch_loss: float | None
    values: dict[str, float]
    stopped: str | None
    error: BaseException | None
    resumed: bool
    whole: bool
    started: float
    spent: float

    @property
    def epoch(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def batches(self) -> int | None: ...

    def stop(self, reason: str = ...) -> None: ...


class Callback(Constructed):
    """Base of all callbacks, which listen to a training run, ``fit(..., callbacks=[...])``, and may steer it.

    Notes
    -----
    A custom callback overrides some of the methods, which do nothing here. Each gets the `Trainer`, whose attributes
    show how far the run is, and whose ``stop(reason)`` ends it. A method that is not overridden costs nothing; an
    unknown method named on_... is an error when training begins.

    Callbacks are called in their order, on_train_end in reverse order. A plain function f(trainer) instead of a
    callback is called at the end of each epoch. An exception raised in a callback ends the run.

    A callback with a memory also overrides `state` and `restore`, so that a resumed run continues with it, and starts
    afresh in on_train_begin unless trainer.resumed is True. One that writes files or prints sets ``writes = True``: if
    several processes train one model together (``fit(distributed=True)``), only the first of them calls it.

    Examples
    --------
    >>> class Budget(pynn.Callback):
    ...     def __init__(self, steps):
    ...         self.steps = steps
    ...     def on_step_end(self, trainer):
    ...         if trainer.step >= self.steps:
    ...             trainer.stop(f"{self.steps} steps are done")
    """

    monitor: str | None = None  # the measurement it needs: `fit` checks the name before it trains
    writes = False
    watches = False  # it is called before the others, and at the end after them: it sees what they leave

    def on_train_begin(self, trainer: Run) -> None:
        """Run before the first epoch.

        Parameters
        ----------
        trainer : Trainer
            The run.
        """

    def on_epoch_begin(self, trainer: Run) -> None:
        """Run before an epoch; again if the run is resumed in the middle of it.

        Parameters
        ----------
        trainer : Trainer
            The run.
        """

    def on_step_begin(self, trainer: Run) -> None:
        """Run before a step.

        Parameters
        ----------
        trainer : Trainer
            The run.
        """

    def on_step_end(self, trainer: Run) -> None:
        """Run after a step.

        Parameters
        ----------
        trainer : Trainer
            The run; trainer.batch_loss is the step's loss.
        """

    def on_epoch_end(self, trainer: Run) -> None:
        """Run after an epoch.

        Parameters
        ----------
        trainer : Trainer
            The run; trainer.values holds the epoch's measurements, trainer.epoch counts it already.
        """

    def on_train_end(self, trainer: Run) -> None:
        """Run when the run ends for any reason: all epochs done, a stop, an error, Ctrl-C.

        Parameters
        ----------
        trainer : Trainer
            The run; trainer.error is the exception, or None. If it is set to None here, `fit` returns normally.
        """

    def state(self) -> dict[str, Any]:
        """Return the callback's memory for a checkpoint.

        Returns
        -------
        dict
            Numbers, text, None, arrays, and lists and dicts of these, by name.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the memory from a checkpoint.

        Parameters
        ----------
        state : dict
            What the method `state` returned.
        """

    def _expect(self, state: dict[str, Any], model: Any) -> None:
        """Raise ValueError if state is not the memory of such a callback for this model."""


Callbacks: TypeAlias = "Callback | Callable[[Run], Any] | Iterable[Callback | Callable[[Run], Any]]"
HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class EveryEpoch(Callback):
    """Calls a plain function at the end of each epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, trainer: Run) -> None:
        self.function(trainer)


def all_callbacks(callbacks: Callbacks | None) -> list[Callback]:
    """Return the callbacks, plain functions wrapped; TypeError for anything else and for unknown hooks."""
    if callbacks is None:
        return []
    if isinstance(callbacks, (type, str)) or not isinstance(callbacks, Iterable) or callable(callbacks):
        callbacks = [callbacks]  # a single callback
    return [_checked(callback) for callback in callbacks]


def _checked(callback: Any) -> Callback:
    from . import mistakes  # here: importing pynn must stay light

    if isinstance(callback, type) or not isinstance(callback, Callback):
        mistakes.expect_function(callback)
        return EveryEpoch(callback)
    mistakes.expect_hooks(callback, Callback, HOOKS)
    return callback


def hooks(callbacks: Iterable[Callback]) -> dict[str, list[Callable[[Run], None]]]:
    """Return the callbacks' methods that are overridden, by the name of the hook."""
    methods: dict[str, list[Callable[[Run], None]]] = {name: [] for name in HOOKS}
    for callback in callbacks:
        for name, overridden in methods.items():
            hook = getattr(callback, name)
            if getattr(hook, "__func__", None) is not getattr(Callback, name):
                overridden.append(hook)
    return methods
