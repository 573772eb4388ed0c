"""The course's way of starting a training, on real CIFAR-10 images: check, then rates too small, too large and good.

PYNN_DATA=folder python bench/babysitting.py [epochs]

Source: CS231n, lecture "Training Neural Networks", babysitting the learning process: a network of one hidden layer of
50 units, loss ln 10, regularization raises it, 20 samples by heart, rates 1e-6, 1e6, 3e-3, then a good one.
"""

from __future__ import annotations

import sys
import warnings

import pynn
from pynn.diagnostics import learning_rate_range, sanity_check


def network() -> pynn.Sequential:
    return pynn.Sequential(pynn.Flatten(), pynn.Affine(50), pynn.ReLU(), pynn.Affine(10))


def train(data, rate: float, epochs: int) -> None:
    (x, y), validation = data
    model = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the verdicts say it
        try:
            model.fit(
                x, y, validation=validation, preprocessing=pynn.Standardization(), penalty=pynn.L2(1e-5),
                optimizer=pynn.Momentum(rate), epochs=epochs, batch_size=100, progress=False,
                callbacks=[pynn.Monitor()],
            )  # fmt: skip
        except FloatingPointError as error:
            print(error)
    print(f"rate {rate:g}: {model.history}")
    print(f"  {model.history.stopped}" if model.history.stopped else "  all epochs done")
    for verdict in pynn.diagnose(model):
        print(f"  {verdict}")
    print()


def main(epochs: int) -> None:
    cifar = pynn.datasets.cifar10()
    (x, y), held = cifar.train, cifar.test
    options = {"preprocessing": pynn.Standardization(), "validation": held}
    print(sanity_check(network(), x, y, **options), "\n")
    print("with a penalty of L2(1000):")
    print(sanity_check(network(), x, y, penalty=pynn.L2(1000), **options).findings[1], "\n")
    for rate in (1e-6, 1e6, 3e-3):
        train(((x, y), held), rate, epochs)
    found = learning_rate_range(network(), x, y, optimizer=pynn.Momentum(), preprocessing=pynn.Standardization())
    print(found, "\n")
    assert found.suggestion is not None
    train(((x, y), held), found.suggestion, epochs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
