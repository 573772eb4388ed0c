"""Softmax over bins withstands outliers and targets with two peaks; squared error does not.

1,000 samples x in -1..1 of y = sin(4x) + noise of 0.1, a hidden layer of 64 tanh units, Adam, batch 50, 200 epochs.
Once with clean targets; once with 8 added to a tenth of them; once with half of all signs reversed, so that each x has
two likely targets. The same network learns y (standardized) with L2, or 20 bins of y with softmax, of which the most
likely is the answer. Each has its best of four learning rates by its own loss on validation data. The error is the
median distance to the true curve, or to the nearer of the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

import pynn

from ..experiment import Claim

NOTES, OURS = "CS231n notes, Neural Networks 2", "our question"
CLAIMS = (
    Claim("outliers", "with outliers, the error of L2 is at least 2 times that of bins", NOTES, at_least=2, unit="x"),
    Claim("peaks", "with two peaks, the error of L2 is at least 3 times that of bins", NOTES, at_least=3, unit="x"),
    Claim("clean", "with clean targets too, the error of L2 is at least that of bins", OURS, at_least=1, unit="x"),
)
PICTURE = """Samples and predictions. Left, with outliers: the curve of L2 lies above the samples, that of bins on them,
apart from a few narrow peaks. Right, two peaks: L2 runs through the empty middle, bins jump between both curves."""
Samples: TypeAlias = tuple[np.ndarray, np.ndarray]
RATES = (0.001, 0.003, 0.01, 0.03)
GRID = np.linspace(-1, 1, 201, dtype="float32")[:, None]


def curve(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(4 * x[:, 0]))


def sample(kind: str, count: int, generator: np.random.Generator) -> Samples:
    x = generator.uniform(-1, 1, (count, 1)).astype("float32")
    y = curve(x)
    if kind == "peaks":
        y = y * generator.choice([-1, 1], count)
    y = y + generator.normal(0, 0.1, count)
    if kind == "outliers":
        y[generator.random(count) < 0.1] += 8
    return x, y


def build(outputs: int, seed: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(64), pynn.Tanh(), pynn.Affine(outputs), seed=seed)


def with_l2(train: Samples, validation: Samples, seed: int, **options: Any) -> tuple[float, np.ndarray]:
    """The validation loss and the predictions on the grid."""
    model = build(1, seed)
    history = model.fit(
        *train, validation=validation, loss="l2", target_preprocessing=pynn.Standardization(), **options
    )
    return history["val_loss"][-1], model.predict(GRID)


def with_bins(train: Samples, validation: Samples, seed: int, **options: Any) -> tuple[float, np.ndarray]:
    binner = pynn.Binner(20)
    labels = binner.fit_transform(train[1])
    model = build(20, seed)
    history = model.fit(train[0], labels, validation=(validation[0], binner.transform(validation[1])), **options)
    return history["val_loss"][-1], binner.inverse_transform(model.predict(GRID))  # of the most likely bin


def run(seed: int, quick: bool) -> dict[str, object]:
    count, epochs = (300, 60) if quick else (1000, 200)
    generator = np.random.default_rng(seed)
    result: dict[str, object] = {}
    for kind in ("outliers", "peaks", "clean"):
        train, validation = sample(kind, count, generator), sample(kind, count, generator)
        truths = [curve(GRID), -curve(GRID)] if kind == "peaks" else [curve(GRID)]
        predictions, errors = {}, {}
        for name, learn in (("l2", with_l2), ("bins", with_bins)):
            options = {"seed": seed, "batch_size": 50, "epochs": epochs, "progress": False}
            tried = [learn(train, validation, optimizer=pynn.Adam(rate), **options) for rate in RATES]
            _, predictions[name] = min(tried, key=lambda fit: fit[0])
            errors[name] = np.median(np.min([np.abs(predictions[name] - truth) for truth in truths], axis=0))
        result[kind] = errors["l2"] / errors["bins"]
        result[f"{kind}_errors"] = errors
        result[f"{kind}_picture"] = {**predictions, "x": train[0][:250, 0], "y": train[1][:250]}
    return result


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for panel, kind, title in zip(figure.subplots(1, 2), ("outliers", "peaks"), ("outliers", "two peaks"), strict=True):
        shown = results[0][f"{kind}_picture"]
        panel.plot(shown["x"], shown["y"], ".", color="grey", markersize=2.5, alpha=0.6)
        panel.plot(GRID, shown["l2"], "--", color="C1", label="L2")
        panel.plot(GRID, shown["bins"], "-", color="C0", label="bins")
        panel.set(title=title, xlabel="x", ylim=(-1.8, 2.6))
    figure.axes[0].set_ylabel("y")
    figure.axes[1].legend(loc="upper center", ncols=2)
