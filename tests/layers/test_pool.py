"""Pooling layers: values and gradients against torch, what they leave out, what they refuse."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn

BOTH = (pynn.MaxPool2d, pynn.AvgPool2d)
SETTINGS = (
    (2, None, 0), (3, 2, 1), (3, 1, 1), ((2, 3), None, (0, 1)), (2, 3, 0), ((1, 4), (2, 1), (0, 3)),
    (1, 1, 0), (5, 2, 2),
)  # fmt: skip


def _run(layer: pynn.Layer, x: np.ndarray, dy: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and the gradient of the inputs of a model of this layer alone."""
    model = pynn.Sequential(layer, dtype=x.dtype)
    y = model.forward(x, training=True)
    dx = model.backward(np.ones_like(y) if dy is None else dy, input_gradient=True)
    assert dx is not None
    return y, dx


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_those_of_torch(
    kind: Any, settings: Any, dtype: Any, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    size, stride, padding = settings
    x = rng.standard_normal((3, 9, 11, 5)).astype(dtype)
    tx = torch.tensor(x, requires_grad=True)
    images = tx.permute(0, 3, 1, 2)
    both = size if isinstance(size, tuple) else (size, size)
    if kind is pynn.MaxPool2d:
        pads = padding if isinstance(padding, tuple) else (padding, padding)
        room = (pads[1], pads[1], pads[0], pads[0])  # torch's own padding stops at half the size
        ty = torch.nn.functional.max_pool2d(torch.nn.functional.pad(images, room, value=-np.inf), both, stride)
    elif padding == (0, 3):  # more than half the size
        ones = torch.nn.functional.pad(torch.ones_like(images), (3, 3, 0, 0))
        sums = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(images, (3, 3, 0, 0)), both, stride)
        ty = sums / torch.nn.functional.avg_pool2d(ones, both, stride)
    else:
        ty = torch.nn.functional.avg_pool2d(images, both, stride, padding, count_include_pad=False)
    ty = ty.permute(0, 2, 3, 1)
    dy = rng.standard_normal(ty.shape).astype(dtype)
    ty.backward(torch.tensor(dy))
    y, dx = _run(kind(size, stride, padding), x, dy)
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(3, 7, 5, 4), (2, 1, 1, 3), (0, 4, 4, 2)])
def test_the_global_average_is_the_mean(shape: Any, backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal(shape)
    dy = rng.standard_normal((shape[0], shape[3]))
    y, dx = _run(pynn.GlobalAvgPool2d(), x, dy)
    np.testing.assert_allclose(y, x.mean(axis=(1, 2)), rtol=1e-12, atol=1e-14)
    expected = np.broadcast_to(dy[:, None, None] / (shape[1] * shape[2]), shape)
    np.testing.assert_allclose(dx, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: pynn.MaxPool2d(3, 2, 1),
        lambda: pynn.AvgPool2d(3, 2, 1),
        lambda: pynn.GlobalAvgPool2d(),
        lambda: pynn.FractionalMaxPool2d(1.5),
        lambda: pynn.FractionalMaxPool2d((1.3, 2.6), "pseudorandom", overlapping=False),
    ],
)
def test_gradients_match_central_differences(layer: Any, backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.BatchNorm(), layer(), pynn.Flatten(), pynn.Affine(3), dtype="float64", seed=3)
    model.build((5, 7, 2))
    x = rng.permutation(2 * 5 * 7 * 2).reshape(2, 5, 7, 2) / 10  # no two numbers are near each other
    gradients.check(model, Projection(), x)


def test_the_first_of_equal_numbers_takes_the_gradient(backend: str) -> None:
    _, dx = _run(pynn.MaxPool2d(2), np.zeros((1, 2, 2, 3)))
    np.testing.assert_array_equal(dx[0, :, :, 1], [[1, 0], [0, 0]])


def test_padded_places_neither_win_nor_count(backend: str) -> None:
    x = np.full((1, 2, 2, 1), -5.0)
    np.testing.assert_array_equal(_run(pynn.MaxPool2d(2, padding=1), x)[0], np.full((1, 2, 2, 1), -5))
    np.testing.assert_array_equal(_run(pynn.AvgPool2d(2, padding=1), x)[0], np.full((1, 2, 2, 1), -5))


def test_extreme_numbers_go_through(backend: str) -> None:
    x = np.array([[1e38, -1e38], [np.nan, 3]], np.float32).reshape(1, 2, 2, 1)
    assert np.isnan(_run(pynn.MaxPool2d(2), x)[0]).all()
    x = np.full((1, 2, 2, 1), -np.inf, np.float32)
    y, dx = _run(pynn.MaxPool2d(2), x)
    np.testing.assert_array_equal(y, [[[[-np.inf]]]])
    np.testing.assert_array_equal(dx.ravel(), [1, 0, 0, 0])
    y, dx = _run(pynn.AvgPool2d(3), np.full((1, 3, 3, 2), 1e4, np.float32))
    np.testing.assert_allclose(y, 1e4, rtol=1e-6)


