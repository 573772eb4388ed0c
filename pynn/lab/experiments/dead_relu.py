"""Too large a learning rate kills ReLU units.

2,000 MNIST samples, three hidden layers of 100 ReLU units, He initialization, plain SGD, batch 50, 10 epochs, at seven
learning rates, up to the first at which the loss becomes NaN. A unit is dead if its output is 0 for all samples of the
monitor's probe of the training data. The best rate is the one with the highest accuracy on 1,000 validation samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
CLAIMS = (
    Claim(
        "dead",
        "at a learning rate that is too large, at least 40% of the units are dead at the end",
        "CS231n notes, Neural Networks 1",
        at_least=0.4,
        unit="%",
    ),
    Claim(
        "healthy",
        "at the best learning rate at most 5% are dead",
        "CS231n notes, Neural Networks 1",
        at_most=0.05,
        unit="%",
    ),
    Claim(
        "revived",
        "of the units of the first layer that are dead after an epoch, at most 1% live at the end",
        "CS231n notes, Neural Networks 1",
        at_most=0.01,
        unit="%",
    ),
)
PICTURE = """Above, the share of dead units at the end over the learning rate, with the range of the seeds: near 0 up
to 0.3, high at 0.7 and 1; and the validation accuracy, which falls there. Below, the share of dead units over the
steps at three rates, a line for each seed: most units that die do so within the first 50 steps."""
HEIGHT = 5.2

RATES = (0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 1.0)


def build(seed: int) -> pynn.Sequential:
    hidden = [layer for _ in range(3) for layer in (pynn.Affine(100), pynn.ReLU())]
    return pynn.Sequential(*hidden, pynn.Affine(10), seed=seed)


def dead_units(layer: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray((x @ layer.weight + layer.bias <= 0).all(axis=0))


def share_of_dead(snapshot: pynn.diagnostics.Snapshot) -> float:
    *hidden, _ = snapshot.layers.values()
    return float(np.mean([layer.dead for layer in hidden]))


def run(seed: int, quick: bool) -> dict[str, object]:
    count, epochs = (500, 4) if quick else (2000, 10)
    images, labels = pynn.datasets.mnist().train
    chosen = np.random.default_rng(seed).choice(len(images), count + 1000, replace=False)
    pixels, labels = images[chosen].reshape(count + 1000, -1).astype("float32") / 255, labels[chosen]
    x, y = pixels[:count], labels[:count]
    validation = pixels[count:], labels[count:]

    shares = np.full(len(RATES), np.nan)
    accuracies = np.full(len(RATES), np.nan)
    courses = []
    killed = revived = 0
    for index, rate in enumerate(RATES):
        model = build(seed)
        options: dict[str, Any] = {"batch_size": 50, "progress": False, "optimizer": pynn.SGD(rate)}
        try:
            model.fit(x, y, epochs=1, callbacks=[pynn.Monitor(interval=20, stop=False)], **options)
            early = dead_units(model.layers[0], x)
            history = model.fit(x, y, epochs=epochs - 1, callbacks=[pynn.Monitor(interval=20, stop=False)], **options)
        except FloatingPointError:  # the loss is NaN, and would be at larger rates
            break
        late = dead_units(model.layers[0], x)
        killed += int(early.sum())
        revived += int((early & ~late).sum())
        accuracies[index] = model.evaluate(*validation)["accuracy"]
        courses.append([(snapshot.step, share_of_dead(snapshot)) for snapshot in history.record.snapshots])
        shares[index] = courses[-1][-1][1]
    return {
        "dead": np.nanmax(shares),
        "healthy": shares[np.nanargmax(accuracies)],
        "revived": revived / killed if killed else 0.0,
        "killed": killed,
        "shares": shares,
        "accuracies": accuracies,
        "courses": courses,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1)
    for key, label, colour, line in (("shares", "dead units", "C1", "o-"), ("accuracies", "accuracy", "C0", "s--")):
        values = 100 * np.array([result[key] for result in results], dtype=float)
        ran = ~np.isnan(values).all(axis=0)
        rates, values = np.array(RATES)[ran], values[:, ran]
        upper.plot(rates, np.nanmedian(values, axis=0), line, color=colour, label=label)
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        upper.fill_between(rates, low, high, color=colour, alpha=0.2, linewidth=0)
    upper.set(xscale="log", xlabel="learning rate", ylabel="%", ylim=(-3, 103))
    upper.legend(loc="center left")
    for index, colour, line in ((2, "C0", "-"), (4, "C2", "--"), (5, "C1", "-.")):
        for result in results:
            if index < len(result["courses"]):
                steps, shares = np.array(result["courses"][index], dtype=float).T
                name = f"rate {RATES[index]:g}" if result is results[0] else None
                lower.plot(steps, 100 * shares, line, color=colour, linewidth=1.2, label=name)
    lower.set(xlabel="steps", ylabel="dead units in %", ylim=(-3, 103))
    lower.legend(loc="upper center", ncols=3)
