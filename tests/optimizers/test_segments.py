"""Exceptions over the flat vector: frozen layers and parameters, learning-rate factors, what a step then does."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection, Scale

import pynn
from pynn.optimizers import OPTIMIZERS, Segment
from pynn.optimizers.segments import runs

Points = tuple[np.ndarray, np.ndarray]


def network(dtype: str = "float64") -> pynn.Sequential:
    model = pynn.Sequential(
        pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(5), pynn.Tanh(), pynn.Affine(3), dtype=dtype
    )
    model.build((4,))
    return model


def train(model: pynn.Sequential, points: Points, optimizer: pynn.Optimizer, steps: int = 5) -> pynn.Sequential:
    for _ in range(steps):
        model.train_step(*points, pynn.SoftmaxCrossEntropy(), optimizer)
    return model


def copies(model: pynn.Sequential) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in model.tensors().items()}


def changed(model: pynn.Sequential, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, value in model.tensors().items() if not np.array_equal(value, before[name])}


def blocks(model: pynn.Sequential) -> dict[str, slice]:
    """Each parameter's place in the flat vector."""
    found = {}
    for name, view in model.tensors().items():
        if np.shares_memory(view, model.parameters):
            start = (view.ctypes.data - model.parameters.ctypes.data) // view.itemsize
            found[name] = slice(start, start + view.size)
    return found


# Runs ---------------------------------------------------------------------------------------------


def test_neighbours_with_equal_settings_are_one_run() -> None:
    segments = [Segment(0, 16), Segment(16, 32, decays=False), Segment(32, 48), Segment(48, 48), Segment(48, 64)]
    assert runs(segments, by_decay=False) == (Segment(0, 64),)
    assert runs(segments, by_decay=True) == (Segment(0, 16), Segment(16, 32, decays=False), Segment(32, 64))


def test_frozen_segments_have_no_run_and_part_their_neighbours() -> None:
    segments = [Segment(0, 16, frozen=True), Segment(16, 32), Segment(32, 48, frozen=True), Segment(48, 64)]
    assert runs(segments, by_decay=False) == (Segment(16, 32), Segment(48, 64))
    assert runs([Segment(0, 16, factor=0.5), Segment(16, 32)], by_decay=False) == (
        Segment(0, 16, factor=0.5), Segment(16, 32),
    )  # fmt: skip
    assert runs([], by_decay=True) == ()


def counted(optimizer: pynn.Optimizer) -> list[int]:
    """The sizes that `update` is called with from now on."""
    sizes: list[int] = []
    update = optimizer.update

    def counting(parameters: np.ndarray, gradient: np.ndarray) -> None:
        sizes.append(parameters.size)
        update(parameters, gradient)

    optimizer.update = counting  # type: ignore[method-assign]
    return sizes


def test_a_step_without_exceptions_is_one_call_over_the_whole_vector(points: Points) -> None:
    model, optimizer = network(), pynn.Adam()
    sizes = counted(optimizer)
    train(model, points, optimizer, 2)
    assert sizes == [model.parameters.size] * 2


def test_a_model_that_is_unfrozen_before_the_first_step_is_stepped_in_one_call(points: Points) -> None:
    model, optimizer = network(), pynn.Adam()
    sizes = counted(optimizer)
    model.layers[3].freeze()
    model.segments()
    model.unfreeze()
    train(model, points, optimizer, 2)
    assert sizes == [model.parameters.size] * 2


def test_a_layer_that_is_unfrozen_is_stepped_apart_since_its_count_of_steps_is_another(points: Points) -> None:
    model, optimizer = network(), pynn.Adam()
    sizes = counted(optimizer)
    model.layers[3].freeze()
    train(model, points, optimizer, 1)
    assert len(sizes) == 2
    assert sum(sizes) < model.parameters.size
    model.unfreeze()
    train(model, points, optimizer, 1)
    assert len(sizes[2:]) == 3
    assert sum(sizes[2:]) == model.parameters.size
    model.layers[3].learning_rate_factor = 0.5
    train(model, points, optimizer, 1)
    assert sizes[5:] == sizes[2:5]


