"""L1 makes weights sparse, L2 spreads them out.

Linear classifiers (softmax) of 5,000 MNIST samples; L1 and L2 with the strength, out of seven, that has the highest
accuracy on 5,000 validation samples; SGD with cosine decay from 0.5, batch 100, 30 epochs. A weight counts as 0 below
a thousandth of the largest one. Constant pixels are left out: their weights see no data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
NOTES = "CS231n notes, Neural Networks 2"
CLAIMS = (
    Claim("sparse", "with L1 at least 50 % of the weights are 0", NOTES, at_least=0.5, unit="%"),
    Claim("spread", "with L2 at most 10 % are 0", NOTES, at_most=0.1, unit="%"),
    Claim(
        "share",
        "the largest tenth of the weights holds at least 1.5 times as much of the sum with L1",
        NOTES,
        1.5,
        unit="x",
    ),
    Claim("accuracy", "L2 is at least as accurate as L1, within 0.5 points", NOTES, at_least=-0.005, unit="points"),
)
PICTURE = """The weights of the classes 0, 3 and 8 as pictures, above with L1, below with L2; they look alike. And the
sorted sizes of all weights: those of L1 fall off sooner."""
HEIGHT = 5.6
STRENGTHS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def fit(penalty: Any, train: Any, validation: Any, seed: int, epochs: int) -> tuple[float, np.ndarray]:
    layer = pynn.Affine(10)
    model = pynn.Sequential(layer, seed=seed)
    optimizer = pynn.SGD(pynn.CosineDecay(0.5, epochs=epochs))
    model.fit(*train, optimizer=optimizer, penalty=penalty, epochs=epochs, batch_size=100, seed=seed, progress=False)
    return model.evaluate(*validation)["accuracy"], layer.weight.copy()


def zeros(weights: Any) -> float:
    return float(np.mean(np.abs(weights) < 1e-3 * np.abs(weights).max()))


def top_share(weights: Any) -> float:
    sizes = np.sort(np.abs(weights).ravel())[::-1]
    return float(sizes[: len(sizes) // 10].sum() / sizes.sum())


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.mnist().train
    count, epochs = (1000, 10) if quick else (5000, 30)
    some = np.random.default_rng(seed).choice(len(labels), count + 5000, replace=False)
    x = images[some].reshape(len(some), -1).astype("float32") / 255
    varies = x[:count].std(axis=0) > 0
    train, validation = (x[:count, varies], labels[some[:count]]), (x[count:, varies], labels[some[count:]])
    best, pictures = {}, {}
    for name, kind in (("L1", pynn.L1), ("L2", pynn.L2)):
        tried = [fit(kind(strength), train, validation, seed, epochs) for strength in STRENGTHS]
        best[name] = max(tried, key=lambda each: each[0])
        whole = np.zeros((784, 10))
        whole[varies] = best[name][1]
        pictures[name] = whole.T[[0, 3, 8]].round(3)
    (accuracy1, l1), (accuracy2, l2) = best["L1"], best["L2"]
    return {
        "sparse": zeros(l1),
        "spread": zeros(l2),
        "share": top_share(l1) / top_share(l2),
        "accuracy": accuracy2 - accuracy1,
        "pictures": pictures if seed == 0 else {},
        "sizes": {name: np.sort(np.abs(weights).ravel())[::-40] for name, (_, weights) in best.items()},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subfigures(2, 1, height_ratios=(3, 2))
    for row, name in zip(upper.subplots(2, 3), ("L1", "L2"), strict=True):
        for axes, picture, digit in zip(row, results[0]["pictures"][name], (0, 3, 8), strict=True):
            most = np.abs(picture).max()
            axes.imshow(np.reshape(picture, (28, 28)), cmap="RdBu", vmin=-most, vmax=most)
            axes.set(xticks=(), yticks=())
            axes.set_title(f"{name}: weights of {digit}", fontsize=8.5)
    axes = lower.subplots()
    for name, colour, line in (("L1", "C1", "-"), ("L2", "C0", "--")):
        for seed, result in enumerate(results):
            sizes = np.sort(result["sizes"][name])[::-1]
            places = np.linspace(0, 100, len(sizes))
            label = None if seed else name
            axes.plot(places, sizes / sizes[0], line, color=colour, linewidth=1, label=label)
    axes.set(xlabel="share of the weights, %, largest first", ylabel="size", yscale="log", ylim=(1e-4, 1.2))
    axes.legend()
