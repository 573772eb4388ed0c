"""How the networks of the estimators for tables are made and trained: RealMLP's recipe in three presets.

Knows networks and settings; must not know data frames or estimators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..layers import Affine, Dropout, Embedding
from ..models.data_dependent import data_dependent
from ..models.sequential import Sequential
from ..models.tables import realmlp
from ..optimizers import AdamW
from ..preprocessing.table_encoder import TableEncoder
from ..schedules import CosLog, FlatCosine
from ..typing import Array

PRESETS = ("full", "simplified", "fast")
BATCH = 256
START_ROWS = 10_000  # rows from which the first weights of the full form follow
FEWEST_EPOCHS, MOST_EPOCHS = 2, 100  # where a number of steps decides


@dataclass(frozen=True)
class Recipe:
    """What a network is trained with.

    form: of `realmlp`. steps: at least as many, instead of a number of epochs, where epochs is None.
    """

    form: str
    activation: str
    learning_rate: float
    hidden: tuple[int, ...]
    epochs: int | None = 256
    steps: int = 0
    batch_size: int = BATCH
    dropout: float = 0.0
    weight_decay: float = 0.0
    label_smoothing: float = 0.0

    def of(self, rows: int) -> Recipe:
        """The recipe for so many training rows, with its number of epochs."""
        batch = min(self.batch_size, rows)
        epochs = self.epochs
        if epochs is None:
            epochs = min(max(math.ceil(self.steps / (rows // batch)), FEWEST_EPOCHS), MOST_EPOCHS)
        return replace(self, epochs=epochs, batch_size=batch)

    def optimizer(self) -> AdamW:
        """Its optimizer, for so many epochs as it has."""
        assert self.epochs is not None
        decay = FlatCosine(self.weight_decay, self.epochs) if self.weight_decay else 0.0
        return AdamW(CosLog(self.learning_rate, self.epochs), beta2=0.95, weight_decay=decay)

    def network(
        self, encoder: TableEncoder, outputs: int, x: Array, seed: int, start_rows: int = START_ROWS
    ) -> Sequential:
        """The network with its first weights, for the encoder's columns; x: training rows as the encoder gives them."""
        full = self.form == "full"
        model = realmlp(
            outputs,
            numbers=_count(encoder.numbers_),
            one_hot=_count(encoder.one_hot_),
            sizes=encoder.sizes_,
            form=self.form,
            activation=self.activation,
            hidden=self.hidden,
            dropout=self.dropout if full else 0.0,
            seed=seed,
        )
        self.shorten(model)
        model.build(x.shape[1:])
        forget_unseen(model, x[:, encoder.codes_])
        if full:
            most = min(start_rows, START_ROWS)
            rows = np.random.default_rng(seed).permutation(len(x))[:most] if len(x) > most else slice(None)
            data_dependent(model, x[rows], bias="simplex")
        return model

    def shorten(self, model: Sequential) -> None:
        """Let the dropout of its network last for the recipe's epochs."""
        for layer in model.walk():
            if isinstance(layer, Dropout):
                layer.rate = FlatCosine(self.dropout, self.epochs or 1)


def forget_unseen(model: Sequential, codes: Array) -> None:
    """Set the vectors of categories without a training row to 0, as those of unknown ones: they learn nothing."""
    for layer in model.walk():
        if isinstance(layer, Embedding):
            starts = np.cumsum([0, *layer.sizes[:-1]]) if isinstance(layer.sizes, list) else np.zeros(1, np.int64)
            seen = np.zeros(len(layer.weight), bool)
            seen[(codes.astype(np.int64) + starts)[codes >= 0]] = True
            layer.weight[~seen] = 0


def _count(columns: slice) -> int:
    return int(columns.stop - columns.start)


def chosen(preset: str, classification: bool, **changes: Any) -> Recipe:
    """The recipe of a preset, with the settings that are not None changed."""
    rates = {"full": (0.04, 0.2), "simplified": (0.04, 0.07), "fast": (0.04, 0.07)}
    full, fast = preset == "full", preset == "fast"
    recipe = Recipe(
        form="full" if full else "simplified",
        activation="selu" if classification else "mish",
        learning_rate=rates[preset][0 if classification else 1],
        hidden=(128, 128, 128) if fast else (256, 256, 256),  # 0.4 of the time, errors as low: bench/tables.py
        epochs=None if fast else 256,
        steps=800 if fast else 0,
        dropout=0.15 if full else 0.0,
        weight_decay=0.02 if full else 0.0,
        label_smoothing=0.1 if classification else 0.0,
    )
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})


def prior(model: Sequential, y: Array, weights: Array | None) -> None:
    """Let each output of a loss with a log link begin at the logarithm of its mean in y (N,) or (N, K)."""
    means = np.atleast_1d(np.average(y, axis=0, weights=weights))
    last = model.layers[-1]
    assert isinstance(last, Affine)
    assert last.bias is not None
    known = means > 0
    last.bias[known] = np.log(means[known])