# Freezing -----------------------------------------------------------------------------------------


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
def test_what_is_not_frozen_goes_the_way_it_goes_alone(name: str, points: Points) -> None:
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
    model = pynn.Sequential(pynn.Sequential(pynn.Affine(4), pynn.ReLU()), Scale(), pynn.Affine(3))
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


class Counting(Scale):
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
    model, x = gradients.smooth([Scale(), pynn.BatchNorm(), activation(), Scale()], shape)
    model.layers[1].running_mean[...] = 0.1
    model.layers[1].running_var[...] = 0.5
    model.layers[1].freeze()
    loss = Projection()
    errors = gradients.errors(model, loss, x, None)
    assert errors.keys() == {"scale1.factor", "scale2.factor", "batchnorm1.gamma", "batchnorm1.beta", "input"}
    for name in ("scale1.factor", "scale2.factor", "input"):
        assert errors[name] < gradients.TOLERANCE


# Factors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_a_factor_is_another_learning_rate_for_that_layer(
    name: str, backend: str, points: Points, both_backends: Any
) -> None:
    pynn.use_backend(backend)
    usual, slow, mixed = network(), network(), network()
    mixed.layers[3].learning_rate_factor = 0.25
    train(usual, points, OPTIMIZERS[name](0.1), 1)
    train(slow, points, OPTIMIZERS[name](0.025), 1)
    train(mixed, points, OPTIMIZERS[name](0.1), 1)
    for key, found in mixed.tensors().items():
        expected = slow if key.startswith("affine2") else usual
        np.testing.assert_allclose(found, expected.tensors()[key], rtol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_factor_on_all_layers_is_another_learning_rate(name: str, points: Points) -> None:
    slow, scaled, optimizer = network("float32"), network("float32"), OPTIMIZERS[name](0.25, weight_decay=0)
    scaled.learning_rate_factor = 0.5
    sizes = counted(optimizer)
    train(slow, points, OPTIMIZERS[name](0.125, weight_decay=0))
    train(scaled, points, optimizer)
    np.testing.assert_array_equal(scaled.parameters, slow.parameters)
    assert sizes == [scaled.parameters.size] * 5
    assert optimizer.learning_rate == optimizer.effective_learning_rate == 0.25


def test_a_factor_of_0_moves_nothing(points: Points) -> None:
    model = network()
    model.layers[0].learning_rate_factor = 0
    before = copies(model)
    train(model, points, pynn.Momentum(0.1))
    assert before.keys() - changed(model, before) == {"affine1.weight", "affine1.bias"}


def test_cutting_the_vector_does_not_change_the_bits(points: Points) -> None:
    """A factor of 1 + 0 on every second layer is cut apart but computes the same."""
    whole, cut = network("float32"), network("float32")
    optimizer = pynn.Adam(0.01)
    train(whole, points, pynn.Adam(0.01))
    cut.layers[0].learning_rate_factor = cut.layers[5].learning_rate_factor = np.nextafter(1, 2)
    sizes = counted(optimizer)
    train(cut, points, optimizer)
    assert len(sizes) == 15
    np.testing.assert_array_equal(whole.parameters, cut.parameters)


class SignDescent(pynn.Optimizer):
    """An own optimizer that rebinds its slot."""

    slots = ("last",)

    def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
        assert self.last.shape == parameters.shape
        self.last = np.sign(gradients)
        parameters -= self.effective_learning_rate * self.last


def test_own_optimizers_heed_exceptions_and_keep_their_state(points: Points) -> None:
    model, optimizer = network(), SignDescent(0.5)
    model.layers[1].freeze()
    model.layers[3].learning_rate_factor = 0.5
    before, places = copies(model), blocks(model)
    train(model, points, optimizer, 1)
    assert optimizer.last.shape == model.parameters.shape
    assert not optimizer.last[places["batchnorm1.gamma"]].any()
    assert optimizer.last[places["affine3.bias"]].all()
    np.testing.assert_allclose(np.abs(model.tensors()["affine2.bias"] - before["affine2.bias"]), 0.25)
    np.testing.assert_allclose(np.abs(model.tensors()["affine3.bias"] - before["affine3.bias"]), 0.5)


def test_an_update_that_fails_leaves_the_state_whole(points: Points) -> None:
    class Failing(SignDescent):
        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            raise RuntimeError("no")

    model, optimizer = network(), Failing(0.5)
    model.layers[1].freeze()
    with pytest.raises(RuntimeError, match="no"):
        train(model, points, optimizer, 1)
    assert optimizer.last.shape == model.parameters.shape


def test_the_summary_shows_what_is_frozen_and_the_factors() -> None:
    model = network()
    plain = model.summary()
    model.layers[0].freeze()
    model.layers[3].freeze("weight")
    model.layers[3].learning_rate_factor = 0.1
    lines = model.summary().splitlines()
    ends = {line.split("]")[0].split("[")[1]: line.split()[-3:] for line in lines if "affine" in line}
    assert ends["affine1"][-1] == "frozen"
    assert ends["affine2"][-3:] == ["rate", "×", "0.1"]
    model.unfreeze()
    model.learning_rate_factor = 1
    assert model.summary() == plain


# Copies and files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_go_on_alike(again: Any, points: Points) -> None:
    model = network()
    model.layers[3].freeze()
    model.layers[5].learning_rate_factor = 0.5
    model.fit(*points, optimizer="adam", epochs=2, batch_size=10, progress=False)
    other = again(model)
    for one in (model, other):
        one.fit(*points, epochs=2, batch_size=10, progress=False)
    np.testing.assert_array_equal(other.parameters, model.parameters)
    other.unfreeze()
    assert model.layers[3].frozen


def test_what_is_frozen_and_the_factors_are_saved(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(
        pynn.Sequential(pynn.Affine(4), pynn.ReLU()), pynn.BatchNorm(), pynn.Affine(5).named("middle"), pynn.Affine(3)
    )
    model.build((4,))
    model.layers[0].freeze()
    model.layers[1].freeze("gamma")
    model.layers[2].learning_rate_factor = 0.125
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m")
    assert back.segments() == model.segments()
    assert [layer.frozen for layer in back.layers] == [True, False, False, False]
    assert back.layers[0].layers[0].frozen
    assert back.layers[2].learning_rate_factor == 0.125
    back.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    for one in (model, back):
        train(one, points, pynn.Adam(0.1))
    np.testing.assert_array_equal(back.parameters, model.parameters)


def rewritten(path: Path, settings: Any) -> None:
    """The model file with other training settings of its first layer."""
    import safetensors.numpy
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        description = json.loads(file.metadata()["pynn"])
    del description["crc"]  # as in a file of older pynn
    description["layers"][0]["train"] = settings
    safetensors.numpy.save_file(tensors, path, {"pynn": json.dumps(description)})


@pytest.mark.parametrize(
    "settings",
    [
        {"frozen": "weight"}, {"frozen": 1}, {"frozen": [1]}, {"frozen": ["gain"]}, {"learning_rate_factor": -1},
        {"learning_rate_factor": "1"}, {"learning_rate_factor": 1e999}, [], "frozen", 3, None,
    ],
    ids=repr,
)  # fmt: skip
def test_damaged_settings_in_a_file_are_a_value_error(settings: Any, tmp_path: Path) -> None:
    network().save(tmp_path / "m")
    rewritten(tmp_path / "m", settings)
    with pytest.raises(ValueError, match="the model cannot be built from its description"):
        pynn.load(tmp_path / "m")


# Misuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, [1.0]], ids=repr)
def test_factors_out_of_range_are_refused(value: Any) -> None:
    layer = pynn.Affine(3)
    layer.learning_rate_factor = 0.5
    with pytest.raises(ValueError, match=r"Affine: learning_rate_factor is .*, expected a finite number of at least 0"):
        layer.learning_rate_factor = value
    assert layer.learning_rate_factor == 0.5


def test_a_name_that_is_no_parameter_is_refused() -> None:
    model = network()
    with pytest.raises(ValueError, match="affine1: 'gamma' cannot be frozen, expected weight, bias"):
        model.layers[0].freeze("gamma")
    assert not any(segment.frozen for segment in model.segments())
    early = pynn.Sequential(pynn.Affine(3).freeze("wieght"))
    with pytest.raises(ValueError, match="'wieght' cannot be frozen, expected weight, bias"):
        early.build((4,))
    assert not early.built
