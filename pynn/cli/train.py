"""``pynn train``: check everything, train, evaluate on the test part, write the model and its picture."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pynn
from pynn import random as random_module

from ..datasets import Dataset, Split
from ..messages import terminal
from ..messages.counting import several
from ..models import summary
from . import applicable, augment, messages, models, networks, presets, watching, writing
from .tables import files

HELD_OUT = 2  # purpose of random numbers, besides random.WEIGHTS and random.ORDER


def run(options: argparse.Namespace) -> int:
    """Train according to the options; return the exit code."""
    applicable.check(options)
    if isinstance(options.dataset, files.TablePath):
        from .tables import train as table  # here: it needs pandas

        return table.run(options)
    networks.check(options)
    presets.fill(options)
    path = Path(options.output or f"{options.dataset}.safetensors")
    picture = path.with_suffix(".png") if options.plot else None
    writing.check_output(path, picture)
    page = watching.check(options)
    models.set_threads(options.threads)
    dataset = models.load_dataset(options.dataset, options.data)
    training, validation = _split(dataset.train, options.validation, options.seed)
    options.batch_size = min(options.batch_size, len(training[0]))
    model = networks.build(options, dataset)
    if not options.quiet:
        _print_header(options, model, (training, validation, dataset.test))
    try:
        history, measured = _trained(options, model, training, validation, dataset.test, page)
    except KeyboardInterrupt:
        return _interrupted(model, path, options.epochs)
    accuracy = model.notes["test_accuracy"] = measured["accuracy"]
    try:
        with writing.without_interrupts():
            writing.save(model, path)
        drawn = _draw(picture, model, history, dataset, options.quiet) if picture else ""
    except KeyboardInterrupt:
        terminal.say(f"pynn: interrupted; the trained model (test accuracy {accuracy:.4f}) is in {path}")
        return 130
    if not options.quiet:
        print(f"wrote {path}{drawn}")
    print(f"test accuracy {accuracy:.4f}")
    return 0


def _trained(
    options: argparse.Namespace, model: pynn.Sequential, training: Split, validation: Split | None, test: Split,
    page: Path | None,
) -> tuple[pynn.History, dict[str, float]]:  # fmt: skip
    """The history of the run that the options describe, and the model's measurements on the test part.

    FloatingPointError if it diverged. The page of the run is complete, however it ended.
    """
    monitor = pynn.Monitor(options.run_folder)
    try:
        history = _fitted(options, model, training, validation, monitor)
        measured = model.evaluate(*test)
    except (KeyboardInterrupt, FloatingPointError):
        watching.end(monitor, page, options.quiet)
        raise
    written = watching.end(monitor, page, options.quiet)
    if diverged := watching.stopped(monitor) or _diverged(model, measured["loss"]):
        raise FloatingPointError(
            f"the training diverged, {diverged}; {'no model' if written else 'nothing'} was written. Lower the "
            f"learning rate, which was {options.learning_rate:g}"
        )
    return history, measured


def _fitted(
    options: argparse.Namespace, model: pynn.Sequential, training: Split, validation: Split | None,
    monitor: pynn.Monitor,
) -> pynn.History:  # fmt: skip
    """The history of the run that the options describe."""
    return watching.watched(
        model.fit,
        *training,
        validation=validation,
        optimizer=presets.optimizer(options),
        epochs=options.epochs,
        batch_size=options.batch_size,
        penalty=pynn.L2(options.l2) if options.l2 else None,
        augmentation=options.augment or None,
        prefetch=augment.AHEAD if options.augment else 0,
        progress=False if options.quiet else "auto",
        callbacks=[monitor],
    )


def _split(part: Split, share: float, seed: int) -> tuple[Split, Split | None]:
    """The training part without, and with only, a share of every class, drawn by the seed."""
    x, y = part
    held_out: NDArray[np.bool_] = np.zeros(len(y), bool)
    random = random_module.generator(seed, 0, HELD_OUT)
    for label in np.unique(y):
        places = random.permutation(np.flatnonzero(y == label))
        held_out[places[: min(round(len(places) * share), len(places) - 1)]] = True
    if not held_out.any():
        return part, None
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])


def _print_header(options: argparse.Namespace, model: pynn.Sequential, parts: tuple[Split | None, ...]) -> None:
    messages.print_backend()
    sizes = [0 if part is None else len(part[0]) for part in parts]
    shape = "x".join(map(str, model.input_shape))
    text = f"{sizes[0]:,} images to train on, {sizes[1]:,} for validation (val_), {sizes[2]:,} to test, {shape} pixels"
    print(messages.filled(f"{options.dataset}: {text}"))
    print(f"\n{summary.table(model, messages.width())}\n")
    settings = [
        f"{options.optimizer}, learning rate {options.learning_rate:g}, {options.schedule} schedule",
        *([f"weight decay {options.weight_decay:g}"] if options.weight_decay else []),
        *([f"L2 {options.l2:g}"] if options.l2 else []),
        f"batch size {options.batch_size}",
        several(options.epochs, "epoch"),
        *([f"augmented by {' and '.join(map(repr, options.augment))}"] if options.augment else []),
    ]
    print(messages.filled(", ".join(settings)), flush=True)


def _diverged(model: pynn.Sequential, loss: float = 0.0) -> str | None:
    """What is not finite in a useless model, else None; loss: on the test part."""
    names = [name for name, array in model.tensors().items() if not np.isfinite(array).all()]
    if names:
        return f"{', '.join(names[:3])} {'hold' if len(names) > 1 else 'holds'} NaN or infinity"
    return None if math.isfinite(loss) else f"the test loss is {loss}"


def _interrupted(model: pynn.Sequential, path: Path, epochs: int) -> int:
    """Save the model as trained so far, report it, and return the exit code."""
    with suppress(KeyboardInterrupt), writing.without_interrupts():  # a second Ctrl-C changes nothing
        terminal.say(f"pynn: interrupted; {_saved(model, path, epochs)}")
    return 130


def _saved(model: pynn.Sequential, path: Path, epochs: int) -> str:
    if not model.context.step:
        return "nothing was trained and nothing written"
    if diverged := _diverged(model):
        return f"the training had diverged, {diverged}, and nothing was written"
    if path.exists() and model.epoch < epochs:  # do not overwrite a fully trained model
        path = path.with_name(f"{path.stem}.interrupted{path.suffix}")
    writing.save(model, path)
    done = f"{several(model.epoch, 'epoch')}, {several(model.context.step, 'step')}"
    return f"the model as trained so far ({done}) is in {path}"


def _draw(picture: Path, model: pynn.Sequential, history: pynn.History, dataset: Dataset, quiet: bool) -> str:
    """Draw the picture and return " and NAME"; a failure must not affect the result."""
    try:
        from pynn import plot  # here: matplotlib is slow to import, and may be missing
    except ImportError as missing:
        if not quiet:
            print(f"no picture: {missing}")
        return ""
    images, labels = dataset.test
    probabilities = model.predict_proba(images)
    figure = plot.report(history, images, labels, probabilities.argmax(axis=1), dataset.classes, probabilities)
    try:
        plot.save(figure, picture)
    except OSError as cause:
        terminal.say(f"pynn: no picture: {messages.sentence(cause)}")
        return ""
    return f" and {picture}"
