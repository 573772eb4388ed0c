"""Runs in which nothing is wrong, of many kinds: HEALTHY lists their builders, functions of (seed, callbacks)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from run_data import Data, answers, clouds, digits, fit, halves, hidden, numbers, pictures, standard

import pynn
from pynn import Adam, Affine, BatchNorm, Conv2d, Flatten, MaxPool2d, ReLU, Sequential, Tanh


def small_data(seed: int, callbacks: Any) -> Sequential:
    """60 samples, no validation."""
    model = Sequential(*hidden(1, 12, Tanh), Affine(3), seed=seed)
    return fit(
        model, clouds(seed, 60), callbacks, optimizer=Adam(0.02), epochs=40, batch_size=16, penalty=pynn.L2(0.003)
    )


def at_the_noise_floor(seed: int, callbacks: Any) -> Sequential:
    """Answers that are half a matter of chance, known as well as they can be."""
    x, y = answers(seed, 1000, noise=1.5)
    model = Sequential(*hidden(1, 8, ReLU), Affine(2), seed=seed)
    return fit(model, (x, y), callbacks, optimizer=Adam(0.005), epochs=10, penalty=pynn.L2(0.02))


def cyclic_rate(seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    optimizer = pynn.Momentum(pynn.Cyclic(0.002, 0.1, 4))
    return fit(model, digits(seed), callbacks, optimizer=optimizer, epochs=16)


def one_cycle(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(digits(seed, 900), 700)
    model = Sequential(*hidden(1, 48, ReLU), Affine(10), seed=seed)
    return fit(model, train, callbacks, validation=held, optimizer=Adam(pynn.OneCycle(0.02, 12)), epochs=12)


def fine_tuning(seed: int, callbacks: Any) -> Sequential:
    """Digits 0 to 4 first; then a new head for 5 to 9 on frozen layers."""
    x, y = digits(seed, 1000)
    model = Sequential(*hidden(1, 64, ReLU), Affine(5), seed=seed)
    fit(model, (x[y < 5], y[y < 5]), callbacks, optimizer=Adam(0.005), epochs=8)
    model.replace_head(Affine(5)).freeze(up_to=-2)
    return fit(model, (x[y > 4], y[y > 4] - 5), callbacks, optimizer=Adam(0.02), epochs=15)


def going_on(seed: int, callbacks: Any) -> Sequential:
    """Two fits of the same model, the second at a lower rate."""
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    fit(model, digits(seed), callbacks, optimizer=Adam(0.005), epochs=10)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.001), epochs=5)


def hinge(seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    optimizer = pynn.Momentum(0.01)
    return fit(model, digits(seed), callbacks, loss="hinge", optimizer=optimizer, epochs=15, penalty=pynn.L2(0.001))


def l1_penalty(seed: int, callbacks: Any) -> Sequential:
    """Two of 20 columns tell something; the penalty finds them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((700, 20)).astype(np.float32)
    y = (x[:, 0] - x[:, 1] + 0.3 * rng.standard_normal(700) > 0).astype(int)
    train, held = halves((x, y), 500)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L1(0.005)}
    return fit(
        Sequential(Affine(1), seed=seed), train, callbacks, validation=held, optimizer=Adam(0.02), epochs=20, **settings
    )


