"""Runs that are ill in one way each, and cured by the same function: ILL lists their builders by illness."""

from __future__ import annotations

from typing import Any

import numpy as np
from run_data import Builder, answers, clouds, digits, fit, halves, hidden, numbers, pictures, spiral, standard

import pynn
from pynn import Adam, Affine, BatchNorm, ReLU, Sequential, Sigmoid, Tanh

# Data


def placeholders(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """-999 where a value is missing."""
    x, y = numbers(seed)
    gone = np.random.default_rng(seed).random(x.shape) < 0.05
    x[gone] = 0 if cured else -999
    model = Sequential(*hidden(1, 24, Tanh), Affine(1), seed=seed)
    return fit(
        model, (x, y), callbacks, loss="l2", optimizer=Adam(0.01), epochs=20, preprocessing=pynn.Standardization()
    )


def sentinels(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """A few numbers so large that the rest of their column is one point once it is standardized."""
    x, y = numbers(seed)
    if not cured:
        for column in range(4):
            x[np.random.default_rng(seed + column).choice(400, 3, replace=False), column] = 9_999_999
    model = Sequential(*hidden(1, 24, Tanh), Affine(1), seed=seed)
    return fit(
        model, (x, y), callbacks, loss="l2", optimizer=Adam(0.01), epochs=20, preprocessing=pynn.Standardization()
    )


def labels_of_other_rows(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """x was shuffled, y was not."""
    x, y = digits(seed)
    if not cured:
        x = np.random.default_rng(seed).permutation(x)
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    return fit(model, (x, y), callbacks, optimizer=Adam(0.005), epochs=15)


def validated_on_training_rows(cured: bool, seed: int, callbacks: Any) -> Sequential:
    train, held = halves(answers(seed, 700), 500)
    if not cured:
        held = train[0][:200], train[1][:200]
    model = Sequential(*hidden(1, 12, ReLU), Affine(1), seed=seed)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.01)}
    return fit(model, train, callbacks, optimizer=Adam(0.01), epochs=15, validation=held, **settings)


def validation_not_divided(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Pixels of validation are 0..255, those of training 0..1."""
    train, (x, y) = halves(digits(seed, 700), 500)
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    held = (x if cured else 255 * x, y)
    return fit(model, train, callbacks, optimizer=Adam(0.005), epochs=15, validation=held)


def validation_of_some_classes(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """The last rows of a sorted table are validated on."""
    x, y = clouds(seed, 600)
    order = np.random.default_rng(seed).permutation(600) if cured else np.argsort(y % 2, kind="stable")
    train, held = halves((x[order], y[order]), 450)
    model = Sequential(*hidden(1, 16, ReLU), Affine(3), seed=seed)
    return fit(model, train, callbacks, optimizer=Adam(0.01), epochs=15, validation=held)


def sorted_digits(cured: bool, seed: int, callbacks: Any) -> Sequential:
    x, y = digits(seed)
    order = np.argsort(y, kind="stable")
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    optimizer = pynn.Momentum(0.05)
    return fit(model, (x[order], y[order]), callbacks, optimizer=optimizer, epochs=15, shuffle=cured)


# Task


def digits_as_numbers(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """The name of a digit as an amount."""
    x, y = digits(seed)
    model = Sequential(*hidden(1, 32, ReLU), Affine(10 if cured else 1), seed=seed)
    loss = "softmax_cross_entropy" if cured else "l2"
    return fit(model, (x, y if cured else y.astype(np.float32)), callbacks, loss=loss, optimizer=Adam(0.005), epochs=15)


def digits_as_standard_numbers(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """The same, standardized by fit."""
    x, y = digits(seed)
    model = Sequential(*hidden(1, 32, ReLU), Affine(10 if cured else 1), seed=seed)
    if cured:
        return fit(model, (x, y), callbacks, optimizer=Adam(0.005), epochs=15)
    settings = {"loss": "l2", "target_preprocessing": pynn.Standardization()}
    return fit(model, (x, y.astype(np.float32)), callbacks, optimizer=Adam(0.005), epochs=15, **settings)


class OneOfMany(pynn.Loss):
    """Softmax and cross-entropy of targets that are shares."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        shares = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        self.shares, self.targets = shares / shares.sum(axis=1, keepdims=True), targets.reshape(outputs.shape)
        return float(-(self.targets * np.log(self.shares + 1e-12)).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return (self.targets.sum(axis=1, keepdims=True) * self.shares - self.targets) / len(self.targets)


def several_answers_by_softmax(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Each sample has any number of four answers."""
    x, _ = numbers(seed)
    y = (x + 0.5 * np.roll(x, 1, axis=1) > 0).astype(np.float32)
    model = Sequential(*hidden(1, 24, ReLU), Affine(4), seed=seed)
    loss = "binary_cross_entropy" if cured else OneOfMany()
    return fit(model, (x, y), callbacks, loss=loss, optimizer=Adam(0.01), epochs=20)


class Squared(pynn.Loss):
    """A squared error written by hand; upwards: with the wrong sign of its gradient."""

    def __init__(self, upwards: bool) -> None:
        self.sign = -1 if upwards else 1

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.error = outputs - targets.reshape(outputs.shape)
        return float(np.square(self.error).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return self.sign * 2 * self.error / len(self.error)


def gradient_of_wrong_sign(cured: bool, seed: int, callbacks: Any) -> Sequential:
    x, y = numbers(seed)
    model = Sequential(*hidden(1, 24, Tanh), Affine(1), seed=seed)
    return fit(model, (x, y[:, None]), callbacks, loss=Squared(not cured), optimizer=Adam(0.01), epochs=20)


def softmax_of_one(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Softmax over one unit is always 1."""
    last = [] if cured else [pynn.Softmax()]
    model = Sequential(*hidden(1, 12, ReLU), Affine(1), *last, seed=seed)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.01)}
    return fit(model, answers(seed), callbacks, optimizer=Adam(0.01), epochs=15, **settings)


def stars_from_tanh(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Ratings of 1 to 5, of which tanh gives at most 1."""
    x, y = numbers(seed)
    last = [] if cured else [Tanh()]
    model = Sequential(*hidden(1, 24, Tanh), Affine(1), *last, seed=seed)
    return fit(model, (x, np.clip(3 + y, 1, 5)), callbacks, loss="l2", optimizer=Adam(0.02), epochs=40)


# Scales


def raw_table(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Columns of 0.01 beside columns of 1,000."""
    x, y = answers(seed)
    x = x * np.array([0.01, 1000, 1, 30, 300, 1]) + np.array([0, 5000, 0, 100, 0, 2])
    model = Sequential(*hidden(1, 12, ReLU), Affine(1), seed=seed)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.01)}
    before = pynn.Standardization() if cured else None
    return fit(model, (x, y), callbacks, optimizer=Adam(0.01), epochs=15, preprocessing=before, **settings)


def pixels_into_sigmoids(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """0..255 sets every sigmoid to 0 or 1."""
    x, y = digits(seed)
    model = Sequential(*hidden(1, 32, Sigmoid), Affine(10), seed=seed)
    return fit(model, (x if cured else 255 * x, y), callbacks, optimizer=Adam(0.02), epochs=15)


def prices_in_dollars(cured: bool, seed: int, callbacks: Any) -> Sequential:
    x, y = numbers(seed)
    model = Sequential(*hidden(1, 32, ReLU), Affine(1), seed=seed)
    after = pynn.Standardization() if cured else None
    data = x, 250_000 + 90_000 * y
    return fit(model, data, callbacks, loss="l2", optimizer=Adam(0.01), epochs=20, target_preprocessing=after)


def tiny_returns(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Targets of 1e-4, lost beside what the first weights give."""
    x, y = numbers(seed)
    model = Sequential(*hidden(2, 24, ReLU), Affine(1), seed=seed)
    after = pynn.Standardization() if cured else None
    optimizer = Adam(pynn.CosineDecay(0.01, 20))
    return fit(model, (x, 1e-4 * y), callbacks, loss="l2", optimizer=optimizer, epochs=20, target_preprocessing=after)


# Structure and first weights


def spiral_without_activations(cured: bool, seed: int, callbacks: Any) -> Sequential:
    between = [Tanh(), Tanh()] if cured else [pynn.Dropout(0), pynn.Dropout(0)]
    model = Sequential(Affine(32), between[0], Affine(32), between[1], Affine(3), seed=seed)
    return fit(model, spiral(seed), callbacks, optimizer=Adam(0.02), epochs=40)


def sine_without_activations(cured: bool, seed: int, callbacks: Any) -> Sequential:
    between = [Tanh()] if cured else []
    model = Sequential(Affine(24), *between, Affine(1), seed=seed)
    return fit(model, numbers(seed), callbacks, loss="l2", optimizer=Adam(0.02), epochs=20)


def all_frozen(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """The new head was frozen with the rest."""
    x, y = digits(seed)
    model = Sequential(*hidden(1, 32, ReLU), Affine(5), seed=seed)
    fit(model, (x[y < 5], y[y < 5]), [], optimizer=Adam(0.005), epochs=5)
    model.replace_head(Affine(5))
    if not cured:
        model.freeze()
    return fit(model, (x[y > 4], y[y > 4] - 5), callbacks, optimizer=Adam(0.01), epochs=20)


def equal_units(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """All weights begin at 0.1."""
    first = None if cured else pynn.Constant(0.1)
    model = Sequential(*hidden(2, 16, Tanh, initializer=first), Affine(3), seed=seed)
    return fit(model, clouds(seed), callbacks, optimizer=Adam(0.01), epochs=25)


def wide_weights(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Weights ten times as large as they should be: the first loss is in the thousands."""
    first = None if cured else pynn.Normal(2.0)
    model = Sequential(*hidden(2, 32, ReLU, initializer=first), Affine(10, initializer=first), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.003), epochs=20)


def small_weights(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """The signal fades from layer to layer."""
    first = None if cured else pynn.Normal(0.005)
    model = Sequential(*hidden(4, 24, Tanh, initializer=first), Affine(1), seed=seed)
    return fit(model, numbers(seed), callbacks, loss="l2", optimizer=pynn.Momentum(0.02), epochs=25)


def late_statistics(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Momentum 0.999 and 40 steps: the running statistics are those of the start."""
    norm = [BatchNorm(momentum=0.8 if cured else 0.999) for _ in range(2)]
    x, y = digits(seed)
    model = Sequential(Affine(32), norm[0], ReLU(), Affine(32), norm[1], ReLU(), Affine(10), seed=seed)
    return fit(model, (12 * x, y), callbacks, optimizer=Adam(0.01), epochs=20, batch_size=200)


# Signals and steps


def tower_without_norm(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Each residual block doubles the signal."""

    def block() -> pynn.Layer:
        norm = [pynn.LayerNorm()] if cured else []
        return pynn.Residual(*norm, Affine(32, initializer=pynn.He()), ReLU(), Affine(32))

    blocks = [block() for _ in range(2 if cured else 16)]
    last = [pynn.LayerNorm()] if cured else []
    model = Sequential(Affine(32), ReLU(), *blocks, *last, Affine(10), seed=seed)
    optimizer = Adam(0.003) if cured else pynn.SGD(0.02, clip_norm=1.0)
    return fit(model, digits(seed), callbacks, optimizer=optimizer, epochs=10)


def deep_sigmoids(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Hardly any gradient comes through eight sigmoids."""
    layers = hidden(2, 16, Tanh) if cured else hidden(8, 16, Sigmoid)
    model = Sequential(*layers, Affine(3), seed=seed)
    return fit(model, spiral(seed, 400), callbacks, optimizer=pynn.Momentum(0.1), epochs=40)


def softmax_inside(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Softmax as activation of hidden layers."""
    model = Sequential(*hidden(2, 64, ReLU if cured else pynn.Softmax), Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.001), epochs=30)


def biases_below_zero(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """No ReLU of the first layer ever gives more than 0."""
    x, y = digits(seed)
    bias = pynn.Constant(0 if cured else -2.9)
    model = Sequential(Affine(32, bias_initializer=bias), ReLU(), Affine(32), ReLU(), Affine(10), seed=seed)
    return fit(model, (0.7 * x, y), callbacks, optimizer=Adam(0.005), epochs=15)


class Positive(pynn.initializers.Initializer):
    """Uniform from 0 to 0.3."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(0, 0.3, shape)


def negative_inputs(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Inputs are below 0, and weights above."""
    x, y = answers(seed)
    first = None if cured else Positive()
    model = Sequential(*hidden(1, 16, ReLU, initializer=first), Affine(1), seed=seed)
    x = standard(-np.exp(0.4 * x)) if cured else -np.exp(0.4 * x)
    penalty = pynn.L2(0.01) if cured else None
    settings = {"loss": "binary_cross_entropy", "penalty": penalty}
    return fit(model, (x, y), callbacks, optimizer=Adam(0.01), epochs=20, **settings)


class Steep(pynn.Layer):
    """Multiplies what goes into an activation."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x * np.asarray(self.slope, x.dtype)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * np.asarray(self.slope, dy.dtype)


def steep_tanh(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """tanh(60 z) is flat nearly everywhere."""
    slope = 1.0 if cured else 60.0
    layers = [layer for _ in range(3) for layer in (Affine(32), Steep(slope), Tanh())]
    model = Sequential(*layers, Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(pynn.CosineDecay(0.003, 15)), epochs=15)


def hot_adam(cured: bool, seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(2, 32, ReLU), Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.004 if cured else 0.3), epochs=15)


def hot_momentum(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """A rate of 1 with momentum 0.95: steps twenty times as long as they look."""
    model = Sequential(*hidden(2, 24, Tanh), Affine(3), seed=seed)
    rate = pynn.CosineDecay(0.05, 50) if cured else 1.0
    return fit(model, spiral(seed), callbacks, optimizer=pynn.Momentum(rate, 0.95), epochs=50)


def cold_adam(cured: bool, seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.005 if cured else 1e-6), epochs=15)


def clipped_to_nothing(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Gradients of 1 are cut to 0.001."""
    optimizer = pynn.Momentum(0.02, clip_norm=5.0) if cured else pynn.SGD(0.02, clip_norm=0.001)
    model = Sequential(*hidden(1, 32, ReLU), Affine(1), seed=seed)
    return fit(model, numbers(seed), callbacks, loss="l2", optimizer=optimizer, epochs=30)


# Amount


def rare_answers(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """3 % say yes, and cannot be told for certain."""
    rng = np.random.default_rng(seed)
    y = (rng.permutation(1600) < 48).astype(int)
    x = rng.standard_normal((1600, 6)).astype(np.float32)
    x[:, :4] += 0.6 * y[:, None]
    model = Sequential(*hidden(1, 8, ReLU), Affine(1), seed=seed)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.002)}
    balance = {"class_weight": "balanced"} if cured else {}
    return fit(model, (x, y), callbacks, optimizer=Adam(0.005), epochs=8, **settings, **balance)


def heavy_penalty(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """All weights are pulled to 0."""
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    penalty = pynn.L2(1e-4 if cured else 0.5)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.005), epochs=15, penalty=penalty)


def sixes_and_nines(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Pictures turned by any angle."""
    layers = [pynn.Conv2d(8), ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), Affine(32), ReLU(), Affine(10)]
    turned = [pynn.Rotation(10)] if cured else [pynn.Rotation(180), pynn.Flip()]
    model = Sequential(*layers, seed=seed)
    return fit(model, pictures(seed, 800), callbacks, optimizer=Adam(0.003), epochs=10, augmentation=turned)


def two_units(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """Two lines cannot follow a spiral."""
    model = Sequential(*hidden(2, 24 if cured else 2, Tanh), Affine(3), seed=seed)
    return fit(model, spiral(seed), callbacks, optimizer=Adam(pynn.CosineDecay(0.03, 60)), epochs=60)


def learned_by_heart(cured: bool, seed: int, callbacks: Any) -> Sequential:
    """80 rows of 80 columns, four of which tell something."""
    rng = np.random.default_rng(seed)
    y = np.arange(900) % 2
    x = rng.standard_normal((900, 80)).astype(np.float32)
    x[:, :4] += 0.6 * (2 * y[:, None] - 1)
    train, held = halves((x, y), 500 if cured else 80)
    layers = [] if cured else hidden(1, 128, ReLU)
    settings = {"loss": "binary_cross_entropy", "penalty": pynn.L2(0.05) if cured else None}
    model = Sequential(*layers, Affine(1), seed=seed)
    return fit(model, train, callbacks, optimizer=Adam(0.005), epochs=30 if cured else 80, validation=held, **settings)


def two_epochs(cured: bool, seed: int, callbacks: Any) -> Sequential:
    model = Sequential(*hidden(1, 32, ReLU), Affine(10), seed=seed)
    return fit(model, digits(seed), callbacks, optimizer=Adam(0.002), epochs=25 if cured else 2)


ILL: dict[str, list[Builder]] = {
    "bad_data": [placeholders, sentinels],
    "labels": [labels_of_other_rows],
    "leakage": [validated_on_training_rows],
    "data_mismatch": [validation_not_divided, validation_of_some_classes],
    "order": [sorted_digits],
    "wrong_loss": [
        digits_as_numbers,
        digits_as_standard_numbers,
        several_answers_by_softmax,
        gradient_of_wrong_sign,
    ],
    "wrong_last_layer": [softmax_of_one, stars_from_tanh],
    "missing_activation": [spiral_without_activations, sine_without_activations],
    "frozen": [all_frozen],
    "unscaled_inputs": [raw_table, pixels_into_sigmoids],
    "unscaled_targets": [prices_in_dollars, tiny_returns],
    "symmetry": [equal_units],
    "initialization": [wide_weights, small_weights],
    "batch_statistics": [late_statistics],
    "exploding": [tower_without_norm],
    "vanishing_gradient": [deep_sigmoids, softmax_inside],
    "dead_units": [biases_below_zero, negative_inputs],
    "saturation": [steep_tanh],
    "learning_rate_too_large": [hot_adam, hot_momentum],
    "learning_rate_too_small": [cold_adam, clipped_to_nothing],
    "imbalance": [rare_answers],
    "over_regularized": [heavy_penalty, sixes_and_nines],
    "underfitting": [two_units],
    "overfitting": [learned_by_heart],
    "too_few_epochs": [two_epochs],
}
