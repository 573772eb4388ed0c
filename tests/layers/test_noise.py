"""Dropout in its forms, whole channels, Gaussian noise, DropConnect: masks, statistics, gradients, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn

BACKENDS = pynn.kernels.BACKENDS if pynn.kernels.native_module() else ("numpy",)

Layers = Callable[[], list[pynn.Layer]]

CASES: dict[str, tuple[Layers, tuple[int, ...]]] = {
    "vanilla": (lambda: [pynn.Affine(6), pynn.Tanh(), pynn.Dropout(0.4, form="vanilla"), pynn.Affine(3)], (5,)),
    "spatial": (lambda: [pynn.SpatialDropout(0.4)], (3, 2, 5)),
    "spatial on sequences": (lambda: [pynn.SpatialDropout(0.4), pynn.BatchNorm()], (3, 4)),
    "spatial of nothing": (lambda: [pynn.SpatialDropout(0), pynn.Flatten(), pynn.Affine(2)], (2, 2, 3)),
    "spatial of nearly all": (lambda: [pynn.SpatialDropout(0.99)], (2, 2, 3)),
    "noise": (lambda: [pynn.GaussianNoise(0.1), pynn.Affine(4), pynn.GaussianNoise(0.2), pynn.Affine(3)], (5,)),
    "noise on images": (lambda: [pynn.GaussianNoise(0.3), pynn.BatchNorm()], (2, 2, 3)),
    "noise of nothing": (lambda: [pynn.GaussianNoise(0), pynn.Affine(3)], (5,)),
    "dropconnect": (lambda: [pynn.DropConnect(4, 0.5)], (5,)),
    "dropconnect without bias": (lambda: [pynn.DropConnect(4, 0.3, use_bias=False), pynn.Affine(2)], (5,)),
    "dropconnect of nothing": (lambda: [pynn.DropConnect(4, 0)], (5,)),
    "dropconnect of nearly all": (lambda: [pynn.Affine(3), pynn.DropConnect(4, 0.99)], (5,)),
    "dropconnect, batchnorm": (lambda: [pynn.DropConnect(4, 0.4), pynn.BatchNorm(), pynn.DropConnect(2, 0.4)], (5,)),
}
for _kind in (pynn.Sigmoid, pynn.Tanh, pynn.ReLU, pynn.LeakyReLU, pynn.ELU):
    CASES[f"dropconnect, {_kind.__name__}"] = (
        lambda kind=_kind: [pynn.DropConnect(4, 0.5), kind(), pynn.DropConnect(3, 0.2), kind()],
        (5,),
    )


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    pynn.use_backend(request.param)
    return str(request.param)


def built(layer: pynn.Layer, shape: tuple[int, ...], **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(layer, **settings)
    model.build(shape)
    return model


@pytest.mark.parametrize("case", CASES)
def test_gradients_match_central_differences_under_a_fixed_mask(case: str, backend: str) -> None:
    layers, input_shape = CASES[case]
    model, x = gradients.smooth(layers(), input_shape)
    model.context.step = 3
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("case", CASES)
def test_a_model_comes_back_whole(case: str, tmp_path: Path) -> None:
    layers, input_shape = CASES[case]
    model, x = gradients.smooth(layers(), input_shape)
    model.context.step = 5
    for name, array in model.tensors().items():
        if "running" in name:
            array[...] = 0.5  # as after training, not those of the start
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m")
    assert repr(back) == repr(model)
    np.testing.assert_array_equal(back.forward(x, training=True), model.forward(x, training=True))
    np.testing.assert_array_equal(back.forward(x), model.forward(x))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: pynn.Dropout(0.99, form="vanilla"), lambda: pynn.Dropout(1 - 1e-9), lambda: pynn.SpatialDropout(0.99),
        lambda: pynn.GaussianNoise(1e30), lambda: pynn.DropConnect(4, 0.99),
    ],
    ids=["vanilla", "dropout", "spatial", "noise", "dropconnect"],
)  # fmt: skip
@pytest.mark.parametrize("scale", [1e4, -1e4, 0.0, 1e-40])
def test_extreme_numbers_stay_finite(layer: Callable[[], pynn.Layer], scale: float, backend: str) -> None:
    model = built(layer(), (4, 3) if isinstance(layer(), pynn.SpatialDropout) else (12,))
    x = np.full((5, *model.input_shape), scale, np.float32)
    y = model.forward(x, training=True).copy()
    dx = model.backward(np.full_like(y, scale), input_gradient=True)
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()
    assert np.isfinite(model.gradients).all()
    assert np.isfinite(model.forward(x)).all()


@pytest.mark.parametrize(
    ("layer", "kind", "message"),
    [
        (lambda: pynn.Dropout("0.5"), TypeError, r"Dropout: rate is '0\.5', expected 0 <= rate < 1"),
        (lambda: pynn.Dropout([0.5]), TypeError, r"Dropout: rate is \[0\.5\], expected 0 <= rate < 1"),
        (lambda: pynn.Dropout(0.5, form="loud"), ValueError, "form is 'loud', expected one of inverted, vanilla"),
        (lambda: pynn.Dropout(0.5, form=None), ValueError, "form is None, expected one of"),
        (lambda: pynn.SpatialDropout(1), ValueError, "SpatialDropout: rate is 1, expected 0 <= rate < 1"),
        (lambda: pynn.SpatialDropout(None), TypeError, "SpatialDropout: rate is None, expected 0 <= rate < 1"),
        (lambda: pynn.DropConnect(3, -0.1), ValueError, r"DropConnect: rate is -0\.1, expected 0 <= rate < 1"),
        (lambda: pynn.DropConnect(0, 0.5), ValueError, "DropConnect: units is 0, expected an integer of at least 1"),
        (lambda: pynn.GaussianNoise(-1), ValueError, "std is -1, expected a finite number of at least 0"),
        (lambda: pynn.GaussianNoise(float("inf")), ValueError, "std is inf, expected a finite number"),
        (lambda: pynn.GaussianNoise(float("nan")), ValueError, "std is nan, expected a finite number"),
        (
            lambda: pynn.GaussianNoise("1"),
            TypeError,
            "GaussianNoise: std is '1', expected a finite number",
        ),
        (
            lambda: built(pynn.SpatialDropout(0.5), (5,)),
            ValueError,
            r"images \(H, W, C\), got .* \(5,\); Dropout takes",
        ),
    ],
)
def test_settings_out_of_range_are_refused(layer: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        layer()


@pytest.mark.parametrize(
    "layer", [pynn.Dropout(0.5, form="vanilla"), pynn.SpatialDropout(0.5), pynn.DropConnect(3, 0.5)]
)
def test_backward_needs_a_mask(layer: pynn.Layer) -> None:
    model = built(layer, (4, 3) if isinstance(layer, pynn.SpatialDropout) else (3,))
    model.forward(np.ones((2, *model.input_shape)))
    with pytest.raises(RuntimeError, match=r"backward\(dy\) must follow forward\(x, training=True\)"):
        layer.backward(np.ones((2, *model.output_shape), np.float32))


# Dropout ------------------------------------------------------------------------------------------

ONES = np.ones((200, 100), np.float32)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.99])
def test_vanilla_dropout_scales_at_evaluation_and_not_in_training(rate: float, backend: str) -> None:
    vanilla, inverted = built(pynn.Dropout(rate, form="vanilla"), (100,)), built(pynn.Dropout(rate), (100,))
    y = vanilla.forward(ONES, training=True).copy()
    assert set(np.unique(y)) == {0, 1}
    np.testing.assert_array_equal(y == 0, inverted.forward(ONES, training=True) == 0)
    np.testing.assert_array_equal(vanilla.backward(ONES, input_gradient=True), y)
    plain = vanilla.forward(3 * ONES).copy()
    np.testing.assert_allclose(plain, 3 * (1 - rate), rtol=1e-3)
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs(y.mean() - plain.mean() / 3) < 5 * deviation


def test_dropout_of_rate_0_does_nothing_in_either_form(backend: str) -> None:
    for form in ("inverted", "vanilla"):
        model = built(pynn.Dropout(0, form=form), (100,))
        for training in (True, False):
            np.testing.assert_array_equal(model.forward(ONES, training), ONES)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(4, 3, 40), (7, 40), (1, 1, 40)])
def test_spatial_dropout_drops_whole_channels(rate: float, shape: tuple[int, ...], backend: str) -> None:
    model = built(pynn.SpatialDropout(rate), shape)
    y = model.forward(np.ones((150, *shape)), training=True).copy()
    channels = y.reshape(150, -1, 40)
    np.testing.assert_array_equal(channels, channels[:, :1].repeat(channels.shape[1], axis=1))
    kept = channels[:, 0] != 0  # (samples, channels)
    assert abs(kept.mean() - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / kept.size)
    assert (kept.any(axis=0) & ~kept.all(axis=0)).all()  # another draw in every sample
    np.testing.assert_allclose(channels[:, 0][kept], 1 / (1 - rate), rtol=1e-3)
    np.testing.assert_array_equal(model.backward(np.ones_like(y), input_gradient=True), y)
    np.testing.assert_array_equal(model.forward(np.ones((2, *shape))), 1)


def test_spatial_dropout_drops_as_often_as_torch(torch: Any) -> None:
    """The masks themselves differ: torch draws from another generator."""
    y = built(pynn.SpatialDropout(0.3), (2, 2, 64)).forward(np.ones((400, 2, 2, 64)), training=True)
    torch.manual_seed(0)
    other = torch.nn.functional.dropout2d(torch.ones(400, 64, 2, 2), 0.3).numpy()
    assert abs((y == 0).mean() - (other == 0).mean()) < 8 * np.sqrt(0.3 * 0.7 / (400 * 64))
    assert y.max() == pytest.approx(other.max(), rel=1e-4)


@pytest.mark.parametrize(
    "layer", [lambda: pynn.Dropout(0.5), lambda: pynn.SpatialDropout(0.5), lambda: pynn.GaussianNoise(1)]
)
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 7)])
def test_a_part_of_a_batch_draws_what_it_draws_within_the_whole(
    layer: Callable[[], pynn.Layer], shape: tuple[int, ...], backend: str
) -> None:
    """What ranks and Monte-Carlo passes rest on."""
    model, x = built(layer(), shape), np.ones((37, *shape), np.float32)
    with model.same_masks():
        whole = model.forward(x, training=True).copy()
    for begin, end in ((0, 5), (5, 6), (6, 37)):
        model.context.first_sample = begin
        with model.same_masks():
            np.testing.assert_array_equal(model.forward(x[begin:end], training=True), whole[begin:end])
        dx = model.backward(x[begin:end], input_gradient=True)
        if not isinstance(model.layers[0], pynn.GaussianNoise):
            np.testing.assert_array_equal(dx, whole[begin:end])


# Gaussian noise -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_has_the_moments_of_a_normal_distribution(dtype: str, backend: str) -> None:
    x = np.full((500, 400), 3.0, dtype)
    z = (built(pynn.GaussianNoise(0.5), (400,), dtype=dtype).forward(x, training=True).astype(np.float64) - 3) / 0.5
    n = z.size
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * n)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)
    for bound, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        assert abs((np.abs(z) < bound).mean() - share) < 5 * np.sqrt(share * (1 - share) / n)
    flat = z.ravel()
    for lag in (1, 2, 16, 32, 48, 64, 400):  # neighbours, pairs, groups and rows know nothing of each other
        assert abs((flat[:-lag] * flat[lag:]).mean()) < 5 / np.sqrt(n), lag
        assert abs(((flat[:-lag] ** 2 - 1) * (flat[lag:] ** 2 - 1)).mean()) < 10 / np.sqrt(n), lag


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_is_the_same_on_both_backends_up_to_rounding(
    dtype: str, both_backends: tuple[str, ...], rng: np.random.Generator
) -> None:
    x = rng.standard_normal((333, 101)).astype(dtype)
    results = []
    for name in both_backends:
        pynn.use_backend(name)
        results.append(built(pynn.GaussianNoise(0.7), (101,), dtype=dtype, seed=5).forward(x, training=True).copy())
    one, other = results
    size = np.maximum(np.abs(x), np.abs(one.astype(np.float64) - x))
    assert (np.abs(one - other) <= 4 * np.finfo(dtype).eps * size).all()


def test_gaussian_noise_is_new_in_every_step_layer_and_seed_and_absent_at_evaluation(backend: str) -> None:
    class Kept(PassThrough):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.kept = x.copy()
            return x

    zeros = np.zeros((50, 40))
    model = pynn.Sequential(pynn.GaussianNoise(1), Kept(), pynn.GaussianNoise(1), seed=1)
    with model.same_masks():
        both = model.forward(zeros, training=True).copy()
        draws = [model.layers[1].kept, both - model.layers[1].kept]
        np.testing.assert_array_equal(model.forward(zeros, training=True), both)
    model.advance()
    model.forward(zeros, training=True)
    draws += [model.layers[1].kept, built(pynn.GaussianNoise(1), (40,)).forward(zeros, training=True)]
    correlations = np.corrcoef([draw.ravel() for draw in draws]) - np.eye(4)
    assert np.abs(correlations).max() < 5 / np.sqrt(zeros.size)
    np.testing.assert_array_equal(model.forward(zeros), 0)


# DropConnect --------------------------------------------------------------------------------------


def test_dropconnect_is_an_affine_layer_with_masked_weights(backend: str, rng: np.random.Generator) -> None:
    model = built(pynn.DropConnect(30, 0.25), (40,), dtype="float64")
    layer, x, dy = model.layers[0], rng.standard_normal((9, 40)), rng.standard_normal((9, 30))
    layer.bias[...] = rng.standard_normal(30)
    weight = layer.weight.copy()
    with model.same_masks():
        masked = model.forward(np.eye(40), training=True) - layer.bias
    kept = np.abs(masked) > 1e-12
    np.testing.assert_allclose(masked[kept], weight[kept] / 0.75, rtol=1e-12)
    assert abs(kept.mean() - 0.75) < 5 * np.sqrt(0.25 * 0.75 / kept.size)
    np.testing.assert_allclose(model.forward(x, training=True), x @ masked + layer.bias, atol=1e-12)
    dx = model.backward(dy, input_gradient=True)
    np.testing.assert_allclose(dx, dy @ masked.T, atol=1e-12)
    np.testing.assert_allclose(layer.dweight, kept * (x.T @ dy) / 0.75, atol=1e-12)
    np.testing.assert_allclose(layer.dbias, dy.sum(axis=0), atol=1e-12)
    np.testing.assert_array_equal(layer.weight, weight)
    model.advance()
    again = np.abs(model.forward(np.eye(40), training=True) - layer.bias) > 1e-12
    assert 0.5 < (again == kept).mean() < 0.75  # 0.625 where the masks are independent


def test_dropconnect_uses_the_plain_weight_at_evaluation(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((9, 40)).astype(np.float32)
    model = pynn.Sequential(pynn.DropConnect(30, 0.5), pynn.ReLU())
    plain = pynn.Sequential(pynn.Affine(30), pynn.ReLU())
    for one in (model, plain):
        one.build((40,))
    np.testing.assert_array_equal(model.parameters, plain.parameters)  # the initializer of the activation after it
    np.testing.assert_array_equal(model.forward(x), plain.forward(x))
    assert model.layers[1].fused_into is model.layers[0]


def test_dropconnect_of_rate_0_is_the_affine_layer(backend: str, rng: np.random.Generator) -> None:
    x, dy = rng.standard_normal((9, 5)).astype(np.float32), rng.standard_normal((9, 4)).astype(np.float32)
    model, plain = built(pynn.DropConnect(4, 0), (5,)), built(pynn.Affine(4), (5,))
    np.testing.assert_array_equal(model.forward(x, training=True), plain.forward(x, training=True))
    np.testing.assert_array_equal(model.backward(dy, True), plain.backward(dy, True))
    np.testing.assert_array_equal(model.gradients, plain.gradients)


# Training -----------------------------------------------------------------------------------------


def test_a_network_with_all_of_them_learns(points: tuple[np.ndarray, np.ndarray], backend: str) -> None:
    model = pynn.Sequential(
        pynn.GaussianNoise(0.1), pynn.DropConnect(32, 0.2), pynn.BatchNorm(), pynn.ReLU(),
        pynn.Dropout(0.2, form="vanilla"), pynn.Affine(3),
    )  # fmt: skip
    model.fit(*points, epochs=40, batch_size=15, optimizer=pynn.Adam(0.01), progress=False)
    assert model.evaluate(*points)["accuracy"] > 0.9


def test_training_gives_the_same_bits_at_any_thread_count(native: None) -> None:
    def parameters(threads: int) -> np.ndarray:
        pynn.set_num_threads(threads)
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((256, 6, 6, 40)).astype(np.float32), rng.integers(0, 3, 256)
        model = pynn.Sequential(
            pynn.GaussianNoise(0.2), pynn.SpatialDropout(0.3), pynn.Flatten(), pynn.DropConnect(70, 0.4), pynn.ReLU(),
            pynn.Dropout(0.5, form="vanilla"), pynn.Affine(3),
        )  # fmt: skip
        model.fit(x, y, epochs=1, batch_size=128, progress=False)
        return model.parameters.copy()

    first = parameters(1)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(parameters(threads), first)


def test_a_step_in_steady_state_makes_no_new_buffers(points: tuple[np.ndarray, np.ndarray]) -> None:
    model = pynn.Sequential(
        pynn.GaussianNoise(0.1), pynn.DropConnect(8, 0.2), pynn.Tanh(), pynn.Dropout(0.2), pynn.Affine(3)
    )
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)
    model.train_step(*points, loss, optimizer)
    before = {(layer, name): id(array) for layer in model.walk() for name, array in layer._buffers.items()}
    model.train_step(*points, loss, optimizer)
    assert before == {(layer, name): id(array) for layer in model.walk() for name, array in layer._buffers.items()}


@pytest.mark.skipif(pynn.kernels.native_module() is None, reason="the native kernels are not built")
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 255, 5), (1, 256, 7), (2, 2000, 130), (1, 5001, 8), (20, 300, 130)])
def test_spatial_dropout_of_large_images_is_that_of_the_definition_at_any_thread_count(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    native: Any = pynn.kernels.native_module()
    x = rng.standard_normal(shape).astype(np.float32)
    expected, out = np.empty_like(x), np.empty_like(x)
    pynn.kernels.reference.spatial_dropout(x, 0.4, 3, 1, 2, 77, expected)
    threads = pynn.kernels.get_num_threads()
    try:
        for count in (1, 2, 5):
            pynn.kernels.set_num_threads(count)
            out.fill(np.nan)
            native.spatial_dropout(x, 0.4, 3, 1, 2, 77, out)
            np.testing.assert_array_equal(out, expected)
    finally:
        pynn.kernels.set_num_threads(threads)