def test_any_number_of_threads_gives_the_same_bits(native: None, rng: np.random.Generator) -> None:
    x = rng.standard_normal((13, 33, 31, 19)).astype(np.float32)
    for layer in (lambda: pynn.MaxPool2d(3, 1), lambda: pynn.AvgPool2d(3, 1), lambda: pynn.FractionalMaxPool2d(1.4)):
        found = []
        for threads in (1, 2, 5):
            pynn.set_num_threads(threads)
            y, dx = _run(layer(), x)
            found.append((y.copy(), dx.copy()))
        for y, dx in found[1:]:
            np.testing.assert_array_equal(y, found[0][0])
            np.testing.assert_array_equal(dx, found[0][1])


@pytest.mark.parametrize("kind", BOTH)
def test_bad_settings_are_refused(kind: Any) -> None:
    name = kind.__name__
    for wrong in (0, -1, 2.0, True, "2", None, (2,), (2, 0), (2, 2, 2)):
        with pytest.raises(ValueError, match=rf"{name}: size is .*, expected an integer of at least 1, or two"):
            kind(wrong)
    for wrong in (0, -2, 1.5, (1, 0)):
        with pytest.raises(ValueError, match=rf"{name}: stride is .*, expected an integer of at least 1"):
            kind(2, wrong)
    for wrong in (-1, 0.5, (1, "same")):
        with pytest.raises(ValueError, match=rf"{name}: padding is .*, expected an integer of at least 0"):
            kind(2, padding=wrong)
    for size, padding in ((2, 2), ((3, 1), 1), (1, (0, 5))):
        with pytest.raises(ValueError, match=rf"{name}: padding is .*, expected less than the size"):
            kind(size, padding=padding)
    assert kind(np.int64(3)).size == 3


@pytest.mark.parametrize("kind", BOTH)
def test_a_window_larger_than_the_padded_image_is_refused_at_build(kind: Any) -> None:
    name = kind.__name__
    model = pynn.Sequential(pynn.PReLU(), kind(5, padding=(1, 0)))
    with pytest.raises(
        ValueError, match=rf"layer 1 \({name}\): the window has 5 columns, the image has only 4; take a sm"
    ):
        model.build((3, 4, 2))
    with pytest.raises(
        ValueError, match=rf"layer 1 \({name}\): the window has 5 rows, the image with padding 1 has only 4"
    ):
        model.build((2, 9, 2))
    assert model.build((3, 5, 2)) == (1, 1, 2)


@pytest.mark.parametrize(
    "layer", [pynn.MaxPool2d(), pynn.AvgPool2d(), pynn.GlobalAvgPool2d(), pynn.FractionalMaxPool2d(1.5)]
)
@pytest.mark.parametrize("shape", [(8,), (8, 8), (2, 8, 8, 1), ()])
def test_inputs_that_are_no_images_are_refused(layer: Any, shape: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"layer 0 \({layer.kind}\): expected images \(H, W, C\), got inputs of shape"
    ):
        pynn.Sequential(layer).build(shape)


def test_a_convolutional_body_trains_and_survives_its_file(digits: Any, tmp_path: Any) -> None:
    x, y = digits.train[0][:400].reshape(-1, 8, 8, 1), digits.train[1][:400]
    model = pynn.Sequential(
        pynn.FractionalMaxPool2d(1.3, overlapping=False), pynn.MaxPool2d(1), pynn.AvgPool2d(2, 1, (1, 0)),
        pynn.Flatten(), pynn.Affine(32), pynn.ReLU(), pynn.Affine(10),
    )  # fmt: skip
    model.fit(x, y, optimizer=pynn.Adam(0.01), epochs=20, batch_size=40, progress=False)
    assert model.evaluate(x, y)["accuracy"] > 0.7
    assert "AvgPool2d(stride=1, padding=(1, 0))" in repr(model)
    assert "FractionalMaxPool2d(ratio=1.3, overlapping=False)  [fractionalmaxpool2d1]  (N, 6, 6, 1)" in repr(model)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(loaded.forward(x[:9], training=True), model.forward(x[:9], training=True))


def test_a_batch_of_no_images(backend: str) -> None:
    for layer in (pynn.MaxPool2d(), pynn.AvgPool2d(), pynn.FractionalMaxPool2d(1.5)):
        y, dx = _run(layer, np.empty((0, 6, 6, 2), np.float32))
        assert y.shape[0] == 0
        assert dx.shape == (0, 6, 6, 2)


# Fractional max pooling ---------------------------------------------------------------------------


def _bounds(layer: pynn.FractionalMaxPool2d, model: pynn.Sequential, step: int, shape: Any) -> list[np.ndarray]:
    """top, bottom, left, right of a training step."""
    model.context.step = step
    model.forward(np.zeros((1, *shape), np.float32), training=True)
    return list(layer._regions)


