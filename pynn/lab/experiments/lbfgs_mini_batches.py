"""L-BFGS works on the full batch and fails on mini-batches.

1,000 of the built-in digits, one hidden layer of 30 tanh units, L2 penalty 0.0001. L-BFGS on all samples; L-BFGS on
mini-batches of 50, one iteration a batch with what it has learned of the curvature kept (its update pairs come from
different batches); SGD on the same mini-batches. Both of these with their best step length, out of six and out of four;
the curve of L-BFGS at length 1, its usual step, is only shown. 40 passes each.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

EXTRA = "scipy"
SOURCE = "CS231n, lecture 7"
CLAIMS = (
    Claim("full", "on the full batch its loss falls to at most 0.1", SOURCE, at_most=0.1),
    Claim("mini", "on mini-batches it ends at least 5 times as high as SGD, or explodes", SOURCE, at_least=5, unit="x"),
)
PICTURE = """Training loss on a logarithmic scale over the passes through the data: L-BFGS on the full batch and SGD on
mini-batches fall. L-BFGS on mini-batches at its best step length falls more slowly, in one seed not at all, with peaks
in some; at length 1 it falls with SGD, then jumps out of the picture."""
HEIGHT = 4.2
PASSES, BATCH = 40, 50
LENGTHS, RATES = (1, 0.3, 0.1, 0.03, 0.01, 0.003), (0.03, 0.1, 0.3, 1.0)
WORST = 1e3  # shown and judged for whatever exploded


class LBFGS(pynn.Optimizer):
    """The two-loop recursion of Nocedal & Wright, algorithm 7.4, with the latest pairs of step and gradient change."""

    def __init__(self, learning_rate: float = 1.0, memory: int = 10) -> None:
        super().__init__(learning_rate)
        self.memory = memory
        self.pairs: deque[tuple[Any, Any]] = deque(maxlen=memory)
        self.last: tuple[Any, Any] | None = None

    def update(self, parameters: Any, gradients: Any) -> None:
        if self.last is not None:
            step, change = parameters - self.last[0], gradients - self.last[1]
            if step @ change > 1e-10:  # else the curvature would be negative
                self.pairs.append((step, change))
        self.last = parameters.copy(), gradients.copy()
        direction, used = gradients.copy(), []
        for step, change in reversed(self.pairs):
            share = step @ direction / (step @ change)
            direction -= share * change
            used.append(share)
        if self.pairs:
            step, change = self.pairs[-1]
            direction *= step @ change / (change @ change)
        for (step, change), share in zip(self.pairs, reversed(used), strict=True):
            direction += (share - change @ direction / (step @ change)) * step
        parameters -= self.effective_learning_rate * direction


def train(optimizer: pynn.Optimizer, x: Any, y: Any, seed: int, passes: int) -> list[float]:
    """The loss of all samples after each pass."""
    model, loss, penalty = build(seed), pynn.SoftmaxCrossEntropy(), pynn.L2(1e-4)
    losses = []
    for epoch in range(passes):
        for some, labels in pynn.batches(x, y, BATCH, seed=seed, epoch=epoch, dtype="float64"):
            model.train_step(some, labels, loss, optimizer, penalty)
        value = loss.forward(model.forward(x), y) + penalty.value(model)
        losses.append(min(value, WORST) if np.isfinite(value) else WORST)
    return losses


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(30), pynn.Tanh(), pynn.Affine(10), seed=seed, dtype="float64")


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.digits().train
    some = np.random.default_rng(seed).choice(len(labels), 1000, replace=False)
    x, y, passes = (
        images[some].reshape(1000, -1).astype("float64") / images.max(),
        labels[some],
        10 if quick else PASSES,
    )
    history = pynn.minimize(build(seed), x, y, penalty=pynn.L2(1e-4), steps=passes, progress=False)
    full = np.array(history["loss"])[np.array(history["passes"]) <= passes]
    lengths = [train(LBFGS(length), x, y, seed, passes) for length in LENGTHS]
    mini = min(lengths, key=lambda losses: losses[-1])
    sgd = min((train(pynn.SGD(rate), x, y, seed, passes) for rate in RATES), key=lambda losses: losses[-1])
    return {
        "full": full[-1],
        "mini": mini[-1] / sgd[-1],
        "L-BFGS, full batch": {"passes": np.array(history["passes"])[: len(full)], "loss": full},
        "L-BFGS, mini-batches, length 1": {"passes": np.arange(1, passes + 1), "loss": lengths[0]},
        "L-BFGS, mini-batches, best length": {"passes": np.arange(1, passes + 1), "loss": mini},
        "length": LENGTHS[lengths.index(mini)],
        "SGD, mini-batches": {"passes": np.arange(1, passes + 1), "loss": sgd},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    names = (
        *(("L-BFGS, mini-batches, length 1", "0.6", ":"), ("L-BFGS, mini-batches, best length", "C1", "-.")),
        *(("SGD, mini-batches", "C0", "--"), ("L-BFGS, full batch", "C2", "-")),
    )
    for name, colour, line in names:
        for seed, result in enumerate(results):
            curve = result[name]
            label = None if seed else name
            axes.plot(curve["passes"], curve["loss"], line, color=colour, linewidth=1, label=label)
    axes.set(yscale="log", xlabel="passes through the data", ylabel="training loss and penalty", ylim=(None, 30))
    axes.legend(ncols=2, loc="lower center", bbox_to_anchor=(0.45, 1))
