"""Early stopping finds the best epoch of an overfitting run and restores its weights.

300 MNIST samples, two hidden layers of 200 ReLU units, Adam 0.001, batch 50, up to 100 epochs; 1,000 validation
samples, tested on 10,000. `pynn.EarlyStopping` with a patience of 10 epochs, beside the same run without it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "DLS C2W1, other regularization methods"
CLAIMS = (
    Claim(
        "restored", "the model it leaves has the lowest validation loss of the run, within 1e-5", SOURCE, at_most=1e-5
    ),
    Claim(
        "test_loss",
        "the test loss after all epochs is at least 1.2 times that of the stopped model",
        SOURCE,
        1.2,
        unit="x",
    ),
    Claim(
        "accuracy",
        "the test accuracy of the stopped model is at least that after all epochs",
        SOURCE,
        0.0,
        unit="points",
    ),
)
PICTURE = """Training and validation loss over 100 epochs. The validation loss falls, then rises slowly while the
training loss goes on to 0; a dot marks the best epoch, where the stopped run ends."""


def build(seed: int) -> pynn.Sequential:
    hidden = [layer for _ in range(2) for layer in (pynn.Affine(200), pynn.ReLU())]
    return pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    some = np.random.default_rng(seed).choice(len(labels), 1300, replace=False)
    train, validation = (images[some[:300]], labels[some[:300]]), (images[some[300:]], labels[some[300:]])
    options: dict[str, Any] = {
        "validation": validation,
        "epochs": 100,
        "batch_size": 50,
        "seed": seed,
        "progress": False,
    }

    whole, stopped, stopping = build(seed), build(seed), pynn.EarlyStopping(patience=10)
    history = whole.fit(*train, optimizer=pynn.Adam(1e-3), **options)
    short = stopped.fit(*train, optimizer=pynn.Adam(1e-3), callbacks=[stopping], **options)
    late, early = whole.evaluate(*data.test), stopped.evaluate(*data.test)
    return {
        "restored": abs(stopped.evaluate(*validation)["loss"] - min(short["val_loss"])),
        "test_loss": late["loss"] / early["loss"],
        "accuracy": early["accuracy"] - late["accuracy"],
        "train": history["loss"],
        "validation": history["val_loss"],
        "best": 1 + int(np.argmin(short["val_loss"])),
        "end": len(short["val_loss"]),
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for seed, result in enumerate(results):
        epochs = np.arange(1, len(result["train"]) + 1)
        axes.plot(epochs, result["train"], "-", color="C0", linewidth=1, label=None if seed else "training")
        axes.plot(epochs, result["validation"], "--", color="C1", linewidth=1, label=None if seed else "validation")
        loss = result["validation"][result["best"] - 1]
        axes.plot(result["best"], loss, "o", color="black", markersize=5, label=None if seed else "best epoch")
    axes.set(xlabel="epoch", ylabel="loss", yscale="log", ylim=(1e-3, None))
    axes.legend()
