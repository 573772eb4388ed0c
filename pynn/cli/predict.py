"""``pynn predict``: the class of pictures, with the model's three best guesses; tables have a module of their own."""

from __future__ import annotations

import argparse
import os
from glob import glob

import numpy as np

from ..messages import terminal
from . import messages, models, pictures
from .tables import files
from .tables.estimators import is_table_model

GUESSES = 3


def run(options: argparse.Namespace) -> int:
    """Predict according to the options; return the exit code: 2 if a picture cannot be read, after the others."""
    model = models.load("predict", options.model, options.files)
    if is_table_model(model):
        from .tables import predict as table  # here: it needs pandas

        return table.run(options, model)
    _expect_pictures(options)
    names = [terminal.printable(name, 100) for name in models.classes(model)]
    shape = models.image_shape(model)
    invert = options.invert or "auto"
    paths, read, code = [], [], 0
    for path in _expanded(options.files):
        try:
            read.append(pictures.read(path, shape, invert))
            paths.append(path)
        except (ValueError, OSError) as error:
            terminal.say(f"pynn: error: {messages.sentence(error)}")
            code = 2
    if read:
        x = np.stack([pixels for pixels, _ in read]).reshape(len(read), *models.input_shape(model))
        for path, (_, inverted), row in zip(paths, read, model.predict_proba(x), strict=True):
            best = np.argsort(-row, kind="stable")[:GUESSES]
            guesses = ", ".join(f"{names[place]} {row[place]:.4f}" for place in best)
            note = "  [inverted: dark on light]" if inverted and invert == "auto" else ""
            note = "  [inverted]" if inverted and invert == "yes" else note
            print(f"{terminal.printable(path)}: {names[best[0]]}  ({guesses}){note}")
    return code


def _expect_pictures(options: argparse.Namespace) -> None:
    """ValueError for what only models of tables take."""
    for path in options.files:
        if files.ending(path) is not None:
            raise ValueError(models.no_table(options.model, path))
    for option, value in (("--output", options.output), ("--encoding", options.encoding)):
        if value is not None:
            raise ValueError(f"{option} is for tables, and {options.model} predicts pictures; leave it out")


def _expanded(paths: list[str]) -> list[str]:
    """The paths, with patterns such as *.png expanded: the Windows shell leaves that to programs."""
    return [match for path in paths for match in ([path] if os.path.exists(path) else sorted(glob(path)) or [path])]
