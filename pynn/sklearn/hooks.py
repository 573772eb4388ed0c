"""scikit-learn's callbacks (SLEP023), where the installed version has them: estimators get `set_callbacks`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..callbacks.base import Callback, Run

try:
    from sklearn.callback import CallbackSupportMixin as Supporting
    from sklearn.callback import with_callbacks
except ImportError:  # before scikit-learn 1.9

    class Supporting:  # type: ignore[no-redef]
        """Without callbacks."""

    def with_callbacks(method: Any) -> Any:
        """Leave the method as it is."""
        return method


__all__ = ["Bridge", "Supporting", "fitting", "with_callbacks"]


@contextmanager
def fitting(estimator: Any, X: Any, y: Any, metadata: dict[str, Any]) -> Iterator[Any]:
    """The context of a fit, whose callbacks are told of its begin and its end; None if there are none."""
    if not getattr(estimator, "_skl_callbacks", None):
        yield None
        return
    context = estimator._init_callback_context(max_subtasks=estimator.max_iter)
    told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    context.call_on_fit_task_begin(**told)
    yield Tasks(context, told)
    context.call_on_fit_task_end(**told, reconstruction_attributes=dict)  # a copy has all


class Tasks:
    """The epochs of a fit, of which scikit-learn's callbacks are told."""

    def __init__(self, context: Any, told: dict[str, Any]) -> None:
        self.context, self.told = context, told
        self.task: Any = None

    def begin(self) -> None:
        """An epoch begins."""
        self.task = self.context.subcontext(task_name="epoch").call_on_fit_task_begin(**self.told)

    def end(self) -> bool:
        """An epoch has ended; whether a callback wants to stop."""
        if self.task is None:
            self.begin()
        task, self.task = self.task, None
        return bool(task.call_on_fit_task_end(**self.told, reconstruction_attributes=dict))


class Bridge(Callback):
    """Tells scikit-learn's callbacks of the epochs of a pynn run."""

    def __init__(self, tasks: Tasks) -> None:
        self.tasks = tasks

    def on_epoch_begin(self, trainer: Run) -> None:
        self.tasks.begin()

    def on_epoch_end(self, trainer: Run) -> None:
        if self.tasks.end():
            trainer.stop("a scikit-learn callback stopped it")
