"""Callbacks listen to a training run and may steer it: `fit(..., callbacks=[...])`.

| callback | what it does |
|---|---|
| EarlyStopping(monitor="val_loss", patience=5) | stops when there is no improvement; restores the best epoch |
| Deadline(seconds) | ends the run when its time is over |
| ModelCheckpoint(path) | saves the model after each epoch, or only the best so far |
| CSVLogger(path) | writes each epoch's measurements as a table |
| LearningRateSchedule(function) | sets the learning rate before each epoch |
| PolyakAverage(decay=0.999) | gives the model the average of its parameters over the run's steps |
| SnapshotEnsemble(epochs_per_cycle) | keeps the model at the end of each cycle, for a `pynn.Ensemble` |
| TensorBoard(folder) | writes curves, distributions, pictures and hyperparameters for TensorBoard |
| TerminateOnNaN() | ends a diverging run without an error |
| Checkpoint(folder) | writes files from which a killed run resumes; `fit(checkpoint=...)` |
| ProgressBar() | what `fit(progress=...)` shows |

Custom callbacks: `pynn.Callback`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Callback

__all__ = [
    "CSVLogger", "Callback", "Checkpoint", "Deadline", "EarlyStopping", "LearningRateSchedule", "ModelCheckpoint",
    "PolyakAverage", "ProgressBar", "SnapshotEnsemble", "TensorBoard", "TerminateOnNaN",
]  # fmt: skip

if TYPE_CHECKING:
    from ..diagnostics.tensorboard import TensorBoard
    from ..ensembles.polyak import PolyakAverage
    from ..ensembles.snapshots import SnapshotEnsemble
    from ..training.checkpoint import Checkpoint
    from .csv_logger import CSVLogger
    from .learning_rate import LearningRateSchedule
    from .model_checkpoint import ModelCheckpoint
    from .progress import ProgressBar
    from .stopping import Deadline, EarlyStopping, TerminateOnNaN
else:
    # Imported on first use: training itself needs none of them.
    _LATER = {
        "CSVLogger": ".csv_logger",
        "Checkpoint": "pynn.training.checkpoint",
        "Deadline": ".stopping",
        "EarlyStopping": ".stopping",
        "LearningRateSchedule": ".learning_rate",
        "ModelCheckpoint": ".model_checkpoint",
        "PolyakAverage": "pynn.ensembles.polyak",
        "ProgressBar": ".progress",
        "SnapshotEnsemble": "pynn.ensembles.snapshots",
        "TensorBoard": "pynn.diagnostics.tensorboard",
        "TerminateOnNaN": ".stopping",
    }

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = getattr(import_module(_LATER[name], __name__), name)
        return globals()[name]


def __dir__() -> list[str]:
    return __all__
