"""Targets and losses that are too large for the dtype."""

from __future__ import annotations

import math

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
def test_targets_too_large_for_float32_are_refused(loss: str, points: Points) -> None:
    x = points[0]
    y = x[:, :2].astype(float)
    y[3, 1] = 1e39
    model = pynn.Sequential(pynn.Affine(2))
    says = r"y\[3, 1\] is 1e\+39, too large for float32; scale y, or use a float64 model"
    for run in (
        lambda: model.fit(x, y, loss=loss, progress=False),
        lambda: model.fit(x, x[:, :2], loss=loss, validation=(x, y), progress=False),
        lambda: model.fit([(x, y)], loss=loss, progress=False),
    ):
        with pytest.raises(ValueError, match=says.replace("y\\[", ".*y\\[", 1).replace("scale y", "scale .*y")):
            run()
    model.fit(x, x[:, :2], loss=loss, epochs=1, progress=False)
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=says):
        model.evaluate(x, y)
    with pytest.raises(ValueError, match=says), np.errstate(over="ignore"):
        model.train_step(x, y, model.loss, pynn.SGD(0.1))
    np.testing.assert_array_equal(model.parameters, before)
    wide = pynn.Sequential(pynn.Affine(2), dtype="float64")
    assert math.isfinite(wide.fit(x, y, loss=loss, epochs=1, progress=False)["loss"][0])


@pytest.mark.usefixtures("backend")
def test_a_loss_that_overflows_tells_how_large_the_targets_are(points: Points) -> None:
    x = points[0]
    y = np.full((30, 2), 1e30)
    model = pynn.Sequential(pynn.Affine(2))
    with pytest.raises(
        FloatingPointError, match=r"scale the inputs \(the largest is .*\) and targets \(the largest is 1e\+30\)"
    ):
        model.fit(x, y, loss="l2", progress=False)


def test_an_own_loss_takes_targets_of_any_size(points: Points) -> None:
    class Relative(pynn.Loss):
        def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
            self.difference = outputs - targets / 1e39
            return float((self.difference**2).mean())

        def backward(self) -> np.ndarray:
            return np.asarray(2 * self.difference / self.difference.size)

    model = pynn.Sequential(pynn.Affine(2))
    assert math.isfinite(
        model.fit(points[0], np.full((30, 2), 1e39), loss=Relative(), epochs=1, progress=False)["loss"][0]
    )
