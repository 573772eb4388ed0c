"""New heads, and freezing by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradients import Stretch
from trained_models import Points, assert_unchanged, convolutional, images, state, trained

import pynn

# A new head ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_before_the_head_stays_bit_for_bit(dtype: str, points: Points) -> None:
    model = trained(points, dtype)
    before, codes = state(model), pynn.transfer.features(model, points[0])
    preprocessing, trunk = model.preprocessing, model.layers[:5]
    assert model.replace_head(pynn.Affine(7), pynn.ReLU(), pynn.Affine(2)) is model
    assert model.layers[:5] == trunk
    assert [layer.name for layer in model.layers[5:]] == ["affine3", "relu2", "affine4"]
    for name, array in model.tensors().items():
        if not name.startswith(("affine3", "affine4")):
            np.testing.assert_array_equal(array, before["tensors"][name], name)
    assert model.preprocessing is preprocessing
    assert model.layers[0].penalty is not None
    assert model.layers[0].freezes("bias")
    assert model.layers[3].learning_rate_factor == 0.5
    np.testing.assert_array_equal(pynn.transfer.features(model, points[0], layer=4), codes)
    assert model.predict_proba(points[0]).shape == (30, 2)
    assert model.output_shape == (2,)


def test_the_flat_vector_holds_the_new_model(points: Points) -> None:
    model = trained(points)
    model.replace_head(pynn.Affine(2))
    fresh = pynn.Sequential(pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(5), pynn.Tanh(), pynn.Affine(2))
    fresh.build((4,))
    assert model.parameters.size == fresh.parameters.size
    assert model.parameter_count == fresh.parameter_count
    np.testing.assert_array_equal(model.layers[5].weight, fresh.layers[5].weight)
    for layer in model.layers:
        for parameter in layer.declared:
            assert np.shares_memory(getattr(layer, parameter.name), model.parameters)
            assert np.shares_memory(getattr(layer, f"d{parameter.name}"), model.gradients)
    assert not model.layers[5].frozen


def test_state_of_the_old_head_and_its_training_is_dropped(points: Points) -> None:
    model = trained(points)
    old = model.optimizer
    assert old is not None
    model.replace_head(pynn.Affine(2))
    assert (model.optimizer, model.epoch, model.context.step) == (None, 0, 0)
    assert model.notes == {"image_shape": [2, 2, 1]}
    with pytest.raises(ValueError, match="give each model its own Adam"):
        model.fit(points[0], points[1] % 2, optimizer=old, progress=False)
    with pytest.raises(RuntimeError, match="must follow forward"):
        model.backward(np.zeros((30, 2)))
    model.fit(points[0], points[1] % 2, epochs=2, progress=False)
    assert model.epoch == 2


def test_the_loss_is_that_of_a_new_model(points: Points, rng: np.random.Generator) -> None:
    model = trained(points)
    model.fit(*points, loss="hinge", epochs=1, progress=False)
    model.replace_head(pynn.Affine(1))
    assert isinstance(model.loss, pynn.SoftmaxCrossEntropy)
    model.fit(points[0], points[0][:, :1], loss="l2", epochs=1, progress=False)
    assert model.predict(points[0]).shape == (30, 1)


def test_a_head_that_brings_its_loss_comes_and_goes(points: Points) -> None:
    x, y = points
    model = trained(points)
    model.replace_head(pynn.Affine(4), pynn.HierarchicalSoftmax(3))
    assert model.loss is model.layers[-1].loss
    history = model.fit(x, y, epochs=30, batch_size=10, optimizer=pynn.Adam(0.01), progress=False)
    assert history["loss"][-1] < history["loss"][0]
    assert model.predict(x).shape == (30,)
    model.replace_head(pynn.Affine(2))  # the tree is the last layer that has parameters: affine3 stays
    assert isinstance(model.loss, pynn.SoftmaxCrossEntropy)
    assert [layer.kind for layer in model.layers[-2:]] == ["Affine", "Affine"]
    model.fit(x, y % 2, epochs=1, progress=False)


def test_only_the_head_moves_over_a_frozen_trunk(points: Points, backend: str) -> None:
    model = trained(points)
    model.replace_head(pynn.Affine(2)).freeze(up_to=-2)
    before = {name: array.copy() for name, array in model.tensors().items()}
    model.fit(points[0], points[1] % 2, epochs=2, progress=False)
    moved = {name for name, array in model.tensors().items() if not np.array_equal(array, before[name])}
    assert moved == {"affine3.weight", "affine3.bias"}


def test_the_new_head_shares_the_gradient_buffers_of_the_model(points: Points) -> None:
    settings: dict[str, Any] = {"epochs": 1, "batch_size": 10, "progress": False}
    model = trained(points).replace_head(pynn.Affine(7), pynn.ReLU(), pynn.Residual(pynn.Affine(7)), pynn.Affine(3))
    model.fit(*points, **settings)
    new = copy.deepcopy(model)
    new.build((4,))
    new.fit(*points, **settings)
    for one in (model, new):
        assert {id(layer._shared) for layer in one.walk()} == {id(one._shared)}
    assert len(model._shared.vectors) == len(new._shared.vectors)  # type: ignore[union-attr]


def test_a_model_file_keeps_the_new_head(points: Points, tmp_path: Path) -> None:
    model = trained(points)
    model.replace_head(pynn.Affine(4).named("new"), pynn.ReLU(), pynn.Affine(2)).freeze(up_to=4)
    model.save(tmp_path / "model.safetensors")
    again = pynn.load(tmp_path / "model.safetensors")
    assert again.tensors().keys() == model.tensors().keys()
    np.testing.assert_array_equal(again.predict_proba(points[0]), model.predict_proba(points[0]))
    assert [layer.frozen for layer in again.layers] == [layer.frozen for layer in model.layers]


def test_a_copy_gets_a_head_of_its_own(points: Points) -> None:
    model = trained(points)
    before = state(model)
    other = copy.deepcopy(model).replace_head(pynn.Affine(9))
    assert_unchanged(model, before)
    assert other.output_shape == (9,)


def test_layers_of_images_stay_with_their_automatic_shortcut(rng: np.random.Generator) -> None:
    x, y = images(rng)
    model = convolutional()
    model.fit(x, y, epochs=1, batch_size=6, progress=False)
    block = model.layers[3]
    shortcut = block.shortcut.freeze()
    before = state(model)
    model.replace_head(pynn.Affine(5))
    assert block.shortcut is shortcut
    assert shortcut.frozen
    for name, array in model.tensors().items():
        if not name.startswith("affine"):
            np.testing.assert_array_equal(array, before["tensors"][name], name)
    model.fit(x, y, epochs=1, batch_size=6, progress=False)


def test_layers_that_went_can_be_used_elsewhere(points: Points) -> None:
    model = trained(points)
    old = model.layers[-1]
    model.replace_head(pynn.Affine(2))
    assert (old.name, old.declared) == ("", [])
    other = pynn.Sequential(old)
    other.fit(*points, epochs=1, progress=False)
    model.fit(points[0], points[1] % 2, epochs=1, progress=False)


def test_arrays_that_were_put_in_the_place_of_weights_stay(points: Points) -> None:
    model = trained(points)
    model.layers[0].weight = np.full((4, 6), 0.5, np.float32)
    model.replace_head(pynn.Affine(2))
    np.testing.assert_array_equal(model.tensors()["affine1.weight"], np.full((4, 6), 0.5))


def test_a_users_own_layer_in_the_trunk_stays(points: Points) -> None:
    model = pynn.Sequential(Stretch(), pynn.Affine(3))
    model.fit(*points, epochs=2, progress=False)
    factor = model.layers[0].factor.copy()
    model.replace_head(pynn.Affine(2))
    np.testing.assert_array_equal(model.layers[0].factor, factor)


# After which layer --------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ["tanh1", 4, -2])
def test_after_names_the_layer_that_stays(after: str | int, points: Points) -> None:
    model = trained(points)
    model.replace_head(pynn.Affine(2), after=after)
    assert [layer.kind for layer in model.layers] == ["Affine", "BatchNorm", "ReLU", "Affine", "Tanh", "Affine"]


def test_after_the_last_layer_nothing_is_taken_away(points: Points) -> None:
    model = trained(points)
    model.replace_head(pynn.ReLU(), pynn.Affine(2), after=-1)
    assert len(model.layers) == 8
    assert model.layers[6].fused_into is model.layers[5]
    model.fit(points[0], points[1] % 2, epochs=1, progress=False)


def test_an_activation_that_is_cut_off_acts_no_more(points: Points, backend: str) -> None:
    model = trained(points, "float64")
    x = points[0].astype(np.float64)
    hidden = pynn.transfer.features(model, x, "relu1")
    plain = hidden @ model.layers[3].weight + model.layers[3].bias
    np.testing.assert_allclose(pynn.transfer.features(model, x, "affine2"), plain, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pynn.transfer.features(model, x, "tanh1"), np.tanh(plain), rtol=1e-12, atol=1e-12)
    model.replace_head(pynn.Affine(2), after="affine2")
    answer = plain @ model.layers[4].weight + model.layers[4].bias
    np.testing.assert_allclose(model.forward(model.preprocessing.transform(x)), answer, rtol=1e-9, atol=1e-12)


def test_a_linear_model_is_replaced_whole(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    model.replace_head(pynn.Affine(5), pynn.ReLU(), pynn.Affine(2))
    assert model.input_shape == (4,)
    assert model.predict(points[0]).shape == (30,)


def test_a_model_inside_a_model_is_one_layer(points: Points) -> None:
    trunk = pynn.Sequential(pynn.Affine(6), pynn.ReLU())
    model = pynn.Sequential(trunk, pynn.Sequential(pynn.Affine(5), pynn.Affine(3)))
    model.fit(*points, epochs=1, progress=False)
    weight = model.tensors()["affine1.weight"].copy()
    model.replace_head(pynn.Affine(2))
    assert model.layers[0] is trunk
    assert model.tensors().keys() == {"affine1.weight", "affine1.bias", "affine2.weight", "affine2.bias"}
    np.testing.assert_array_equal(model.tensors()["affine1.weight"], weight)


# What is refused ----------------------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[[pynn.Sequential], Any], type[Exception], str]] = {
    "no layers": (lambda model: model.replace_head(), ValueError, "got no layers"),
    "a class": (lambda model: model.replace_head(pynn.ReLU), TypeError, r"write ReLU\(\)"),
    "a list": (lambda model: model.replace_head([pynn.Affine(2)]), TypeError, "one by one"),
    "one twice": (lambda model: model.replace_head(*[pynn.Affine(2)] * 2), ValueError, "occurs twice"),
    "does not fit": (
        lambda model: model.replace_head(pynn.Affine(4), pynn.Conv2d(3)),
        ValueError,
        r"new head does not fit inputs of shape \(5,\): layer 1 \(Conv2d\): expected images",
    ),
    "its own": (lambda model: model.replace_head(model.layers[5]), ValueError, r"layer 0 \(Affine\).*already"),
    "a name twice": (lambda model: model.replace_head(pynn.Affine(2).named("affine1"), pynn.Affine(2).named("affine1")),
                     ValueError, "two layers are named 'affine1'"),
    "draws another shape": (
        lambda model: model.replace_head(pynn.Affine(2, initializer=WrongShape())),
        ValueError,
        "drew values of shape",
    ),
    "another model's": (lambda model: model.replace_head(built().layers[0]), ValueError, "belongs to another model"),
    "no such name": (lambda model: model.replace_head(pynn.Affine(2), after="conv7"), ValueError, "'conv7'.*affine1"),
    "no such place": (lambda model: model.replace_head(pynn.Affine(2), after=6), ValueError, "no layer 6"),
}  # fmt: skip


class WrongShape(pynn.initializers.Initializer):
    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        return np.zeros(1)


def built() -> pynn.Sequential:
    other = pynn.Sequential(pynn.Affine(2))
    other.build((4,))
    return other


@pytest.mark.parametrize("name", WRONG)
def test_a_head_that_is_refused_changes_nothing(name: str, points: Points) -> None:
    act, error, text = WRONG[name]
    model = trained(points)
    before, outputs = state(model), model.predict_proba(points[0])
    vector, optimizer = model.parameters, model.optimizer
    with pytest.raises(error, match=text):
        act(model)
    assert_unchanged(model, before)
    assert model.parameters is vector
    np.testing.assert_array_equal(model.predict_proba(points[0]), outputs)
    model.fit(*points, epochs=1, optimizer=optimizer, progress=False)  # it still drives the model


def test_layers_that_were_refused_can_be_used_again(points: Points) -> None:
    model, head = trained(points), pynn.Affine(4)
    with pytest.raises(ValueError, match="does not fit"):
        model.replace_head(head, pynn.Conv2d(3))
    model.replace_head(head)
    assert model.output_shape == (4,)


def test_a_model_without_a_head_to_replace_is_refused() -> None:
    model = pynn.Sequential(pynn.Affine(2))
    with pytest.raises(RuntimeError, match="not built yet"):
        model.replace_head(pynn.Affine(3))
    empty = pynn.Sequential(pynn.Flatten(), pynn.ReLU())
    empty.build((2, 2))
    with pytest.raises(ValueError, match="no layer of the model has parameters"):
        empty.replace_head(pynn.Affine(3))
    assert empty.replace_head(pynn.Affine(3), after=-1).output_shape == (3,)


def test_a_layer_inside_another_is_no_place_to_cut(rng: np.random.Generator) -> None:
    model = convolutional()
    with pytest.raises(ValueError, match=r"conv2d2 is inside another layer, expected .*residual1"):
        model.replace_head(pynn.Affine(2), after="conv2d2")


# Freezing by name ---------------------------------------------------------------------------------


def frozen(model: pynn.Sequential) -> list[str]:
    return [layer.name for layer in model.walk() if layer.declared and layer.frozen]


def test_layers_are_found_by_name_and_place() -> None:
    model = convolutional()
    assert model.layer("conv2d1") is model.layers[0] is model.layer(0)
    assert model.layer(-1) is model.layer("affine1")
    assert model.layer("batchnorm2") is model.layers[3].layers[1] is model.layers[3].layer(1)
    assert model.layer("conv2d4") is model.layers[3].shortcut


@pytest.mark.parametrize("which", ["affine9", "", None, True, 1.5, 8, -9])
def test_a_layer_that_is_not_there_is_named(which: Any) -> None:
    model = convolutional()
    for act in (model.layer, model.freeze, lambda one: model.freeze("affine1", up_to=one), model.unfreeze):
        if which is None and act is not model.layer:
            continue
        with pytest.raises(ValueError, match="there is no layer"):
            act(which)
    assert frozen(model) == []


def test_names_are_there_once_the_model_is_built() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.Affine(2).named("out"))
    assert model.freeze("out").layers[1].frozen is True
    with pytest.raises(ValueError, match="one of out"):
        model.layer("affine1")
    with pytest.raises(ValueError, match="when the model is built"):
        pynn.Sequential(pynn.Affine(3)).freeze("affine1")
    assert pynn.Sequential(pynn.Affine(3)).freeze(0).layers[0].frozen


def test_freeze_and_unfreeze_by_name() -> None:
    model = convolutional()
    assert model.freeze("conv2d1", "residual1") is model
    assert frozen(model) == ["conv2d1", "conv2d2", "batchnorm2", "conv2d3", "conv2d4"]
    assert model.unfreeze("conv2d3", 0) is model
    assert frozen(model) == ["conv2d2", "batchnorm2", "conv2d4"]
    assert frozen(model.unfreeze()) == []
    assert len(frozen(model.freeze())) == 7


def test_freeze_up_to_and_unfreeze_down_to() -> None:
    model = convolutional()
    assert frozen(model.freeze(up_to="batchnorm2")) == ["conv2d1", "batchnorm1", "conv2d2", "batchnorm2"]
    assert not model.layers[3].frozen
    assert len(frozen(model.freeze(up_to="residual1"))) == 6
    assert model.layers[3].frozen
    assert frozen(model.unfreeze(down_to="conv2d3")) == ["conv2d1", "batchnorm1", "conv2d2", "batchnorm2"]
    assert frozen(model.freeze("affine1").unfreeze(down_to="residual1")) == ["conv2d1", "batchnorm1"]
    assert frozen(model.freeze("affine1", up_to=1)) == ["conv2d1", "batchnorm1", "affine1"]


def test_layers_frozen_by_name_do_not_move(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(4), pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    model.freeze(up_to="affine2")
    before = {name: array.copy() for name, array in model.tensors().items()}
    model.fit(*points, epochs=1, progress=False)
    moved = {name for name, array in model.tensors().items() if not np.array_equal(array, before[name])}
    assert moved == {"affine3.weight", "affine3.bias"}
