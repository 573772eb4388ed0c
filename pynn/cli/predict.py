"""``pynn predict``: the class of pictures, with the model's three best guesses."""

from __future__ import annotations

import argparse
import os
from glob import glob

import numpy as np

from ..messages import terminal
from . import messages, models, pictures

GUESSES = 3


def run(options: argparse.Namespace) -> int:
    """Predict according to the options; return the exit code: 2 if a picture cannot be read, after the others."""
    model = models.load("predict", options.model, options.images)
    names = [terminal.printable(name, 100) for name in models.classes(model)]
    shape = models.image_shape(model)
    paths, read, code = [], [], 0
    for path in _expanded(options.images):
        try:
            read.append(pictures.read(path, shape, options.invert))
            paths.append(path)
        except (ValueError, OSError) as error:
            terminal.say(f"pynn: error: {messages.sentence(error)}")
            code = 2
    if read:
        x = np.stack([pixels for pixels, _ in read]).reshape(len(read), *models.input_shape(model))
        for path, (_, inverted), row in zip(paths, read, model.predict_proba(x), strict=True):
            best = np.argsort(-row, kind="stable")[:GUESSES]
            guesses = ", ".join(f"{names[place]} {row[place]:.4f}" for place in best)
            note = "  [inverted: dark on light]" if inverted and options.invert == "auto" else ""
            note = "  [inverted]" if inverted and options.invert == "yes" else note
            print(f"{terminal.printable(path)}: {names[best[0]]}  ({guesses}){note}")
    return code


def _expanded(paths: list[str]) -> list[str]:
    """The paths, with patterns such as *.png expanded: the Windows shell leaves that to programs."""
    return [match for path in paths for match in ([path] if os.path.exists(path) else sorted(glob(path)) or [path])]
