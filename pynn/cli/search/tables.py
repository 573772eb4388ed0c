"""The networks of tables as trials of ``pynn search``: RealMLP with its recipe. Needs pandas and scikit-learn."""

from __future__ import annotations

import argparse
import copy
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import pynn

from ...losses import SoftmaxCrossEntropy, SquaredError
from ...preprocessing import ClipToRange, Pipeline, RobustScaling, SmoothClip, Standardization
from ...preprocessing.table_encoder import TableEncoder
from ...sklearn.recipe import START_ROWS, Recipe
from ...sklearn.recipe import chosen as recipe_of
from ...training import targets
from ...typing import Array
from ..tables import files, train
from . import parameters

CLASSES, NUMBERS = "val_accuracy", "val_loss"


class Build:
    """Makes the network of a trial, and says how it is trained; other processes can have it.

    Parameters
    ----------
    recipe : Recipe
        Of the presets.
    outputs : int
        The number of classes, or 1.
    seed : int
        Of the choice of rows from which first weights follow.
    """

    def __init__(self, recipe: Recipe, outputs: int, seed: int) -> None:
        self._recipe, self._outputs, self._seed = recipe, outputs, seed
        self._known: dict[bytes, tuple[TableEncoder, Array]] = {}  # by what they are fitted to

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_known": {}}  # other processes have the table

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What the parameters mean for the recipe."""
        read = {name: parameters.TABLES[name](value) for name, value in params.items()}
        width, depth, layers = (read.pop(name, None) for name in ("width", "depth", "layers"))
        if width is not None or depth is not None:
            usual = self._recipe.hidden
            layers = (usual[0] if width is None else width,) * (len(usual) if depth is None else depth)
        return read if layers is None else {**read, "hidden": layers}

    def _encoded(self, x: Any) -> tuple[TableEncoder, Array]:
        """The encoder that is fitted to these rows of the table, and rows from which first weights follow."""
        key = hashlib.blake2b(x.index.to_numpy().tobytes()).digest()
        if key not in self._known:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # those of all rows are enough
                encoder = encoder_of().fit(x)
            self._known[key] = encoder, _some(encoder.transform(x), encoder.codes_, self._seed)
        return self._known[key]

    def __call__(
        self, params: Mapping[str, Any], epochs: int, seed: int, x: Any
    ) -> tuple[pynn.Sequential, dict[str, Any]]:
        """The network with its first weights for these rows, and the settings of `fit`."""
        recipe = replace(self._recipe, **self.settings(params), epochs=epochs).of(len(x))
        encoder, rows = self._encoded(x)
        classes = self._outputs > 1
        settings: dict[str, Any] = {
            "loss": SoftmaxCrossEntropy(recipe.label_smoothing) if classes else SquaredError(),
            "optimizer": recipe.optimizer(),
            "batch_size": recipe.batch_size,
            "drop_last": True,
        }
        if not classes:
            settings["target_preprocessing"] = Pipeline(ClipToRange(), Standardization())
        model = recipe.network(encoder, self._outputs, rows, seed)
        model.preprocessing = encoder  # fitted to what the trial trains on, and not to what it is validated on
        return model, settings

    def pynn_again(self, params: Mapping[str, Any], epochs: int, seed: int) -> str:
        """The estimator that is trained so, in Python; it keeps the best epoch itself."""
        settings = self.settings(params)
        hidden = settings.pop("hidden", None)
        kind = "TabularClassifier" if self._outputs > 1 else "TabularRegressor"
        found = {**settings, **({} if hidden is None else {"hidden_layer_sizes": hidden}), "epochs": epochs,
                 "random_state": seed}  # fmt: skip
        text = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in found.items()
        )
        return f"pynn.sklearn.{kind}({text})"


def encoder_of() -> TableEncoder:
    """The encoder of RealMLP's recipe, not fitted."""
    return TableEncoder(one_hot=9, embedding=True, numbers=Pipeline(RobustScaling(), SmoothClip()))


def _some(x: Array, codes: slice, seed: int) -> Array:
    """Some rows in their order, among them one at least of each code."""
    chosen = [np.random.default_rng(seed).permutation(len(x))[:START_ROWS]]
    chosen += [np.unique(column, return_index=True)[1] for column in x[:, codes].T]
    return np.asarray(x[np.unique(np.concatenate(chosen))])


class Tables:
    """What is searched for a table.

    Parameters
    ----------
    options : Namespace
        Of the command, without None for --validation.
    path, picture : Path
        Where the model and the picture, if any, are to be written.
    """

    def __init__(self, options: argparse.Namespace, path: Path, picture: Path | None) -> None:
        files.expect_table(str(options.dataset))
        self._options = options
        self._data = train.prepared(options, path, picture)
        frame, y = self._data.used.iloc[self._data.train], self._data.target.y[self._data.train]
        self._classes: Array | None = None
        if self._data.target.is_classification:
            self._classes, y = np.unique(y, return_inverse=True)
        encoder_of().fit(frame)  # for its warnings and errors
        self.x, self.y = frame, y
        recipe = recipe_of("full", self._classes is not None)
        self.space = self._space()
        self.epochs = recipe_of("fast", True).of(max(self._training, 1)).epochs or 1
        self.build = Build(recipe, 1 if self._classes is None else len(self._classes), options.seed)

    @property
    def _training(self) -> int:
        """Rows in the training part of a trial, about."""
        folds = self._options.folds
        return int(len(self.x) * (1 - (1 / folds if folds else self._options.validation)))

    def _space(self) -> Any:
        from ...search.space import Space

        options = self._options
        if options.space is None:
            return Space(parameters.for_tables(self._training))
        where, space = parameters.written(options.space), Space.of(options.space)
        known = {name: read for name, read in parameters.TABLES.items() if name != "label_smoothing" or self.is_classes}
        parameters.check(space, known, where)
        return space

    @property
    def is_classes(self) -> bool:
        """Whether classes are predicted."""
        return self._classes is not None

    @property
    def name(self) -> str:
        """The study's name: what is the same in all trials, so that others have another study."""
        options, target = self._options, self._data.target
        changed = [f"{name}={','.join(value)}" for name in ("drop", "categorical") if (value := getattr(options, name))]
        return " ".join([files.stem(str(options.dataset)), target.name, target.task, *changed])

    @property
    def metric(self) -> str:
        """The score; ValueError for one that there is not."""
        asked = self._options.metric
        if asked == CLASSES and not self.is_classes:
            raise ValueError(
                f"--metric {CLASSES} is for classes, and {self._data.target.name} has numbers; leave it out"
            )
        return str(asked or (CLASSES if self.is_classes else NUMBERS))

    def print_header(self) -> None:
        """Say what runs, what the columns hold, and what is predicted."""
        train.print_header(self._data, "RealMLP")

    def finish(self, model: pynn.Sequential) -> tuple[Any, str]:
        """The model with all that reads a table, and the last line; prints the scores on the test part."""
        if self._classes is not None:
            model.targets = targets.of_classes(model.loss, self._classes, (len(self._classes),))
        predictor = self._data.predictor(copy.deepcopy(model))
        found = self._data.tested(predictor)
        if not self._options.quiet:
            train.print_scores(self._data, predictor, found)
        train.warn(self._data.target, found, None, self._data.ids)
        return predictor, train.in_a_line(found)
