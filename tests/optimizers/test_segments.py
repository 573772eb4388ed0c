"""The flat vector in segments: learning-rate factors, what a step then does, copies and files."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_copies import Points, blocks, changed, copies, network, train

import pynn
from pynn.optimizers import OPTIMIZERS, Segment
from pynn.optimizers.segments import runs

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


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_a_factor_by_name_is_another_rate_for_that_parameter(
    name: str, backend: str, points: Points, both_backends: Any
) -> None:
    pynn.use_backend(backend)
    usual, slow, mixed = network(), network(), network()
    mixed.layers[3].learning_rate_factor = {"bias": 0.25}
    train(usual, points, OPTIMIZERS[name](0.1), 1)
    train(slow, points, OPTIMIZERS[name](0.025), 1)
    train(mixed, points, OPTIMIZERS[name](0.1), 1)
    for key, found in mixed.tensors().items():
        expected = slow if key == "affine2.bias" else usual
        np.testing.assert_allclose(found, expected.tensors()[key], rtol=1e-13, err_msg=key)


def test_a_factor_by_name_holds_for_the_layers_inside_that_have_the_name() -> None:
    inside = pynn.Sequential(pynn.Affine(4, use_bias=False), pynn.BatchNorm(), pynn.ReLU())
    model = pynn.Sequential(pynn.Affine(5), inside, pynn.Affine(3))
    model.learning_rate_factor = {"bias": 0.5, "gamma": 0}
    model.build((4,))
    factors = [segment.factor for segment in model.segments()]
    assert factors == [1, 0.5, 1, 0, 1, 1, 0.5]  # weight, bias; weight; gamma, beta; weight, bias
    assert model.learning_rate_factor == {"bias": 0.5, "gamma": 0}
    assert [layer.learning_rate_factor for layer in model.layers] == [{"bias": 0.5}, {"gamma": 0}, {"bias": 0.5}]
    assert [layer.learning_rate_factor for layer in inside.layers] == [1, {"gamma": 0}, 1]
    assert "learning rate of bias × 0.5" in model.summary()
    model.layers[2].learning_rate_factor = {"weight": 2}
    assert [segment.factor for segment in model.segments()][-2:] == [2, 1]
    model.learning_rate_factor = 3
    assert {segment.factor for segment in model.segments()} == {3}


def test_a_factor_by_name_is_read_by_a_copy_that_cannot_be_written() -> None:
    layer = pynn.Affine(3)
    given = {"bias": 0.1}
    layer.learning_rate_factor = given
    given["bias"] = 5
    assert layer.learning_rate_factor == {"bias": 0.1}
    with pytest.raises(TypeError, match="does not support item assignment"):
        layer.learning_rate_factor["bias"] = 1  # type: ignore[index]
    assert copy.deepcopy(layer).learning_rate_factor == {"bias": 0.1}
    layer.learning_rate_factor = {}
    assert layer.learning_rate_factor == 1


def test_names_of_factors_that_no_parameter_has_are_refused(points: Points, tmp_path: Path) -> None:
    model = network()
    with pytest.raises(ValueError, match="affine1: learning_rate_factor has the name 'gamma', expected weight, bias"):
        model.layers[0].learning_rate_factor = {"weight": 0.5, "gamma": 0.1}
    with pytest.raises(ValueError, match="learning_rate_factor has the name 'biases', expected weight, bias, gamma"):
        model.learning_rate_factor = {"biases": 0.1}
    assert {segment.factor for segment in model.segments()} == {1.0}
    for early, message in (
        (pynn.Affine(3), "affine1: learning_rate_factor has the name 'wieght', expected weight, bias"),
        (pynn.Sequential(pynn.Affine(3)), "learning_rate_factor has the name 'wieght', expected weight, bias"),
        (pynn.ReLU(), "relu1: learning_rate_factor has the name 'wieght', but it has no parameters"),
    ):
        early.learning_rate_factor = {"wieght": 0.1}
        whole = pynn.Sequential(early)
        with pytest.raises(ValueError, match=message):
            whole.build((4,))
        assert not whole.built
    alone = pynn.Affine(3)
    alone.build((4,))
    with pytest.raises(ValueError, match="expected weight, bias"):
        alone.learning_rate_factor = {"gain": 2}


def test_a_model_with_factors_by_name_is_saved_resumed_and_copied(points: Points, tmp_path: Path) -> None:
    def made() -> pynn.Sequential:
        model = pynn.Sequential(pynn.Affine(6), pynn.ReLU(), pynn.BatchNorm(), pynn.Affine(3), seed=3)
        model.learning_rate_factor = {"bias": 0.1, "beta": 0}
        model.layers[0].learning_rate_factor = {"weight": 2}
        return model

    whole = made()
    whole.fit(*points, epochs=4, batch_size=10, progress=False)
    halves = made()
    halves.fit(*points, epochs=2, batch_size=10, checkpoint=tmp_path / "run", progress=False)
    halves = made()
    halves.fit(*points, epochs=4, batch_size=10, checkpoint=tmp_path / "run", resume=True, progress=False)
    np.testing.assert_array_equal(halves.parameters, whole.parameters)
    whole.save(tmp_path / "m")
    for back in (pynn.load(tmp_path / "m"), copy.deepcopy(whole)):
        assert back.segments() == whole.segments()
        assert back.layers[0].learning_rate_factor == {"weight": 2}
    other = made()
    other.layers[3].learning_rate_factor = {"bias": 0.2}
    with pytest.raises(ValueError, match="the model differs"):
        other.fit(*points, epochs=4, batch_size=10, checkpoint=tmp_path / "run", resume=True, progress=False)


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


def test_frozen_parameters_and_factors_are_saved(points: Points, tmp_path: Path) -> None:
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
        {"learning_rate_factor": "1"}, {"learning_rate_factor": 1e999}, {"learning_rate_factor": {"bias": -1}},
        {"learning_rate_factor": {"gain": 1}}, {"learning_rate_factor": {"bias": None}}, [], "frozen", 3, None,
    ],
    ids=repr,
)  # fmt: skip
def test_damaged_settings_in_a_file_are_a_value_error(settings: Any, tmp_path: Path) -> None:
    network().save(tmp_path / "m")
    rewritten(tmp_path / "m", settings)
    with pytest.raises(ValueError, match="the model cannot be built from its description"):
        pynn.load(tmp_path / "m")


# Views of the blocks ------------------------------------------------------------------------------


class Blocks:
    """Three blocks of other rates, which are no model; its gradients are a new array in each step."""

    def __init__(self) -> None:
        self.parameters = np.linspace(-1, 1, 48)
        self.step, self.blocks = 0, tuple(Segment(16 * i, 16 * i + 16, factor=1 / (i + 1)) for i in range(3))

    @property
    def gradients(self) -> np.ndarray:
        return np.cos(np.arange(48) + self.step)

    def segments(self) -> tuple[Segment, ...]:
        return self.blocks

    def advance(self) -> None:
        self.step += 1


def by_block(name: str, steps: int, change: Any = None) -> np.ndarray:
    """The same, with an optimizer for each block."""
    whole, ends = Blocks(), []
    for block in whole.blocks:
        part, optimizer = Blocks(), OPTIMIZERS[name](0.1 * block.factor, weight_decay=0.1)
        cut = slice(block.start, block.stop)
        part.blocks = (Segment(0, 16),)
        gradients = np.cos(np.arange(48) + np.arange(steps)[:, None])[:, cut]
        part.parameters = part.parameters[cut].copy()
        for number in range(steps):
            shown = type("Shown", (), {"parameters": part.parameters, "gradients": gradients[number].copy()})()
            shown.segments, shown.advance = part.segments, part.advance
            optimizer.step(shown)
            if number == 1 and change is not None:
                change(optimizer)
        ends.append(part.parameters)
    return np.concatenate(ends)


def renewed(optimizer: pynn.Optimizer) -> None:
    """Arrays in the place of the optimizer's state, as a user may put them there."""
    for name in optimizer.slots:
        setattr(optimizer, name, np.full_like(getattr(optimizer, name), 0.5))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("change", [None, renewed])
