"""Structured hinge with decoders: the chain by Viterbi's algorithm, and one that a user writes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn


class Subset(pynn.Decoder):
    """Exactly `size` of K items, as the documentation of `pynn.Decoder` shows it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def decode(self, outputs: np.ndarray, targets: Any = None) -> tuple[np.ndarray, np.ndarray]:
        gain = outputs if targets is None else outputs + 1 - 2 * targets
        best = np.zeros(outputs.shape, np.int64)
        np.put_along_axis(best, gain.argsort(axis=1)[:, -self.size :], 1, axis=1)
        start = 0 if targets is None else targets.sum(axis=1)
        return best, start + (gain * best).sum(axis=1)

    def features(self, structures: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return structures


class PerPosition(pynn.Layer):
    """The same affine map at every position: x (N, T, D) becomes (N, T, units)."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("weight", (input_shape[1], self.units), pynn.Normal(0.1))
        return (input_shape[0], self.units)

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return x @ self.weight

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dweight[...] = np.einsum("ntd,ntk->dk", self.x, dy)
        return dy @ self.weight.T


class NoTransitions(pynn.Layer):
    """Transitions that are 0 and stay 0: a hinge at each position by itself."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (input_shape[0] + input_shape[1], input_shape[1])

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return np.concatenate([x, np.zeros((len(x), x.shape[2], x.shape[2]), x.dtype)], axis=1)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy[:, : -dy.shape[2]]


def brute(outputs: np.ndarray, length: int, targets: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """The best of all K^T sequences and its value, one sample at a time."""
    labels = outputs.shape[2]
    sequences, values = [], []
    for n, scores in enumerate(outputs):
        found = []
        for sequence in itertools.product(range(labels), repeat=length):
            value = sum(scores[t, label] for t, label in enumerate(sequence))
            value += sum(scores[length + a, b] for a, b in itertools.pairwise(sequence))
            if targets is not None:
                value += sum(a != b for a, b in zip(sequence, targets[n], strict=True))
            found.append((value, sequence))
        value, sequence = max(found, key=lambda pair: pair[0])
        sequences.append(sequence)
        values.append(value)
    return np.array(sequences), np.array(values)


# Viterbi's algorithm ------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "labels"), [(1, 1), (1, 3), (2, 2), (4, 3), (6, 2), (5, 4), (3, 1)])
def test_viterbi_finds_the_best_of_all_sequences(length: int, labels: int, rng: np.random.Generator) -> None:
    chain, outputs = pynn.ViterbiChain(), rng.normal(0, 2, (12, length + labels, labels))
    targets = rng.integers(0, labels, (12, length))
    for wanted in (None, targets):
        path, value = chain.decode(outputs, wanted)
        expected_path, expected_value = brute(outputs, length, wanted)
        np.testing.assert_array_equal(path, expected_path)
        np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    path, value = chain.decode(outputs)
    np.testing.assert_allclose((chain.features(path, outputs) * outputs).sum(axis=(1, 2)), value, rtol=1e-12)


def test_lower_labels_win_where_scores_are_alike() -> None:
    path, value = pynn.ViterbiChain().decode(np.zeros((2, 4 + 3, 3)))
    np.testing.assert_array_equal(path, np.zeros((2, 4)))
    np.testing.assert_array_equal(value, [0, 0])


def test_features_count_labels_and_transitions() -> None:
    counts = pynn.ViterbiChain().features(np.array([[1, 1, 0, 1]]), np.zeros((1, 6, 2)))
    np.testing.assert_array_equal(counts[0], [[0, 1], [0, 1], [1, 0], [0, 1], [0, 1], [1, 1]])


# The loss -----------------------------------------------------------------------------------------


def test_the_loss_is_the_largest_violation_of_all_sequences(rng: np.random.Generator) -> None:
    outputs, targets = rng.normal(0, 1, (10, 4 + 3, 3)), rng.integers(0, 3, (10, 4))
    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    _, value = brute(outputs, 4, targets)
    score = (loss.decoder.features(targets, outputs) * outputs).sum(axis=(1, 2))
    assert loss.forward(outputs, targets) == pytest.approx((value - score).mean(), rel=1e-12)
    wrong = (loss.predict(outputs) != targets).sum(axis=1)
    assert (value - score >= wrong - 1e-12).all()
    assert loss.correct(outputs, targets).sum() == (wrong == 0).sum()


def test_gradients_match_central_differences(rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(12), pynn.Transitions(3), dtype="float64")
    model.build((5,))
    model.parameters[...] = rng.normal(0, 1, model.parameters.shape)
    gradients.check(
        model, pynn.StructuredHinge(pynn.ViterbiChain()), rng.normal(size=(7, 5)), rng.integers(0, 3, (7, 4))
    )


@pytest.mark.parametrize("inputs", [(4, 3), (12,)])
def test_gradients_of_transitions_match_central_differences(inputs: Any, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Transitions(3), dtype="float64")
    assert model.build(inputs) == (7, 3)
    model.parameters[:9] = rng.normal(size=9)
    x = rng.normal(size=(5, *inputs))
    gradients.check(model, gradients.Projection(), x)
    outputs = model.forward(x)
    np.testing.assert_array_equal(outputs[:, :4].reshape(x.shape), x)
    np.testing.assert_array_equal(outputs[:, 4:], np.broadcast_to(model.layers[0].weight, (5, 3, 3)))


def test_a_target_that_wins_by_its_margin_costs_nothing() -> None:
    targets = np.array([[0, 1, 1]])
    outputs = 10 * pynn.ViterbiChain().features(targets, np.zeros((1, 5, 2)))
    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    assert loss.forward(outputs, targets) == 0
    assert not loss.backward().any()
    assert loss.correct(outputs, targets).all()


def test_weights_count_samples(rng: np.random.Generator) -> None:
    loss, outputs, targets = (
        pynn.StructuredHinge(Subset(2)),
        rng.normal(size=(4, 5)),
        np.eye(5, dtype=int)[[0, 1, 2, 3]],
    )
    targets[:, 4] = 1
    repeats = np.array([2, 0, 1, 3])
    value = loss.forward(np.repeat(outputs, repeats, axis=0), np.repeat(targets, repeats, axis=0)) * 6
    assert loss.forward(outputs, targets, repeats) * 4 == pytest.approx(value, rel=1e-13)
    gradient = loss.backward() * 4
    for n in range(4):
        loss.forward(outputs[n : n + 1], targets[n : n + 1])
        np.testing.assert_allclose(gradient[n], loss.backward()[0] * repeats[n], rtol=1e-13)
    assert loss.forward(outputs, targets, np.zeros(4)) == 0
    with pytest.raises(ValueError, match=r"weights has shape \(3,\), expected \(4,\)"):
        loss.forward(outputs, targets, np.ones(3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_give_finite_losses_and_gradients(dtype: str, rng: np.random.Generator) -> None:
    outputs = (1e4 * rng.choice([-1, 0, 1], (20, 4 + 3, 3))).astype(dtype)
    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    value = loss.forward(outputs, rng.integers(0, 3, (20, 4)))
    assert 0 < value < 2e5
    assert np.isfinite(loss.backward()).all()
    assert loss.backward().dtype == dtype


# In a model ---------------------------------------------------------------------------------------


def sequences(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A Markov chain of 3 labels that mostly goes round, seen through noise that drowns single positions."""
    rng = np.random.default_rng(seed)
    y = np.empty((samples, 8), np.int64)
    y[:, 0] = rng.integers(0, 3, samples)
    for t in range(1, 8):
        y[:, t] = np.where(rng.random(samples) < 0.9, (y[:, t - 1] + 1) % 3, rng.integers(0, 3, samples))
    return (np.eye(3)[y] + rng.normal(0, 0.9, (samples, 8, 3))).astype(np.float32), y


def test_a_chain_learns_sequences_better_than_each_position_by_itself() -> None:
    train, test = sequences(400, 0), sequences(400, 1)
    hits = []
    for last in (pynn.Transitions(3), NoTransitions()):
        model = pynn.Sequential(PerPosition(3), last)
        history = model.fit(
            *train, loss=pynn.StructuredHinge(pynn.ViterbiChain()), optimizer=pynn.Adam(0.02), epochs=15,
            batch_size=50, progress=False,
        )  # fmt: skip
        assert history["loss"][-1] < history["loss"][0]
        hits.append((model.predict(test[0]) == test[1]).mean())
        assert model.evaluate(*test)["accuracy"] == (model.predict(test[0]) == test[1]).all(axis=1).mean()
    chain, alone = hits
    assert chain > alone + 0.15
    round_trip = [np.argmax(row) for row in model.layers[0].weight]
    assert round_trip == [0, 1, 2]


def test_an_own_decoder_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    order = (x @ rng.normal(size=(5, 6))).argsort(axis=1)
    y = np.zeros((200, 6), np.int64)
    np.put_along_axis(y, order[:, -2:], 1, axis=1)
    model = pynn.Sequential(pynn.Affine(6))
    model.fit(x, y, loss=pynn.StructuredHinge(Subset(2)), optimizer=pynn.Adam(0.05), epochs=40, progress=False)
    assert model.evaluate(x, y)["accuracy"] > 0.9
    assert (model.predict(x).sum(axis=1) == 2).all()
    model.save(tmp_path / "m.safetensors")
    loaded = pynn.load(tmp_path / "m.safetensors", own=[Subset])
    assert repr(loaded.loss) == "StructuredHinge(decoder=Subset(size=2))"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_files_hold_a_chain(tmp_path: Path) -> None:
    x, y = sequences(60, 0)
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(24), pynn.Transitions(3))
    model.fit(x, y, loss=pynn.StructuredHinge(pynn.ViterbiChain()), epochs=3, progress=False)
    model.save(tmp_path / "m.safetensors")
    loaded = pynn.load(tmp_path / "m.safetensors")
    assert repr(loaded.loss) == "StructuredHinge(decoder=ViterbiChain())"
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert "transitions1.weight" in loaded.tensors()


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "sentence"),
    [
        (np.zeros((6, 7)), TypeError, "y has dtype float64, expected structures of integers"),
        (np.zeros((6, 7), int), ValueError, r"y has shape \(6, 7\), expected labels of shape \(N, 8\)"),
        (np.zeros(6, int), ValueError, r"y has shape \(6,\), expected labels of shape \(N, 8\)"),
        (np.full((6, 8), 3), ValueError, r"y\[0, 0\] is 3, expected a label of 0\.\.2"),
        (np.full((6, 8), -1), ValueError, r"y\[0, 0\] is -1, expected a label of 0\.\.2"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y: np.ndarray, error: type[Exception], sentence: str) -> None:
    model = pynn.Sequential(pynn.Transitions(3))
    with pytest.raises(error, match=sentence):
        model.fit(np.zeros((6, 8, 3)), y, loss=pynn.StructuredHinge(pynn.ViterbiChain()), progress=False)


def test_a_custom_training_loop_is_checked_too() -> None:
    loss, targets = pynn.StructuredHinge(pynn.ViterbiChain()), np.array([[0, 1, -1]])
    with pytest.raises(ValueError, match=r"y\[0, 2\] is -1, expected a label of 0\.\.1"):
        loss.forward(np.zeros((1, 5, 2)), targets)


def test_outputs_without_transitions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"outputs have shape \(N, 6\), expected \(N, T\+K, K\); end the model with"):
        pynn.Sequential(pynn.Affine(6)).fit(
            np.zeros((4, 2)), np.zeros((4, 3), int), loss=pynn.StructuredHinge(pynn.ViterbiChain()), progress=False
        )


@pytest.mark.parametrize("shape", [(8, 4), (8,), (2, 8, 3), ()])
def test_scores_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected scores \(T, 3\) or \(T·3,\), got inputs of shape"):
        pynn.Sequential(pynn.Transitions(3)).build(shape)


@pytest.mark.parametrize("labels", [0, True, 2.0, "3"])
def test_labels_must_be_a_count(labels: Any) -> None:
    with pytest.raises(ValueError, match=r"labels is .*, expected an integer of at least 1"):
        pynn.Transitions(labels)


def test_the_class_of_a_decoder_is_no_decoder() -> None:
    with pytest.raises(TypeError, match=r"expected a pynn Decoder; write ViterbiChain\(\)"):
        pynn.StructuredHinge(pynn.ViterbiChain)  # type: ignore[arg-type]


class WrongShapes(Subset):
    def decode(self, outputs: np.ndarray, targets: Any = None) -> tuple[np.ndarray, np.ndarray]:
        best, value = super().decode(outputs, targets)
        return best, value[:, None] if self.size == 1 else value

    def features(self, structures: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        return structures[:, :2]


def test_decoders_that_return_other_shapes_are_named() -> None:
    outputs, targets = np.zeros((4, 3)), np.eye(3, dtype=int)[[0, 1, 2, 0]]
    with pytest.raises(ValueError, match=r"WrongShapes\(size=1\)\.decode returned values of shape \(4, 1\), expected"):
        pynn.StructuredHinge(WrongShapes(1)).forward(outputs, targets)
    with pytest.raises(ValueError, match=r"features returned shape \(4, 2\), expected that of the outputs, \(4, 3\)"):
        pynn.StructuredHinge(WrongShapes(2)).forward(outputs, targets)
    with pytest.raises(NotImplementedError, match="Decoder has no decode"):
        pynn.StructuredHinge(pynn.Decoder()).forward(outputs, targets)
