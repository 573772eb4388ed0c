"""Tabular: what `TabularClassifier` and `TabularRegressor` share: settings, the table, the members, files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from ..callbacks import Callback
from ..callbacks.base import Callbacks
from ..data.frames import table
from ..ensembles.ensemble import Ensemble
from ..messages import terminal
from ..models.sequential import Sequential
from ..preprocessing import Pipeline, RobustScaling, SmoothClip
from ..preprocessing.table_encoder import TableEncoder
from ..training.inputs import Inputs
from ..typing import Array
from . import grouping, members, network, one_hot, recipe
from .base import FLOATS, kept_on_failure, packed, unpacked
from .members import Member, Table, Task
from .recipe import Recipe
from .reports import warn
from .validation import categorical, feature_table

FEWEST = 5  # different rows for a validation part
FEW = 64  # rows that are predicted without scikit-learn's checks
ONLY = {"dropout": ("full",), "weight_decay": ("full",), "max_categories": ("simplified", "fast")}  # of these presets


class Tabular(BaseEstimator):
    """Base of the estimators for tables; see `TabularClassifier`."""

    _classification: bool
    models_: list[Sequential]
    encoder_: TableEncoder
    _plain_shape: tuple[int, ...] | None = None  # of a row of an array, where `fit` had an array

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "preset": [StrOptions(set(recipe.PRESETS))],
        "n_ens": [Interval(Integral, 1, None, closed="left")],
        "bagging": [StrOptions({"seeds", "folds"})],
        "epochs": [None, Interval(Integral, 1, None, closed="left")],
        "batch_size": [None, Interval(Integral, 1, None, closed="left")],
        "learning_rate": [None, Interval(Real, 0, None, closed="neither")],
        "hidden_layer_sizes": [None, "array-like", Interval(Integral, 1, None, closed="left")],
        "dropout": [None, Interval(Real, 0, 1, closed="left")],
        "weight_decay": [None, Interval(Real, 0, None, closed="left")],
        "categorical_features": [None, "array-like"],
        "one_hot": [Interval(Integral, 2, None, closed="left")],
        "max_categories": [None, Interval(Integral, 2, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "time_budget": [None, Interval(Real, 0, None, closed="neither")],
        "callbacks": [None, "array-like", Callback, callable],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        preset: str,
        n_ens: int,
        bagging: str,
        epochs: int | None,
        batch_size: int | None,
        learning_rate: float | None,
        hidden_layer_sizes: Sequence[int] | None,
        dropout: float | None,
        weight_decay: float | None,
        categorical_features: Sequence[str | int] | None,
        one_hot: int,
        max_categories: int | None,
        validation_fraction: float,
        time_budget: float | None,
        callbacks: Callbacks | None,
        verbose: bool,
        random_state: Any,
    ) -> None:
        self.preset = preset
        self.n_ens = n_ens
        self.bagging = bagging
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.categorical_features = categorical_features
        self.one_hot = one_hot
        self.max_categories = max_categories
        self.validation_fraction = validation_fraction
        self.time_budget = time_budget
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    def _recipe(self, validation: Any, **more: Any) -> Recipe:
        """The preset with the settings that were chosen; ValueError for those out of range or without effect."""
        self._validate_params()
        if self.bagging == "folds":
            self._expect_folds(validation)
        self._warn_of_settings_without_effect()
        full, widths = self.preset == "full", self.hidden_layer_sizes
        return recipe.chosen(
            self.preset,
            self._classification,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            hidden=None if widths is None else tuple(network.hidden_sizes(widths)),
            dropout=self.dropout if full else None,
            weight_decay=self.weight_decay if full else None,
            **more,
        )

    def _warn_of_settings_without_effect(self) -> None:
        for name, presets in ONLY.items():
            if getattr(self, name) and self.preset not in presets:
                warn(f"{name} has no effect with preset={self.preset!r}, only with {' and '.join(map(repr, presets))}")

    def _expect_folds(self, validation: Any) -> None:
        if self.n_ens < 2:
            raise ValueError("bagging='folds' trains a network on each of n_ens folds: n_ens is 1, expected at least 2")
        if validation is not None:
            raise ValueError(
                "bagging='folds' holds out rows of the table, but validation was passed, too: leave it out, or set "
                "bagging='seeds'"
            )
        if not self.validation_fraction:
            raise ValueError(
                "bagging='folds' holds out a fold for each network, but validation_fraction is 0: leave it at its "
                "default (the folds decide how many rows are held out), or set bagging='seeds'"
            )

    # Training -------------------------------------------------------------------------------------

    @contextmanager
    def _fitting(self) -> Iterator[float | None]:
        """When `fit` should be done; the estimator is left as it was if it fails."""
        begun = time.perf_counter()
        with kept_on_failure(self):
            yield begun + self.time_budget if isinstance(self.time_budget, Real) else None

    def _encoded(self, X: Any, y: Array, weights: Array | None) -> Table:
        """The rows to train and validate on, with weights of mean 1; sets the encoder. Whole weights repeat rows."""
        source: Any = table(X, "X")  # which both passes read
        places: Array | None = None
        if weights is not None:
            places, weights = grouping.counted(weights)
        if places is not None:
            source, y = source[places], y[places]
        scaling = Pipeline(RobustScaling(), SmoothClip())
        named, most = categorical(self.categorical_features, source.labels), one_hot.USUAL
        if self.preset != "full":
            most = one_hot.most(source, self.one_hot, self.max_categories, named)
        encoder = TableEncoder(
            one_hot=self.one_hot, embedding=self.preset == "full", numbers=scaling, max_categories=most,
            categorical=named,
        )  # fmt: skip
        self.encoder_ = encoder.fit(source)
        scaled = None if weights is None else np.asarray(weights / weights.mean(), np.float64)
        return Table(encoder.transform(source), y, scaled, places)

    def _trained(self, table: Table, held_out: Table | None, task: Task, ends: float | None) -> list[Member]:
        """Train the members; ends: when they should be done."""
        begun, seed = time.perf_counter(), int(check_random_state(self.random_state).randint(2**31 - 1))
        split = self._split(table, held_out, seed)
        done: list[Member] = []
        validated_on = table if held_out is None else held_out
        for number, own in enumerate(grouping.seeds(seed, self.n_ens)):
            if self.verbose and self.n_ens > 1:
                terminal.say(f"network {number + 1}/{self.n_ens}")
            now, until = time.perf_counter(), None
            if ends is not None:
                if done and ends - now < 0.5 * (ends - begun) / self.n_ens:
                    break
                until = now + max(ends - now, 0.0) / (self.n_ens - number)
            train, measured = split(number, own)
            rows = table.take(train)
            done.append(members.trained(task, rows, validated_on, measured, own, until))
            del rows, train  # a copy of the table, before the next is made
        self._report(done)
        return done

    def _split(
        self, table: Table, held_out: Table | None, seed: int
    ) -> Callable[[int, int], tuple[Array, Array | None]]:
        """The function of a member's number and seed that gives places of its rows to train on and to validate on.

        The second are places in held_out, if there are any, or else in the table; None for none.
        """
        groups = grouping.grouped(table.x, table.y, self._classification)
        if held_out is not None:
            every = np.arange(len(held_out))
            return lambda number, own: (groups.order, every)
        if self.bagging == "folds":
            folds = groups.folds(self.n_ens, seed)
            return lambda number, own: folds[number]
        if self.validation_fraction == 0 or len(groups.starts) < FEWEST:
            return lambda number, own: (groups.order, None)

        def parts(number: int, own: int) -> tuple[Array, Array | None]:
            train, rest = groups.parts(self.validation_fraction, own)
            return train, rest if len(rest) else None

        return parts

    def _report(self, done: list[Member]) -> None:
        """Set the fitted attributes that describe the training; warn if time ended it."""
        self.models_ = [member.model for member in done]
        names = getattr(self.encoder_, "feature_names_in_", None)
        self._plain_shape = (self.n_features_in_,) if names is None else None
        for model in self.models_:  # so that each is whole by itself
            model.preprocessing = self.encoder_
            model.inputs = Inputs(None if names is None else tuple(names))
        self.histories_ = [member.history for member in done]
        self.best_epochs_ = [member.best_epoch for member in done]
        self.n_iter_ = max(member.epochs for member in done)
        scores = [member.score for member in done if member.score is not None]
        self.validation_score_ = float(np.mean(scores)) if scores else None
        self._warn_of_short_training(done)

    def _warn_of_short_training(self, done: list[Member]) -> None:
        """Warn of networks that were not trained at all, and of those that were not for an epoch."""
        if len(done) < self.n_ens:
            warn(
                f"time_budget={self.time_budget:g} s was enough for {len(done)} of {self.n_ens} networks; raise it, or "
                "choose a faster preset",
                ConvergenceWarning,
            )
        short = [member for member in done if member.part is not None]
        if not short:
            return
        rows, count = short[0].part or (0, 0)
        seen = f"{rows:,} of {count:,} rows were trained on{' by the first' if len(short) > 1 else ''}"
        if self.time_budget is None:  # a callback ended it
            warn(f"the training ended within the first epoch ({short[0].history.stopped}): {seen}", ConvergenceWarning)
            return
        warn(
            f"time_budget={self.time_budget:g} s was too short for an epoch: {seen}; raise it, or choose a faster "
            "preset",
            ConvergenceWarning,
        )

    # Prediction -----------------------------------------------------------------------------------

    def _expect_fitted(self) -> None:
        if "models_" not in vars(self):  # scikit-learn's check takes as long as a prediction
            check_is_fitted(self, "models_")

    def _outputs(self, X: Any) -> list[Array]:
        """The outputs of each network for X."""
        # A plain array of the right width, as a service passes it row by row, needs no more checks than the encoder's.
        if not (type(X) is np.ndarray and X.dtype in FLOATS and X.shape[1:] == self._plain_shape and 0 < len(X) <= FEW):
            self._expect_fitted()
            X = feature_table(self, X)
        x = self.encoder_.transform(X)
        return [members.outputs(model, x) for model in self.models_]

    def to_model(self) -> Sequential | Ensemble:
        """Return the model as pynn has it, with all that belongs to it: columns, categories, scaling, classes.

        Returns
        -------
        Sequential or Ensemble
            A copy: one network, or the ensemble of all. ``.save(path)`` writes it to a file, and
            ``pynn.load(path).predict(frame)`` predicts from the file alone; ``pynn.Ensemble.load`` reads an ensemble.

        Notes
        -----
        Its `predict` gives labels as a file holds them: text, booleans, or int64 for numbers of any dtype, int8 and
        whole floats included. Of quantiles it gives all levels, (N, L), where the estimator's `predict` gives the
        median. The results of scaled targets are float64.
        """
        import copy

        models = self._networks()
        kept = {id(model.history): model.history for model in models}  # a copy would lose what a Monitor recorded
        models = copy.deepcopy(models, kept)
        return models[0] if len(models) == 1 else Ensemble(models)

    def _networks(self) -> list[Sequential]:
        """Its networks, whose trainings `pynn.diagnose` and the report look at."""
        self._expect_fitted()
        return self.models_

    # Pickles --------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return "models_" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "models_" in state:  # as safetensors bytes: no buffers, no rows of data
            state["models_"] = [packed(model) for model in self.models_]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state.get("models_") and isinstance(state["models_"][0], dict):
            state = {**state, "models_": [unpacked(stored) for stored in state["models_"]]}
        super().__setstate__(state)

    def _table_tags(self, tags: Any) -> Any:
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        tags.non_deterministic = False
        return tags
