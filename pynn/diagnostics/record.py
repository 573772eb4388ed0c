"""Record: all that was watched of a training run, as plain values and arrays; what `diagnose` and the report read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..typing import Array

BINS = 32  # of a histogram


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of numbers in 32 bins of equal width from low to high; others were not finite.

    Parameters
    ----------
    counts : array (32,)
        Numbers per bin, of a sample.
    low, high : float
        Smallest and largest of them.
    """

    counts: Array
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What a layer did with the probe, a fixed sample of the training data, at one step.

    Parameters
    ----------
    mean, spread : float
        Mean and standard deviation of the outputs, after the activation that is fused into the layer.
    dead : float
        Share of units whose output is 0 for all samples; 0 unless the activation is ReLU.
    saturated : float
        Share of outputs at which the slope of sigmoid or tanh is below 5 % of its largest.
    gradient : float
        Root mean square of the gradient of each sample's loss with respect to the outputs.
    weight, weight_gradient : float or None
        Root mean square of the weights, and of their gradients; None if the layer has none.
    ratio : float or None
        Norm of the step's update over norm of the weights; None if no step followed.
    outputs, gradients : Histogram or None
        Their distribution; None if no number was finite.
    """

    mean: float
    spread: float
    dead: float
    saturated: float
    gradient: float
    weight: float | None
    weight_gradient: float | None
    ratio: float | None
    outputs: Histogram | None
    gradients: Histogram | None


@dataclass(eq=False)
class Snapshot:
    """The state of a run before a step.

    Parameters
    ----------
    step, epoch : int
        Steps and epochs that were done.
    rate : float
        The learning rate.
    loss : float
        On the probe in training mode, with dropout and statistics of the batch, penalties left out.
    loss_as_predicted : float
        On the probe as the model predicts.
    penalty : float
        What penalties add to the loss.
    norm : float
        Norm of the gradient of the loss with respect to all parameters.
    layers : dict of str to LayerStatistics
        By name, in the order of the forward pass.
    """

    step: int
    epoch: int
    rate: float
    loss: float
    loss_as_predicted: float
    penalty: float
    norm: float
    layers: dict[str, LayerStatistics]


@dataclass(eq=False)
class Part:
    """Some rows of training or validation data, as the layers and the loss take them.

    Parameters
    ----------
    x, y : array (R, ...)
        The rows.
    places : array (R,)
        Their places in the data.
    count : int
        Number of rows in the data.
    outputs : array (R, ...) or None
        What the model gave for them at the end, as it predicts.
    raw : array (R, ...) or None
        The rows before preprocessing, where it can be undone.
    """

    x: Array
    y: Array
    places: Array
    count: int
    outputs: Array | None = None
    raw: Array | None = None


@dataclass(eq=False)
class Record:
    """All that was watched of a run.

    Parameters
    ----------
    settings : dict
        Loss, optimizer, rate, schedule, batch size, planned epochs and so on, as plain values.
    layers : list of dict
        Of each layer that computes: name, kind, activation, shapes, number of parameters, whether it is frozen.
    facts : dict
        Facts about the whole data, as plain values: counts of labels, order, rows in both parts.
    train, validation : Part or None
        Rows of the data.
    findings : list of dict
        What could be said before the first step, as arguments of `Verdict`.
    losses : list of float
        The loss of each step.
    snapshots : list of Snapshot
        In order of their steps.
    epochs : list of dict
        The measurements of each epoch.
    ended : dict
        How the run ended: stopped, error, steps, seconds.
    environment : dict
        Versions, backend and machine, the command line, and when it was.
    first_weights : array (units, H, W, C) or None
        Weights of the first layer at the end, if its inputs are pictures.
    rates : list of float
        The learning rate of each step.
    """

    settings: dict[str, Any]
    layers: list[dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)
    train: Part | None = None
    validation: Part | None = None
    findings: list[dict[str, str]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)
    ended: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    first_weights: Array | None = None
    rates: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        steps, snapshots = len(self.losses), len(self.snapshots)
        return f"Record({len(self.epochs)} epochs, {steps} steps, {snapshots} snapshots of {len(self.layers)} layers)"

    def curve(self, name: str) -> Array:
        """A measurement of every epoch, NaN where it was not made.

        Parameters
        ----------
        name : str
            Such as val_loss.

        Returns
        -------
        array (E,)
            The numbers.
        """
        return np.array([epoch.get(name, np.nan) for epoch in self.epochs])

    @property
    def features(self) -> list[str] | None:
        """Names of the columns as the layers take them; None if they are not those of a table."""
        names: list[str] | None = self.settings.get("features") or self.settings.get("columns")
        return names

    def choices(self, part: Part) -> tuple[Array, Array] | None:
        """The true and the chosen class of each row of a part, or of each place in it.

        Parameters
        ----------
        part : Part
            `train` or `validation`, with outputs.

        Returns
        -------
        tuple of array (R,) or None
            Numbers of classes, 0 and 1 for no and yes; None if the model chooses no class, or answers several
            questions.
        """
        y, outputs, classes = part.y, part.outputs, self.settings.get("classes")
        if outputs is None:
            return None
        if classes is not None:
            fits = outputs.shape[-1] == classes and y.size * classes == outputs.size and y.dtype.kind in "iu"
            if not fits or not 0 <= y.min(initial=0) <= y.max(initial=0) < classes:
                return None
            scores = np.nan_to_num(outputs.reshape(-1, classes), nan=-np.inf)
            return y.reshape(-1).astype(np.int64), scores.argmax(axis=1)
        if self.settings.get("family") == "answers" and outputs.size == y.size == len(y):
            middle = 0.5 if y.min(initial=0) >= 0 else 0.0  # answers are 0 and 1, or -1 and 1
            return (y.reshape(-1) > middle).astype(np.int64), (outputs.reshape(-1) > 0).astype(np.int64)
        return None

    def layer(self, name: str) -> dict[str, Any]:
        """The description of a layer.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        dict
            As in `layers`.
        """
        return next(layer for layer in self.layers if layer["name"] == name)
