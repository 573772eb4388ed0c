"""The experiments in the order of the course."""

from __future__ import annotations

import difflib

from .experiment import Experiment, read

# Chapter: its experiments. Its title is in `wording`.
CHAPTERS = {
    "networks": ("gates", "numeric-vs-backprop"),
    "activations": ("all-positive-inputs", "relu-speed", "dead-relu"),
    "preprocessing": ("training-mean", "whitening"),
    "initialization": ("init-histograms", "zero-init", "sparse-init", "init-mnist"),
    "normalization": ("batchnorm-scales", "batchnorm-identity", "batchnorm-regularizes"),
    "losses": ("bins-vs-l2",),
    "regularization": (
        "plot-the-new-j",
        "large-lambda",
        "weight-decay",
        "l1-l2",
        "early-stopping",
        "early-stopping-l2",
    ),
    "dropout": (
        "dropout",
        "dropout-expectation",
        "dropout-rates",
        "dropconnect",
        "spatial-dropout",
        "stochastic-depth",
        "fractional-pooling",
    ),
    "optimizers": (
        "optimizer-paths",
        "adam-bias-correction",
        "adam-rotated",
        "saddle-and-minimum",
        "optimizers-mnist",
        "rate-decay",
    ),
    "second_order": ("second-order", "lbfgs-mini-batches"),
    "babysitting": ("first-loss", "overfit-20", "learning-rates", "flat-loss", "update-ratio"),
    "search": ("random-vs-grid", "coarse-to-fine"),
    "ensembles": ("polyak", "snapshots", "ensemble", "ten-crop"),
    "augmentation": ("augmentation", "augmentation-vs-data", "colour-offset"),
    "transfer": ("transfer",),
}


def names() -> tuple[str, ...]:
    """Names of all experiments, in the order of the course.

    Returns
    -------
    tuple of str
        What `run` takes.
    """
    return tuple(name for chapter in CHAPTERS.values() for name in chapter)


def find(name: str) -> Experiment:
    """The experiment of this name, however it is spelled; ValueError with a suggestion for an unknown one."""
    known = {_plain(each): each for each in names()}
    if _plain(name) in known:
        return read(known[_plain(name)])
    near = difflib.get_close_matches(_plain(name), known, n=3, cutoff=0.65)
    near += [each for each in known if _plain(name) and _plain(name) in each and each not in near]
    hint = f"; did you mean {' or '.join(known[each] for each in near[:3])}?" if near else ""
    raise ValueError(f"there is no experiment {name!r}{hint} (pynn lab lists all)")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