def test_blocks_are_those_of_the_arrays_of_this_step(name: str, change: Any, backend: str) -> None:
    model, optimizer = Blocks(), OPTIMIZERS[name](0.1, weight_decay=0.1)
    for number in range(4):
        optimizer.step(model)
        if number == 1 and change is not None:
            change(optimizer)
        if number == 2:  # other blocks, of the same settings
            model.blocks = (
                *model.blocks[:1],
                Segment(16, 24, factor=1 / 2),
                Segment(24, 32, factor=1 / 2),
                model.blocks[2],
            )
    np.testing.assert_array_equal(model.parameters, by_block(name, 4, change))
    assert all(getattr(optimizer, slot).shape == (48,) for slot in optimizer.slots)


def test_a_step_that_fails_in_a_block_leaves_the_optimizer_whole() -> None:
    class Failing(pynn.Momentum):
        def update(self, parameters: np.ndarray, gradients: np.ndarray) -> None:
            super().update(parameters, gradients)
            if self.effective_learning_rate < 0.06:
                raise FloatingPointError

    model, optimizer = Blocks(), Failing(0.1)
    for _ in range(2):
        with pytest.raises(FloatingPointError):
            optimizer.step(model)
    assert optimizer.velocity.shape == (48,)
    assert optimizer.velocity[16:32].any()
    assert not optimizer.velocity[32:].any()
    assert optimizer.effective_learning_rate == 0.1


def test_copies_hold_no_views_of_the_original(points: Points) -> None:
    model, optimizer = network(), pynn.Adam(0.01)
    model.layers[3].learning_rate_factor = 0.5
    train(model, points, optimizer, 2)
    plain = pynn.Adam(0.01)
    train(network(), points, plain, 2)
    assert abs(len(pickle.dumps(optimizer)) - len(pickle.dumps(plain))) < 500
    twin_model, twin = copy.deepcopy((model, optimizer))
    before = optimizer.first.copy()
    train(twin_model, points, twin, 1)
    np.testing.assert_array_equal(optimizer.first, before)
    train(model, points, optimizer, 1)
    np.testing.assert_array_equal(twin_model.parameters, model.parameters)


# Misuse -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, [1.0], {"bias": -1}], ids=repr)
def test_factors_out_of_range_are_refused(value: Any) -> None:
    layer = pynn.Affine(3)
    layer.learning_rate_factor = 0.5
    with pytest.raises(
        ValueError, match=r"Affine: learning_rate_factor (is|of) .*, expected a finite number of at least 0"
    ):
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
