"""The gradient check of everything: each public layer and each public loss, in float64, on both backends.

The classes are found by a walk over pynn's public names: one that is added without a case here fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn
from pynn.layers import Chain, Layer

Shape = tuple[int, ...]
Case = tuple[Callable[[], Layer], Shape]


def public(base: type, *modules: Any) -> set[type]:
    """The public subclasses of a class, by the public names of pynn and of these modules."""
    found: set[type] = set()
    for module in (pynn, *modules):
        for name in getattr(module, "__all__", vars(module)):
            thing = getattr(module, name)
            if inspect.isclass(thing) and issubclass(thing, base) and not name.startswith("_"):
                found.add(thing)
    return found - {base}


IMAGES = (1, 2, 4)
PIXELS = (5, 6, 2)
STEPS = (7, 2)
LAYERS: dict[type[Layer], list[Case]] = {
    pynn.Activation: [(pynn.Activation, (5,))],  # the identity
    pynn.Affine: [(lambda: pynn.Affine(4), (5,)), (lambda: pynn.Affine(4, use_bias=False), (5,))],
    pynn.AvgPool1d: [(pynn.AvgPool1d, STEPS), (lambda: pynn.AvgPool1d(3, 2, 1), STEPS)],
    pynn.AvgPool2d: [(lambda: pynn.AvgPool2d(2, 1, 1), PIXELS), (lambda: pynn.AvgPool2d((2, 3)), PIXELS)],
    pynn.BatchNorm: [(pynn.BatchNorm, (5,)), (lambda: pynn.BatchNorm(momentum=0.5, epsilon=0.1), IMAGES)],
    pynn.Conv1d: [
        (lambda: pynn.Conv1d(3), STEPS),
        (lambda: pynn.Conv1d(4, 2, stride=2, padding="causal", dilation=2, groups=2, use_bias=False), STEPS),
    ],
    pynn.Conv2d: [
        (lambda: pynn.Conv2d(3), PIXELS),
        (lambda: pynn.Conv2d(4, (2, 3), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), PIXELS),
    ],
    pynn.DropConnect: [
        (lambda: pynn.DropConnect(4, 0.4), (5,)),
        (lambda: pynn.DropConnect(4, 0.4, use_bias=False), (5,)),
    ],
    pynn.Dropout: [(lambda: pynn.Dropout(0.4), (5,)), (lambda: pynn.Dropout(0.4, form="vanilla"), IMAGES)],
    pynn.ELU: [(pynn.ELU, (5,)), (lambda: pynn.ELU(0.5), IMAGES)],
    pynn.Flatten: [(pynn.Flatten, IMAGES)],
    pynn.FractionalMaxPool2d: [(lambda: pynn.FractionalMaxPool2d(1.5), PIXELS)],
    pynn.GELU: [(pynn.GELU, (5,)), (lambda: pynn.GELU("tanh"), IMAGES)],
    pynn.GaussianNoise: [(lambda: pynn.GaussianNoise(0.01), (5,))],
    pynn.GlobalAvgPool1d: [(pynn.GlobalAvgPool1d, STEPS)],
    pynn.GlobalAvgPool2d: [(pynn.GlobalAvgPool2d, PIXELS)],
    pynn.GroupNorm: [(lambda: pynn.GroupNorm(2), (6,)), (lambda: pynn.GroupNorm(2, epsilon=0.1), IMAGES)],
    pynn.LayerNorm: [(pynn.LayerNorm, (5,)), (lambda: pynn.LayerNorm(epsilon=0.1), IMAGES)],
    pynn.LeakyReLU: [(pynn.LeakyReLU, (5,)), (lambda: pynn.LeakyReLU(0.3), IMAGES)],
    pynn.MaxPool1d: [(pynn.MaxPool1d, STEPS), (lambda: pynn.MaxPool1d(3, 2, 1), STEPS)],
    pynn.MaxPool2d: [(pynn.MaxPool2d, PIXELS), (lambda: pynn.MaxPool2d(3, 2, 1), PIXELS)],
    pynn.Maxout: [(lambda: pynn.Maxout(4, 3), (5,)), (lambda: pynn.Maxout(4, use_bias=False), (5,))],
    pynn.PReLU: [(pynn.PReLU, (5,)), (lambda: pynn.PReLU(per_feature=True, initial=-0.5), IMAGES)],
    pynn.ReLU: [(pynn.ReLU, (5,)), (pynn.ReLU, IMAGES)],
    pynn.Reshape: [(lambda: pynn.Reshape(2, -1), IMAGES)],
    pynn.Residual: [
        (lambda: pynn.Residual(pynn.Affine(5), pynn.Tanh(), pynn.Affine(5)), (5,)),
        (lambda: pynn.Residual(pynn.Conv2d(3, stride=2), shortcut="auto"), PIXELS),
        (lambda: pynn.Residual(pynn.Conv1d(3, stride=2), shortcut="auto"), STEPS),
    ],
    pynn.SELU: [(pynn.SELU, (5,))],
    pynn.SiLU: [(pynn.SiLU, (5,))],
    pynn.Sequential: [(lambda: pynn.Sequential(pynn.Affine(4), pynn.Tanh()), (5,))],
    pynn.Sigmoid: [(pynn.Sigmoid, (5,))],
    pynn.Softmax: [(pynn.Softmax, (5,)), (pynn.Softmax, IMAGES)],
    pynn.Softplus: [(pynn.Softplus, (5,))],
    pynn.SpatialDropout: [(lambda: pynn.SpatialDropout(0.4), IMAGES), (lambda: pynn.SpatialDropout(0.4), (3, 4))],
    pynn.Tanh: [(pynn.Tanh, (5,))],
    pynn.Upsample: [(pynn.Upsample, PIXELS), (lambda: pynn.Upsample((1, 3)), PIXELS)],
    pynn.Transitions: [(lambda: pynn.Transitions(3), (4, 3)), (lambda: pynn.Transitions(3), (12,))],
    Chain: [(lambda: Chain(pynn.Affine(4), pynn.Sigmoid(), pynn.Affine(3)), (5,))],
}  # fmt: skip

# Labels of 5 classes, numbers, 0 or 1, ±1; hinges with margins that no difference of the scores comes near.
LABELS, NUMBERS, SHARES, SIGNS = "labels", "numbers", "shares", "signs"
LOSSES: dict[type[pynn.Loss], list[tuple[Callable[[], pynn.Loss], str]]] = {
    pynn.AbsoluteError: [(pynn.AbsoluteError, NUMBERS)],
    pynn.BinaryCrossEntropy: [(pynn.BinaryCrossEntropy, SHARES)],
    pynn.BinaryHinge: [(pynn.BinaryHinge, SIGNS)],
    pynn.Focal: [(pynn.Focal, LABELS), (lambda: pynn.Focal(0.5), LABELS), (lambda: pynn.Focal(0), LABELS)],
    pynn.Hinge: [(pynn.Hinge, LABELS), (lambda: pynn.Hinge(0.3), LABELS)],
    pynn.Huber: [(pynn.Huber, NUMBERS), (lambda: pynn.Huber(0.2), NUMBERS)],
    pynn.SoftmaxCrossEntropy: [
        (pynn.SoftmaxCrossEntropy, LABELS),
        (lambda: pynn.SoftmaxCrossEntropy(0.2), LABELS),
    ],
    pynn.SquaredError: [(pynn.SquaredError, NUMBERS)],
    pynn.SquaredHinge: [(pynn.SquaredHinge, LABELS), (lambda: pynn.SquaredHinge(0.3), LABELS)],
}
# Checked below in a network of its own: a pair that needs each other, and a loss over a chain's scores.
OF_THEIR_OWN: set[type] = {pynn.HierarchicalSoftmax, pynn.HierarchicalCrossEntropy, pynn.StructuredHinge}


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


CASES = {f"{kind.__name__}-{place}": case for kind, cases in LAYERS.items() for place, case in enumerate(cases)}


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


def targets_and_outputs(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """7 samples, 5 outputs each; no output, difference of outputs or margin within 0.01 of a kink."""
    rng = np.random.default_rng(4)
    for _ in range(1000):
        outputs = rng.normal(size=(7, 5))
        targets = {
            LABELS: rng.integers(0, 5, 7),
            NUMBERS: rng.normal(size=(7, 5)),
            SHARES: rng.random((7, 5)),
            SIGNS: rng.choice([-1.0, 1.0], (7, 5)),
        }[kind]
        right = outputs[np.arange(7), targets][:, None] if kind == LABELS else targets
        distance = np.abs(outputs - right)
        kinks = (0.0, 0.2, 0.3, 1.0) if kind == NUMBERS else (0.3, 1.0)
        far = outputs * targets - 1 if kind == SIGNS else np.min([np.abs(distance - kink) for kink in kinks], axis=0)
        if np.abs(far).min() > 0.01:
            return targets, outputs
    raise AssertionError("no such outputs were found")


LOSS_CASES = {f"{kind.__name__}-{place}": case for kind, cases in LOSSES.items() for place, case in enumerate(cases)}


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
