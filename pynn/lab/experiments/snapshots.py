"""Snapshots of one training run, averaged, are better than its last state.

CIFAR-10, 4,000 training images (the course has 50,000) and 4,000 others to test, a network of two convolutions,
Momentum with cosine restarts: 4 cycles of 4 epochs, each from rate 0.05 down to 0, batch 100. At the end of each cycle
the parameters are kept; the ensemble averages the probabilities of these four models.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CYCLES = 4
CLAIMS = (
    Claim(
        "last",
        "the average of the snapshots is at least 0.5 points better than the last one",
        "CS231n, lecture 7; notes, Neural Networks 3",
        0.005,
        unit="points",
    ),
    Claim(
        "typical",
        "it is at least 1 point better than the mean of the snapshots",
        "CS231n, lecture 7",
        0.01,
        unit="points",
    ),
)
PICTURE = """Left: test accuracy of the model over the epochs: it falls at each restart of the rate and rises again to
the end of the cycle, where a point marks the snapshot. Right: the test accuracy of each snapshot and of the average of
the snapshots so far, over the cycles; at first the average lies below, at the end above."""


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(16, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(32, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(10)),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = (order[:500], order[-500:]) if quick else (order[:4_000], order[-4_000:])
    length = 2 if quick else 4

    snapshots = pynn.SnapshotEnsemble(epochs_per_cycle=length)
    history = build(seed).fit(
        x[train],
        y[train],
        validation=(x[test], y[test]),
        preprocessing=pynn.MeanSubtraction(),
        optimizer=pynn.Momentum(pynn.CosineRestarts(0.05, epochs_per_cycle=length)),
        epochs=CYCLES * length,
        batch_size=100,
        callbacks=[snapshots],
        progress=False,
    )
    members = list(snapshots.ensemble())
    single = [model.evaluate(x[test], y[test])["accuracy"] for model in members]
    so_far = [pynn.Ensemble(members[: n + 1]).evaluate(x[test], y[test])["accuracy"] for n in range(CYCLES)]
    return {
        "last": so_far[-1] - single[-1],
        "typical": so_far[-1] - np.mean(single),
        "curve": history["val_accuracy"],
        "single": single,
        "so_far": so_far,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    curves = 100 * np.array([result["curve"] for result in results])
    ends = np.arange(1, CYCLES + 1) * curves.shape[1] // CYCLES
    left.plot(np.arange(1, curves.shape[1] + 1), curves.T, color="#0072B2", linewidth=0.9)
    left.plot(ends, curves[:, ends - 1].T, "o", color="#D55E00", markersize=4)
    left.set(xlabel="epoch", ylabel="test accuracy, %", title="a run for each seed", xticks=ends)
    cycles = np.arange(1, CYCLES + 1)
    for name, label, style in (("single", "snapshot", "o--"), ("so_far", "average so far", "s-")):
        values = 100 * np.array([result[name] for result in results])
        (line,) = right.plot(cycles, np.median(values, axis=0), style, label=label, markersize=4)
        right.fill_between(cycles, values.min(axis=0), values.max(axis=0), color=line.get_color(), alpha=0.15)
    right.set(xlabel="cycle", xticks=cycles, title="snapshots")
    right.legend(loc="lower right")
