"""The adapter between tables and `pynn.sklearn`: makes and fits the estimator, and reads and writes model files."""

from __future__ import annotations

import argparse
import math
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

from ...data.columns import Column
from ...losses import Quantile
from ...losses.attributes import AttributeLoss
from ...messages import terminal
from ...preprocessing.pipeline import in_sequence
from ...typing import Array

NOTE = "table"  # key of a model's notes
PRESETS = ("full", "simplified", "fast")
LAYOUT = "{desc} {percentage:3.0f}%|{bar:12}| {n:.NUMBERf}/{total_fmt} epochs [{elapsed}<{remaining}{postfix}]"
LINES = 10  # of a training whose stderr is no terminal
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
    """A bar over the epochs of each member, in a file lines, and the end of the training after a Ctrl-C.

    histories: what was measured, of each member. kept: the epochs whose parameters they have, known after the fit.
    """

    writes = True

    def __init__(self, members: int = 1, quiet: bool = False) -> None:
        self.members, self.quiet = members, quiet
        self.member = self.epochs = 0
        self.interrupted = False
        self.histories: list[Any] = []
        self.kept: list[int] = []
        self._bar: Any = None
        self._lines = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Progress:
        return self  # an estimator may copy its callbacks: there is one bar

    def on_train_begin(self, trainer: Run) -> None:
        """Begin a member's bar."""
        self.member, self.epochs = self.member + 1, 0
        self.histories.append(trainer.history)
        self._lines = not self.quiet and not terminal.is_terminal(sys.stderr)
        if self.quiet or self._lines:
            return
        from tqdm import tqdm  # here: importing pynn must stay light

        layout = LAYOUT.replace("NUMBER", "1" if self._is_long(trainer) else "0")
        self._bar = tqdm(
            total=trainer.epochs, desc=self._title, bar_format=layout, leave=True, mininterval=0.1,
            file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        )  # fmt: skip

    @property
    def _title(self) -> str:
        return "training" if self.members == 1 else f"training {self.member}/{self.members}"

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
        parts = [f"{name} {value:.4g}" for name, value in trainer.values.items() if name.startswith("val_")]
        if self._bar is not None:
            self._bar.set_postfix_str("  ".join(parts[-1:]), refresh=False)
            self._bar.update(self.epochs - self._bar.n)
        elif self._lines and self.epochs * LINES // trainer.epochs > (self.epochs - 1) * LINES // trainer.epochs:
            terminal.say("  ".join([f"{self._title}: epoch {self.epochs}/{trainer.epochs}", *parts[-1:]]))
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
        self.classes = _classes(first)

    @property
    def parts(self) -> list[pynn.Sequential]:
        """The model, or the members of an ensemble."""
        return list(self.model) if isinstance(self.model, pynn.Ensemble) else [self.model]

    @property
    def columns(self) -> list[Column]:
        """The columns that it goes by, as they were in the training."""
        encoder = encoder_of(self.parts[0])
        if encoder is None:  # it was trained on numbers alone
            return [Column(name, "number", "float64") for name in self.parts[0].columns or ()]
        return [column for column in encoder.columns_ if column.used]

    @property
    def target(self) -> str:
        """The name of what is predicted."""
        return str(self.about.get("target", "prediction"))

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the quantiles that it predicts, if it does."""
        loss = self.model.loss
        return loss._each if isinstance(loss, Quantile) else ()

    def predict(self, frame: Any) -> Array:
        """Classes (N,), or numbers (N, K)."""
        predicted = np.asarray(self.model.predict(frame))
        return predicted if self.classes is not None else predicted.reshape(len(predicted), -1)

    def heads(self, count: int) -> list[str]:
        """Names of so many columns of numbers."""
        if len(self.levels) == count:
            return [f"q({level})" for level in self.levels]
        return [self.target] if count == 1 else [f"{self.target} {number}" for number in range(1, count + 1)]

    @property
    def middle(self) -> int:
        """The place of the quantile that is the nearest to the median; 0 if it predicts none."""
        return int(np.argmin(np.abs(np.array(self.levels) - 0.5))) if self.levels else 0

    def numbers(self, frame: Any) -> Array:
        """(N,), of quantiles the middle one; ValueError if it predicts several numbers for a row."""
        predicted = self.predict(frame)
        if predicted.shape[1] != max(len(self.levels), 1):
            raise ValueError(
                f"the model predicts {predicted.shape[1]} numbers for each row, and one can be measured here; "
                "pynn predict writes them all, and in Python model.evaluate(x, y) measures them"
            )
        return np.asarray(predicted[:, self.middle])

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
        encoders: dict[int, Any] = {id(encoder): encoder for encoder in map(encoder_of, self.parts)}
        for encoder in encoders.values():
            encoder._read_text(forms)

    def save(self, path: Path) -> None:
        """Write the model's file."""
        self.model.save(path)


def _classes(model: pynn.Sequential) -> list[Any] | None:
    """The classes in the order of `predict_proba`; None for a model of numbers, or of several answers."""
    if model.classes is not None:
        return list(model.classes.tolist())
    count = model.loss.classes(model.output_shape)
    if count is not None:  # labels 0..C-1
        return list(range(count))
    if isinstance(model.loss, AttributeLoss) and math.prod(model.output_shape) == 1:
        return [False, True] if model.targets is not None and model.targets.truth else [model.loss._no, 1]
    return None


def encoder_of(model: pynn.Sequential) -> pynn.TableEncoder | None:
    """What reads tables in the model's preprocessing; None for nothing."""
    steps = in_sequence(model.preprocessing)
    return steps[0] if steps and isinstance(steps[0], pynn.TableEncoder) else None


def is_table_model(model: Any) -> bool:
    """Whether the model takes tables: it knows its columns by their names, and they are no pixels of pictures."""
    first = model[0] if isinstance(model, pynn.Ensemble) else model
    return isinstance(first.notes.get(NOTE), dict) or (first.columns is not None and "image_shape" not in first.notes)


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
