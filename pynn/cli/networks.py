"""The networks of ``pynn train --model``: the MLP that the options describe, and those of `pynn.models.networks`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable

import pynn

from ..datasets import Dataset
from ..models import networks
from . import presets

READY: dict[str, Callable[..., pynn.Sequential]] = {name: getattr(networks, name) for name in presets.READY}


def check(options: argparse.Namespace) -> None:
    """ValueError for an option that does not apply to the chosen network."""
    if options.model not in READY:
        return
    accepted = inspect.signature(READY[options.model]).parameters
    for name in presets.MLP:
        if getattr(options, name) is not None and name not in accepted:
            raise ValueError(f"--{name} has no effect on --model {options.model}, whose layers are fixed; leave it out")


def build(options: argparse.Namespace, dataset: Dataset) -> pynn.Sequential:
    """Build the model and add the notes that other commands need; ValueError for images that do not fit.

    Options of the MLP that are None keep the defaults of a ready-made network.
    """
    shape, classes = dataset.train[0].shape[1:], len(dataset.classes)
    settings = {"seed": options.seed, "dtype": options.dtype}
    if options.model in READY:
        chosen = {name: getattr(options, name) for name in presets.MLP if getattr(options, name) is not None}
        model = READY[options.model](classes, **chosen, **settings)
    else:
        model = pynn.Sequential(*_mlp(options, classes), **settings)
    try:
        model.build(shape)
    except ValueError as cause:
        size = "x".join(map(str, shape))
        raise ValueError(f"{options.model} cannot take the {size} pixels of {options.dataset}: {cause}") from cause
    model.notes.update(dataset=dataset.name, classes=list(dataset.classes), image_shape=list(shape))
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
