"""Sequential: the flat vector, seeds, fusion, models inside models, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradients import PassThrough

import pynn

Points = tuple[np.ndarray, np.ndarray]
ACTIVATIONS = [pynn.Sigmoid, pynn.Tanh, pynn.ReLU, lambda: pynn.LeakyReLU(0.2), lambda: pynn.ELU(0.5)]
ACTIVATIONS += [pynn.SELU, pynn.Softplus]


def network(**settings: Any) -> pynn.Sequential:
    """A model with a block of every odd size: gaps lie between all of them."""
    return pynn.Sequential(pynn.Affine(7), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3), **settings)


# The flat vector ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_parameter_and_gradient_is_an_aligned_view_of_the_flat_vectors(dtype: str) -> None:
    model = network(dtype=dtype)
    model.build((5,))
    end = 0
    for layer in model.layers:
        for parameter in layer.declared:
            weight, dweight = getattr(layer, parameter.name), getattr(layer, f"d{parameter.name}")
            assert weight.shape == dweight.shape == parameter.shape
            assert weight.dtype == dweight.dtype == np.dtype(dtype)
            assert weight.ctypes.data % 64 == 0
            start = (weight.ctypes.data - model.parameters.ctypes.data) // weight.itemsize
            assert start >= end, "blocks stand in the order of the layers, without overlap"
            assert (dweight.ctypes.data - model.gradients.ctypes.data) // weight.itemsize == start
            end = start + weight.size
            model.parameters[start] = 42
            assert weight.flat[0] == 42
    assert model.parameters.ndim == model.gradients.ndim == 1
    assert model.parameters.shape == model.gradients.shape
    assert model.parameters.flags.c_contiguous
    assert end <= model.parameters.size < end + 64 // model.parameters.itemsize
    assert model.parameter_count == 5 * 7 + 7 + 7 + 7 + 7 * 3 + 3


def gaps(model: pynn.Sequential) -> np.ndarray:
    """Which numbers of the flat vector belong to no block."""
    free = np.ones(model.parameters.size, bool)
    for view in model.tensors().values():
        if np.shares_memory(view, model.parameters):
            start = (view.ctypes.data - model.parameters.ctypes.data) // view.itemsize
            free[start : start + view.size] = False
    return free


@pytest.mark.parametrize("kind", pynn.optimizers.OPTIMIZERS.values())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaps_stay_zero_through_training(kind: type[pynn.Optimizer], dtype: str, points: Points) -> None:
    model = network(dtype=dtype)
    model.fit(
        *points, optimizer=kind(), epochs=10, batch_size=6, penalty=pynn.L1(0.01), validation=points, progress=False
    )
    free = gaps(model)
    assert free.any()
    assert not model.parameters[free].any()
    assert not model.gradients[free].any()


def test_a_change_of_the_flat_vector_changes_the_model(points: Points) -> None:
    model = network()
    model.build((4,))
    before = model.forward(points[0]).copy()
    snapshot = model.parameters.copy()
    model.parameters[:] *= 2
    assert np.abs(model.forward(points[0]) - before).max() > 0
    model.parameters[:] = snapshot
    np.testing.assert_array_equal(model.forward(points[0]), before)


def test_tensors_are_named_views_of_parameters_and_statistics() -> None:
    model = network()
    model.build((5,))
    tensors = model.tensors()
    assert list(tensors) == [
        "affine1.weight", "affine1.bias",
        "batchnorm1.gamma", "batchnorm1.beta", "batchnorm1.running_mean", "batchnorm1.running_var",
        "affine2.weight", "affine2.bias",
    ]  # fmt: skip
    assert tensors["affine1.weight"] is model.layers[0].weight
    assert tensors["batchnorm1.running_var"] is model.layers[1].running_var


def test_penalties_count_weights_alone() -> None:
    model = pynn.Sequential(pynn.Affine(7), pynn.BatchNorm(), pynn.Affine(3))
    model.build((5,))
    penalty, layers = pynn.L2(1), [model.layers[0], model.layers[2]]
    for (one, weight, dweight), layer in zip(model.penalties(penalty), layers, strict=True):
        assert one is penalty
        assert weight is layer.weight
        assert dweight is layer.dweight


@pytest.mark.parametrize("name", ["parameters", "gradients", "tensors"])
def test_there_is_no_vector_before_the_model_is_built(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"not built yet: call model\.build\(input_shape\) or fit it"):
        _ = network().tensors() if name == "tensors" else getattr(network(), name)
    assert not network().built


# Seeds and dtypes ---------------------------------------------------------------------------------


def weights(seed: int = 0, dtype: str = "float32") -> np.ndarray:
    model = network(seed=seed, dtype=dtype)
    model.build((5,))
    return model.parameters


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    np.testing.assert_array_equal(weights(3), weights(3))
    for other in (4, 3 + 2**32, 2**64 - 1):
        drawn = ~gaps_of_fixed_values()
        assert (weights(3) != weights(other))[drawn].all()


def gaps_of_fixed_values() -> np.ndarray:
    """Where the flat vector holds gaps, biases, gammas and betas."""
    model = network()
    model.build((5,))
    model.parameters.fill(0)
    for layer in (model.layers[0], model.layers[4]):
        layer.weight.fill(1)
    return model.parameters == 0


def test_float32_weights_are_the_rounded_float64_ones() -> None:
    model32, model64 = network(), network(dtype="float64")
    model32.build((5,))
    model64.build((5,))
    for name, value in model64.tensors().items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value.astype(np.float32), model32.tensors()[name])


def test_layers_of_one_shape_start_from_different_weights() -> None:
    model = pynn.Sequential(pynn.Affine(4), pynn.Affine(4), pynn.Affine(4))
    model.build((4,))
    first, second, third = (layer.weight for layer in model.layers)
    assert (first != second).all()
    assert (second != third).all()


def test_a_float64_model_is_float64_throughout(points: Points) -> None:
    model = network(dtype="float64")
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    assert model.parameters.dtype == model.gradients.dtype == np.float64
    assert all(value.dtype == np.float64 for value in model.tensors().values())
    assert model.forward(points[0]).dtype == model.predict_proba(points[0]).dtype == np.float64
    fine = points[0].astype(np.float64) + 1e-12
    assert np.abs(model.predict_proba(fine) - model.predict_proba(points[0])).max() > 0


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", True])
def test_a_seed_out_of_range_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed is .*, expected an integer of 0\.\.2\^64-1"):
        network(seed=seed)


@pytest.mark.parametrize("dtype", ["float16", "int32", ">f4", "complex64", "rubbish", None])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"dtype is .*, expected float32 or float64"):
        network(dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype("float64"), "f8", float])
def test_a_dtype_has_many_names(dtype: Any) -> None:
    assert network(dtype=dtype).dtype == np.float64


# Fusion -------------------------------------------------------------------------------------------


def _fused(before: Callable[[], pynn.Layer], activation: Callable[[], pynn.Layer], fused: bool) -> pynn.Sequential:
    between = [] if fused else [PassThrough()]
    # The own layer hides the activation, so that initializers are named.
    head = pynn.Affine(6, initializer="he") if before is pynn.Affine else before()
    layers = [head, *between, activation(), pynn.Affine(3, initializer="lecun")]
    return pynn.Sequential(*layers, seed=1, dtype="float64")


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda make: make().kind)
@pytest.mark.parametrize("before", [pynn.Affine, pynn.BatchNorm])
def test_fused_and_unfused_models_give_the_same(
    before: Callable[[], pynn.Layer], activation: Callable[[], pynn.Layer], rng: np.random.Generator
) -> None:
    x, y = rng.normal(size=(9, 5)), rng.integers(0, 3, 9)
    models = [_fused(before, activation, fused) for fused in (True, False)]
    for training in (True, False):
        outputs = [model.forward(x, training=training).copy() for model in models]
        np.testing.assert_allclose(*outputs, rtol=1e-13, atol=1e-14)
    loss = pynn.SoftmaxCrossEntropy()
    found = []
    for model in models:
        loss.forward(model.forward(x, training=True), y)
        dx = model.backward(loss.backward(), input_gradient=True).copy()
        found.append((dx, model.gradients.copy()))
    for one, other in zip(*found, strict=True):
        assert np.abs(one).max() > 0
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    texts = [repr(model) for model in models]
    assert f"fused into {models[0].layers[0].name}" in texts[0]
    assert "fused" not in texts[1]


def test_an_activation_is_fused_into_the_affine_or_normalization_right_before_it() -> None:
    class Plain(PassThrough):
        pass

    model = pynn.Sequential(
        pynn.ReLU(), pynn.Affine(4), pynn.Tanh(), pynn.Sigmoid(), pynn.BatchNorm(), pynn.ELU(), pynn.Dropout(0.5),
        pynn.ReLU(), pynn.Flatten(), pynn.LeakyReLU(), Plain(), pynn.ReLU(), pynn.Affine(2), pynn.ReLU(),
    )  # fmt: skip
    model.build((3,))
    fused = {layer.name: layer.fused_into.name for layer in model.layers if getattr(layer, "fused_into", None)}
    assert fused == {"tanh1": "affine1", "elu1": "batchnorm1", "relu4": "affine2"}


@pytest.mark.parametrize("before", [pynn.Affine, pynn.BatchNorm])
@pytest.mark.parametrize("first", ACTIVATIONS, ids=lambda make: make().kind)
def test_of_two_activations_in_a_row_both_act(
    before: Callable[[], pynn.Layer], first: Callable[[], pynn.Layer], rng: np.random.Generator
) -> None:
    x = rng.normal(size=(9, 5))
    for second in ACTIVATIONS:
        layers = [[pynn.Affine(4, initializer="he") if before is pynn.Affine else before()] for _ in range(2)]
        together = pynn.Sequential(*layers[0], first(), second(), dtype="float64")
        apart = pynn.Sequential(*layers[1], PassThrough(), first(), PassThrough(), second(), dtype="float64")
        results = []
        for model in (together, apart):
            y = model.forward(x, training=True).copy()
            results.append((y, model.backward(np.cos(y), input_gradient=True).copy()))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-11, atol=1e-13)


def test_building_anew_fuses_anew(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU())
    model.build((4,))
    negative = model.forward(points[0]).min()
    assert negative == 0
    model.layers = model.layers[:-1]
    model.build((4,))
    assert model.forward(points[0]).min() < 0


# Models inside models -----------------------------------------------------------------------------


def _nested(**settings: Any) -> pynn.Sequential:
    block = pynn.Sequential(pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU())
    return pynn.Sequential(block, pynn.Dropout(0.2), pynn.Affine(3), **settings)


def test_a_sequential_inside_another_is_a_layer(points: Points) -> None:
    model = _nested(dtype="float64")
    model.fit(*points, epochs=3, batch_size=10, progress=False)
    assert list(model.tensors()) == [
        "affine1.weight", "affine1.bias",
        "batchnorm1.gamma", "batchnorm1.beta", "batchnorm1.running_mean", "batchnorm1.running_var",
        "affine2.weight", "affine2.bias",
    ]  # fmt: skip
    for layer in model.walk():
        for parameter in layer.declared:
            assert np.shares_memory(getattr(layer, parameter.name), model.parameters)
    assert model.layers[0].layers[0].weight.dtype == np.float64
    assert model.parameter_count == 4 * 6 + 6 + 6 + 6 + 6 * 3 + 3


def test_the_summary_shows_a_sequential_inside_another_with_its_layers() -> None:
    model = _nested()
    model.build((4,))
    lines = model.summary().splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("Sequential")] == [
        "Sequential(Affine(units=6), BatchNorm(), ReLU())"
    ]
    assert sum(line.startswith("  ") for line in lines) == 3


# What it says of itself ---------------------------------------------------------------------------


def test_repr_of_an_unbuilt_model_is_its_source() -> None:
    assert repr(pynn.Sequential(pynn.Affine(5), pynn.ReLU(), pynn.Affine(3))) == (
        "Sequential(Affine(units=5), ReLU(), Affine(units=3))"
    )
    model = pynn.Sequential(pynn.Affine(5, initializer="he"), pynn.ELU(0.5), seed=3, dtype=np.float64)
    assert repr(model) == "Sequential(Affine(units=5, initializer='he'), ELU(alpha=0.5), seed=3, dtype='float64')"
    names = {name: getattr(pynn, name) for name in pynn.__all__}
    assert repr(eval(repr(model), names)) == repr(model)


def test_summary_of_an_unbuilt_model_says_what_to_do() -> None:
    assert "not built yet: call model.build(input_shape) or fit it" in network().summary()


def test_summary_shows_names_shapes_counts_and_fusion() -> None:
    model = pynn.Sequential(
        pynn.Flatten(),
        pynn.Affine(500),
        pynn.BatchNorm(momentum=0.5),
        pynn.ReLU(),
        pynn.Dropout(0.25),
        pynn.Affine(10),
        seed=7,
    )
    model.build((28, 28, 1))
    rows = {line.split()[0]: line for line in model.summary().splitlines()}
    for start, *facts in [
        ("input", "(N, 28, 28, 1)"),
        ("Flatten()", "[flatten1]", "(N, 784)"),
        ("Affine(units=500)", "[affine1]", "(N, 500)", "392,500"),
        ("BatchNorm(momentum=0.5)", "[batchnorm1]", "(N, 500)", "1,000"),
        ("ReLU()", "[relu1]", "(N, 500)", "fused into batchnorm1"),
        ("Dropout(rate=0.25)", "[dropout1]", "(N, 500)"),
        ("Affine(units=10)", "[affine2]", "(N, 10)", "5,010"),
        ("398,510", "parameters", "1.59 MB", "float32", "seed 7"),
    ]:
        for fact in facts:
            assert fact in rows[start], f"{fact!r} is not in {rows[start]!r}"
    assert repr(model) == model.summary()
    assert all(line == line.rstrip() for line in model.summary().splitlines())