def label_smoothing(seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    loss = pynn.SoftmaxCrossEntropy(label_smoothing=0.1)
    return fit(model, digits(seed), callbacks, loss=loss, optimizer=Adam(0.005), epochs=15)


def rare_but_learned(seed: int, callbacks: Any) -> Sequential:
    """3 % say yes, and can be told."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(1500) < 45
    x = rng.standard_normal((1500, 6)).astype(np.float32)
    x[:, :3] += 2.5 * y[:, None]
    model = Sequential(*hidden(1, 8, ReLU), Affine(1), seed=seed)
    return fit(model, (x, y), callbacks, loss="binary_cross_entropy", optimizer=Adam(0.02), epochs=15)


def class_weights(seed: int, callbacks: Any) -> Sequential:
    """Three classes of 70, 25 and 5 %."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1, 2], [700, 250, 50])
    x = rng.standard_normal((1000, 4)).astype(np.float32)
    x[:, 0] += 1.5 * y
    x[:, 1] -= 1.5 * (y == 2)
    model = Sequential(*hidden(1, 12, ReLU), Affine(3), seed=seed)
    settings = {"class_weight": "balanced", "penalty": pynn.L2(0.01)}
    return fit(model, (x, y), callbacks, optimizer=Adam(0.005), epochs=15, **settings)


def regression(seed: int, callbacks: Any) -> Sequential:
    """Units as they come, both sides standardized."""
    x, y = numbers(seed, 700)
    train, held = halves((500 + 100 * x, 20_000 + 3000 * y), 500)
    model = Sequential(*hidden(1, 32, pynn.GELU), Affine(1), seed=seed)
    scaled = {"preprocessing": pynn.Standardization(), "target_preprocessing": pynn.Standardization()}
    optimizer = pynn.AdamW(pynn.CosineDecay(0.01, 25))
    return fit(model, train, callbacks, validation=held, loss="huber", optimizer=optimizer, epochs=25, **scaled)


def several_outputs(seed: int, callbacks: Any) -> Sequential:
    x, y = numbers(seed)
    y = standard(np.column_stack([y, x[:, 0] * x[:, 1], np.abs(x[:, 2])]))
    model = Sequential(*hidden(1, 48, Tanh), Affine(3), seed=seed)
    return fit(model, (x, y), callbacks, loss="l2", optimizer=Adam(pynn.CosineDecay(0.02, 30)), epochs=30)


def absolute_error(seed: int, callbacks: Any) -> Sequential:
    """Noise with long tails."""
    x, y = numbers(seed)
    y = y + np.random.default_rng(seed).laplace(0, 0.2, len(y))
    model = Sequential(*hidden(1, 32, ReLU), Affine(1), seed=seed)
    return fit(model, (x, y), callbacks, loss="l1", optimizer=Adam(pynn.CosineDecay(0.02, 25)), epochs=25)


def several_answers(seed: int, callbacks: Any) -> Sequential:
    """Three questions about a digit: is it even, large, round?"""
    x, y = digits(seed)
    data = x, np.column_stack([y % 2 == 0, y > 4, np.isin(y, [0, 6, 8, 9])]).astype(np.float32)
    model = Sequential(*hidden(1, 32, ReLU), Affine(3), seed=seed)
    return fit(model, data, callbacks, loss="binary_cross_entropy", optimizer=Adam(0.01), epochs=25)


def convolutions(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(pictures(seed, 700), 500)
    model = Sequential(Conv2d(8), ReLU(), MaxPool2d(2), Conv2d(12), ReLU(), Flatten(), Affine(10), seed=seed)
    return fit(model, train, callbacks, validation=held, optimizer=Adam(0.005), epochs=8)


def batch_norm_and_dropout(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(digits(seed, 1000), 800)
    model = Sequential(
        Affine(64), BatchNorm(), ReLU(), pynn.Dropout(0.3), Affine(32), BatchNorm(), ReLU(), Affine(10), seed=seed
    )
    return fit(model, train, callbacks, validation=held, optimizer=Adam(0.005), epochs=12)


def early_stopping(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(answers(seed, 900, noise=1.0), 600)
    model = Sequential(*hidden(1, 16, ReLU), Affine(1), seed=seed)
    stopping = pynn.EarlyStopping("val_loss", patience=4)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.005)}
    return fit(model, train, [*callbacks, stopping], validation=held, optimizer=Adam(0.005), epochs=60, **settings)


class Loader:
    """Batches in a new order every epoch."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.rng = data, np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Data]:
        x, y = self.data
        order = self.rng.permutation(len(x))
        return ((x[part], y[part]) for part in np.array_split(order, len(x) // 32))


def batches(seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    loader: Any = Loader(digits(seed), seed)
    return fit(model, (loader, None), callbacks, batch_size=None, optimizer=pynn.Momentum(0.05), epochs=15)


def augmentation(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(pictures(seed, 700), 500)
    model = Sequential(Conv2d(8), BatchNorm(), ReLU(), MaxPool2d(2), Flatten(), Affine(10), seed=seed)
    settings = {"augmentation": [pynn.PadCrop(1)], "validation": held}
    return fit(model, train, callbacks, optimizer=Adam(pynn.CosineDecay(0.02, 14)), epochs=14, **settings)


def autoencoder(seed: int, callbacks: Any) -> Sequential:
    """Digits through 16 units and back."""
    x, _ = digits(seed)
    model = Sequential(Affine(48), ReLU(), Affine(16), Affine(48), ReLU(), Affine(64), seed=seed)
    return fit(model, (x, x), callbacks, loss="l2", optimizer=Adam(pynn.CosineDecay(0.01, 50)), epochs=50)


def weight_decay(seed: int, callbacks: Any) -> Sequential:
    train, held = halves(digits(seed, 900), 700)
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    return fit(model, train, callbacks, validation=held, optimizer=pynn.AdamW(0.005, weight_decay=0.01), epochs=15)


def residual_blocks(seed: int, callbacks: Any) -> Sequential:
    blocks = [pynn.Residual(pynn.LayerNorm(), Affine(32), ReLU(), Affine(32)) for _ in range(2)]
    model = Sequential(Affine(32), *blocks, pynn.LayerNorm(), Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=pynn.Momentum(0.02, clip_norm=2.0), epochs=15)


def logistic_regression(seed: int, callbacks: Any) -> Sequential:
    """No hidden layer, because none is needed."""
    return fit(Sequential(Affine(10), seed=seed), digits(seed), callbacks, optimizer=Adam(0.02), epochs=20)


HEALTHY = [
    small_data, at_the_noise_floor, cyclic_rate, one_cycle, fine_tuning, going_on, hinge, l1_penalty, label_smoothing,
    rare_but_learned, class_weights, regression, several_outputs, absolute_error, several_answers, convolutions,
    batch_norm_and_dropout, early_stopping, batches, augmentation, autoencoder, weight_decay, residual_blocks,
    logistic_regression,
]  # fmt: skip
