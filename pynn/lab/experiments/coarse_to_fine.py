"""A fine search around the best trials of a coarse one finds better models.

CIFAR-10, a part of 4,000 training images (a fifth of them for validation; the course has 50,000), 2-layer network with
50 hidden ReLU units, Momentum, batch 100. Coarse stage: 20 trials of 3 epochs, learning rate 10^-6 to 10^0, L2 penalty
10^-5 to 10^2. Fine stage: 10 trials of 9 epochs in the ranges around the best.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

EXTRA = "search"
DATA = "cifar10"
SOURCE = "CS231n, lecture 6; notes, Neural Networks 3"
CLAIMS = (
    Claim(
        "best",
        "after as many epochs, the best fine trial is at least 0.5 points above the best coarse one",
        SOURCE,
        0.005,
        unit="points",
    ),
    Claim(
        "typical",
        "after as many epochs, the median fine trial is at least 10 points above the median coarse one",
        SOURCE,
        0.1,
        unit="points",
    ),
    Claim(
        "longer",
        "with all its epochs, the fine stage is at least 2 points above the best coarse trial",
        SOURCE,
        0.02,
        unit="points",
    ),
)
PICTURE = """Left: learning rate and L2 penalty of all trials of a seed, circles of the coarse stage spread over the
whole range, diamonds of the fine stage at high learning rates, spread over almost four decades of the penalty;
brighter means higher validation accuracy. Right: validation accuracy over the epochs, grey curves of the coarse stage
that end at 3 epochs, most of them low, and blue ones of the fine stage, most of them high, that go on to 9."""


def build(params: Mapping[str, float]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(50), pynn.ReLU(), pynn.Affine(10))
    return model, {
        "optimizer": pynn.Momentum(params["learning_rate"]),
        "penalty": pynn.L2(params["l2"]),
        "preprocessing": pynn.MeanSubtraction(),
        "batch_size": 100,
    }


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    some = np.random.default_rng(seed).choice(len(y), 1_000 if quick else 4_000, replace=False)
    space = {"learning_rate": pynn.search.log_uniform(1e-6, 1e0), "l2": pynn.search.log_uniform(1e-5, 1e2)}
    search = pynn.search.Search(build, space, x[some], y[some], seed=seed, progress=False)
    short, long = (2, 4) if quick else (3, 9)
    trials = search.coarse_to_fine([(12, short), (6, long)] if quick else [(20, short), (10, long)]).trials

    coarse, fine = ([accuracy(trial, short) for trial in trials if trial.stage == stage] for stage in (1, 2))
    return {
        "best": max(fine) - max(coarse),
        "typical": np.median(fine) - np.median(coarse),
        "longer": max(accuracy(trial, long) for trial in trials if trial.stage == 2) - max(coarse),
        "trials": [{"stage": trial.stage, **trial.params, "curve": curve(trial)} for trial in trials],
    }


def curve(trial: "pynn.search.Trial") -> list[float]:
    """Validation accuracy by epoch; none of a trial that exploded in its first epoch."""
    return trial.curves[0].get("val_accuracy", []) if trial.curves else []


def accuracy(trial: "pynn.search.Trial", epochs: int) -> float:
    """The best one within so many epochs, at least that of guessing."""
    return max([0.1, *curve(trial)[:epochs]])


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for stage, marker, colour, label in ((1, "o", "0.55", "coarse"), (2, "D", "#0072B2", "fine")):
        trials = [trial for trial in results[0]["trials"] if trial["stage"] == stage and trial["curve"]]
        places = [[trial[name] for trial in trials] for name in ("learning_rate", "l2")]
        best = [max(trial["curve"]) for trial in trials]
        colours = {"c": best, "cmap": "viridis", "vmin": 0.1, "vmax": 0.45, "edgecolors": "0.3", "linewidths": 0.5}
        left.scatter(*places, **colours, marker=marker, s=32)
        for number, trial in enumerate(trials):
            percent = 100 * np.array(trial["curve"])
            style = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1}
            right.plot(np.arange(1, len(percent) + 1), percent, **style, label=None if number else label)
    left.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="L2 penalty", title="trials of a seed")
    left.set_xticks([1e-6, 1e-4, 1e-2, 1])
    right.set(xlabel="epoch", ylabel="validation accuracy, %", title="their curves")
    right.legend(loc="lower right")
