"""TensorBoard: a callback that writes what a run does as files of events for TensorBoard to show."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks.base import Callback, Run
from ..callbacks.outage import Outage
from ..checks import FLAG, Count
from ..data import pictures
from ..saving import files
from ..signatures import takes
from . import observing
from .measuring import histogram, leaves
from .monitor import Monitor

if TYPE_CHECKING:
    from .events import Events

TILES = 64  # pictures of weights, at most
INPUTS = 16  # pictures of samples
# Of `observing.settings`: what the table of hyperparameters shows.
HYPERPARAMETERS = (
    "optimizer", "learning_rate", "schedule", "batch_size", "epochs", "loss", "weight_decay", "penalty", "clip_norm",
    "accumulate", "label_smoothing", "preprocessing", "augmentation", "samples", "parameters", "seed", "dtype",
)  # fmt: skip


class TensorBoard(Callback):
    """Write curves, distributions, pictures and hyperparameters for TensorBoard. Needs the extra `tensorboard`.

    Parameters
    ----------
    folder : path
        Where to write; it is made if it does not exist. ``tensorboard --logdir FOLDER`` shows it. A new run in the same
        folder takes the place of the one before it, a resumed run or a further fit of the same model continues it.
    every : int, default 100
        Steps between two losses of single steps.
    histograms : int, default 500
        Steps between two histograms of all layers; in the beginning they are closer: steps 1, 2, 4, 8 and so on. 0 for
        none.
    images : bool, default True
        Whether to draw the first layer's weights and some samples, if the inputs are images.

    Raises
    ------
    ImportError
        If tensorboardX is not installed.
    OSError
        Before training, if the folder cannot be written to.

    Notes
    -----
    TensorBoard shows four runs. ``train`` and ``validation`` have the measurements of `History` over the epochs, val_
    left out of their names, so that both are in one chart. ``steps`` has over the steps: loss, learning rate,
    histograms of parameters, of their gradients, of the layers' outputs and the gradients of those, the size of updates
    (see `pynn.plot.update_ratios`), dead and saturated units, pictures, and the model's summary as text. ``hparams``
    has the hyperparameters, with the last measurements as ``final/NAME``.

    Outputs are those that a `Monitor` measures, one in the same callbacks or, without it, one of its own, whose record
    is then in ``history.record``. If several processes train together, outputs are there only with a Monitor.

    Each event is written at once: a killed run loses none but those of steps that were not due yet. If the disk is
    full, training continues with a RuntimeWarning.

    Examples
    --------
    >>> model.fit(x, y, validation=0.1, epochs=20, callbacks=[pynn.TensorBoard("runs/first")])
    """

    writes = True
    watches = True
    _takes = takes(every=Count(1), histograms=Count(0), images=FLAG)

    def __init__(
        self, folder: str | os.PathLike[str], *, every: int = 100, histograms: int = 500, images: bool = True
    ) -> None:
        from . import events  # noqa: F401 (says what to install before a run, not in it)

        self.folder, self.every, self.histograms, self.images = os.fspath(folder), every, histograms, images
        self._forget()

    def _forget(self) -> None:
        self._events: dict[str, Events] = {}
        self._outage = Outage()
        self._monitor: Monitor | None = None
        self._begun = False
        self._seen = -1

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the files and what is measured: they belong to one run."""
        return {**self.__dict__, "_events": {}, "_monitor": None}

    def on_train_begin(self, trainer: Run) -> None:
        self._forget()
        self._path = Path(os.path.realpath(self.folder))  # the script may change its working folder while it trains
        self._first = trainer.step
        self._fresh = trainer.step == 0 and trainer.epoch == 0
        self._next, self._seen = trainer.step, trainer.step - 1
        self._session = "hparams" if not trainer.first_epoch else f"hparams from epoch {trainer.first_epoch + 1}"
        with files.naming(self.folder):
            for name in ("train", "steps", self._session):
                self._open(name, trainer)
        watched = any(isinstance(one, Monitor) for one in trainer.callbacks)
        # In several processes a forward pass of one alone would wait for the others: batch normalization joins them.
        if self.histograms and not watched and trainer.model.context.group.size == 1:
            self._monitor = Monitor(interval=self.histograms, stop=False)
            self._monitor.on_train_begin(trainer)

    def on_step_begin(self, trainer: Run) -> None:
        if self._monitor is not None:
            self._monitor.on_step_begin(trainer)

    def on_step_end(self, trainer: Run) -> None:
        if self._monitor is not None:
            self._monitor.on_step_end(trainer)
        step = trainer.step
        due = not self._begun or step % self.every == 0
        if not self._begun:
            self._begin(trainer)
        if due:
            steps = self._events["steps"]
            steps.scalar("step/loss", trainer.batch_loss or 0.0, step)
            steps.scalar("step/learning_rate", trainer.optimizer.learning_rate, step)
        if self.histograms:
            if step > self._next:
                due = True
                self._add_parameters(trainer)
            due |= self._add_snapshots(trainer, step - 1)  # a Monitor completes a snapshot after the step it precedes
        if due:
            self._write(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        if self._monitor is not None:
            self._monitor.on_epoch_end(trainer)
        epoch = trainer.epoch
        for name, value in trainer.values.items():
            held_out = name.startswith("val_")
            run = self._open("validation", trainer) if held_out else self._events["train"]
            run.scalar(name.removeprefix("val_"), value, epoch)
            self._events[self._session].scalar(f"final/{name}", value, epoch)
        if epoch & (epoch - 1) == 0:  # epochs 1, 2, 4, 8 and so on, as TensorBoard keeps ten pictures
            self._add_weights(trainer)
        self._write(trainer)

    def on_train_end(self, trainer: Run) -> None:
        if self._monitor is not None:
            self._monitor.on_train_end(trainer)
        if self._begun:
            if self.histograms:
                self._add_parameters(trainer)
                self._add_snapshots(trainer, trainer.step + 1)
            self._add_weights(trainer)
            self._events[self._session].end_session(trainer.error is None, trainer.epoch)
            self._write(trainer)
        for events in self._events.values():
            events.close()
        self._events, self._monitor = {}, None

    def _open(self, run: str, trainer: Run) -> Events:
        """The file of one of TensorBoard's runs."""
        from .events import Events  # here: tensorboardX is an extra

        if run not in self._events:
            # That of validation is opened at the end of its first epoch, which is counted already.
            done = trainer.step if run == "steps" else trainer.epoch - (run == "validation")
            self._events[run] = Events(self._path / run, 0 if self._fresh else done + 1)
        return self._events[run]

    def _write(self, trainer: Run) -> None:
        lost = f"events of step {trainer.step} could not be written"
        with self._outage.bridged(lost, "they are written with later ones"), files.naming(self.folder):
            for events in self._events.values():
                events.write()

    def _begin(self, trainer: Run) -> None:
        """After the first step: the model is built, and the first batch and rate are known."""
        self._begun = True
        model, source, steps = trainer.model, trainer.source, self._events["steps"]
        samples = getattr(source, "samples", None) or trainer.samples
        settings = observing.settings(trainer, len(samples.x))
        chosen = {name: settings[name] for name in HYPERPARAMETERS if settings.get(name) not in (None, "")}
        self._events[self._session].begin_session(chosen, trainer.first_epoch)
        indented = "\n".join(f"    {line}" for line in model.summary().splitlines())  # code in Markdown
        steps.text("model", indented, self._first)
        if self.images and pictures.is_picture(model.input_shape):
            rows = np.asarray(samples.x[:INPUTS])
            low, high = (0, 255) if rows.dtype == np.uint8 else (float(rows.min()), float(rows.max()))
            scaled = (rows.astype(np.float64) - low) / ((high - low) or 1)
            self._picture("samples", pictures.pictures(scaled), self._first)

    def _add_parameters(self, trainer: Run) -> None:
        """Histograms of the parameters and of the gradients of the last step."""
        done, steps = trainer.step - self._first, self._events["steps"]
        self._next = trainer.step - 1 + min(max(done, 1), self.histograms)
        for layer in trainer.model.walk():
            for parameter in layer.declared if layer is not trainer.model else ():
                found = {"parameters": parameter.value, "gradients": None if layer.frozen else parameter.gradient}
                for kind, values in found.items():
                    counted = None if values is None or not values.size else histogram(values)
                    if counted is not None:
                        steps.histogram(f"{kind}/{layer.name}.{parameter.name}", counted, trainer.step)

    def _add_snapshots(self, trainer: Run, before: int) -> bool:
        """What a Monitor has seen since the last time, before a step; whether there was something."""
        record, steps = getattr(trainer.history, "record", None), self._events["steps"]
        if record is None or not record.snapshots or record.snapshots[-1].step <= self._seen:
            return False
        new = [one for one in record.snapshots if self._seen < one.step < before]
        for snapshot in new:
            for name, seen in snapshot.layers.items():
                for kind, counted in (("outputs", seen.outputs), ("output_gradients", seen.gradients)):
                    if counted is not None:
                        steps.histogram(f"{kind}/{name}", counted, snapshot.step)
                if seen.ratio is not None:
                    steps.scalar(f"update_ratio/{name}", seen.ratio, snapshot.step)
                function = record.layer(name)["activation"]
                if function == "relu":
                    steps.scalar(f"dead/{name}", seen.dead, snapshot.step)
                elif function in ("tanh", "sigmoid"):
                    steps.scalar(f"saturated/{name}", seen.saturated, snapshot.step)
            self._seen = snapshot.step
        return bool(new)

    def _add_weights(self, trainer: Run) -> None:
        """The weights of the first layer as pictures, if it reads images."""
        model = trainer.model
        layers = [layer for layer in leaves(model) if layer.declared]
        if self.images and layers and len(model.input_shape) == 3:
            tiles = pictures.of_weights(np.asarray(layers[0].declared[0].value), model.input_shape)
            if tiles is not None and np.isfinite(tiles).all():
                self._picture(f"weights/{layers[0].name}", (tiles[:TILES] + 1) / 2, trainer.step)

    def _picture(self, name: str, tiles: Any, step: int) -> None:
        self._events["steps"].image(name, pictures.mosaic(pictures.enlarged(tiles)), step)
