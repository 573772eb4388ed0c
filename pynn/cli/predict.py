"""`pynn predict`: the class of pictures, with the model's three best guesses."""

from __future__ import annotations

import argparse

import numpy as np

import pynn

from . import models, pictures

GUESSES = 3


def run(options: argparse.Namespace) -> int:
    """Predict as the options say; return the exit code."""
    model = pynn.load(options.model)
    names, shape = models.classes(model), models.image_shape(model)
    read = [pictures.read(path, shape, options.invert) for path in options.images]
    x = np.stack([pixels for pixels, _ in read]).reshape(len(read), *models.input_shape(model))
    probabilities = model.predict_proba(x)
    for path, (_, inverted), row in zip(options.images, read, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:GUESSES]
        guesses = ", ".join(f"{names[place]} {row[place]:.4f}" for place in best)
        note = "  [inverted: it is dark on light]" if inverted and options.invert == "auto" else ""
        note = "  [inverted]" if inverted and options.invert == "yes" else note
        print(f"{path}: {names[best[0]]}  ({guesses}){note}")
    return 0
