"""Residual: sums, shortcuts, stochastic depth, fusion, files, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection, Stretch

import pynn


def _block(units: int = 5, **settings: Any) -> pynn.Residual:
    one, two = (pynn.Affine(units, use_bias=False) for _ in range(2))
    return pynn.Residual(one, pynn.BatchNorm(), pynn.Tanh(), two, pynn.BatchNorm(), **settings)


def _images(model: pynn.Sequential, shape: Any, rng: np.random.Generator) -> np.ndarray:
    model.build(shape)
    return rng.standard_normal((6, *shape)).astype(model.dtype)


def test_a_residual_block_adds_the_output_of_its_layers_to_the_input(backend: str, rng: np.random.Generator) -> None:
    block = pynn.Residual(pynn.Affine(4, bias_initializer=pynn.Normal(1)), pynn.Tanh())
    model = pynn.Sequential(block, dtype="float64")
    x = _images(model, (4,), rng)
    affine = block.layers[0]
    expected = x + np.tanh(x @ affine.weight + affine.bias)
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-12)
    np.testing.assert_allclose(model.forward(x, training=True), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "shortcut", [None, "auto", lambda: pynn.Affine(5), lambda: pynn.Sequential(pynn.Affine(5), pynn.Tanh())]
)
@pytest.mark.parametrize("after", [None, pynn.ReLU, pynn.ELU, pynn.GELU])
def test_gradients_match_central_differences(shortcut: Any, after: Any, backend: str, rng: np.random.Generator) -> None:
    inputs = 5 if shortcut is None else 4
    block = _block(shortcut=shortcut() if callable(shortcut) else shortcut)
    layers = [block] if after is None else [block, after()]
    model = pynn.Sequential(pynn.Affine(inputs), *layers, pynn.Affine(2), dtype="float64", seed=2)
    model.build((3,))
    block.layers[-1].beta[...] = [6, -6, 6, -6, 6]  # away from the kink of ReLU
    assert (isinstance(layers[-1], pynn.Activation) and layers[-1].fused_into is block) == (
        after in (pynn.ReLU, pynn.ELU)
    )
    gradients.check(model, Projection(), rng.standard_normal((7, 3)))


def test_gradients_of_nested_blocks_and_own_layers(backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(
        pynn.Residual(
            Stretch(), pynn.Residual(pynn.Affine(4), pynn.Sigmoid(), shortcut=Stretch()), PassThrough(), pynn.Affine(4)
        ),
        pynn.Sequential(_block(3, shortcut="auto"), pynn.Tanh()),
        dtype="float64",
    )
    model.build((4,))
    gradients.check(model, Projection(), rng.standard_normal((5, 4)))


def test_images_go_through_with_pooling_as_a_shortcut(backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(
        pynn.Residual(pynn.BatchNorm(), pynn.Tanh(), pynn.AvgPool2d(2), shortcut=pynn.MaxPool2d(2)), pynn.Flatten(),
        dtype="float64",
    )  # fmt: skip
    model.build((4, 6, 2))
    gradients.check(model, Projection(), rng.permutation(3 * 4 * 6 * 2).reshape(3, 4, 6, 2) / 10)


def test_values_and_gradients_are_those_of_torch(backend: str, rng: np.random.Generator, torch: Any) -> None:
    block = _block()
    model = pynn.Sequential(block, pynn.ReLU(), dtype="float64")
    x, dy = _images(model, (5,), rng), rng.standard_normal((6, 5))
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    one, norm, _, two, norm_two = block.layers

    def affine(layer: Any, t: Any) -> Any:
        return t @ torch.tensor(layer.weight)

    def batchnorm(t: Any) -> Any:
        return (t - t.mean(0)) / torch.sqrt(t.var(0, unbiased=False) + 1e-5)

    tx = torch.tensor(x, requires_grad=True)
    branch = batchnorm(affine(two, torch.tanh(batchnorm(affine(one, tx)))))
    ty = torch.relu(branch + tx)
    ty.backward(torch.tensor(dy))
    assert norm.gamma.min() == norm_two.gamma.min() == 1
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=1e-9, atol=1e-10)


# Stochastic depth ---------------------------------------------------------------------------------


def _survivals(model: pynn.Sequential, block: pynn.Residual, x: np.ndarray, steps: int) -> list[bool]:
    found = []
    for step in range(steps):
        model.context.step = step
        with model.same_masks():
            model.forward(x, training=True)
        found.append(block._survived)
    return found


@pytest.mark.parametrize("survival", [0.2, 0.8])
def test_a_block_survives_as_often_as_it_should(survival: float, rng: np.random.Generator) -> None:
    blocks = [pynn.Residual(pynn.Affine(3), survival=survival) for _ in range(2)]
    model = pynn.Sequential(*blocks, seed=5)
    x = _images(model, (3,), rng)
    first = _survivals(model, blocks[0], x, 800)
    assert abs(np.mean(first) - survival) < 0.06
    assert first == _survivals(model, blocks[0], x, 800)
    assert first != _survivals(model, blocks[1], x, 800)
    other = pynn.Residual(pynn.Affine(3), survival=survival)
    again = pynn.Sequential(other, seed=6)
    again.build((3,))
    assert first != _survivals(again, other, x, 800)


@pytest.mark.parametrize("after", [None, pynn.ReLU])
@pytest.mark.parametrize("shortcut", [None, "auto"])
def test_a_dropped_block_is_its_shortcut(after: Any, shortcut: Any, backend: str, rng: np.random.Generator) -> None:
    block = _block(6, survival=1e-9, shortcut=shortcut)
    model = pynn.Sequential(pynn.Affine(4 if shortcut else 6), block, *([after()] if after else []), dtype="float64")
    x = _images(model, (3,), rng)
    model.gradients.fill(np.nan)
    y = model.forward(x, training=True)
    assert not block._survived
    around = x @ model.layers[0].weight + model.layers[0].bias
    around = around if shortcut is None else around @ block.shortcut.weight
    np.testing.assert_allclose(y, np.maximum(around, 0) if after else around, rtol=1e-12)
    model.backward(np.ones_like(y))
    for name, tensor in model.tensors().items():
        if "running_mean" in name:
            np.testing.assert_array_equal(tensor, 0)
    for layer in block.layers:
        for parameter in layer.declared:
            np.testing.assert_array_equal(parameter.gradient, 0)
    gradients.check(model, Projection(), x)


def test_outside_training_the_layers_count_by_their_survival(backend: str, rng: np.random.Generator) -> None:
    block = pynn.Residual(pynn.Affine(4), survival=0.25)
    model = pynn.Sequential(block, pynn.ReLU(), dtype="float64")
    x = _images(model, (4,), rng)
    expected = np.maximum(x + 0.25 * (x @ block.layers[0].weight), 0)
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-12)
    mean, spread = pynn.monte_carlo(model, x, passes=400)
    assert spread.max() > 0
    assert np.abs(mean - x - 0.25 * (x @ block.layers[0].weight))[(x > 0.5) & (expected > 0.5)].max() < 0.5


def test_training_is_the_same_on_both_backends(both_backends: Any, points: Any) -> None:
    found = []
    for name in both_backends:
        pynn.use_backend(name)
        model = pynn.Sequential(pynn.Affine(8), _block(8, survival=0.6), pynn.ReLU(), pynn.Affine(3), dtype="float64")
        model.fit(*points, epochs=3, batch_size=10, progress=False)
        found.append(model.parameters.copy())
    np.testing.assert_allclose(*found, rtol=1e-8, atol=1e-8)


# Names, files, freezing ---------------------------------------------------------------------------


def test_a_residual_network_trains_and_survives_its_file(points: Any, tmp_path: Any) -> None:
    model = pynn.Sequential(
        _block(8, shortcut="auto", survival=0.9), pynn.ReLU(), _block(8).named("second"), pynn.Affine(3)
    )
    model.fit(*points, optimizer=pynn.Adam(0.02), epochs=40, batch_size=10, progress=False)
    assert model.evaluate(*points)["accuracy"] >= 0.9
    assert {"affine1.weight", "affine3.weight", "batchnorm4.running_var"} <= model.tensors().keys()
    text = repr(model)
    assert "Residual(..., shortcut=affine3, survival=0.9)  [residual1]" in text
    assert "  Affine(units=8, use_bias=False)  [affine3]" in text
    assert "fused into residual1" in text
    assert "\nResidual(...)  [second]" in text
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    assert repr(loaded) == text
    for step in range(5):
        model.context.step = loaded.context.step = step
        model.context.passes = loaded.context.passes = 0
        np.testing.assert_array_equal(loaded.forward(points[0], training=True), model.forward(points[0], training=True))


def test_a_frozen_block_stays_and_is_saved_as_such(points: Any, tmp_path: Any) -> None:
    block = _block(4, shortcut=pynn.Affine(4), survival=0.7).freeze()
    model = pynn.Sequential(block, pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    before = {name: tensor.copy() for name, tensor in model.tensors().items()}
    model.fit(*points, epochs=3, batch_size=10, progress=False)
    changed = {name for name, tensor in model.tensors().items() if (tensor != before[name]).any()}
    assert changed == {"affine4.weight", "affine4.bias"}
    model.save(tmp_path / "model.safetensors")
    assert pynn.load(tmp_path / "model.safetensors").layers[0].frozen


@pytest.mark.parametrize("early", [True, False])
def test_an_automatic_shortcut_takes_the_factors_of_names_that_it_has(
    early: bool, rng: np.random.Generator, tmp_path: Path
) -> None:
    model = pynn.Sequential(pynn.Residual(pynn.Affine(4), pynn.BatchNorm(), shortcut="auto"), pynn.Affine(2))
    if not early:
        model.build((3,))
    model.learning_rate_factor = {"bias": 0.1, "gamma": 0}
    model.layers[0].learning_rate_factor = {"weight": 2, "bias": 0.5}
    model.fit(rng.normal(size=(20, 3)), np.arange(20) % 2, epochs=1, progress=False)
    block = model.layers[0]
    assert isinstance(block, pynn.Residual)
    assert isinstance(block.shortcut, pynn.Affine)
    assert block.shortcut.learning_rate_factor == {"weight": 2}
    assert block.layers[0].learning_rate_factor == {"weight": 2, "bias": 0.5}
    assert model.layers[1].learning_rate_factor == {"bias": 0.1}
    model.save(tmp_path / "m")
    assert pynn.load(tmp_path / "m").segments() == model.segments()
    model.build((4,))  # another shape needs no shortcut, and a third one a new one
    model.build((5,))
    assert block.shortcut.learning_rate_factor == {"weight": 2}


def test_an_automatic_shortcut_takes_over_freezing_and_is_found_anew() -> None:
    block = pynn.Residual(pynn.Affine(4), shortcut="auto").freeze()
    model = pynn.Sequential(block)
    model.build((3,))
    assert block.frozen
    assert isinstance(block.shortcut, pynn.Affine)
    model.build((4,))
    assert block.shortcut is None
    assert model.parameter_count == 4 * 4 + 4
    model.unbuild()
    assert block.shortcut == "auto"
    assert repr(block) == "Residual(Affine(units=4), shortcut='auto')"


# What it refuses ----------------------------------------------------------------------------------


def test_shapes_that_do_not_agree_are_refused_at_build() -> None:
    for settings, shape, sentence in (
        (
            {},
            (3,),
            r"the layers turn \(3,\) into \(4,\), the shortcut into \(3,\); pass a shortcut that makes them equal",
        ),
        (
            {"shortcut": pynn.Affine(5)},
            (3,),
            r"the layers turn \(3,\) into \(4,\), the shortcut into \(5,\); they must be equal",
        ),
        ({"shortcut": pynn.MaxPool2d()}, (3,), r"shortcut: layer 0 \(MaxPool2d\): expected images"),
    ):
        with pytest.raises(ValueError, match=rf"layer 1 \(Residual\): {sentence}"):
            pynn.Sequential(PassThrough(), pynn.Residual(pynn.Affine(4), **settings)).build(shape)
    with pytest.raises(ValueError, match=r"layer 0 \(Residual\): .* 'auto' has no shortcut between such shapes"):
        pynn.Sequential(pynn.Residual(pynn.Flatten(), shortcut="auto")).build((4, 4, 1))
    model = pynn.Sequential(pynn.Residual(pynn.Affine(4)))
    assert model.build((4,)) == (4,)  # a refused shape leaves nothing behind


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="Residual: expected at least one layer"):
        pynn.Residual()
    with pytest.raises(ValueError, match=r'Residual: shortcut is .none., expected "auto" or a pynn Layer, or None'):
        pynn.Residual(pynn.Affine(2), shortcut="none")
    with pytest.raises(TypeError, match=r"Residual: shortcut is 3, expected a pynn Layer"):
        pynn.Residual(pynn.Affine(2), shortcut=3)
    for wrong in (0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"Residual: survival is .*, expected 0 < survival <= 1"):
            pynn.Residual(pynn.Affine(2), survival=wrong)
    with pytest.raises(TypeError, match=r"Residual: survival is '1', expected 0 < survival <= 1"):
        pynn.Residual(pynn.Affine(2), survival="1")
    twice = pynn.Affine(2)
    with pytest.raises(ValueError, match="the same layer occurs twice"):
        pynn.Sequential(pynn.Residual(twice, shortcut=twice)).build((2,))
    with pytest.raises(TypeError, match="takes the layers one by one"):
        pynn.Residual([pynn.Affine(2)])


def test_extreme_outputs_do_not_become_nan(backend: str) -> None:
    block = pynn.Residual(pynn.Affine(2), survival=1e-9)
    model = pynn.Sequential(block, pynn.ReLU())
    x = np.array([[np.inf, 1e30], [-1e4, 1e4]], np.float32)
    np.testing.assert_array_equal(model.forward(x, training=True), np.maximum(x, 0))


@pytest.mark.parametrize(("stride", "shape"), [(1, (6, 7)), (2, (3, 4)), (3, (2, 3)), ((2, 1), (3, 7))])
def test_auto_is_a_convolution_of_single_pixels_for_images(stride: Any, shape: tuple[int, int]) -> None:
    block = pynn.Residual(pynn.Conv2d(5, 3, stride=stride), pynn.ReLU(), pynn.Conv2d(8, 3), shortcut="auto")
    model = pynn.Sequential(block, pynn.ReLU(), pynn.GlobalAvgPool2d(), dtype="float64")
    model.build((6, 7, 4))
    assert block.output_shape == (*shape, 8)
    assert isinstance(block.shortcut, pynn.Conv2d)
    assert (block.shortcut.kernel, block.shortcut.use_bias) == ([1, 1], False)
    x = np.random.default_rng(0).standard_normal((2, 6, 7, 4))
    rows = np.s_[:: block.shortcut.stride[0]], np.s_[:: block.shortcut.stride[1]]
    around = x[:, rows[0], rows[1]] @ block.shortcut.weight[0, 0]
    branch = model.layers[0].layers[2].forward(model.layers[0].layers[0].forward(x, False), False)
    expected = np.maximum(around + branch, 0).mean(axis=(1, 2))
    np.testing.assert_allclose(model.forward(x), expected, atol=1e-12)


def test_auto_says_where_no_stride_fits() -> None:
    block = pynn.Residual(pynn.Conv2d(4, 3, padding="valid"), shortcut="auto")
    with pytest.raises(ValueError, match="'auto' has no shortcut between such shapes"):
        pynn.Sequential(block).build((6, 6, 4))
