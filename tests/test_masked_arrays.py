"""Masked arrays: what they hide would be taken for numbers, so they are refused wherever arrays come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.layers.hierarchical import HierarchicalSoftmax

Points = tuple[np.ndarray, np.ndarray]
SAYS = "values in its masked array are hidden"


def hiding(array: np.ndarray) -> Any:
    """The array with its first value masked."""
    mask = np.zeros(array.shape, bool)
    mask.flat[0] = True
    return np.ma.array(array, mask=mask)


def ways(model: pynn.Sequential, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> dict[str, Callable[[], Any]]:
    mx, my, mw = hiding(x), hiding(y), hiding(w)
    loss, fitted = pynn.SoftmaxCrossEntropy(), pynn.Standardization().fit(x)
    numbers = np.ones((30, 3))
    return {
        "fit x": lambda: model.fit(mx, y, progress=False),
        "fit rows": lambda: model.fit(list(mx), y, progress=False),
        "fit y": lambda: model.fit(x, my, progress=False),
        "fit numbers": lambda: model.fit(x, hiding(numbers), loss="l2", progress=False),
        "fit attributes": lambda: model.fit(x, hiding(numbers), loss="binary_cross_entropy", progress=False),
        "fit own": lambda: model.fit(x, hiding(numbers), loss=Own(), progress=False),
        "fit batches x": lambda: model.fit([(mx, y)], progress=False),
        "fit batches y": lambda: model.fit([(x, my)], progress=False),
        "fit batches weights": lambda: model.fit([(x, y, mw)], progress=False),
        "sample_weight": lambda: model.fit(x, y, sample_weight=mw, progress=False),
        "class_weight": lambda: model.fit(x, y, class_weight=hiding(np.ones(3)), progress=False),
        "preprocessing": lambda: model.fit(mx, y, preprocessing=pynn.Standardization(), progress=False),
        "validation x": lambda: model.fit(x, y, validation=(mx, y), progress=False),
        "validation y": lambda: model.fit(x, y, validation=(x, my), progress=False),
        "validation weights": lambda: model.fit(x, y, validation=(x, y, mw), progress=False),
        "validation share x": lambda: model.fit(mx, y, validation=0.2, progress=False),
        "validation share y": lambda: model.fit(x, my, validation=0.2, progress=False),
        "partial_fit": lambda: model.partial_fit(x, my),
        "classes": lambda: model.partial_fit(x, y, classes=hiding(np.arange(3))),
        "evaluate": lambda: model.evaluate(x, my),
        "predict": lambda: model.predict(mx),
        "predict_proba": lambda: model.predict_proba(mx),
        "monte_carlo": lambda: pynn.monte_carlo(model, mx),
        "forward": lambda: model.forward(mx.astype(np.float32)),
        "train_step x": lambda: model.train_step(mx, y, loss, pynn.SGD(0.1)),
        "train_step y": lambda: model.train_step(x, my, loss, pynn.SGD(0.1)),
        "train_step weights": lambda: model.train_step(x, y, loss, pynn.SGD(0.1), weights=mw),
        "loss labels": lambda: loss.forward(numbers, my),
        "loss numbers": lambda: pynn.SquaredError().forward(numbers, hiding(numbers)),
        "loss attributes": lambda: pynn.BinaryCrossEntropy().forward(numbers, hiding(numbers)),
        "backward": lambda: (model.forward(x, training=True), model.backward(hiding(numbers.astype(np.float32)))),
        "batches x": lambda: list(pynn.batches(mx, y, 10)),
        "batches y": lambda: list(pynn.batches(x, my, 10)),
        "batches weights": lambda: list(pynn.batches(x, y, 10, weights=mw)),
        "split x": lambda: pynn.split(mx, y),
        "split y": lambda: pynn.split(x, my),
        "transformer fit": lambda: pynn.Standardization().fit(mx),
        "transformer transform": lambda: fitted.transform(mx),
        "transformer back": lambda: fitted.inverse_transform(mx),
        "binner": lambda: pynn.Binner(2).fit(mx[:, 0]),
        "ensemble": lambda: pynn.Ensemble([model]).evaluate(x, my),
        "ensemble weights": lambda: pynn.Ensemble([model], weights=hiding(np.ones(1))),
        "load_weights": lambda: pynn.transfer.load_weights(
            model, {n: hiding(a.copy()) for n, a in model.tensors().items()}
        ),
        "counts": lambda: HierarchicalSoftmax(3, counts=hiding(np.ones(3))),
    }


class Own(pynn.Loss):
    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return 0.0


NAMES = list(ways(None, np.zeros((3, 2)), np.zeros(3), np.ones(3)))  # type: ignore[arg-type]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("way", NAMES)
def test_a_masked_array_is_refused(way: str, points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(x, y, epochs=1, progress=False)
    before = {name: array.copy() for name, array in model.tensors().items()}
    with pytest.raises(ValueError, match=SAYS) as raised:
        ways(model, x, y, np.ones(30))[way]()
    assert "fill them" in str(raised.value)
    for name, array in model.tensors().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.usefixtures("backend")
def test_a_masked_array_that_hides_nothing_is_an_array(points: Points) -> None:
    x, y = points
    one, other = (pynn.Sequential(pynn.Affine(3)) for _ in range(2))
    one.fit(x, y, epochs=1, progress=False)
    other.fit(np.ma.array(x), np.ma.array(y, mask=np.zeros(30, bool)), epochs=1, progress=False)
    np.testing.assert_array_equal(one.parameters, other.parameters)
    np.testing.assert_array_equal(one.predict(x), other.predict(np.ma.array(x)))


def test_masked_outputs_of_a_custom_layer_are_refused(points: Points) -> None:
    class Masking(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return hiding(x)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    model = pynn.Sequential(pynn.Affine(3), Masking())
    with pytest.raises(ValueError, match=f"what masking1: forward returned is masked: 1 of the {SAYS}"):
        model.fit(*points, progress=False)


def test_the_message_names_the_argument_and_counts(points: Points, tmp_path: Path) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"^validation y is masked: 1 of the values"):
        model.fit(x, y, validation=(x, hiding(y)), progress=False)
    with pytest.raises(ValueError, match=r"^x is masked: 30 of the values"):
        model.fit([hiding(row) for row in x], y, progress=False)
