"""`lsuv` and `data_dependent`: batches, models and settings that they refuse, with nothing changed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from first_weights import Counter, Own, Stubborn, hidden, pre_activations, relu, ways

import pynn
from pynn.initializers import Initializer


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """200 samples of 12 numbers with unlike means and spreads."""
    return rng.standard_normal((200, 12)) * np.linspace(0.5, 4, 12) + np.linspace(-2, 3, 12)


def varied(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


def with_nan() -> np.ndarray:
    x = varied((10, 12))
    x[3, 4] = np.nan
    return x


@ways
@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones((10, 12)), ValueError, r"x has no variance: expected at least 2 samples that differ, got 10"),
        (varied((1, 12)), ValueError, r"x has no variance: expected at least 2 samples that differ, got 1"),
        (np.empty((0, 12)), ValueError, r"x is empty"),
        (with_nan(), ValueError, r"x\[3, 4\] is nan"),
        (varied((10, 12)) * 1e300, ValueError, r"too large for float32"),
        (varied((10, 11)), ValueError, r"x has shape \(10, 11\), expected \(N, 12\)"),
        ([["a", "b"]], TypeError, r"x has dtype"),
    ],
)
def test_bad_batches_are_refused_and_nothing_changes(way: Any, bad: Any, error: type[Exception], message: str) -> None:
    model = relu()
    model.build((12,))
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        way(model, bad)
    np.testing.assert_array_equal(model.parameters, before)


BROKEN: dict[str, tuple[Any, Any, str]] = {
    "zero weights": (
        lambda: pynn.Sequential(*hidden(5, pynn.ReLU), pynn.Affine(3, initializer="zeros")),
        lambda x: x,
        r"affine2: .*its weights are all 0; draw them from an initializer",
    ),
    "dead layer": (
        lambda: pynn.Sequential(pynn.Affine(5), pynn.Affine(5), Dead(), pynn.Affine(3)),
        lambda x: x,
        r"affine3: .*same for all samples.*are its inputs constant\?",
    ),
    "overflow": (
        lambda: pynn.Sequential(pynn.Affine(5, initializer=pynn.Constant(1e30))),
        lambda x: x * 1e20,
        r"affine1: its outputs are not finite; scale x",
    ),
    "no weights": (
        lambda: pynn.Sequential(pynn.ReLU(), Counter()),
        lambda x: x,
        r"no layer has a weight of two or more axes",
    ),
    "stubborn": (
        lambda: pynn.Sequential(pynn.Affine(5), Stubborn()),
        lambda x: x,
        r"stubborn1: .*(If its output does not scale|does its output not follow)",
    ),
}


class Dead(pynn.Layer):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return 0 * x


@ways
@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_models_that_cannot_be_scaled_are_refused_and_stay_as_they_were(
    way: Any, case: str, built: bool, x: np.ndarray
) -> None:
    make, change, message = BROKEN[case]
    model = make()
    if built:
        model.build((12,))
        before = model.parameters.copy()
    with pytest.raises(ValueError, match=message):
        way(model, change(x), **({"start": None} if way is pynn.lsuv else {}))
    assert model.built == built
    assert not any("forward" in vars(layer) for layer in model.walk())
    if built:
        np.testing.assert_array_equal(model.parameters, before)


def test_one_constant_unit_is_named(x: np.ndarray) -> None:
    model = pynn.Sequential(pynn.Affine(5))
    model.build((12,))
    model.layers[0].weight[:, 3] = 0
    with pytest.raises(ValueError, match=r"affine1: unit 3 \(of 1 such units\).*weights are all 0"):
        pynn.data_dependent(model, x)
    pynn.lsuv(model, x, start=None)  # one variance for the whole layer: fine
    assert abs(pre_activations(model, x)["affine1"].var() - 1) < 0.11


class Largest(Own):
    """The largest of its 8 outputs: one number a sample, no column of the weight for it."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        super().build(input_shape)
        return ()

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return super().forward(x, training).max(axis=1)


def test_units_without_a_column_of_their_own_are_scaled_by_lsuv_only(x: np.ndarray) -> None:
    model = pynn.Sequential(Largest())
    with pytest.raises(
        ValueError, match=r"largest1: its weight \(12, 8\) does not have a column for each of 1 units; use lsuv"
    ):
        pynn.data_dependent(model, x)
    assert abs(pynn.lsuv(model, x)["largest1"] - 1) < 0.06
    assert abs(model.forward(x).var() - 1) < 0.11


def test_biases_that_outweigh_the_weights_are_named(x: np.ndarray) -> None:
    model = pynn.Sequential(pynn.Affine(50, bias_initializer=pynn.Normal(30)))
    with pytest.raises(ValueError, match=r"affine1: the variance of its outputs is .* after 10 iterations.*bias"):
        pynn.lsuv(model, x)
    assert not model.built


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: pynn.lsuv(relu(), x, tolerance=0), ValueError, r"tolerance is 0, expected a finite positive number"),
        (lambda x: pynn.lsuv(relu(), x, iterations=0), ValueError, r"iterations is 0, expected"),
        (
            lambda x: pynn.lsuv(relu(), x, start="xavier"),
            ValueError,
            r"initializer is 'xavier', use 'glorot'; expected one of",
        ),
        (
            lambda x: pynn.lsuv(relu(), x, leave=["affine1", "conv1"]),
            ValueError,
            r"lsuv: leave names \['conv1'\], the layers with a weight are affine1, affine2, affine3, affine4",
        ),
        (
            lambda x: pynn.data_dependent(relu(), x, leave=[f"affine{n}" for n in range(1, 5)]),
            ValueError,
            r"no layer has a weight of two or more axes, or all are left out",
        ),
        (lambda x: pynn.lsuv(pynn.Affine(3), x), TypeError, r"lsuv: model is Affine\(units=3\), expected .*Sequential"),
        (lambda x: pynn.lsuv(pynn.Sequential, x), TypeError, r"lsuv: model is <class .*; write Sequential\(\)"),
        (lambda x: pynn.data_dependent(relu(), x, mean=math.nan), ValueError, r"mean is nan, expected a finite number"),
        (lambda x: pynn.data_dependent(relu(), x, balance=1), TypeError, r"balance is 1, expected True or False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    call: Any, error: type[Exception], message: str, x: np.ndarray
) -> None:
    with pytest.raises(error, match=message):
        call(x)


def test_a_start_of_the_wrong_shape_is_refused(x: np.ndarray) -> None:
    class Flat(Initializer):
        def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            return np.ones(3)

    model = relu()
    model.build((12,))
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"affine1: Flat\(\) drew values of shape \(3,\), expected \(12, 40\)"):
        pynn.lsuv(model, x, start=Flat())
    np.testing.assert_array_equal(model.parameters, before)
