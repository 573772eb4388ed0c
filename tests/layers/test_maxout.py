"""Maxout: values, gradients, ties, what it can be, what it refuses."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn

pieces = pytest.mark.parametrize("pieces", [1, 2, 3, 5])


def _built(units: int, pieces: int = 2, inputs: int = 5, **settings: Any) -> tuple[pynn.Sequential, pynn.Maxout]:
    layer = pynn.Maxout(units, pieces, **settings)
    model = pynn.Sequential(layer, dtype="float64", seed=2)
    model.build((inputs,))
    return model, layer


@pieces
@pytest.mark.parametrize("use_bias", [True, False])
def test_maxout_is_the_largest_of_affine_maps(
    pieces: int, use_bias: bool, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    model, layer = _built(7, pieces, use_bias=use_bias)
    if use_bias:
        layer.bias[...] = rng.standard_normal(7 * pieces)
    x, dy = rng.standard_normal((9, 5)), rng.standard_normal((9, 7))
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    tx, tw = torch.tensor(x, requires_grad=True), torch.tensor(layer.weight, requires_grad=True)
    tb = torch.tensor(layer.bias if use_bias else np.zeros(7 * pieces), requires_grad=True)
    each = [tx @ tw[:, 7 * k : 7 * (k + 1)] + tb[7 * k : 7 * (k + 1)] for k in range(pieces)]
    ty = torch.stack(each).max(dim=0).values
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.dweight, tw.grad.numpy(), rtol=1e-12, atol=1e-14)
    if use_bias:
        np.testing.assert_allclose(layer.dbias, tb.grad.numpy(), rtol=1e-12, atol=1e-14)


@pieces
def test_gradients_match_central_differences(pieces: int, backend: str) -> None:
    for layers in (
        [pynn.Maxout(4, pieces)],
        [pynn.Maxout(4, pieces, use_bias=False), pynn.Affine(2)],
        [pynn.Affine(3), pynn.Maxout(4, pieces), pynn.Tanh(), pynn.Maxout(2, pieces)],
    ):
        model, x = gradients.smooth(layers, (5,))
        for layer in layers:
            if isinstance(layer, pynn.Maxout) and layer.bias is not None:  # pieces far from each other
                layer.weight *= 0.05
                layer.bias[...] = np.random.default_rng(1).permutation(layer.bias.size)
        gradients.check(model, Projection(), x)


def test_the_first_of_equal_pieces_takes_the_gradient(backend: str) -> None:
    model, layer = _built(2, 3, inputs=1, initializer="zeros")
    np.testing.assert_array_equal(model.forward(np.ones((1, 1)), training=True), [[0, 0]])
    model.backward(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(layer.dbias, [1, 2, 0, 0, 0, 0])


def test_nan_goes_through(backend: str) -> None:
    for place in range(3):
        z = np.array([[1.0, 2.0, 3.0]])
        z[0, place] = np.nan
        out, winner = np.zeros((1, 1)), np.zeros((1, 1))
        pynn.kernels.maxout_forward(z, 3, winner, out)
        assert np.isnan(out).all()
        np.testing.assert_array_equal(winner, place)


def test_maxout_can_be_relu_and_the_absolute_value(rng: np.random.Generator) -> None:
    model, layer = _built(5)
    x = rng.standard_normal((8, 5))
    layer.weight[...] = np.hstack([np.eye(5), np.zeros((5, 5))])
    np.testing.assert_array_equal(model.forward(x), np.maximum(x, 0))
    layer.weight[...] = np.hstack([np.eye(5), -np.eye(5)])
    np.testing.assert_array_equal(model.forward(x), np.abs(x))


@pieces
def test_the_weight_starts_by_its_fan_in(pieces: int) -> None:
    """The pieces do not count as inputs: the deviation is √(1/D), or √(2/D) for He."""
    for choice, expected in (("lecun", 1), ("he", 2)):
        _, layer = _built(300, pieces, inputs=200, initializer=choice)
        assert layer.weight.shape == (200, pieces * 300)
        assert layer.weight.std() == pytest.approx(np.sqrt(expected / 200), rel=0.02)


def test_two_pieces_keep_the_mean_square(rng: np.random.Generator) -> None:
    y = pynn.Sequential(pynn.Maxout(300)).forward(rng.standard_normal((500, 200)).astype(np.float32))
    assert np.square(y).mean() == pytest.approx(1, abs=0.05)


def test_large_inputs_stay_finite(backend: str) -> None:
    model = pynn.Sequential(pynn.Maxout(4, 3))
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], np.float32)
    assert np.isfinite(model.forward(x, training=True)).all()
    assert np.isfinite(model.backward(np.ones((2, 4), np.float32), input_gradient=True)).all()
    assert np.isfinite(model.gradients).all()


def test_a_batch_of_no_samples(backend: str) -> None:
    assert pynn.Sequential(pynn.Maxout(4)).forward(np.empty((0, 3), np.float32)).shape == (0, 4)


def test_maxout_trains_and_survives_its_file(points: tuple[np.ndarray, np.ndarray], tmp_path: Any) -> None:
    model = pynn.Sequential(pynn.Maxout(8, 3, initializer=pynn.Normal(0.2)), pynn.Dropout(0.2), pynn.Affine(3))
    model.fit(*points, optimizer=pynn.Adam(0.02), epochs=60, batch_size=10, progress=False)
    assert model.evaluate(*points)["accuracy"] >= 0.9
    assert "Maxout(units=8, pieces=3, initializer=Normal(std=0.2))" in repr(model)
    assert f"{4 * 24 + 24 + 8 * 3 + 3} parameters" in repr(model)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    assert repr(loaded) == repr(model)


def test_bad_settings_are_refused() -> None:
    for wrong in (0, -1, 2.0, True, "2", None):
        with pytest.raises(ValueError, match=r"Maxout: units is .*, expected an integer of at least 1"):
            pynn.Maxout(wrong)
        with pytest.raises(ValueError, match=r"Maxout: pieces is .*, expected an integer of at least 1"):
            pynn.Maxout(3, wrong)
    with pytest.raises(TypeError, match=r"Maxout: use_bias is 1, expected True or False"):
        pynn.Maxout(3, use_bias=1)
    with pytest.raises(ValueError, match=r"layer 0 \(Maxout\): expected vectors \(D,\).*put Flatten"):
        pynn.Sequential(pynn.Maxout(3)).build((2, 2, 3))
    assert pynn.Maxout(np.int64(3), np.int64(2)).pieces == 2


@pytest.mark.parametrize("wrong", [-2, 0, 1, 3, 6])
def test_the_kernels_name_pieces_that_do_not_fit(wrong: int, backend: str) -> None:
    z, y = np.zeros((4, 6)), np.zeros((4, 3))
    for name, call in (
        ("z", lambda: pynn.kernels.maxout_forward(z, wrong, np.empty((4, 3)), np.empty((4, 3)))),
        ("dz", lambda: pynn.kernels.maxout_backward(y, y, wrong, z)),
    ):
        with pytest.raises(ValueError, match=f"{name} has 6 columns, expected {wrong} pieces of 3"):
            call()
