"""Frozen layers and parameters: what does not move, and what is not computed."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from changed_copies import Points, blocks, changed, copies, network, train
from gradients import Projection, Stretch

import pynn
from pynn.optimizers import OPTIMIZERS


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_a_frozen_layer_does_not_move_nor_does_its_state(
    name: str, backend: str, points: Points, both_backends: Any
) -> None:
    pynn.use_backend(backend)
    model, optimizer = network(), OPTIMIZERS[name](0.1)
    train(model, points, optimizer, 3)  # the state is not 0
    model.layers[3].freeze()
    before, places = copies(model), blocks(model)
    frozen = {key: place for key, place in places.items() if key.startswith("affine2")}
    state = {slot: getattr(optimizer, slot).copy() for slot in optimizer.slots}
    train(model, points, optimizer, 4)
    assert changed(model, before) == before.keys() - frozen.keys()
    for slot, old in state.items():
        for place in frozen.values():
            np.testing.assert_array_equal(getattr(optimizer, slot)[place], old[place])
        assert getattr(optimizer, slot).size == model.parameters.size
        assert not np.array_equal(getattr(optimizer, slot), old)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trainable_layers_take_the_path_they_take_alone(name: str, points: Points) -> None:
    """The frozen first layer is a fixed map: training the rest on its outputs is the same."""
    model = pynn.Sequential(pynn.Affine(6), pynn.Tanh(), pynn.Affine(5), pynn.Tanh(), pynn.Affine(3), dtype="float64")
    model.build((4,))
    model.layers[0].freeze()
    head = pynn.Sequential(pynn.Affine(5), pynn.Tanh(), pynn.Affine(3), dtype="float64")
    head.build((6,))
    for ours, theirs in zip(list(head.tensors().values()), list(model.tensors().values())[2:], strict=True):
        ours[...] = theirs
    features = np.tanh(points[0] @ model.layers[0].weight + model.layers[0].bias)
    train(model, points, OPTIMIZERS[name](0.01), 20)
    train(head, (features, points[1]), OPTIMIZERS[name](0.01), 20)
    for ours, theirs in zip(list(head.tensors().values()), list(model.tensors().values())[2:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_a_frozen_layer_above_a_trained_one_computes_no_weight_gradient(backend: str, rng: np.random.Generator) -> None:
    """Its kernel passes the gradient on, and leaves its own parameters out; those below get the same bits."""
    model = pynn.Sequential(
        pynn.Conv2d(3), pynn.ReLU(), pynn.Conv2d(4), pynn.ReLU(), pynn.Flatten(),
        pynn.Affine(6), pynn.Tanh(), pynn.Maxout(5), pynn.DropConnect(4, 0.5), pynn.ReLU(), pynn.Affine(3),
    )  # fmt: skip
    model.build((4, 4, 2))
    x, loss = rng.standard_normal((5, 4, 4, 2)).astype(np.float32), Projection()
    with model.same_masks():
        loss.forward(model.forward(x, training=True), None)
        model.backward(loss.backward())
    whole = {name: model.gradients[place].copy() for name, place in blocks(model).items()}
    for name in ("conv2d2", "affine1", "maxout1", "dropconnect1"):
        model.freeze(name)
    model.layers[-1].freeze("weight")
    assert all(array.any() for array in whole.values())
    for _ in range(2):  # what was there before is cleared by the first
        with model.same_masks():
            loss.forward(model.forward(x, training=True), None)
            model.backward(loss.backward())
    for name, place in blocks(model).items():
        trained = name in ("conv2d1.weight", "conv2d1.bias", "affine2.bias")
        np.testing.assert_array_equal(model.gradients[place], whole[name] if trained else 0, name)


def test_single_parameters_can_be_frozen(points: Points) -> None:
    model = network()
    model.layers[0].freeze("bias")
    model.layers[5].freeze("weight").freeze("bias")
    assert [layer.frozen for layer in model.layers] == [False, False, False, False, False, True]
    before = copies(model)
    train(model, points, pynn.Momentum(0.1))
    assert before.keys() - changed(model, before) == {"affine1.bias", "affine3.weight", "affine3.bias"}


def test_freezing_may_stand_before_the_model_is_built(points: Points) -> None:
    first = pynn.Affine(6).freeze()
    assert first.frozen
    model = pynn.Sequential(first, pynn.ReLU(), pynn.Affine(3).freeze("weight"))
    model.build((4,))
    assert first.frozen
    before = copies(model)
    train(model, points, pynn.Adam(0.1))
    assert changed(model, before) == {"affine2.bias"}


def test_freezing_a_model_freezes_all_inside_and_unfreezing_undoes_it(points: Points) -> None:
    model = pynn.Sequential(pynn.Sequential(pynn.Affine(4), pynn.ReLU()), Stretch(), pynn.Affine(3))
    model.build((4,))
    assert not model.frozen
    assert model.freeze() is model
    assert model.frozen
    before = copies(model)
    train(model, points, pynn.Adam(0.1))
    assert not changed(model, before)
    assert not model.gradients.any()
    model.layers[0].unfreeze()
    assert not model.frozen
    train(model, points, pynn.Adam(0.1))
    assert changed(model, before) == {"affine1.weight", "affine1.bias"}
    model.unfreeze()
    train(model, points, pynn.Adam(0.1))
    assert changed(model, before) == before.keys()


class Counting(Stretch):
    """Counts its backward passes."""

    calls = 0

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.calls += 1
        return super().backward(dy)


def test_there_is_no_backward_pass_below_the_first_layer_that_is_trained(points: Points) -> None:
    below, above = Counting(), Counting()
    model = pynn.Sequential(below, pynn.Affine(6), pynn.ReLU(), above, pynn.Affine(3))
    model.build((4,))
    optimizer = pynn.Adam()
    train(model, points, optimizer, 1)
    assert (below.calls, above.calls) == (1, 1)
    below.freeze()
    train(model, points, optimizer, 1)
    assert (below.calls, above.calls) == (1, 2)
    model.layers[1].freeze()
    above.freeze()
    train(model, points, optimizer, 1)
    assert (below.calls, above.calls) == (1, 2)
    model.unfreeze()
    train(model, points, optimizer, 1)
    assert (below.calls, above.calls) == (2, 3)


def test_gradients_above_a_frozen_part_and_of_the_input_stay_right() -> None:
    model, x = gradients.smooth([pynn.Affine(4), pynn.Tanh(), pynn.Affine(3), pynn.Tanh(), pynn.Affine(2)], (5,))
    model.layers[0].freeze()
    loss = Projection()
    loss.forward(model.forward(x, training=True), None)
    model.backward(loss.backward())
    frozen = model.gradients.copy()
    model.unfreeze()
    gradients.check(model, loss, x)
    loss.forward(model.forward(x, training=True), None)
    model.backward(loss.backward())
    place = blocks(model)["affine1.weight"]
    assert not frozen[place].any()
    assert model.gradients[place].any()
    rest = slice(blocks(model)["affine2.weight"].start, None)
    np.testing.assert_array_equal(frozen[rest], model.gradients[rest])
    model.layers[0].freeze()
    model.layers[2].freeze()
    loss.forward(model.forward(x, training=True), None)
    dx = model.backward(loss.backward(), input_gradient=True)
    assert dx is not None
    dx = dx.copy()
    numeric = gradients.differences(lambda: loss.forward(model.forward(x, training=True), None), x)
    assert gradients.relative_error(dx, numeric) < gradients.TOLERANCE


def test_penalties_leave_frozen_weights_out(points: Points) -> None:
    model = network()
    whole = pynn.L2(0.1).apply(model)
    model.layers[0].freeze()
    w = model.layers[0].weight
    assert pynn.L2(0.1).apply(model) == pytest.approx(whole - 0.05 * (w * w).sum(), rel=1e-12)


def test_a_frozen_batchnorm_works_with_its_running_statistics_which_stay(points: Points) -> None:
    model = network()
    train(model, points, pynn.Adam(0.1))
    norm = model.layers[1]
    norm.freeze()
    before = copies(model)
    in_training = model.forward(points[0], training=True).copy()
    np.testing.assert_array_equal(in_training, model.forward(points[0]))
    train(model, points, pynn.Adam(0.1))
    assert before.keys() - changed(model, before) == {
        f"batchnorm1.{name}" for name in ("gamma", "beta", "running_mean", "running_var")
    }
    train(model, (points[0][:1], points[1][:1]), pynn.Adam(0.1), 1)  # no variance is needed
    norm.unfreeze().freeze("gamma")  # beta is trained: it goes by the batch again
    before = copies(model)
    model.forward(points[0], training=True)
    assert changed(model, before) == {"batchnorm1.running_mean", "batchnorm1.running_var"}


@pytest.mark.parametrize("activation", [pynn.ReLU, pynn.Tanh])
@pytest.mark.parametrize("shape", [(5,), (3, 2, 3)], ids=str)
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_gradients_through_a_frozen_batchnorm(
    activation: type[pynn.Layer], shape: tuple[int, ...], backend: str, both_backends: Any
) -> None:
    pynn.use_backend(backend)
    model, x = gradients.smooth([Stretch(), pynn.BatchNorm(), activation(), Stretch()], shape)
    model.layers[1].running_mean[...] = 0.1
    model.layers[1].running_var[...] = 0.5
    model.layers[1].freeze()
    loss = Projection()
    errors = gradients.errors(model, loss, x, None)
    assert errors.keys() == {"stretch1.factor", "stretch2.factor", "batchnorm1.gamma", "batchnorm1.beta", "input"}
    for name in ("stretch1.factor", "stretch2.factor", "input"):
        assert errors[name] < gradients.TOLERANCE
