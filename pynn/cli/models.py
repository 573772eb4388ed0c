"""Functions about models that the commands share: loading, class names, shapes of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pynn
from pynn import datasets, kernels

from ..datasets.common import caught_warnings
from ..datasets.decoding import MOST_PIXELS
from ..losses.attributes import AttributeLoss
from ..messages import terminal
from ..typing import Shape
from .tables import estimators


def load(command: str, path: str, others: Sequence[str]) -> Any:
    """Load the model from this file; ValueError with a hint if another argument looks like the model."""
    try:
        return estimators.load(path)
    except (ValueError, OSError) as cause:
        for other in others:
            if _looks_like_a_model(other) and not _looks_like_a_model(path):
                raise ValueError(
                    f"{path} is not a model, but {other} looks like it; the model comes first: "
                    f"pynn {command} {other} {path}"
                ) from cause
        raise


def _looks_like_a_model(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"  # the header of safetensors, after its length
    except OSError:
        return False


def no_table(path: str, table: str) -> str:
    """Why the model in this file cannot read a table, and what to do."""
    return (
        f"{path} was not trained on a table with named columns, so it cannot find its inputs in {table}; train it on a "
        "data frame, or call model.predict or model.evaluate in Python"
    )


def set_threads(count: int | None) -> None:
    """Set the number of threads of the native kernels; print a note if another backend runs."""
    if count is None:
        return
    pynn.set_num_threads(count)
    if kernels.backend() != "native":
        terminal.say("pynn: --threads is for the native kernels; NumPy has its own threads (OMP_NUM_THREADS)")


def load_dataset(name: str, root: str | None) -> datasets.Dataset:
    """Load the data set; print each warning, such as about a missing part, in one line."""
    with caught_warnings() as caught:
        dataset = datasets.load(name, root)
    for warning in caught:
        terminal.say(f"pynn: {warning.message}")
    return dataset


def classes(model: pynn.Sequential) -> tuple[str, ...]:
    """Names of the columns of `predict_proba`: from the model's notes, else its labels, else numbers."""
    known = model.targets
    answers = outputs(model) == 1 and isinstance(model.loss, AttributeLoss)  # columns for no and yes
    count = 2 if answers else outputs(model)
    names = model.notes.get("classes")
    if isinstance(names, list) and len(names) == count and all(isinstance(name, str) for name in names):
        return tuple(names)
    if model.classes is not None:
        return tuple(map(str, model.classes.tolist()))
    return ("False", "True") if answers and known is not None and known.truth else tuple(map(str, range(count)))


def outputs(model: pynn.Sequential) -> int:
    """Number of classes that the model distinguishes; ValueError if it is not a classifier."""
    count = model.loss.classes(model.output_shape)
    if count is None and len(model.output_shape) == 1:  # a custom loss may not define it
        count = model.output_shape[0]
    if count is None or len(model.output_shape) != 1:
        raise ValueError(f"the model's outputs have shape {model.output_shape}, expected (C,), one for each class")
    return count


def input_shape(model: pynn.Sequential) -> Shape:
    """Shape of the samples that `predict` takes: before preprocessing, if the model has any."""
    return model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_


def image_shape(model: pynn.Sequential) -> Shape:
    """(H, W, 1 or 3) of the images that the model reads: its input shape, or from its notes for flat inputs."""
    noted = model.notes.get("image_shape")
    sample_shape = input_shape(model)
    for shape in (_as_image_shape(sample_shape), _as_image_shape(noted)):
        if shape is not None and math.prod(shape) == math.prod(sample_shape):
            if math.prod(shape[:2]) > MOST_PIXELS:
                raise ValueError(
                    f"the model reads pictures of {shape[0]}x{shape[1]} pixels, expected at most {MOST_PIXELS:,}; in "
                    "Python, model.predict takes arrays of any size"
                )
            return shape
    raise ValueError(
        f"the model takes inputs of shape {sample_shape}, which is not a picture; expected (height, width, 1 or 3), "
        "or model.notes['image_shape'] = [height, width, 1 or 3] for flat inputs"
    )


def _as_image_shape(shape: Any) -> Shape | None:
    valid = isinstance(shape, (tuple, list)) and all(isinstance(size, int) and size > 0 for size in shape)
    return tuple(shape) if valid and len(shape) == 3 and shape[2] in (1, 3) else None
