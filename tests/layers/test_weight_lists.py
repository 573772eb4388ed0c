"""get_weights and set_weights: lists of copies, in the order of tensors()."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(5),
        pynn.BatchNorm(),
        pynn.ReLU(),
        pynn.Residual(pynn.Affine(5), pynn.PReLU()),
        pynn.Affine(3),
        **settings,
    )


@pytest.fixture
def model(points: Any) -> pynn.Sequential:
    fitted = network()
    fitted.fit(*points, epochs=2, progress=False)
    return fitted


def test_get_weights_returns_copies_in_the_order_of_tensors(model: pynn.Sequential, backend: str) -> None:
    weights, tensors = model.get_weights(), model.tensors()
    assert [one.shape for one in weights] == [one.shape for one in tensors.values()]
    for one, own in zip(weights, tensors.values(), strict=True):
        np.testing.assert_array_equal(one, own)
        assert not np.shares_memory(one, own)
    assert [one.shape for one in model.layers[1].get_weights()] == [(5,)] * 4
    assert len(model.layers[3].get_weights()) == 3
    assert model.layers[2].get_weights() == []


def test_another_model_takes_them(model: pynn.Sequential, points: Any, backend: str) -> None:
    other = network(seed=5)
    other.build((4,))
    assert (other.predict_proba(points[0]) != model.predict_proba(points[0])).any()
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other.predict_proba(points[0]), model.predict_proba(points[0]))
    np.testing.assert_array_equal(other.parameters, model.parameters)
    double = network(dtype="float64")
    double.build((4,))
    double.set_weights(model.get_weights())
    np.testing.assert_allclose(double.predict_proba(points[0]), model.predict_proba(points[0]), rtol=1e-4)


def test_a_layer_takes_its_own_and_training_goes_on_from_there(
    model: pynn.Sequential, points: Any, backend: str
) -> None:
    kept = model.get_weights()
    model.layers[0].set_weights([np.ones((4, 5)), np.zeros(5)])
    assert (model.tensors()["affine1.weight"] == 1).all()
    model.fit(*points, epochs=1, progress=False)
    weight = model.tensors()["affine1.weight"]
    assert (weight != 1).any()
    assert abs(weight - 1).max() < 0.1
    model.set_weights(kept)
    for one, own in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, own)


def test_lists_of_numbers_and_frozen_layers_are_taken() -> None:
    model = pynn.Sequential(pynn.Affine(2)).freeze()
    model.build((1,))
    model.set_weights([[[1, 2]], [3, 4]])
    np.testing.assert_array_equal(model.forward(np.ones((1, 1))), [[4, 6]])


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda w: w[:-1], ValueError, r"weights has 10 arrays, expected 11: affine1\.weight, .*affine3\.bias"),
        (lambda w: [*w, w[0]], ValueError, "weights has 12 arrays, expected 11"),
        (lambda w: [w[0].T, *w[1:]], ValueError, r"weights\[0\] \(affine1.weight\) has shape \(5, 4\), .* pass \.T"),
        (
            lambda w: [*w[:-1], w[-1][:2]],
            ValueError,
            r"weights\[10\] \(affine3\.bias\) has shape \(2,\), expected \(3,\)$",
        ),
        (lambda w: [*w[:-1], ["a", "b", "c"]], TypeError, r"weights\[10\] .* has dtype .*, expected numbers"),
        (
            lambda w: dict(enumerate(w)),
            TypeError,
            "weights is dict, expected a list of arrays in the order of get_weights",
        ),
        (lambda w: None, TypeError, "weights is NoneType, expected a list of arrays"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_nothing_changed(
    model: pynn.Sequential, change: Any, error: Any, says: str
) -> None:
    kept = model.get_weights()
    with pytest.raises(error, match=says):
        model.set_weights(change([one + 1 for one in kept]))
    for one, own in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, own)


def test_before_it_is_built_there_are_none() -> None:
    model = network()
    for one in (model, *model.layers):
        with pytest.raises(RuntimeError, match="has no weights yet: build it or its model first"):
            one.get_weights()
        with pytest.raises(RuntimeError, match="has no weights yet"):
            one.set_weights([])
    model.build((4,))
    assert len(model.get_weights()) == 11
    model.unbuild()
    with pytest.raises(RuntimeError, match="has no weights yet"):
        model.layers[0].get_weights()


def test_a_layer_that_is_built_alone_has_weights(backend: str) -> None:
    layer = pynn.Conv1d(3, 2)
    layer.build((7, 4))
    layer.set_weights([np.ones((2, 4, 3)), [1, 2, 3]])
    weight, bias = layer.get_weights()
    assert (weight == 1).all()
    np.testing.assert_array_equal(layer.forward(np.ones((1, 7, 4), np.float32), False)[0, 0], [9, 10, 11])
    np.testing.assert_array_equal(bias, [1, 2, 3])
