"""A large λ shrinks the weights until tanh units stay in their linear part and the network turns linear.

1,000 MNIST samples, two hidden layers of 50 tanh units, L2 penalties of strength 0 to 0.3, SGD 0.1, batch 100, 60
epochs. A unit counts as linear where its sum is below 0.5 in size. How linear the network is: the share of its
outputs' variance that a linear map of the inputs, fitted to 4,000 other images, explains on 2,000 more. One step with
λ is compared with a step without.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
HEIGHT = 5.0
SOURCE = "DLS C2W1, why regularization reduces overfitting"
CLAIMS = (
    Claim(
        "weights",
        "the weights' norm at the largest λ is at most a tenth of that without",
        SOURCE,
        at_most=0.1,
        unit="x",
    ),
    Claim("units", "at the largest λ at least 95 % of the units are in their linear part", SOURCE, 0.95, unit="%"),
    Claim(
        "network", "at λ = 0.03 a linear map explains at least 10 points more than without", SOURCE, 0.1, unit="points"
    ),
    Claim("shrink", "a step shrinks W by the factor 1 − ηλ before the gradient, within 1e-6", SOURCE, at_most=1e-6),
)
PICTURE = """Three curves over the strength λ, a line for each seed: the norm of the weights falls to almost 0, the
share of units in the linear part rises to 100 %, and so does the share that a linear map explains, until the outputs
are constant."""
STRENGTHS = (0.0, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(*(pynn.Affine(50), pynn.Tanh(), pynn.Affine(50), pynn.Tanh(), pynn.Affine(10)), seed=seed)


def measure(model: pynn.Sequential, x: Any) -> tuple[float, float, float]:
    """Norm of all weights, share of units in the linear part, share that a linear map explains."""
    affine = [layer for layer in model.layers if isinstance(layer, pynn.Affine)]
    norm, hidden, sums = np.sqrt(sum((layer.weight**2).sum() for layer in affine)), x, []
    for layer in affine[:2]:
        sums.append(hidden @ layer.weight + layer.bias)
        hidden = np.tanh(sums[-1])
    outputs = (hidden @ affine[2].weight).astype("float64")
    design, fitted = np.c_[x, np.ones(len(x))].astype("float64"), len(x) * 2 // 3
    linear = np.linalg.lstsq(design[:fitted], outputs[:fitted], rcond=1e-3)[0]
    left, spread = outputs[fitted:] - design[fitted:] @ linear, outputs[fitted:].var(axis=0).sum()
    explained = 1 - left.var(axis=0).sum() / spread if spread > 1e-12 else 1.0
    return float(norm), float(np.mean([np.mean(np.abs(each) < 0.5) for each in sums])), float(explained)


def first(model: pynn.Sequential) -> Any:
    """The weights of the first layer."""
    return model.get_weights()[0]


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.mnist().train
    some = np.random.default_rng(seed).choice(len(labels), 7000, replace=False)
    x = images[some].reshape(7000, -1).astype("float32") / 255
    train, y = x[:1000], labels[some[:1000]]
    found = []
    for strength in STRENGTHS:
        model = build(seed)
        model.fit(
            train, y, penalty=pynn.L2(strength) if strength else None, optimizer=pynn.SGD(0.1),
            epochs=10 if quick else 60, batch_size=100, seed=seed, progress=False,
        )  # fmt: skip
        found.append(measure(model, x[1000:]))
    norms, units, explained = np.array(found).T

    plain, penalized = build(seed), build(seed)
    for model, penalty in ((plain, None), (penalized, pynn.L2(0.3))):
        model.build(train.shape[1:])
        model.train_step(train, y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1), penalty)
    start = build(seed)
    start.build(train.shape[1:])
    expected = first(plain) - 0.1 * 0.3 * first(start)
    return {
        "weights": norms[-1] / norms[0],
        "units": units[-1],
        "network": explained[STRENGTHS.index(3e-2)] - explained[0],
        "shrink": np.abs(first(penalized) - expected).max(),
        "norms": norms,
        "linear": units,
        "explained": explained,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    places = np.arange(len(STRENGTHS))
    for result in results:
        upper.plot(places, result["norms"], "o-", color="C0", linewidth=1, markersize=3)
    upper.set(ylabel="norm of the weights")
    for key, label, colour, line in (("linear", "units in the linear part", "C1", "s--"),
                                     ("explained", "explained by a linear map", "C2", "o-")):  # fmt: skip
        for seed, result in enumerate(results):
            label_here = None if seed else label
            lower.plot(
                places, 100 * np.array(result[key]), line, color=colour, linewidth=1, markersize=3, label=label_here
            )
    lower.set(ylabel="%", xlabel="λ", xticks=places, ylim=(None, 103))
    lower.set_xticklabels([f"{strength:g}" for strength in STRENGTHS])
    lower.legend()
