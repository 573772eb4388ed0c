"""Training loops of a user: each pass has its own masks, nothing of a step is lost, unknown epochs are asked for."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def points(rng: np.random.Generator) -> Points:
    x = rng.standard_normal((60, 5)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] > 0).astype(np.int64)


def _network(*noise: pynn.Layer, **settings: object) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(20), pynn.ReLU(), *noise, pynn.Affine(2), **settings)
    model.build((5,))
    return model


def _backward(model: pynn.Sequential, points: Points, **settings: bool) -> float:
    loss = pynn.SoftmaxCrossEntropy()
    value = loss.forward(model.forward(points[0], training=True), points[1])
    model.backward(loss.backward(), **settings)
    return value


# Masks --------------------------------------------------------------------------------------------


NOISE = {
    "Dropout": lambda: pynn.Dropout(0.5),
    "GaussianNoise": lambda: pynn.GaussianNoise(1.0),
    "DropConnect": lambda: pynn.DropConnect(5, 0.5),
    "Residual": lambda: pynn.Residual(pynn.Affine(5), survival=0.5),
}


@pytest.mark.parametrize("layer", NOISE)
def test_every_training_pass_draws_masks_of_its_own(layer: str, backend: str) -> None:
    model = pynn.Sequential(NOISE[layer]())
    model.build((5,))
    x = np.ones((64, 5), np.float32)
    seen = [model.forward(x, training=True).copy() for _ in range(8)]
    for _ in range(4):
        model.advance()
        seen += [model.forward(x, training=True).copy() for _ in range(3)]
    if layer == "Residual":  # it has two outcomes, in or out
        kept = [not np.array_equal(one, x) for one in seen]
        assert 4 < sum(kept) < 16
        return
    assert all(not np.array_equal(one, other) for one, other in itertools.combinations(seen, 2))


def test_an_update_by_hand_meets_other_masks_each_time(points: Points, backend: str) -> None:
    """Without `advance`, too: `model.parameters -= rate * model.gradients` and nothing else."""
    model = _network(pynn.Dropout(0.5))
    dropout, masks = model.layers[2], []
    for _ in range(4):
        _backward(model, points)
        masks.append(dropout._draw)
        model.parameters -= 0.1 * model.gradients
    assert len(set(masks)) == 4


def test_the_masks_of_training_steps_are_those_of_the_step_alone(points: Points, backend: str) -> None:
    """A pass in between, or a step of several passes, changes nothing of the steps after it."""
    models = [_network(pynn.Dropout(0.5)) for _ in range(2)]
    optimizers = [pynn.SGD(0.1), pynn.SGD(0.1)]
    loss = pynn.SoftmaxCrossEntropy()
    for number in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            model.train_step(*points, loss, optimizer)
        models[1].forward(points[0], training=number == 1)
        with models[1].same_masks():
            models[1].forward(points[0], training=True)
        models[1].context.passes = 0
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def test_same_masks_holds_masks_and_leaves_the_step_as_it_was(points: Points, backend: str) -> None:
    model = _network(pynn.Dropout(0.5))
    first = model.forward(points[0], training=True).copy()
    second = model.forward(points[0], training=True).copy()
    with model.same_masks():
        for _ in range(2):
            np.testing.assert_array_equal(model.forward(points[0], training=True), first)
    third = model.forward(points[0], training=True)
    assert not np.array_equal(second, first)
    assert not np.array_equal(third, second)
    assert not np.array_equal(third, first)


# Accumulated gradients ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_batch_add_up_to_its_gradient(points: Points, dtype: str, backend: str) -> None:
    x, y = points
    model = _network(dtype=dtype)
    _backward(model, points)
    whole = model.gradients.copy()
    loss = pynn.SoftmaxCrossEntropy()
    for _ in range(2):  # the first pass after an update starts from zero
        model.advance()
        for part in (slice(0, 7), slice(7, 40), slice(40, 60)):
            loss.forward(model.forward(x[part], training=True), y[part])
            model.backward(loss.backward() * (len(y[part]) / len(y)), accumulate=True)
        np.testing.assert_allclose(model.gradients, whole, rtol=1e-4, atol=1e-6 if dtype == "float32" else 1e-12)
    _backward(model, points)  # overwrites
    np.testing.assert_array_equal(model.gradients, whole)


def test_parts_meet_masks_of_their_own(points: Points, backend: str) -> None:
    model = _network(pynn.Dropout(0.5))
    _backward(model, points)
    first = model.gradients.copy()
    _backward(model, points, accumulate=True)
    assert not np.allclose(model.gradients, 2 * first, rtol=1e-3)


def test_a_gradient_check_between_two_parts_does_not_count(points: Points, backend: str) -> None:
    model = _network()
    _backward(model, points)
    first = model.gradients.copy()
    with model.same_masks():
        _backward(model, (points[0][:9], points[1][:9]))
    _backward(model, points, accumulate=True)  # what it should be added to is gone: the check has overwritten it
    np.testing.assert_array_equal(model.gradients, first)


def test_frozen_parts_stay_without_a_gradient(points: Points, backend: str) -> None:
    model = _network()
    model.layers[0].freeze()
    for _ in range(2):
        _backward(model, points, accumulate=True)
    assert not model.layers[0].dweight.any()
    assert model.layers[-1].dweight.any()


# Constraints --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["in place", "by its alias", "assigned"])
def test_weights_that_were_moved_by_hand_keep_to_their_constraint(way: str, points: Points, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(20, constraint=pynn.MaxNorm(0.5)), pynn.ReLU(), pynn.Affine(2))
    model.build((5,))
    for _ in range(3):
        _backward(model, points)
        if way == "in place":
            model.parameters -= 5 * model.gradients
        elif way == "by its alias":
            vector = model.parameters
            vector -= 5 * model.gradients
        else:
            model.parameters = model.parameters - 5 * model.gradients
    assert np.linalg.norm(model.layers[0].weight, axis=0).max() > 0.6
    model.forward(points[0])
    assert np.linalg.norm(model.layers[0].weight, axis=0).max() < 0.5 + 1e-5


def test_weights_that_a_gradient_check_moves_are_left_alone(points: Points, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(20, constraint=pynn.MaxNorm(0.5)), pynn.ReLU(), pynn.Affine(2))
    model.build((5,))
    _backward(model, points)
    with model.same_masks():
        model.layers[0].weight[...] = 3
        model.forward(points[0], training=True)
    assert (model.layers[0].weight == 3).all()


# Schedules ----------------------------------------------------------------------------------------


def test_a_schedule_that_nobody_tells_the_epoch_is_refused(points: Points, backend: str) -> None:
    model, loss = _network(), pynn.SoftmaxCrossEntropy()
    optimizer = pynn.Adam(pynn.Warmup(pynn.CosineDecay(1e-2, epochs=19), epochs=1))
    before = model.parameters.copy()
    with pytest.raises(RuntimeError, match=r"Adam follows Warmup.*optimizer\.set_epoch\(epoch \+ i / batches\)"):
        model.train_step(*points, loss, optimizer)
    np.testing.assert_array_equal(model.parameters, before)
    assert optimizer.steps == model.context.step == 0


def test_a_schedule_in_a_users_loop_does_what_fit_does(points: Points, backend: str) -> None:
    def optimizer() -> pynn.Adam:
        return pynn.Adam(pynn.Warmup(pynn.CosineDecay(1e-2, epochs=3), epochs=1))

    models, loss = [_network(), _network()], pynn.SoftmaxCrossEntropy()
    models[0].fit(*points, optimizer=optimizer(), epochs=4, batch_size=20, progress=False)
    own = optimizer()
    for epoch in range(4):
        for i, batch in enumerate(pynn.batches(*points, 20, seed=0, epoch=epoch)):
            own.set_epoch(epoch + i / 3)
            models[1].train_step(*batch, loss, own)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


def test_after_fit_a_users_loop_says_the_epoch_again(points: Points, backend: str) -> None:
    model = _network()
    model.fit(*points, optimizer=pynn.SGD(pynn.StepDecay(0.1, 1)), epochs=2, progress=False)
    with pytest.raises(RuntimeError, match="set_epoch"):
        model.train_step(*points, pynn.SoftmaxCrossEntropy(), model.optimizer)
    model.optimizer.set_epoch(2)
    model.train_step(*points, pynn.SoftmaxCrossEntropy(), model.optimizer)
    assert model.optimizer.learning_rate == pytest.approx(0.001)
    model.optimizer.learning_rate = 0.5  # a number needs no epochs
    model.train_step(*points, pynn.SoftmaxCrossEntropy(), model.optimizer)


# Penalties ----------------------------------------------------------------------------------------


def test_a_penalty_before_the_backward_pass_is_refused(points: Points, backend: str) -> None:
    model, loss, penalty = _network(), pynn.SoftmaxCrossEntropy(), pynn.L2(0.1)
    for _ in range(2):
        loss.forward(model.forward(points[0], training=True), points[1])
        penalty.apply(model)
        with pytest.raises(RuntimeError, match=r"penalty\.apply\(model\) after model\.backward"):
            model.backward(loss.backward())
        model.advance()
    _backward(model, points)
    penalty.apply(model)  # where it belongs
    pynn.SGD(0.1).step(model)
    _backward(model, points)


def test_the_value_of_a_penalty_leaves_gradients_alone(points: Points, backend: str) -> None:
    model, penalty = _network(), pynn.ElasticNet(0.01, 0.1)
    value = penalty.value(model)
    _backward(model, points)
    before = model.gradients.copy()
    assert penalty.value(model) == value > 0
    np.testing.assert_array_equal(model.gradients, before)
    assert penalty.apply(model) == value
    assert not np.array_equal(model.gradients, before)


# Predictions --------------------------------------------------------------------------------------


def test_predicting_after_a_loop_with_another_loss_asks_for_that_loss(points: Points, backend: str) -> None:
    """The loss of a new model, softmax_cross_entropy, would make every sample class 0."""
    x, y = points[0], points[0][:, :1]
    model, optimizer = pynn.Sequential(pynn.Affine(1)), pynn.SGD(0.1)
    for _ in range(50):
        model.train_step(x, y, "l2", optimizer)
    ensemble = pynn.Ensemble([model, copy.deepcopy(model)])
    for answer in (model.predict, model.predict_proba, ensemble.predict):
        with pytest.raises(ValueError, match=r"one output, but its loss, SoftmaxCrossEntropy.*model\.loss ="):
            answer(x)
    model.loss = pynn.SquaredError()
    np.testing.assert_allclose(model.predict(x), y, atol=0.01)
