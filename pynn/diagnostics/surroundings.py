"""What a record says of a run's surroundings: versions, machine, command, names of classes, first weights."""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any

import numpy as np

from ..data.pictures import picture_shape
from ..info import info
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
    """Names of classes and of input columns, as text; None where there are none."""
    classes = None if model.targets is None else model.targets.classes
    labels = model.notes.get("classes") if classes is None else classes.tolist()
    columns = model.columns
    return {
        "labels": None if labels is None else [str(label)[:100] for label in labels[:NAMES]],
        "columns": None if columns is None else [str(column)[:100] for column in columns[:NAMES]],
    }


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
