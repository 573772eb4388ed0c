"""With regularization, plot the whole cost: it falls at every step, the data loss alone need not.

300 MNIST samples, three hidden layers of 50 tanh units, full-batch gradient descent 0.1, 600 steps, from weights three
times as large as usual. The cost J is the data loss plus the L2 penalty of strength 0.03. The same with dropout 0.5 in
place of the penalty, and with dropout at rate 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "DLS C2W1, regularization and dropout"
CLAIMS = (
    Claim("cost", "data loss and penalty together fall at every step", SOURCE, at_most=0, unit="rises"),
    Claim("data", "the data loss alone rises in at least 5 of 600 steps", SOURCE, at_least=5, unit="rises"),
    Claim("dropout", "with dropout the loss rises in at least 20 steps", SOURCE, at_least=20, unit="rises"),
    Claim("off", "with its rate set to 0 the loss falls at every step again", SOURCE, at_most=0, unit="rises"),
)
PICTURE = """Left: data loss, penalty and their sum over the steps; the sum falls smoothly, the data loss bottoms out
and rises again. Right: the loss with dropout, jagged, and with rate 0, smooth."""
STEPS = 600


def build(seed: int, factor: float, rate: float) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for width in (784, 50, 50):
        layers += [pynn.Affine(50, initializer=pynn.Normal(factor / np.sqrt(width))), pynn.Tanh(), pynn.Dropout(rate)]
    return pynn.Sequential(*layers, pynn.Affine(10), seed=seed)


def descend(model: pynn.Sequential, x: Any, y: Any, rate: float, strength: float = 0.0) -> dict[str, Any]:
    """Data loss and penalty before each step."""
    loss, optimizer, penalty = pynn.SoftmaxCrossEntropy(), pynn.SGD(rate), pynn.L2(strength) if strength else None
    model.build(x.shape[1:])
    data, penalties = [], []
    for _ in range(STEPS):
        penalties.append(penalty.value(model) if penalty else 0.0)
        data.append(model.train_step(x, y, loss, optimizer, penalty) - penalties[-1])
    return {"data": np.array(data), "penalty": np.array(penalties)}


def rises(losses: Any) -> int:
    return int(np.sum(np.diff(losses) > 1e-6))


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.mnist().train
    some = np.random.default_rng(seed).choice(len(labels), 100 if quick else 300, replace=False)
    x, y = images[some].astype("float32") / 255, labels[some]
    penalized = descend(build(seed, 3, 0), x, y, 0.1, 0.03)
    dropped, smooth = (descend(build(seed, 1, rate), x, y, 0.1)["data"] for rate in (0.5, 0.0))
    return {
        "cost": rises(penalized["data"] + penalized["penalty"]),
        "data": rises(penalized["data"]),
        "dropout": rises(dropped),
        "off": rises(smooth),
        "penalized": {name: curve[::3] for name, curve in penalized.items()},
        "dropped": dropped[::3],
        "smooth": smooth[::3],
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    first, steps = results[0], np.arange(0, STEPS, 3)
    data, penalty = (np.array(first["penalized"][name]) for name in ("data", "penalty"))
    for curve, name, line in ((data + penalty, "J", "-"), (penalty, "penalty", "--"), (data, "data loss", "-.")):
        left.plot(steps, curve, line, label=name)
    left.set(xlabel="step", title="L2 penalty", yscale="log")
    left.legend()
    right.plot(steps, first["dropped"], "-", color="C1", linewidth=1, label="rate 0.5")
    right.plot(steps, first["smooth"], "--", color="C0", label="rate 0")
    right.set(xlabel="step", title="dropout: training loss")
    right.legend()
