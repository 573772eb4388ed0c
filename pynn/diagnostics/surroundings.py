"""What a record says of a run's surroundings: versions, machine, command, names of classes, first weights."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.pictures import picture_shape
from ..info import info
from ..preprocessing import PCA, TableEncoder, Whitening
from ..preprocessing.pipeline import in_sequence
from ..typing import Array
from .measuring import leaves

PICTURES = 64  # units of the first layer whose weights are kept
NAMES = 1000  # classes and columns whose names are kept


def environment() -> dict[str, Any]:
    """Versions, backend and machine, the command line, and when it was."""
    found = info()
    return {
        "pynn": found.version,
        "backend": found.backend,
        "isa": found.isa,
        "threads": found.threads,
        "numpy": found.numpy,
        "python": found.python,
        "machine": found.machine,
        "system": platform.system(),
        "processors": os.cpu_count(),
        "command": [str(word) for word in getattr(sys, "orig_argv", sys.argv)],
        "folder": os.getcwd(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def names(model: Any) -> dict[str, Any]:
    """Names of classes, of a table's columns, and of those that the layers take, as text; None where there are none."""
    classes = None if model.targets is None else model.targets.classes
    labels = model.notes.get("classes") if classes is None else classes.tolist()
    noted = model.notes.get("features")  # of an estimator, which encodes the columns itself
    features = noted if isinstance(noted, list) else _features(model)
    found = {"labels": labels, "columns": model.columns, "features": features}
    return {name: None if one is None else [str(each)[:100] for each in one[:NAMES]] for name, one in found.items()}


def _features(model: Any) -> Sequence[Any] | None:
    """Names of the columns as the layers take them."""
    names: Sequence[Any] | None = model.columns
    for step in in_sequence(model.preprocessing):
        if isinstance(step, TableEncoder):
            names = step.get_feature_names_out().tolist()
        elif names is not None and (isinstance(step, (PCA, Whitening)) or step.output_shape_ != (len(names),)):
            names = [f"x{place}" for place in range(math.prod(step.output_shape_))]  # mixtures of the columns
    return names


def first_weights(model: Any) -> Array | None:
    """The weights of the first layer that has any, as pictures (units, H, W, C); None if they are none."""
    shape = model.input_shape
    layer = next((one for one in leaves(model) if one.declared), None)
    if layer is None or layer.declared[0].value is None:
        return None
    weight = layer.declared[0].value
    if weight.ndim == 4 and weight.shape[2] in (1, 3):  # a convolution: rows, columns, channels, units
        pictures = np.moveaxis(weight, 3, 0)
    elif weight.ndim == 2 and (picture := picture_shape(shape)) is not None and weight.shape[0] == np.prod(picture):
        pictures = weight.T.reshape(-1, *picture)
    else:
        return None
    return np.array(pictures[:PICTURES], np.float32, order="C") if min(pictures.shape[1:3]) > 1 else None