@pytest.mark.parametrize("mode", ["random", "pseudorandom"])
@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize(
    ("length", "ratio"), [(25, 1.4142), (8, 1.999), (17, 1.0), (19, 2.7), (36, 2), (5, 5.0), (9, 6.5)]
)
def test_regions_tile_the_image(mode: str, overlapping: bool, length: int, ratio: float) -> None:
    layer = pynn.FractionalMaxPool2d(ratio, mode, overlapping=overlapping)
    model = pynn.Sequential(layer, seed=1)
    count = int(length // ratio)
    assert model.build((length, length + 6, 1))[0] == count
    for step in range(40):
        top, bottom, left, right = _bounds(layer, model, step, (length, length + 6, 1))
        edges = np.append(top, length)
        assert top[0] == 0
        assert len(top) == count
        np.testing.assert_array_equal(bottom, np.minimum(edges[1:] + overlapping, length))
        assert set(np.diff(edges)) <= {length // count, -(-length // count)}
        assert (left[0], right[-1]) == (0, length + 6)


def test_every_order_of_sizes_is_about_as_likely() -> None:
    """Sizes 1, 1, 2 of 4 rows: each place of the 2 in a third of the steps."""
    layer = pynn.FractionalMaxPool2d((4 / 3, 1), overlapping=False)
    model = pynn.Sequential(layer)
    found = [np.diff(np.append(_bounds(layer, model, step, (4, 1, 1))[0], 4)).argmax() for step in range(600)]
    assert (np.bincount(found, minlength=3) > 150).all()


@pytest.mark.parametrize("mode", ["random", "pseudorandom"])
def test_regions_follow_seed_step_and_place(mode: str, both_backends: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((4, 29, 31, 3)).astype(np.float32)

    def outputs(seed: int, step: int, before: int = 0) -> np.ndarray:
        layers = [*(pynn.PReLU() for _ in range(before)), pynn.FractionalMaxPool2d(1.4, mode)]
        model = pynn.Sequential(*layers, seed=seed)
        model.build(x.shape[1:])
        model.context.step = step
        return model.forward(np.abs(x), training=True).copy()

    for name in both_backends:
        pynn.use_backend(name)
        np.testing.assert_array_equal(outputs(3, 5), outputs(3, 5))
        assert (outputs(3, 5) != outputs(3, 6)).any()
        assert (outputs(3, 5) != outputs(4, 5)).any()
        assert (outputs(3, 5) != outputs(3, 5, before=1)).any()
    by_backend = []
    for name in both_backends:
        pynn.use_backend(name)
        by_backend.append(outputs(2**63 + 7, 9))
    np.testing.assert_array_equal(*by_backend)


def test_outside_training_regions_are_fixed_and_even(rng: np.random.Generator) -> None:
    layer = pynn.FractionalMaxPool2d(1.5, overlapping=False)
    model = pynn.Sequential(layer)
    x = rng.standard_normal((2, 9, 9, 2)).astype(np.float32)
    first = model.forward(x).copy()
    np.testing.assert_array_equal(layer._regions[0], [0, 2, 3, 5, 6, 8])  # ceil(1.5(i + 1/2)) - 1
    model.forward(x, training=True)
    model.context.step = 7
    np.testing.assert_array_equal(model.forward(x), first)
    mean, spread = pynn.monte_carlo(model, x, passes=30)
    assert spread.max() > 0
    assert np.isfinite(mean).all()


def test_regions_match_torch_where_they_are_given(rng: np.random.Generator, backend: str, torch: Any) -> None:
    """The maximum over the same regions by torch, one by one, with its gradient."""
    x = rng.standard_normal((2, 11, 13, 3))
    layer = pynn.FractionalMaxPool2d((1.6, 1.2))
    model = pynn.Sequential(layer, dtype="float64")
    y = model.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    dx = model.backward(dy, input_gradient=True)
    tx = torch.tensor(x, requires_grad=True)
    rows, columns = zip(*layer._regions[:2], strict=True), list(zip(*layer._regions[2:], strict=True))
    ty = torch.stack([torch.stack([tx[:, a:b, c:d].amax(dim=(1, 2)) for c, d in columns], 1) for a, b in rows], 1)
    ty.backward(torch.tensor(dy))
    np.testing.assert_array_equal(y, ty.detach().numpy())
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_bad_ratios_and_modes_are_refused() -> None:
    for wrong in (0.5, 0, -2, float("nan"), float("inf"), "2", None, (1.5,), (1.5, 0.9), [1, 2, 3]):
        with pytest.raises(
            ValueError, match=r"FractionalMaxPool2d: ratio is .*, expected a finite number of at least 1"
        ):
            pynn.FractionalMaxPool2d(wrong)
    with pytest.raises(ValueError, match=r"mode is 'even', expected one of random, pseudorandom"):
        pynn.FractionalMaxPool2d(1.5, "even")
    with pytest.raises(TypeError, match=r"overlapping is 1, expected True or False"):
        pynn.FractionalMaxPool2d(1.5, overlapping=1)
    with pytest.raises(
        ValueError, match=r"layer 0 \(FractionalMaxPool2d\): the ratio 4 leaves nothing of an image of 3 x"
    ):
        pynn.Sequential(pynn.FractionalMaxPool2d(4)).build((3, 9, 1))
