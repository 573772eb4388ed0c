"""The gradient check of everything: each public layer and each public loss, in float64, on both backends.

The classes are found by a walk over pynn's public names: one that is added without a case here fails.
"""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from gradient_cases import (
    CASES,
    LABELS,
    LAYERS,
    LOSS_CASES,
    LOSSES,
    OF_THEIR_OWN,
    public,
    targets_and_outputs,
)
from gradients import PassThrough, Projection

import pynn
from pynn.layers import Chain, Layer


class Weighted(pynn.Loss):
    """A loss with sample weights of 0..2."""

    def __init__(self, loss: pynn.Loss) -> None:
        self.loss = loss

    def forward(self, outputs: np.ndarray, targets: Any, weights: Any = None) -> float:
        return self.loss.forward(outputs, targets, np.linspace(0, 2, len(outputs)))

    def backward(self) -> np.ndarray:
        return self.loss.backward()


def test_every_public_layer_has_a_case() -> None:
    assert public(Layer, pynn.layers, pynn.layers.hierarchical) == LAYERS.keys() | (OF_THEIR_OWN - public(pynn.Loss))


def test_every_public_loss_has_a_case() -> None:
    assert public(pynn.Loss, pynn.losses, pynn.layers.hierarchical) == LOSSES.keys() | (
        OF_THEIR_OWN & public(pynn.Loss)
    )
    assert set(pynn.losses.LOSSES.values()) <= LOSSES.keys()


@pytest.mark.parametrize("case", CASES)
def test_a_layer_alone_has_the_gradient_of_central_differences(case: str, backend: str) -> None:
    make, shape = CASES[case]
    model, x = gradients.smooth([PassThrough(), make(), PassThrough()], shape)
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("case", [case for case in CASES if not isinstance(CASES[case][0](), Chain)])
def test_a_layer_after_a_normalization_or_an_affine_layer_has_the_gradient_of_central_differences(
    case: str, backend: str
) -> None:
    make, shape = CASES[case]
    before = pynn.Affine(shape[0]) if len(shape) == 1 else pynn.BatchNorm()
    model, x = gradients.smooth([before, make(), pynn.Flatten(), pynn.Affine(2)], shape, samples=4)
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
@pytest.mark.parametrize("case", LOSS_CASES)
def test_a_loss_has_the_gradient_of_central_differences(case: str, weighted: bool, backend: str) -> None:
    make, kind = LOSS_CASES[case]
    targets, outputs = targets_and_outputs(kind)
    loss = Weighted(make()) if weighted else make()
    gradients.check(pynn.Sequential(PassThrough(), dtype="float64"), loss, outputs, targets)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_a_loss_over_one_output_has_the_gradient_of_central_differences(case: str, backend: str) -> None:
    make, kind = LOSS_CASES[case]
    targets, outputs = targets_and_outputs(kind)
    targets = np.zeros(7, np.int64) if kind == LABELS else targets[:, 0]  # a single class, or a column's targets
    gradients.check(pynn.Sequential(PassThrough(), dtype="float64"), make(), outputs[:, :1], targets)


@pytest.mark.parametrize("sizes", [6, [2, 6, 3]], ids=["tokens", "columns"])
def test_an_embedding_has_the_gradient_of_central_differences(sizes: Any, backend: str) -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(-1, sizes, (9, 3)).astype(np.float64)
    model = pynn.Sequential(pynn.Embedding(sizes, units=4), PassThrough(), dtype="float64")
    model.build((3,))
    value = float((model.forward(codes, training=True) * (r := rng.normal(size=model.outputs.shape))).sum())
    model.backward(r)
    numeric = gradients.differences(lambda: float((model.forward(codes, training=True) * r).sum()), model.parameters)
    assert np.isfinite(value)
    assert gradients.relative_error(model.gradients, numeric) < gradients.TOLERANCE


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_the_hierarchical_pair_has_the_gradient_of_central_differences(weighted: bool, backend: str) -> None:
    layer = pynn.HierarchicalSoftmax(6, counts=[5, 1, 1, 2, 9, 3])
    model, x = gradients.smooth([pynn.Affine(4), pynn.Tanh(), layer], (5,))
    layer.nodes[...] = np.random.default_rng(1).normal(size=layer.nodes.shape)
    gradients.check(model, Weighted(layer.loss) if weighted else layer.loss, x, np.arange(6))


@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_the_structured_hinge_has_the_gradient_of_central_differences(weighted: bool, backend: str) -> None:
    loss: pynn.Loss = pynn.StructuredHinge(pynn.ViterbiChain())
    model, x = gradients.smooth([pynn.Affine(12), pynn.Transitions(3)], (5,))
    model.parameters += np.random.default_rng(1).normal(size=model.parameters.shape) * (model.parameters != 0)
    y = np.random.default_rng(2).integers(0, 3, (6, 4))
    gradients.check(model, Weighted(loss) if weighted else loss, x, y)
    assert loss.forward(model.forward(x, training=True), y) > 0


def test_the_check_finds_an_error_of_a_millionth() -> None:
    """A gradient that is off by 1e-5 of itself fails, in a parameter and in the input."""

    class Wrong(pynn.Affine):
        factor, place = 1 + 1e-5, "weight"

        def backward(self, dy: np.ndarray) -> Any:
            dx = super().backward(dy)
            if self.place == "weight":
                self.dweight *= self.factor
                return dx
            assert dx is not None
            return dx * self.factor

    for place in ("weight", "input"):
        model, x = gradients.smooth([Wrong(3)], (4,))
        model.layers[0].place = place  # type: ignore[attr-defined]
        with pytest.raises(AssertionError, match=place):
            gradients.check(model, Projection(), x)
