"""Random search finds better values than a grid when a single parameter matters.

A network of 30 hidden units on 1,000 MNIST samples, 3 epochs of SGD. Nine trials choose a learning rate from a range of
4 decades and an L2 penalty that is too weak to matter: a grid of 3×3 points, or random points. 10 pairs of searches a
seed, each with a range that lies elsewhere around the good rates. The score is the validation loss.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

EXTRA = "search"
DATA = "mnist"
HEIGHT = 5.6
TRIALS = 9
SOURCE = "CS231n, lecture 6, after Bergstra & Bengio 2012"
CLAIMS = (
    Claim("tried", "nine random trials try at least 3 times as many learning rates as the grid", SOURCE, 3, unit="x"),
    Claim("won", "random search finds the lower loss in at least 60 % of the pairs", SOURCE, 0.6, unit="%"),
    Claim(
        "gain",
        "the grid's best loss is at least 1.05 times that of random search, in the median",
        SOURCE,
        1.05,
        unit="x",
    ),
)
PICTURE = """Above: the trials of one pair of searches, learning rate against L2 penalty, the grid left and random
points right; darker points have a lower loss, a ring marks the best. The grid has three different learning rates, the
random points nine. Below: the best loss of the grid against that of random search, a point for each pair of all seeds,
with the diagonal; most points lie above it."""


def build(params: Mapping[str, float]) -> tuple[pynn.Sequential, dict[str, Any]]:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(30), pynn.ReLU(), pynn.Affine(10))
    optimizer = pynn.SGD(params["learning_rate"])
    return model, {"optimizer": optimizer, "penalty": pynn.L2(params["l2"]), "batch_size": 50}


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.mnist().train
    rng = np.random.default_rng(seed)
    pairs = []
    for pair in range(4 if quick else 10):
        some = rng.choice(len(y), 500 if quick else 1_000, replace=False)
        middle = 10 ** rng.uniform(-1.5, 0.5)  # so that no point of the grid is right by chance in all pairs
        space = {
            "learning_rate": pynn.search.log_uniform(middle / 100, middle * 100),
            "l2": pynn.search.log_uniform(1e-9, 1e-6),
        }
        pairs.append(
            {sampler: search(space, x[some], y[some], sampler, 100 * seed + pair) for sampler in ("grid", "random")}
        )
    best = {sampler: [min(pair[sampler]["loss"]) for pair in pairs] for sampler in ("grid", "random")}
    different = [len(set(pair["random"]["rate"])) / len(set(pair["grid"]["rate"])) for pair in pairs]
    return {
        "tried": min(different),
        "won": np.mean(np.less(best["random"], best["grid"])),
        "gain": np.median(np.divide(best["grid"], best["random"])),
        "best": best,
        "example": pairs[0],
    }


def search(space: Any, x: Any, y: Any, sampler: str, seed: int) -> dict[str, list[float]]:
    job = pynn.search.Search(
        build, space, x, y, metric="val_loss", sampler=sampler, seed=seed, stop=False, progress=False
    )
    trials = job.run(TRIALS, epochs=3).trials
    worst = 10.0  # a trial that diverged has no score
    return {
        "rate": [trial.params["learning_rate"] for trial in trials],
        "l2": [trial.params["l2"] for trial in trials],
        "loss": [worst if trial.score is None else min(trial.score, worst) for trial in trials],
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplot_mosaic([["grid", "random"], ["pairs", "pairs"]])
    axes["random"].sharex(axes["grid"])
    axes["random"].sharey(axes["grid"])
    losses = [loss for trials in results[0]["example"].values() for loss in trials["loss"]]
    colours = {"cmap": "viridis", "vmin": np.log(min(losses)), "vmax": np.log(2.3)}  # log 2.3: guessing
    for sampler in ("grid", "random"):
        trials = results[0]["example"][sampler]
        best = int(np.argmin(trials["loss"]))
        at = axes[sampler]
        at.scatter(trials["rate"], trials["l2"], c=np.log(trials["loss"]), **colours, s=45)
        ring = {"s": 170, "facecolors": "none", "edgecolors": "#D55E00", "linewidths": 2}
        at.scatter(trials["rate"][best], trials["l2"][best], **ring)
        at.set(xscale="log", yscale="log", xlabel="learning rate", title=f"{sampler}: best {trials['loss'][best]:.2f}")
    axes["grid"].set_ylabel("L2 penalty")
    axes["random"].tick_params(labelleft=False)
    axes["grid"].margins(0.15)
    for result in results:
        axes["pairs"].scatter(result["best"]["random"], result["best"]["grid"], s=18, alpha=0.7)
    ends = axes["pairs"].get_xlim()
    axes["pairs"].plot(ends, ends, color="0.5", linestyle="--", linewidth=1)
    axes["pairs"].set(xlabel="best loss, random", ylabel="best loss, grid")
    axes["pairs"].set_title("all pairs: above the line, random won")
