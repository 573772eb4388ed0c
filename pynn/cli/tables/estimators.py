"""The adapter between tables and `pynn.sklearn`: makes and fits the estimator, and reads and writes model files."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import pynn
from pynn.callbacks.base import Run

from ...messages import terminal
from ...typing import Array

NOTE = "table"  # key of a model's notes
PRESETS = ("full", "simplified", "fast")
LAYOUT = "{desc} {percentage:3.0f}%|{bar:12}| {n:.NUMBERf}/{total_fmt} epochs [{elapsed}<{remaining}{postfix}]"
LONG = 100  # steps of an epoch within which the bar moves


def make(options: argparse.Namespace, classification: bool, callbacks: list[pynn.Callback]) -> Any:
    """The estimator that the options describe."""
    from ...sklearn.tabular_classifier import TabularClassifier  # here: they import scikit-learn
    from ...sklearn.tabular_regressor import TabularRegressor

    kind: Any = TabularClassifier if classification else TabularRegressor
    return kind(
        options.preset, n_ens=options.ensemble, time_budget=options.time_budget, callbacks=callbacks, verbose=False,
        random_state=options.seed % 2**32,
    )  # fmt: skip


def model_of(estimator: Any) -> Any:
    """The Sequential or Ensemble of a fitted estimator, whose preprocessing reads tables."""
    model = estimator.to_model()
    for part in list(model) if isinstance(model, pynn.Ensemble) else [model]:
        if part.preprocessing is None:
            part.preprocessing = estimator.encoder_
    return model


class Progress(pynn.Callback):
    """A bar over the epochs of each member, and the end of the training after an epoch in which Ctrl-C was pressed.

    histories: what was measured, of each member.
    """

    writes = True

    def __init__(self, members: int = 1, quiet: bool = False) -> None:
        self.members, self.quiet = members, quiet
        self.member = self.epochs = 0
        self.interrupted = False
        self.histories: list[Any] = []
        self._bar: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Progress:
        return self  # an estimator may copy its callbacks: there is one bar

    def on_train_begin(self, trainer: Run) -> None:
        """Begin a member's bar."""
        self.member, self.epochs = self.member + 1, 0
        self.histories.append(trainer.history)
        if self.quiet:
            return
        from tqdm import tqdm  # here: importing pynn must stay light

        title = "training" if self.members == 1 else f"training {self.member}/{self.members}"
        layout = LAYOUT.replace("NUMBER", "1" if self._is_long(trainer) else "0")
        self._bar = tqdm(
            total=trainer.epochs, desc=title, bar_format=layout, leave=True, mininterval=0.1,
            file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        )  # fmt: skip

    @staticmethod
    def _is_long(trainer: Run) -> bool:
        return trainer.batches is not None and trainer.batches >= LONG

    def on_step_end(self, trainer: Run) -> None:
        """Advance within a long epoch."""
        if self._bar is not None and trainer.batches and self._is_long(trainer):
            self._bar.update(self.epochs + trainer.batch / trainer.batches - self._bar.n)

    def on_epoch_end(self, trainer: Run) -> None:
        """Advance, with what was measured on the validation part."""
        self.epochs += 1
        if self._bar is not None:
            parts = [f"{name} {value:.4g}" for name, value in trainer.values.items() if name.startswith("val_")]
            self._bar.set_postfix_str("  ".join(parts[-1:]), refresh=False)
            self._bar.update(self.epochs - self._bar.n)
        if self.interrupted:
            trainer.stop("interrupted")

    def on_train_end(self, trainer: Run) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """The first Ctrl-C ends the training after its epoch, the second one at once.

        An ensemble has no use for members that were hardly trained: there the first one ends it.
        """
        main = threading.current_thread() is threading.main_thread()
        if not main or self.members > 1 or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return

        def stop(number: int, frame: object) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True
            terminal.say("\npynn: stopping after this epoch; Ctrl-C again stops at once and keeps nothing")

        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Predictor:
    """A model for tables: a Sequential or an Ensemble with its preprocessing, and the notes of this command."""

    def __init__(self, model: Any) -> None:
        self.model = model
        first = self.parts[0]
        about = first.notes.get(NOTE)
        self.about: dict[str, Any] = about if isinstance(about, dict) else {}
        names = first.classes
        self.classes: list[Any] | None = None if names is None else np.asarray(names).tolist()

    @property
    def parts(self) -> list[pynn.Sequential]:
        """The model, or the members of an ensemble."""
        return list(self.model) if isinstance(self.model, pynn.Ensemble) else [self.model]

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """The columns that it takes, in order, with what is known of each."""
        known = self.about.get("columns")
        if isinstance(known, dict):
            return known
        names = getattr(self.parts[0].preprocessing, "feature_names_in_", None)
        if names is None:
            raise ValueError("the model does not name its columns; it was not trained on a table")
        return {str(name): {} for name in np.asarray(names).tolist()}

    def categories(self, name: str) -> set[str] | None:
        """The categories of this column in the training; None if they are not known, or rare ones share a place."""
        for column in getattr(self.parts[0].preprocessing, "columns_", ()):
            if column.name == name and column.categories and not column.other:
                return set(map(str, column.categories))
        return None

    def predict(self, frame: Any) -> Array:
        """Classes or numbers."""
        return np.asarray(self.model.predict(frame))

    def probabilities(self, frame: Any) -> Array:
        """(N, C), in the order of `classes`."""
        return np.asarray(self.model.predict_proba(frame))

    def note(self, about: Mapping[str, Any]) -> None:
        """Remember this in the model's file."""
        self.about.update(about)
        for part in self.parts:
            part.notes[NOTE] = dict(self.about)

    def read_text(self, forms: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
        """Have the preprocessing read these columns as their text was read here."""
        encoders: dict[int, Any] = {id(part.preprocessing): part.preprocessing for part in self.parts}
        for encoder in encoders.values():
            encoder._read_text(forms)

    def save(self, path: Path) -> None:
        """Write the model's file."""
        self.model.save(path)


def is_table_model(model: Any) -> bool:
    """Whether the model takes tables."""
    first = model[0] if isinstance(model, pynn.Ensemble) else model
    return isinstance(first.notes.get(NOTE), dict) or hasattr(first.preprocessing, "columns_")


def load(path: str) -> Any:
    """The model in this file, or the ensemble if it is one for tables."""
    try:
        return pynn.load(path)
    except ValueError as cause:
        try:
            ensemble = pynn.Ensemble.load(path)
        except (ValueError, OSError):
            raise cause from None
        if not is_table_model(ensemble):
            raise
        return ensemble


def written(path: Path) -> dict[str, Any]:
    """The notes of the model in this file, empty if `pynn train` did not write it for a table."""
    try:
        return Predictor(load(str(path))).about
    except (ValueError, OSError, TypeError):
        return {}
