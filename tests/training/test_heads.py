"""A model that ends with a softmax or sigmoid which its loss applies itself is warned of at `fit`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def fit(last: Any, loss: Any, points: Points, outputs: int = 3, **settings: Any) -> pynn.Sequential:
    x, y = points
    targets: Any = {"softmax_cross_entropy": y, "focal": y, "hinge": y, "squared_hinge": y, None: y}.get(
        loss if isinstance(loss, str) or loss is None else "", np.eye(3)[y]
    )
    if isinstance(loss, pynn.losses.labels.LabelLoss):
        targets = y
    if loss == "binary_hinge":
        targets = 2 * targets - 1
    if outputs == 1:
        targets = (y > 0).astype(float)
    model = pynn.Sequential(pynn.Affine(outputs), *last)
    model.fit(x, targets, loss=loss, epochs=1, progress=False, **settings)
    return model


LOGITS = ["softmax_cross_entropy", None, "focal", "binary_cross_entropy"]
SCORES = ["hinge", "squared_hinge", "binary_hinge"]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", ["Softmax", "Sigmoid"])
@pytest.mark.parametrize("loss", [*LOGITS, *SCORES])
def test_a_doubled_softmax_or_sigmoid_is_warned_of_once(kind: str, loss: str | None, points: Points) -> None:
    with pytest.warns(UserWarning, match=f"^the model ends with {kind}, but .*Leave the {kind} layer out") as caught:
        fit([getattr(pynn, kind)()], loss, points)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    says = str(caught[0].message)
    assert ("model.predict_proba" in says) == (loss in LOGITS)
    assert (" itself:" in says) == (loss in LOGITS)


@pytest.mark.parametrize(
    "last",
    [
        [pynn.Sequential(pynn.Tanh(), pynn.Softmax())],
        [pynn.Sequential(pynn.Sequential(pynn.Softmax()), pynn.Dropout(0.1))],
        [pynn.Softmax(), pynn.Flatten(), pynn.Sequential(pynn.Flatten())],
    ],
)
def test_a_doubled_head_is_found_inside_chains_and_before_what_changes_nothing(last: Any, points: Points) -> None:
    with pytest.warns(UserWarning, match="the model ends with Softmax, but SoftmaxCrossEntropy takes logits"):
        fit(last, None, points)


def test_one_output_and_its_sigmoid(points: Points) -> None:
    with pytest.warns(UserWarning, match="ends with Sigmoid, but BinaryCrossEntropy takes logits and applies the sigm"):
        fit([pynn.Sigmoid()], "binary_cross_entropy", points, outputs=1)


@pytest.mark.parametrize("loss", ["l2", "binary_cross_entropy"])
def test_a_softmax_over_one_output_is_warned_of_with_any_loss(loss: str, points: Points) -> None:
    with pytest.warns(UserWarning, match="Softmax over a single output, which is always 1; end it with Affine"):
        fit([pynn.Softmax()], loss, points, outputs=1)


class Own(pynn.Loss):
    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        return float((self.difference**2).mean())

    def backward(self) -> np.ndarray:
        return 2 * self.difference / self.difference.size


class OwnLogits(pynn.SoftmaxCrossEntropy):
    """Of probabilities."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
        return super().forward(np.log(outputs), targets, weights)


class OwnSoftmax(pynn.Softmax):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Sum(pynn.Sequential):
    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return 5 * super().forward(x, training)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("last", "loss"),
    [
        ([], None),
        ([pynn.ReLU()], None),
        ([pynn.Tanh()], "binary_hinge"),
        ([pynn.Sigmoid()], "l2"),
        ([pynn.Softmax()], "l2"),
        ([pynn.Sigmoid()], "l1"),
        ([pynn.Softmax()], Own()),
        ([pynn.Softmax()], OwnLogits()),
        ([OwnSoftmax()], None),
        ([pynn.Softmax(), pynn.Affine(3)], None),
        ([pynn.Residual(pynn.Affine(3), pynn.Softmax())], None),  # plus its input: any number
        ([Sum(pynn.Softmax())], None),
        ([pynn.Softmax(), pynn.BatchNorm()], None),
        ([pynn.Softmax(), pynn.HierarchicalSoftmax(3)], None),
    ],
)
def test_correct_heads_are_not_warned_of(last: Any, loss: Any, points: Points) -> None:
    import copy

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(copy.deepcopy(last), loss, points)


def test_a_warning_that_is_an_error_leaves_the_model_as_it_was(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.Softmax())
    with pytest.raises(UserWarning, match="the model ends with Softmax"):  # pytest makes errors of them
        model.fit(*points, progress=False)
    assert not model.built
    assert model.optimizer is None


def test_without_the_softmax_it_learns_better(digits: pynn.datasets.Dataset) -> None:
    x, y = (part[:600] for part in digits.train)
    x = x.reshape(len(x), -1) / np.float32(16)

    def accuracy(*last: pynn.Layer) -> float:
        model = pynn.Sequential(pynn.Affine(10), *last)
        model.fit(x, y, optimizer=pynn.Adam(0.01), epochs=10, progress=False)
        return model.evaluate(x, y)["accuracy"]

    with pytest.warns(UserWarning, match="ends with Softmax"):
        doubled = accuracy(pynn.Softmax())
    assert accuracy() > doubled + 0.05
