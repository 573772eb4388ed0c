"""Transfer learning, run and measured: LeNet-5 goes from MNIST's digits 0-4 to 5-9, with few samples of each.

python tests/transfer_digits.py            five seeds, 5 to 500 samples a class; PYNN_DATA names the data's folder
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import pynn

Data = tuple[np.ndarray, np.ndarray]
Train = Callable[[pynn.Sequential], None]
Method = Callable[[pynn.Sequential, Train], pynn.Sequential]


def digits_from(data: Data, first: int) -> Data:
    """The samples of the five digits from this one on, as labels 0-4."""
    x, y = data
    chosen = (y >= first) & (y < first + 5)
    return x[chosen], y[chosen].astype(np.int64) - first


def few(data: Data, per_class: int, seed: int) -> Data:
    """So many samples of each class, drawn anew for every seed."""
    x, y = data
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(y == label))[:per_class] for label in range(5)])
    return x[chosen], y[chosen]


def network(seed: int) -> pynn.Sequential:
    return pynn.models.lenet5(5, seed=seed)


def from_scratch(first: pynn.Sequential, train: Train) -> pynn.Sequential:
    model = network(first.seed)
    train(model)
    return model


def top_features(first: pynn.Sequential, train: Train) -> pynn.Sequential:
    """A linear classifier on the last hidden layer: what is advised for little data that is similar."""
    model = pynn.transfer.advise(100, similar=True, classes=5).apply(first.replace_head(pynn.Affine(5)))
    train(model)
    return model


def earlier_features(first: pynn.Sequential, train: Train) -> pynn.Sequential:
    """A linear classifier on what the convolutions see: what is advised for little data that is different."""
    model = pynn.transfer.advise(100, similar=False, classes=5).apply(first.replace_head(pynn.Affine(5)))
    train(model)
    return model


def new_affine_layers(first: pynn.Sequential, train: Train) -> pynn.Sequential:
    """A hidden layer and an output of their own over the frozen convolutions."""
    head = pynn.Affine(84), pynn.ReLU(), pynn.Affine(5)
    model = first.replace_head(*head, after="flatten1").freeze(up_to="flatten1")
    train(model)
    return model


def fine_tuned(first: pynn.Sequential, train: Train) -> pynn.Sequential:
    """The same, then all layers, the convolutions at a tenth of the rate."""
    model = new_affine_layers(first, train)
    pynn.transfer.advise(10_000, similar=True, classes=5).apply(model, after="flatten1")
    train(model)
    return model


METHODS: tuple[Method, ...] = (from_scratch, top_features, earlier_features, new_affine_layers, fine_tuned)


def run(
    train: Data, test: Data, *, seeds: int, per_class: tuple[int, ...], first_samples: int, first_epochs: int,
    steps: int = 300, methods: tuple[Method, ...] = METHODS,
) -> dict[tuple[int, str], np.ndarray]:  # fmt: skip
    """Accuracies on the new digits by (samples a class, method), one for each seed.

    The seed is that of the first network, of the samples and of the new weights; all methods see the same samples, for
    so many steps (at least ten epochs) of Adam(0.001) on batches of 20; fine tuning comes on top of the new layers'.
    """
    found: dict[tuple[int, str], list[float]] = {}
    x, y = digits_from(train, 0)
    old, new, new_test = (x[:first_samples], y[:first_samples]), digits_from(train, 5), digits_from(test, 5)
    for seed in range(seeds):
        first = network(seed)
        first.fit(*old, epochs=first_epochs, batch_size=64, optimizer=pynn.Adam(1e-3), progress=False)
        for amount in per_class:
            data = few(new, amount, seed)
            epochs = max(10, steps * 20 // len(data[0]))

            def training(model: pynn.Sequential, data: Data = data, epochs: int = epochs) -> None:
                model.fit(*data, epochs=epochs, batch_size=20, optimizer=pynn.Adam(1e-3), progress=False)

            for method in methods:
                model = method(first.__copy__(), training)
                found.setdefault((amount, method.__name__), []).append(model.evaluate(*new_test)["accuracy"])
    return {key: np.array(values) for key, values in found.items()}


def report(found: dict[tuple[int, str], np.ndarray]) -> str:
    """A line for each method: mean and standard deviation over the seeds, and what each seed gave."""
    lines = ["accuracy on the digits 5-9, mean and standard deviation over seeds"]
    for (amount, method), values in found.items():
        each = " ".join(f"{value:.3f}" for value in values)
        lines.append(f"{amount:>4} a class  {method:<18} {values.mean():.3f} ± {values.std(ddof=1):.3f}   {each}")
    return "\n".join(lines)


if __name__ == "__main__":
    mnist = pynn.datasets.mnist()
    amounts = (5, 20, 100, 500)
    print(report(run(mnist.train, mnist.test, seeds=5, per_class=amounts, first_samples=60_000, first_epochs=3)))
