"""The networks of ``pynn train --model``: the MLP that the options describe, and those of `pynn.models.networks`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence

import pynn

from ..datasets import Dataset
from ..models import networks
from ..typing import Shape
from . import presets

READY: dict[str, Callable[..., pynn.Sequential]] = {name: getattr(networks, name) for name in presets.READY}


def check(options: argparse.Namespace) -> None:
    """ValueError for an option that does not apply to the chosen network."""
    if options.model not in READY:
        return
    for name in presets.MLP:
        if getattr(options, name) is not None and not takes(options.model, name):
            raise ValueError(f"--{name} has no effect on --model {options.model}, whose layers are fixed; leave it out")


def takes(model: str, option: str) -> bool:
    """Whether an option of the MLP has an effect on this network."""
    return model not in READY or option in inspect.signature(READY[model]).parameters


def build(options: argparse.Namespace, dataset: Dataset) -> pynn.Sequential:
    """Build the model and add the notes that other commands need; ValueError for images that do not fit.

    Options of the MLP that are None keep the defaults of a ready-made network.
    """
    shape = dataset.train[0].shape[1:]
    model = made(options, dataset.name, dataset.classes, shape)
    try:
        model.build(shape)
    except ValueError as cause:
        size = "x".join(map(str, shape))
        raise ValueError(f"{options.model} cannot take the {size} pixels of {options.dataset}: {cause}") from cause
    return model


def made(options: argparse.Namespace, dataset: str, classes: Sequence[str], shape: Shape) -> pynn.Sequential:
    """The model with its notes, not built."""
    settings = {"seed": options.seed, "dtype": options.dtype}
    if options.model in READY:
        chosen = {name: getattr(options, name) for name in presets.MLP if getattr(options, name) is not None}
        model = READY[options.model](len(classes), **chosen, **settings)
    else:
        model = pynn.Sequential(*_mlp(options, len(classes)), **settings)
    model.notes.update(dataset=dataset, classes=list(classes), image_shape=list(shape))
    return model


def _mlp(options: argparse.Namespace, classes: int) -> list[pynn.Layer]:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for width in options.layers:
        layers.append(pynn.Affine(width))
        if options.batchnorm:
            layers.append(pynn.BatchNorm())
        layers.append(presets.ACTIVATIONS[options.activation]())
        if options.dropout:
            layers.append(pynn.Dropout(options.dropout))
    layers.append(pynn.Affine(classes))
    return layers
