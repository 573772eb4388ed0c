"""Layer and group normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn

Shape = tuple[int, ...]
VECTORS, SEQUENCES, IMAGES = (12,), (5, 12), (3, 2, 12)

shapes = pytest.mark.parametrize("input_shape", [VECTORS, SEQUENCES, IMAGES], ids=str)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])

KINDS: dict[str, Callable[[], pynn.Layer]] = {
    "layer": pynn.LayerNorm,
    "layer of epsilon 0.1": lambda: pynn.LayerNorm(epsilon=0.1),
    "one group": lambda: pynn.GroupNorm(1),
    "three groups": lambda: pynn.GroupNorm(3, epsilon=0.01),
    "groups of one": lambda: pynn.GroupNorm(12, epsilon=0.1),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def _oracle(torch: Any, layer: Any, x: Any, gamma: Any, beta: Any) -> Any:
    functional = torch.nn.functional
    if isinstance(layer, pynn.LayerNorm):
        return functional.layer_norm(x, x.shape[-1:], gamma, beta, layer.epsilon)
    channels_first = x.movedim(-1, 1)
    return functional.group_norm(channels_first, layer.groups, gamma, beta, layer.epsilon).movedim(1, -1)


@kinds
@shapes
@dtypes
@pytest.mark.parametrize("samples", [1, 7])
def test_layer_and_group_norm_follow_torch(
    kind: str, input_shape: Shape, dtype: str, samples: int, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    layer: Any = KINDS[kind]()
    model = pynn.Sequential(layer, dtype=dtype)
    model.build(input_shape)
    layer.gamma[...], layer.beta[...] = rng.standard_normal((2, 12))
    x, dy = (rng.standard_normal((2, samples, *input_shape)) * 2 + 1).astype(dtype)
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    tx, gamma, beta = (torch.tensor(v.astype(np.float64), requires_grad=True) for v in (x, layer.gamma, layer.beta))
    if np.prod(input_shape[:-1]) * samples * 12 == layer.groups * samples:
        # torch refuses groups of one number each: their only value is their mean
        np.testing.assert_allclose(y, np.broadcast_to(layer.beta, y.shape), rtol=1e-6)
        np.testing.assert_allclose(dx, 0, atol=1e-12)
        return
    ty = _oracle(torch, layer, tx, gamma, beta)
    ty.backward(torch.tensor(dy.astype(np.float64)))
    tolerance = 256 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=tolerance, atol=tolerance * np.abs(dx).max())
    for found, expected in ((layer.dgamma, gamma), (layer.dbeta, beta)):
        np.testing.assert_allclose(found, expected.grad.numpy(), rtol=tolerance, atol=tolerance * np.abs(found).max())


@kinds
@shapes
def test_gradients_match_central_differences(kind: str, input_shape: Shape, backend: str) -> None:
    model, x = gradients.smooth([PassThrough(), KINDS[kind](), PassThrough()], input_shape)
    layer: Any = model.layers[1]
    layer.gamma[...], layer.beta[...] = np.random.default_rng(4).standard_normal((2, 12))
    if kind != "groups of one" or input_shape != VECTORS:  # whose gradient is 0
        gradients.check(model, Projection(), x)


@pytest.mark.parametrize("kind", ["layer", "three groups"])
def test_gradients_match_between_other_layers(kind: str, backend: str) -> None:
    model, x = gradients.smooth([pynn.Affine(12), KINDS[kind](), pynn.Tanh(), pynn.Affine(3)], (5,))
    gradients.check(model, Projection(), x)


@kinds
@shapes
def test_training_evaluation_and_the_rest_of_the_batch_make_no_difference(
    kind: str, input_shape: Shape, backend: str, rng: np.random.Generator
) -> None:
    model = pynn.Sequential(KINDS[kind]())
    x = rng.standard_normal((9, *input_shape)).astype(np.float32)
    together = model.forward(x, training=True).copy()
    np.testing.assert_array_equal(model.forward(x), together)
    for i in range(9):
        np.testing.assert_array_equal(model.forward(x[i : i + 1])[0], together[i])


def test_layernorm_normalizes_each_row(rng: np.random.Generator, backend: str) -> None:
    x = rng.normal(5, 3, (4, 3, 2, 50))
    y = pynn.Sequential(pynn.LayerNorm(epsilon=1e-12), dtype="float64").forward(x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-13)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-10)


def test_groupnorm_normalizes_each_group_of_each_sample(rng: np.random.Generator, backend: str) -> None:
    x = rng.normal(5, 3, (4, 3, 2, 6))
    y = pynn.Sequential(pynn.GroupNorm(3, epsilon=1e-12), dtype="float64").forward(x)
    for g in range(3):
        group = y[..., 2 * g : 2 * g + 2]
        np.testing.assert_allclose(group.mean(axis=(1, 2, 3)), 0, atol=1e-13)
        np.testing.assert_allclose(group.var(axis=(1, 2, 3)), 1, rtol=1e-10)


@kinds
@dtypes
@pytest.mark.parametrize("value", [0.0, 123.4, -1e4, 33.3, 1e-20])
def test_constant_rows_give_beta(kind: str, dtype: str, value: float, backend: str) -> None:
    model = pynn.Sequential(KINDS[kind](), dtype=dtype)
    model.build(IMAGES)
    layer: Any = model.layers[0]
    layer.beta[...] = np.arange(12)
    x = np.full((3, *IMAGES), value, dtype)
    np.testing.assert_array_equal(model.forward(x, training=True), np.broadcast_to(layer.beta, x.shape))
    assert np.isfinite(model.backward(np.ones_like(x), input_gradient=True)).all()
    assert np.isfinite(model.gradients).all()


@kinds
@shapes
def test_extreme_inputs_stay_finite(kind: str, input_shape: Shape, backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(KINDS[kind]())
    x = np.where(rng.random((5, *input_shape)) < 0.5, -1e4, 1e4).astype(np.float32)
    y = model.forward(x, training=True)
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 20
    dx = model.backward(rng.standard_normal(x.shape).astype(np.float32), input_gradient=True)
    assert np.isfinite(dx).all()
    assert np.isfinite(model.gradients).all()


@dtypes
def test_statistics_survive_a_large_mean_and_many_places(dtype: str, backend: str, rng: np.random.Generator) -> None:
    """Sums of squares would lose every digit; 128 x 128 places are summed up."""
    x = (rng.standard_normal((2, 128, 128, 6)) + 1e4).astype(dtype)
    y = pynn.Sequential(pynn.GroupNorm(2), dtype=dtype).forward(x)
    wide = (x.astype(np.float64) - 1e4).reshape(2, 128 * 128, 2, 3)
    mean, var = wide.mean(axis=(1, 3), keepdims=True), wide.var(axis=(1, 3), keepdims=True)
    expected = ((wide - mean) / np.sqrt(var + 1e-5)).reshape(x.shape)
    # the mean itself is a number of the dtype: near 1e4 it is known to half a unit in its last place
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e4 * np.finfo(dtype).eps)


@kinds
def test_a_batch_of_no_samples(kind: str, backend: str) -> None:
    model = pynn.Sequential(KINDS[kind]())
    assert model.forward(np.empty((0, *IMAGES), np.float32), training=True).shape == (0, *IMAGES)
    model.backward(np.empty((0, *IMAGES), np.float32))
    np.testing.assert_array_equal(model.gradients, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["layer", "three groups"])
def test_a_model_trains_and_survives_its_file(
    kind: str, points: tuple[np.ndarray, np.ndarray], tmp_path: Any, backend: str
) -> None:
    model = pynn.Sequential(pynn.Affine(12), KINDS[kind](), pynn.ReLU(), pynn.Affine(3))
    model.fit(*points, optimizer=pynn.Adam(0.02), epochs=40, batch_size=1, progress=False)
    assert model.evaluate(*points)["accuracy"] >= 0.9
    assert np.abs(model.layers[1].gamma - 1).max() > 1e-3
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    assert repr(loaded) == repr(model)
    assert "fused" not in repr(model)


def test_the_activation_behind_it_counts_for_the_affine_layer_before_it() -> None:
    by_default, named = pynn.Affine(20), pynn.Affine(20, initializer="he")
    for layer in (by_default, named):
        pynn.Sequential(layer, pynn.LayerNorm(), pynn.ReLU()).build((10,))
    np.testing.assert_array_equal(by_default.weight, named.weight)


def test_penalties_leave_gamma_and_beta_alone() -> None:
    model = pynn.Sequential(pynn.GroupNorm(2), pynn.LayerNorm())
    model.build((4,))
    pynn.L2(10).apply(model)
    np.testing.assert_array_equal(model.gradients, 0)


def test_bad_settings_are_refused() -> None:
    for wrong in (0, -1e-5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"LayerNorm: epsilon is .*, expected a finite positive number"):
            pynn.LayerNorm(epsilon=wrong)
        with pytest.raises(ValueError, match=r"GroupNorm: epsilon is .*, expected a finite positive number"):
            pynn.GroupNorm(2, epsilon=wrong)
    for wrong in (0, -2, 2.0, True, "2", None):
        with pytest.raises(ValueError, match=r"GroupNorm: groups is .*, expected an integer of at least 1"):
            pynn.GroupNorm(wrong)
    with pytest.raises(ValueError, match=r"layer 0 \(GroupNorm\): groups is 4, expected a divisor of the 6 channels"):
        pynn.Sequential(pynn.GroupNorm(4)).build((6,))
    for layer in (pynn.LayerNorm(), pynn.GroupNorm(1)):
        with pytest.raises(ValueError, match=r"expected inputs with features, got a batch of single numbers"):
            pynn.Sequential(layer).build(())
    assert repr(pynn.GroupNorm(np.int64(2))) == "GroupNorm(groups=2)"
    assert repr(pynn.LayerNorm()) == "LayerNorm()"
    assert repr(pynn.LayerNorm(epsilon=0.5)) == "LayerNorm(epsilon=0.5)"


@pytest.mark.parametrize(
    ("shape", "groups", "sentence"),
    [
        ((2, 3, 4), 3, "x has 4 channels, expected a multiple of the 3 groups"),
        ((2, 3, 4), 0, "x has 4 channels, expected a multiple of the 0 groups"),
        ((2, 0, 4), 2, "x has 0 places and 4 channels, expected at least 1 of each"),
        ((2, 3, 0), 2, "x has 3 places and 0 channels, expected at least 1 of each"),
    ],
)
def test_the_kernels_name_groups_that_do_not_fit(shape: Shape, groups: int, sentence: str, backend: str) -> None:
    x, each, statistics = np.zeros(shape), np.zeros(shape[2]), np.zeros((2, groups))
    kernels = pynn.kernels
    with pytest.raises(ValueError, match=f"groupnorm_forward: {sentence}"):
        kernels.groupnorm_forward(x, each, each, 1e-5, statistics, statistics.copy(), x.copy())
    with pytest.raises(ValueError, match=f"groupnorm_backward: {sentence}"):
        kernels.groupnorm_backward(x, x, each, statistics, statistics, None, each.copy(), each.copy())


@pytest.mark.skipif(pynn.kernels.native_module() is None, reason="the native kernels are not built")
def test_a_large_image_gets_the_same_bits_alone_among_many_and_at_any_thread_count(rng: np.random.Generator) -> None:
    native: Any = pynn.kernels.native_module()
    places, channels, groups = 1100, 35, 5
    x, dy = rng.standard_normal((2, 1, places, channels)).astype(np.float32)
    gamma, beta = rng.standard_normal((2, channels)).astype(np.float32)

    def run(count: int) -> list[np.ndarray]:
        many, dmany = np.repeat(x, count, axis=0), np.repeat(dy, count, axis=0)
        mean, rstd = np.empty((2, count, groups), np.float32)
        out, dx = np.empty_like(many), np.empty_like(many)
        dgamma, dbeta = np.empty((2, channels), np.float32)
        native.groupnorm_forward(many, gamma, beta, 1e-5, mean, rstd, out)
        native.groupnorm_backward(dmany, many, gamma, mean, rstd, dx, dgamma, dbeta)
        assert all((array == array[0]).all() for array in (mean, rstd, out, dx))
        return [mean[0], rstd[0], out[0], dx[0], *((dgamma, dbeta) if count == 1 else ())]

    threads = pynn.kernels.get_num_threads()
    try:
        results = []
        for count in (1, 2, 4, 7):
            pynn.kernels.set_num_threads(count)
            results.append(run(1))
        among = run(20)
    finally:
        pynn.kernels.set_num_threads(threads)
    for result in (*results[1:], among):
        for found, expected in zip(result, results[0], strict=False):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("places", [1, 5, 300])
@pytest.mark.parametrize("channels", [7, 16, 35, 77])
def test_equal_channels_get_equal_numbers_wherever_they_stand(
    dtype: Any, places: int, channels: int, backend: str, rng: np.random.Generator
) -> None:
    """The last channels of a row, which do not fill a vector, are computed like the others."""
    x, dy = (np.repeat(rng.standard_normal((3, places, 1)).astype(dtype), channels, axis=2) for _ in range(2))
    gamma, beta = np.full(channels, 1.3, dtype), np.full(channels, 0.7, dtype)
    mean, rstd = np.empty((2, 3, channels), dtype)
    dgamma, dbeta, out, dx = np.empty_like(gamma), np.empty_like(beta), np.empty_like(x), np.empty_like(x)
    pynn.kernels.groupnorm_forward(x, gamma, beta, 1e-5, mean, rstd, out)
    pynn.kernels.groupnorm_backward(dy, x, gamma, mean, rstd, dx, dgamma, dbeta)
    for array in (mean, rstd, out, dx, dgamma, dbeta):
        np.testing.assert_array_equal(array, np.broadcast_to(array[..., :1], array.shape))
    if places == 1:  # a group of one number is its own mean
        np.testing.assert_array_equal(dx, 0)
