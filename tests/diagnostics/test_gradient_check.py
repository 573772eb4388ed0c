"""The gradient check: planted errors are found, right gradients are not accused, kinks are told from errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradient_cases import CASES, LOSS_CASES, targets_and_outputs

import pynn
from pynn.diagnostics import GradientCheck, gradient_check


def samples(shape: tuple[int, ...], seed: int = 0, count: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, *shape))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_right_layers_are_not_accused(case: str, seed: int, backend: str) -> None:
    make, shape = CASES[case]
    found = gradient_check(make(), x=samples(shape, seed), seed=seed)
    assert found, str(found)
    assert all(block.verdict == "right" for block in found.blocks), str(found)


class Planted(pynn.Layer):
    """y = w·x² + b with errors that can be planted."""

    def __init__(self, error: str = "") -> None:
        self.error = error

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("w", input_shape, pynn.Normal(1))
        self.add_parameter("b", input_shape, pynn.Constant(0.5))
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return self.w * x * x + self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x, error = self.x, self.error
        self.dw[...] = (dy * x * x).mean(axis=0) if error == "mean" else (dy * x * x).sum(axis=0)
        self.db[...] = 0 if error == "bias forgotten" else dy.sum(axis=0)
        if error == "one entry":
            self.dw[1] *= 1.001
        if error == "last sample left out":
            self.dw[...] = (dy[:-1] * x[:-1] * x[:-1]).sum(axis=0)
        if error == "nan":
            self.db[0] = np.nan
        dx = 2 * self.w * x * dy
        planted: dict[str, Callable[[], np.ndarray]] = {
            "sign": lambda: -dx,
            "factor": lambda: dx / 2,
            "transposed": lambda: dx[:, ::-1],
            "rows": lambda: np.roll(dx, 1, axis=0),
            "dy forgotten": lambda: 2 * self.w * x,
            "small": lambda: dx * 1.0001,
        }
        return planted.get(error, lambda: dx)()


ERRORS = {
    "mean": "w", "bias forgotten": "b", "one entry": "w", "last sample left out": "w", "nan": "b", "sign": "input",
    "factor": "input", "transposed": "input", "rows": "input", "dy forgotten": "input", "small": "input",
}  # fmt: skip


def wrong(found: GradientCheck) -> list[str]:
    return [block.name.rpartition(".")[2] for block in found.blocks if block.verdict == "wrong"]


@pytest.mark.parametrize("features", [3, 40])
@pytest.mark.parametrize("error", ERRORS)
def test_planted_errors_are_found_where_they_are(error: str, features: int) -> None:
    found = gradient_check(Planted(error), x=samples((features,)))
    assert not found
    assert wrong(found) == [ERRORS[error]]
    assert "backward gives" in str(found)
    assert gradient_check(Planted(), x=samples((features,)))


@pytest.mark.parametrize("case", LOSS_CASES)
def test_right_losses_are_not_accused_alone_and_in_a_model(case: str, backend: str) -> None:
    make, kind = LOSS_CASES[case]
    y, outputs = targets_and_outputs(kind)
    found = gradient_check(make(), x=outputs, y=y)
    assert found, str(found)
    model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(5), dtype="float64")
    found = gradient_check(model, make(), samples((5,), count=7), y)
    assert found, str(found)


class WrongLoss(pynn.SquaredError):
    def backward(self) -> np.ndarray:
        return 2 * super().backward()


def test_a_wrong_loss_is_found_alone_and_in_a_model() -> None:
    y = samples((3,), 1)
    alone = gradient_check(WrongLoss(), x=samples((3,)), y=y)
    assert wrong(alone) == ["outputs"]
    assert alone.blocks[0].error == pytest.approx(1 / 3, rel=1e-3)
    model = pynn.Sequential(pynn.Affine(3))
    assert set(wrong(gradient_check(model, WrongLoss(), samples((5,)), y))) == {"weight", "bias", "input"}


def test_a_point_on_a_kink_is_told_from_an_error() -> None:
    found = gradient_check(pynn.ReLU(), x=np.array([[0.0, 1.0, -1.0], [2.0, -3.0, 0.5]]))
    assert found
    assert [block.verdict for block in found.blocks] == ["kink"]


def network(dtype: str = "float32") -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(20), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), dtype=dtype
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fitted", [False, True])
def test_the_model_is_not_changed(dtype: str, fitted: bool, backend: str) -> None:
    model, x, y = network(dtype), samples((5,)), np.array(["a", "b", "c"] * 4)
    if fitted:
        model.fit(x, y, epochs=1, progress=False, preprocessing=pynn.Standardization())
        before = {name: array.copy() for name, array in model.tensors().items()}
    found = gradient_check(model, None, x, y, penalty=pynn.L2(0.1))
    assert found, str(found)
    assert ("float32" in str(found)) == (dtype == "float32")
    assert model.built == fitted
    if fitted:
        for name, array in model.tensors().items():
            np.testing.assert_array_equal(array, before[name])
        assert model.context.step == 1


def test_arithmetic_in_float32_is_noticed() -> None:
    class Coarse(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.x = x
            return np.tanh(x.astype(np.float32))

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy * (1 - np.tanh(self.x) ** 2)

    found = gradient_check(Coarse(), x=samples((5,)))
    assert found, str(found)
    assert "computes in float32 inside" in str(found)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((pynn.Affine(3),), TypeError, "x is missing"),
        ((pynn.Sequential(pynn.Affine(3)), "hinge", np.ones((3, 2))), TypeError, "y is missing"),
        ((pynn.Hinge(), None, np.ones((3, 2))), TypeError, "y is missing: a loss"),
        (
            (pynn.Affine, None, np.ones((3, 2))),
            TypeError,
            r"expected a Sequential, a Layer or a Loss; write Affine\(\)",
        ),
        ((pynn.Sequential(pynn.Affine(3)), "hinge", np.full((3, 2), np.nan), [0, 1, 2]), ValueError, "nan"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gradient_check(*arguments)


def test_numbers_that_lie_on_kinks_are_no_errors() -> None:
    images = pynn.datasets.digits().train[0][:10] / 255.0  # with many zeros and equal pixels
    for layer in (pynn.ReLU(), pynn.MaxPool2d(2)):
        assert gradient_check(layer, x=images)
    model = pynn.Sequential(pynn.Conv2d(4), pynn.ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), pynn.Affine(3))
    assert gradient_check(model, "softmax_cross_entropy", images, np.arange(10) % 3)
