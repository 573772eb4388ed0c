"""A training run as a value: what `fit` was asked for, checked. Trainer, checkpoint and process group read it."""

from __future__ import annotations

from dataclasses import dataclass

from ..callbacks.base import Callback
from ..losses import Loss
from ..optimizers import Optimizer
from ..regularizers import Penalty
from . import heads, inputs
from . import validation as validations
from .data import Data
from .measures import Measures
from .trainable import Trainable
from .trainer import Trainer


@dataclass(frozen=True, eq=False)
class Plan:
    """A run that has not begun. Making one changes nothing but that its data build the model."""

    model: Trainable
    loss: Loss
    optimizer: Optimizer
    data: Data
    epochs: int
    penalty: Penalty | None
    measures: Measures
    callbacks: list[Callback]

    def trainer(self) -> Trainer:
        """The run, with the model changed to what this run trains with."""
        model, data, known = self.model, self.data, self.data.source.targets
        if model.context.group.rank == 0:
            heads.warn_of_squeezed(model, self.loss)
        if model.epoch:
            inputs.warn_of_another("preprocessing", model.preprocessing, data.preprocessing)
            if model.targets is not None and known is not None:
                inputs.warn_of_another("target_preprocessing", model.targets.scaling, known.scaling)
        self._claim()
        model.loss, model.optimizer, model.preprocessing = self.loss, self.optimizer, data.preprocessing
        model.inputs, model.targets = data.inputs, known
        return Trainer(
            model, data.source, self.epochs, penalty=self.penalty, measures=self.measures, callbacks=self.callbacks,
            held_out=data.held_out,
            validate=validations.validator(model, data.validation, data.held_out, self.measures),
        )  # fmt: skip

    def _claim(self) -> None:
        """Refuse an optimizer that trains another model."""
        if self.model.built:
            self.optimizer.claim(self.model.parameters, getattr(self.model, "layout", None))
        else:
            self.optimizer.expect_free()


def expect_monitored(
    optimizer: Optimizer, callbacks: list[Callback], measured: list[str], validation: validations.Validation | None
) -> None:
    """ValueError for a callback or schedule that monitors a measurement this run does not make."""
    held_out = validations.names(validation, measured)
    names = [*measured, "data_loss", "penalty", *held_out, "learning_rate", "samples_per_second"]
    monitors: list[tuple[str, str | None]] = [(type(callback).__name__, callback.monitor) for callback in callbacks]
    if optimizer.schedule is not None:
        monitors.append((repr(optimizer.schedule), optimizer.schedule.monitor))
    for reader, monitor in monitors:
        if monitor is None:
            continue
        if monitor.startswith("val_") and validations.is_function(validation):
            continue  # what a function measures is not known in advance
        if monitor.startswith("val_") and validation is None:
            raise ValueError(f"{reader} reads {monitor}, which needs validation=(x, y)")
        if monitor not in names:
            raise ValueError(f"{reader} reads {monitor}, which is not measured; there are {', '.join(names)}")
