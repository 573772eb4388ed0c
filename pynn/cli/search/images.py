"""The networks of the data sets as trials of ``pynn search``."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pynn

from ...datasets import Dataset
from ...messages import terminal
from ...typing import Shape
from .. import augment, messages, models, networks, presets
from . import parameters
from .defaults import EPOCHS

FIXED = (
    "model", "layers", "activation", "dropout", "batchnorm", "dtype", "optimizer", "learning_rate", "schedule",
    "weight_decay", "augment", "batch_size", "l2",
)  # fmt: skip


class Build:
    """Makes the network of a trial, and says how it is trained; other processes can have it.

    Parameters
    ----------
    options : Namespace
        What is the same in all trials.
    dataset, classes, shape
        What the network is for.
    """

    def __init__(self, options: argparse.Namespace, dataset: str, classes: Sequence[str], shape: Shape) -> None:
        self._options = argparse.Namespace(
            **{name: getattr(options, name) for name in (*FIXED, "seed", "validation")}, dataset=dataset
        )
        self._dataset, self._classes, self._shape = dataset, classes, shape

    def options(self, params: Mapping[str, Any], epochs: int) -> argparse.Namespace:
        """The options of `pynn train` for these parameters."""
        options = copy.copy(self._options)
        if options.augment is not None:
            options.augment = augment.read(options.augment)
        read = {name: parameters.IMAGES[name](value) for name, value in params.items()}
        width, depth = read.pop("width", None), read.pop("depth", None)
        for name, value in read.items():
            setattr(options, name, value)
        options.epochs, options.model = epochs, options.model or "mlp"
        if width is not None or depth is not None:
            usual = presets.MLP["layers"]
            options.layers = (usual[0] if width is None else width,) * (len(usual) if depth is None else depth)
        options.dtype = options.dtype or "float32"
        networks.check(options)
        presets.fill(options)
        return options

    def __call__(self, params: Mapping[str, Any], epochs: int) -> tuple[pynn.Sequential, dict[str, Any]]:
        """The network, not built, and the settings of `fit`."""
        options = self.options(params, epochs)
        model = networks.made(options, self._dataset, self._classes, self._shape)
        optimizer = presets.optimizer(options)
        if "momentum" in params:
            optimizer.momentum = params["momentum"]  # type: ignore[attr-defined]
        return model, {
            "optimizer": optimizer,
            "batch_size": options.batch_size,
            "penalty": pynn.L2(options.l2) if options.l2 else None,
            "augmentation": options.augment or None,
            "prefetch": augment.AHEAD if options.augment else 0,
        }

    def pynn_again(self, params: Mapping[str, Any], epochs: int, seed: int) -> str:
        """The command that trains such a network again; "" if there is none."""
        if "momentum" in params:  # no option of `pynn train`
            return ""
        options = self.options(params, epochs)
        searched = {"layers" if name in parameters.EXCLUSIVE else name for name in params}
        text = [f"pynn train {options.dataset}"]
        for name in FIXED:
            value = getattr(options, name)
            if name not in searched and getattr(self._options, name) is None:
                continue
            option = name.replace("_", "-")
            if isinstance(value, bool):
                text.append(f"--{'' if value else 'no-'}{option}")
            elif name == "augment":
                text.append(f"--augment {params.get('augment', self._options.augment)}")
            else:
                text.append(f"--{option} {f'{value:.4g}' if isinstance(value, float) else presets.text(value)}")
        return " ".join([*text, f"--epochs {epochs} --seed {seed}"])


class Images:
    """What is searched for a data set.

    Parameters
    ----------
    options : Namespace
        Of the command, without None for --validation.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.dataset: Dataset = models.load_dataset(options.dataset, options.data)
        self.x, self.y = self.dataset.train
        self.space = self._space()
        shape = self.x.shape[1:]
        self.build = Build(options, self.dataset.name, self.dataset.classes, shape)
        self.epochs = EPOCHS
        for params in _corners(self.space):  # a network that cannot take the images is no matter of 60 trials
            networks.build(self.build.options(params, 1), self.dataset)

    def _space(self) -> Any:
        from ...search.space import Space

        options = self._options
        if options.space is None:
            return _expect_some(Space(parameters.for_images(options, len(self.x))))
        where, space = parameters.written(options.space), Space.of(options.space)
        parameters.check(space, parameters.IMAGES, where)
        parameters.expect_searched_once(space, options, where)
        parameters.expect_useful(space, options, where)
        return space

    @property
    def name(self) -> str:
        """The study's name: what is the same in all trials, so that others have another study."""
        options = self._options
        fixed = [
            f"{name}={presets.text(value)}"
            for name in FIXED
            if (value := getattr(options, name)) is not None and name != "model"
        ]
        return " ".join([options.dataset, options.model or "mlp", *fixed])

    @property
    def metric(self) -> str | None:
        """The score, if one is asked for."""
        found: str | None = self._options.metric
        return found

    def print_header(self) -> None:
        """Say what runs, and what it learns from."""
        messages.print_backend()
        sizes = f"{len(self.x):,} images to train on and to validate, {len(self.dataset.test[0]):,} to test"
        shape = "x".join(map(str, self.x.shape[1:]))
        print(messages.filled(f"{self._options.dataset}: {sizes}, {shape} pixels"))
        model, *fixed = map(terminal.printable, self.name.split(" ")[1:])
        text = f"{model} with {', '.join(fixed)}, and the rest" if fixed else f"{model}, its settings"
        print(messages.filled(f"{text} as for pynn train"))

    def finish(self, model: pynn.Sequential) -> tuple[Any, str]:
        """The model with notes of its test, and the last line."""
        measured = model.evaluate(*self.dataset.test)
        model.notes["test_accuracy"] = measured["accuracy"]
        return model, f"test accuracy {measured['accuracy']:.4f}"


def _corners(space: Any) -> list[dict[str, Any]]:
    """The middle of the space, for each network that it chooses from."""
    middle = space.middle()
    part = space.parts.get("model")
    if part is None:
        return [middle]
    own = {name for _, inner in part.options if inner for name in inner.names}
    common = {name: value for name, value in middle.items() if name not in own or name == "model"}
    return [{**common, "model": value, **(inner.middle() if inner else {})} for value, inner in part.options]


def _expect_some(space: Any) -> Any:
    if not space.parts:
        raise ValueError("the options fix all that is searched by default; leave one out, or name a --space")
    return space
