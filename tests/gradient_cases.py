"""Each public layer and loss, in forms that differ in their gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

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
    pynn.Affine: [
        (lambda: pynn.Affine(4), (5,)),
        (lambda: pynn.Affine(4, use_bias=False), (5,)),
        (lambda: pynn.Affine(4, parametrization="ntk"), (5,)),
    ],
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
        (lambda: pynn.DropConnect(4, 0.4, parametrization="ntk"), (5,)),
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
    pynn.Maxout: [
        (lambda: pynn.Maxout(4, 3), (5,)),
        (lambda: pynn.Maxout(4, use_bias=False), (5,)),
        (lambda: pynn.Maxout(4, 3, parametrization="ntk"), (5,)),
    ],
    pynn.PMish: [(pynn.PMish, (5,)), (pynn.PMish, IMAGES)],
    pynn.PReLU: [(pynn.PReLU, (5,)), (lambda: pynn.PReLU(per_feature=True, initial=-0.5), IMAGES)],
    pynn.PSELU: [(pynn.PSELU, (5,)), (pynn.PSELU, IMAGES)],
    pynn.Parallel: [
        (lambda: pynn.Parallel(None, [pynn.Affine(3), pynn.Tanh()], pynn.Affine(2)), (5,)),
        (lambda: pynn.Parallel(pynn.Affine(2), None, columns=[[4, 1, 0, 1], slice(None, None, -2)]), (5,)),
        (lambda: pynn.Parallel(None, pynn.Sigmoid(), pynn.Affine(2), columns=[[0], range(1, 2), None]), STEPS),
    ],
    pynn.PeriodicEmbedding: [
        (pynn.PeriodicEmbedding, (5,)),
        (lambda: pynn.PeriodicEmbedding(3, 7, sigma=0.5), (2, 3)),
    ],
    pynn.ReLU: [(pynn.ReLU, (5,)), (pynn.ReLU, IMAGES)],
    pynn.Reshape: [(lambda: pynn.Reshape(2, -1), IMAGES)],
    pynn.Residual: [
        (lambda: pynn.Residual(pynn.Affine(5), pynn.Tanh(), pynn.Affine(5)), (5,)),
        (lambda: pynn.Residual(pynn.Conv2d(3, stride=2), shortcut="auto"), PIXELS),
        (lambda: pynn.Residual(pynn.Conv1d(3, stride=2), shortcut="auto"), STEPS),
    ],
    pynn.SELU: [(pynn.SELU, (5,))],
    pynn.SiLU: [(pynn.SiLU, (5,))],
    pynn.Mish: [(pynn.Mish, (5,))],
    pynn.Scale: [(pynn.Scale, (5,)), (pynn.Scale, IMAGES)],
    pynn.Sequential: [(lambda: pynn.Sequential(pynn.Affine(4), pynn.Tanh()), (5,))],
    pynn.Sigmoid: [(pynn.Sigmoid, (5,))],
    pynn.Softmax: [(pynn.Softmax, (5,)), (pynn.Softmax, IMAGES)],
    pynn.Softplus: [(pynn.Softplus, (5,))],
    pynn.SpatialDropout: [(lambda: pynn.SpatialDropout(0.4), IMAGES), (lambda: pynn.SpatialDropout(0.4), (3, 4))],
    pynn.Tanh: [(pynn.Tanh, (5,))],
    pynn.Upsample: [(pynn.Upsample, (3, 2, 2)), (lambda: pynn.Upsample((1, 3)), (2, 3, 2))],
    pynn.Transitions: [(lambda: pynn.Transitions(3), (4, 3)), (lambda: pynn.Transitions(3), (12,))],
    Chain: [(lambda: Chain(pynn.Affine(4), pynn.Sigmoid(), pynn.Affine(3)), (5,))],
}  # fmt: skip

# Labels of 5 classes, numbers, 0 or 1, ±1, amounts above 0; hinges with margins that no difference of the scores comes
# near.
LABELS, NUMBERS, SHARES, SIGNS, AMOUNTS = "labels", "numbers", "shares", "signs", "amounts"
LOSSES: dict[type[pynn.Loss], list[tuple[Callable[[], pynn.Loss], str]]] = {
    pynn.AbsoluteError: [(pynn.AbsoluteError, NUMBERS)],
    pynn.BinaryCrossEntropy: [(pynn.BinaryCrossEntropy, SHARES)],
    pynn.BinaryHinge: [(pynn.BinaryHinge, SIGNS)],
    pynn.Focal: [(pynn.Focal, LABELS), (lambda: pynn.Focal(0.5), LABELS), (lambda: pynn.Focal(0), LABELS)],
    pynn.Gamma: [(pynn.Gamma, AMOUNTS)],
    pynn.Hinge: [(pynn.Hinge, LABELS), (lambda: pynn.Hinge(0.3), LABELS)],
    pynn.Huber: [(pynn.Huber, NUMBERS), (lambda: pynn.Huber(0.2), NUMBERS)],
    pynn.Poisson: [(pynn.Poisson, AMOUNTS)],
    pynn.SoftmaxCrossEntropy: [
        (pynn.SoftmaxCrossEntropy, LABELS),
        (lambda: pynn.SoftmaxCrossEntropy(0.2), LABELS),
    ],
    pynn.SquaredError: [(pynn.SquaredError, NUMBERS)],
    pynn.SquaredHinge: [(pynn.SquaredHinge, LABELS), (lambda: pynn.SquaredHinge(0.3), LABELS)],
    pynn.Tweedie: [(lambda power=power: pynn.Tweedie(power), AMOUNTS) for power in (1, 1.001, 1.5, 1.999, 2)],
}
# Checked in networks of their own: a layer of codes, a pair that needs each other, a loss over a chain's scores; in
# tests/losses/test_distributions.py losses with several outputs for each target.
OF_THEIR_OWN: set[type] = {
    pynn.Embedding, pynn.HierarchicalSoftmax, pynn.HierarchicalCrossEntropy, pynn.StructuredHinge, pynn.Quantile,
    pynn.GaussianNLL,
}  # fmt: skip

CASES = {f"{kind.__name__}-{place}": case for kind, cases in LAYERS.items() for place, case in enumerate(cases)}
LOSS_CASES = {f"{kind.__name__}-{place}": case for kind, cases in LOSSES.items() for place, case in enumerate(cases)}


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
            AMOUNTS: rng.gamma(1, 2, (7, 5)),
        }[kind]
        right = outputs[np.arange(7), targets][:, None] if kind == LABELS else targets
        distance = np.abs(outputs - right)
        kinks = (0.0, 0.2, 0.3, 1.0) if kind == NUMBERS else (0.3, 1.0)
        far = outputs * targets - 1 if kind == SIGNS else np.min([np.abs(distance - kink) for kink in kinks], axis=0)
        if np.abs(far).min() > 0.01:
            return targets, outputs
    raise AssertionError("no such outputs were found")
