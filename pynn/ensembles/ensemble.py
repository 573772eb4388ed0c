"""Ensembles: averaged predictions of several models, or of one model at several moments."""

from __future__ import annotations

import copy
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..checks import expect_instance
from ..data import arrays
from ..data.batches import Samples
from ..locks import Lock
from ..losses import Loss, SoftmaxCrossEntropy
from ..messages.terminal import brief
from ..models import file as file_module
from ..models import loading
from ..models.sequential import Sequential
from ..saving import config, container, files
from ..signatures import Constructed
from ..training import evaluate as evaluate_module
from ..training import inputs, sample_weights, targets
from ..training.measures import Measures, Metrics, measure
from ..training.sample_weights import ClassWeight
from ..training.targets import Targets
from ..typing import Array
from . import alike
from .alike import NUMBERS, SIGMOID, SOFTMAX, TREE

if TYPE_CHECKING:
    from ..training.trainable import Trainable

Tensors = Mapping[str, Array]

ENTRY = "pynn_ensemble"  # key in the metadata


class Member(NamedTuple):
    """A model; tensors: its values for this member, if several members share the model."""

    model: Sequential
    tensors: Tensors | None = None


class Ensemble(Constructed):
    """Several trained models whose predictions are averaged: nearly always better than a single model.

    Parameters
    ----------
    models : list of Sequential
        Built models that take the same raw samples and were trained with the same loss; layers, preprocessing and dtype
        may differ. `SnapshotEnsemble` takes several from one run.
    weights : array (M,), optional
        Weight of each model, at least 0; only proportions matter. By default all are equal.

    Attributes
    ----------
    loss : Loss
        Of the first member; `evaluate` measures it.
    output_shape : tuple of int
        Without the batch axis.
    weights : array (M,)
        With the sum 1.

    Raises
    ------
    ValueError
        If a member does not fit the others; the error names its number.

    Notes
    -----
    What is averaged: probabilities p = Σ_m w_m p_m for labels (softmax) and attributes (sigmoid); the outputs
    themselves for regression, and for losses without probabilities, such as hinge losses and custom losses. Of
    `GaussianNLL` it is the normal distribution with mean and variance of the members' mixture: its variance is the mean
    of theirs plus the variance of their means.

    ``len(ensemble)``, ``ensemble[i]`` (member i, a model) and iteration work as for a list.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3", model ensembles.
    .. [2] Hansen & Salamon, "Neural Network Ensembles", 1990.

    Examples
    --------
    >>> ensemble = pynn.Ensemble.fit(build, 5, x, y, epochs=10)  # def build(seed): return pynn.Sequential(...)
    >>> ensemble.evaluate(x_test, y_test), ensemble.predict(x_new)
    """

    def __init__(self, models: Iterable[Sequential], weights: ArrayLike | None = None) -> None:
        if isinstance(models, Sequential):
            raise TypeError("models is one model, expected a list of them")
        self._set([Member(model) for model in models], weights)

    @classmethod
    def of_snapshots(
        cls, model: Sequential, snapshots: Iterable[Tensors], weights: ArrayLike | None = None
    ) -> Ensemble:
        """Make an ensemble of one model at several moments, each with its own parameters and statistics.

        Parameters
        ----------
        model : Sequential
            The model.
        snapshots : list of dict
            Copies of ``model.tensors()`` at each moment.
        weights : array (M,), optional
            As for `Ensemble`.

        Returns
        -------
        Ensemble
            The ensemble.

        Raises
        ------
        ValueError
            If names or shapes do not match the model.
        """
        expect_instance(model, Sequential, "model")
        if not model.built:
            raise ValueError("the model is not built yet: fit it, load it or build it first")
        shapes = {name: array.shape for name, array in model.tensors().items()}
        snapshot_list = list(snapshots)
        for number, tensors in enumerate(snapshot_list):
            if {name: np.shape(array) for name, array in tensors.items()} != shapes:
                raise ValueError(f"snapshot {number} does not have the tensors of the model, {', '.join(shapes)}")
        shared = copy.deepcopy(model)
        shared.optimizer = None
        copies = [{name: np.array(array, shared.dtype) for name, array in tensors.items()} for tensors in snapshot_list]
        self = cls.__new__(cls)
        self._set([Member(shared, tensors) for tensors in copies], weights)
        return self

    @classmethod
    def fit(
        cls,
        build: Callable[[int], Sequential],
        n: int,
        x: Any,
        y: ArrayLike | None = None,
        *,
        seeds: Sequence[int] | None = None,
        weights: ArrayLike | None = None,
        **settings: Any,
    ) -> Ensemble:
        """Train n models that differ in their seed: in first weights, masks and the order of samples.

        Parameters
        ----------
        build : callable
            Returns a new model for a seed: ``lambda seed: pynn.Sequential(..., seed=seed)``.
        n : int
            Number of models, at least 1.
        x : array (N, ...) or iterable
            As for ``model.fit``.
        y : array (N,), optional
            As for ``model.fit``.
        seeds : list of int, optional
            n different seeds; by default 0..n-1.
        weights : array (M,), optional
            As for `Ensemble`.
        **settings
            As for ``model.fit``. Each member gets its own copy of optimizer, loss and callbacks and, if checkpoint is a
            folder, its own subfolder.

        Returns
        -------
        Ensemble
            The ensemble.
        """
        checks.expect_count("", 1, n=n)
        chosen = list(range(n)) if seeds is None else list(seeds)
        for seed in chosen:
            checks.check_seed(seed)
        if len(set(chosen)) != n or len(chosen) != n:
            raise ValueError(f"seeds is {brief(seeds)}, expected {n} different seeds")
        models = [_fresh(build, seed) for seed in chosen]
        for number, model in enumerate(models):
            model.fit(x, y, **_own_settings(settings, number))
        return cls(models, weights)

    def _set(self, members: list[Member], weights: ArrayLike | None) -> None:
        if not members:
            raise ValueError("the ensemble has no members, expected at least one")
        for number, member in enumerate(members):
            expect_instance(member.model, Sequential, f"member {number}")
            if not member.model.built:
                raise ValueError(f"member {number} is not built yet: fit it, load it or build it first")
            same = [i for i, other in enumerate(members[:number]) if other.model is member.model]
            if member.tensors is None and same:
                raise ValueError(f"member {number} is member {same[0]} again; use weights to count it more")
        first = members[0].model
        for number, member in enumerate(members[1:], 1):
            alike.expect_alike(first, member.model, number)
        shares = arrays.sample_weights(
            "weights", np.ones(len(members)) if weights is None else weights, len(members), "member"
        )
        if not shares.any():
            raise ValueError("weights are 0 for all members, expected at least one above 0")
        self._proportions = shares / shares.max()  # restored from a file to the same bits
        self._members, self.weights = members, self._proportions / self._proportions.sum()
        self._kind, self.output_shape, self._targets = (
            alike.kind(first.loss),
            alike.output_shape(first),
            replace(first.targets or Targets(), scaling=None),
        )
        self.loss: Loss = SoftmaxCrossEntropy() if self._kind == TREE else copy.deepcopy(first.loss)
        self._dtype = np.result_type(*(member.model.dtype for member in members))
        if any((member.model.targets or self._targets).scaling is not None for member in members):
            self._dtype = np.dtype(np.float64)  # in the units of the targets, large numbers may hardly differ

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, number: int) -> Sequential:
        model, tensors = self._members[number]
        if tensors is None:
            return model
        with model.lock.held():
            _put(model, tensors)
            return copy.deepcopy(model)

    def __iter__(self) -> Iterator[Sequential]:
        return (self[number] for number in range(len(self)))

    def __repr__(self) -> str:
        weights = "" if len(set(self.weights)) == 1 else f", weights={self.weights.round(4).tolist()}"
        kind = "numbers" if self._kind == NUMBERS else "probabilities"
        return f"Ensemble({len(self)} members, mean of their {kind}{weights})"

    # Prediction -----------------------------------------------------------------------------------

    def outputs(self, x: ArrayLike, batch_size: int | None = None) -> Array:
        """Averaged outputs for raw samples, in the terms of the loss.

        Parameters
        ----------
        x : array (N, ...)
            Raw samples.
        batch_size : int, optional
            Samples processed at once, by default as in `predict` of each member; it affects memory and rounding only.

        Returns
        -------
        array (N, ...)
            log p for labels, log(p / (1 - p)) for attributes, otherwise the mean of the members' outputs in the units
            of their targets, in which `evaluate` measures the loss: of means for `Poisson`, `Gamma` and `Tweedie`, of
            quantiles for `Quantile`; for `GaussianNLL` mean and log variance of the mixture. Finite if theirs are.
        """
        mean = self._log_mean(x, batch_size)
        if self._kind == NUMBERS:
            return np.asarray(self.loss._outputs(mean), self._dtype)
        return np.asarray(mean[0] - mean[1] if self._kind == SIGMOID else mean, self._dtype)

    def predict(self, x: ArrayLike, batch_size: int | None = None) -> Array:
        """Predict targets: class labels (N,) for classifiers.

        Parameters
        ----------
        x : array (N, ...)
            Raw samples.
        batch_size : int, optional
            As for `outputs`.

        Returns
        -------
        array (N, ...)
            Predictions in the form of the targets.
        """
        outputs = self.outputs(x, batch_size)
        targets.expect_scores(self.loss, outputs)
        return self._targets.decode(self.loss, self.loss.predict(outputs))

    def predict_std(self, x: ArrayLike, batch_size: int | None = None) -> Array:
        """Predict standard deviations of the targets: of the mixture of members with the loss `GaussianNLL`.

        Parameters
        ----------
        x : array (N, ...)
            Raw samples.
        batch_size : int, optional
            As for `outputs`.

        Returns
        -------
        array (N, ...)
            In the units and the shape of the targets.

        Raises
        ------
        TypeError
            For another loss.
        """
        found = self.loss._deviations(self._log_mean(x, batch_size))
        return np.asarray(self._targets.shaped(found), self._dtype)

    def predict_proba(self, x: ArrayLike, batch_size: int | None = None) -> Array:
        """Compute the mean of the members' probabilities.

        Parameters
        ----------
        x : array (N, ...)
            Raw samples.
        batch_size : int, optional
            As for `outputs`.

        Returns
        -------
        array (N, C)
            Probabilities.
        """
        if self._kind == NUMBERS:  # custom losses, or losses without probabilities
            members = self._each(
                x, batch_size, lambda model, outputs: model.loss.probabilities(outputs).astype(np.float64)
            )
            return np.asarray(sum(share * values for share, values in members), self._dtype)
        mean = np.exp(self._log_mean(x, batch_size))
        if self._kind == SIGMOID:  # the columns are no and yes
            single = math.prod(self.output_shape) == 1
            mean = np.stack([mean[1].reshape(-1), mean[0].reshape(-1)], axis=1) if single else mean[0]
        return np.asarray(mean, self._dtype)

    def evaluate(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        metrics: Metrics | None = None,
    ) -> dict[str, float]:
        """Loss and accuracy, or other metrics, of the averaged outputs.

        Parameters
        ----------
        x : array (N, ...)
            Raw samples.
        y : array (N,)
            Targets.
        batch_size : int, optional
            As for `outputs`.
        sample_weight, class_weight, metrics : optional
            As for ``Sequential.evaluate``.

        Returns
        -------
        dict
            Measurements by name.
        """
        measures = Measures(metrics)
        measures.check(self.loss)
        x, y = inputs.raw(self._members[0].model, x), targets.read(y)
        arrays.check_pairs("x", x, "y", y)
        encoded, classes = self._targets.encode(self.loss, y, self.output_shape), self._targets.classes
        weights = sample_weights.combined(
            self.loss, encoded, self.output_shape, sample_weight, class_weight, classes=classes
        )
        outputs = self.outputs(x, batch_size)
        size = batch_size or evaluate_module.BATCH
        parts = (slice(start, start + size) for start in range(0, len(x), size))
        samples = Samples(outputs, encoded, None if weights is None else weights.astype(self._dtype))
        batches = (samples.part(part) for part in parts)
        return measure(cast("Trainable", _Computed(self.loss, self._targets)), batches, measures)

    def _each(
        self, x: ArrayLike, batch_size: int | None, read: Callable[[Sequential, Array], Array]
    ) -> Iterator[tuple[float, Array]]:
        """Share and predictions of each member whose weight is above 0."""
        for (model, tensors), share in zip(self._members, self.weights, strict=True):
            if share > 0:
                with model.lock.held():
                    if tensors is not None:
                        _put(model, tensors)
                    yield float(share), read(model, evaluate_module.predict_outputs(model, x, batch_size))

    def _log_mean(self, x: ArrayLike, batch_size: int | None) -> Array:
        """Logarithms of the mean probabilities, or mean outputs, in float64."""
        total: Any = None
        weight = 0.0
        for share, values in self._each(x, batch_size, self._read):
            weight += share
            if self._kind == NUMBERS:
                total = values if total is None else self.loss._mixed(total, values, share / weight)
            else:
                values += np.log(share)
                total = values if total is None else np.logaddexp(total, values, out=total)
        return np.asarray(total)

    def _read(self, model: Sequential, outputs: Array) -> Array:
        """A member's log-probabilities (for attributes those of yes and of no), or its outputs.

        Numbers are in the units of its targets, because members may have scaled them differently.
        """
        values = outputs.astype(np.float64)
        if self._kind == SOFTMAX:
            values -= values.max(axis=-1, keepdims=True)
            return np.asarray(values - np.log(np.exp(values).sum(axis=-1, keepdims=True)))
        if self._kind == SIGMOID:
            return -np.logaddexp(0, np.stack([-values, values]))
        if self._kind == TREE:
            probabilities = model.loss.probabilities(outputs)
            return np.asarray(np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny), dtype=np.float64))
        return model.loss._numbers(values) if model.targets is None else model.targets.measured(model.loss, values)

    # Files ----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the ensemble to a safetensors file, complete or not at all; `load` reads it.

        Parameters
        ----------
        path : path
            The file.
        """
        tensors: dict[str, Array] = {}
        models: list[Sequential] = []
        descriptions, places = [], []
        for number, (model, member_tensors) in enumerate(self._members):
            with model.lock.held():
                if member_tensors is not None:
                    _put(model, member_tensors)
                model_tensors, description = file_module.content(model)
            tensors.update({f"{number}.{name}": array.copy() for name, array in model_tensors.items()})
            if not any(model is other for other in models):
                models.append(model)
                descriptions.append(description)
            places.append(next(i for i, other in enumerate(models) if other is model))
        content = {
            "format": file_module.FORMAT, "models": descriptions, "members": places,
            "weights": self._proportions.tolist(),
        }  # fmt: skip
        file_module.write(files.named(path), tensors, ENTRY, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str], own: Iterable[type] = ()) -> Ensemble:
        """Load an ensemble from a file that `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        own : list of type, default ()
            The user's own classes, as for `pynn.load`.

        Returns
        -------
        Ensemble
            The ensemble.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, of another format, or does not fit its own description.
        """
        file, allowed = files.named(path), loading.kinds(own)
        description, tensors = file_module.read(file, ENTRY, "ensemble")
        models, places = _parts(description, file)
        member_tensors: list[dict[str, Array]] = [{} for _ in places]
        for name, array in tensors.items():
            number, _, rest = name.partition(".")
            if not number.isdecimal() or int(number) >= len(places):
                raise ValueError(container.one_line(f"{file} has a tensor {name} that belongs to no member"))
            member_tensors[int(number)][rest] = array
        members: list[Member] = []
        shared: dict[int, Sequential] = {}
        for place, own_tensors in zip(places, member_tensors, strict=True):
            model = loading.restored(models[place], own_tensors, file, allowed)
            if places.count(place) == 1:
                members.append(Member(model))
            else:
                copies = {name: array.copy() for name, array in model.tensors().items()}
                members.append(Member(shared.setdefault(place, model), copies))
        self = cls.__new__(cls)
        try:
            self._set(members, description["weights"])
        except (TypeError, ValueError) as cause:
            raise ValueError(container.one_line(f"{file}: {cause}")) from container.safe_cause(cause)
        return self


def _parts(description: Mapping[str, Any], file: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """Descriptions of the models, and the index of each member's model."""
    try:
        config.expect_keys("the ensemble's description", description, ("models", "members", "weights"), ())
    except ValueError as cause:
        raise ValueError(container.one_line(f"{file}: {cause}")) from None
    models: Any = description["models"]
    places: Any = description["members"]
    lists = isinstance(models, list) and isinstance(places, list)
    if not (lists and all(isinstance(model, dict) for model in models) and places):
        raise ValueError(container.one_line(f"{file}: the ensemble's description does not define its members"))
    if not all(type(place) is int and 0 <= place < len(models) for place in places):
        raise ValueError(
            container.one_line(f"{file}: members are {brief(places)}, expected numbers of its {len(models)} models")
        )
    return models, places


class _Computed:
    """Stands in for a model in `measure` when the outputs are already computed."""

    def __init__(self, loss: Loss, targets: Targets) -> None:
        self.loss, self.targets, self.lock = loss, targets, Lock()

    def forward(self, outputs: Array) -> Array:
        return outputs


def _put(model: Sequential, tensors: Tensors) -> None:
    with model.lock:
        for name, array in model.tensors().items():
            array[...] = tensors[name]


def _fresh(build: Callable[[int], Sequential], seed: int) -> Sequential:
    if not callable(build) or isinstance(build, Sequential):
        raise TypeError(f"build is {type(build).__name__}, expected a function of a seed that returns a new model")
    try:
        inspect.signature(build).bind(seed)
    except TypeError:
        raise TypeError(
            "build does not take a seed alone, expected a function such as lambda seed: pynn.models.lenet5(seed=seed)"
        ) from None
    model = build(seed)
    expect_instance(model, Sequential, f"what build({seed}) returned")
    if model.seed != seed:
        raise ValueError(
            f"build({seed}) returned a model of seed {model.seed}; pass the seed on: pynn.Sequential(..., seed=seed)"
        )
    return model


def _own_settings(settings: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The settings of `fit` for one member: members share no object that has a state."""
    own = dict(settings)
    for name in ("optimizer", "loss", "callbacks"):
        if name in own:
            own[name] = copy.deepcopy(own[name])
    if own.get("checkpoint") is not None:
        if not isinstance(own["checkpoint"], (str, os.PathLike)):
            raise TypeError(
                f"checkpoint is {brief(own['checkpoint'])}, expected a folder; each member gets a subfolder"
            )
        folder = Path(own["checkpoint"]) / f"member{number}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        own["checkpoint"] = folder
    return own
