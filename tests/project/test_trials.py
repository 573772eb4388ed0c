"""What people tried and stumbled over: each is refused, warned of, or does what was meant."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def _numeric(model: pynn.Sequential, loss: pynn.Loss, points: Points, place: int) -> float:
    values = []
    for step in (1e-4, -1e-4):
        model.parameters[place] += step
        model.advance()  # README: after an update of your own
        values.append(loss.forward(model.forward(points[0], training=True), points[1]))
        model.parameters[place] -= step
    return (values[0] - values[1]) / 2e-4


def test_a_gradient_check_may_advance(points: Points, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Dropout(0.5), pynn.Affine(3), dtype="float64")
    loss = pynn.SoftmaxCrossEntropy()
    model.build((4,))
    with model.same_masks():
        loss.forward(model.forward(points[0], training=True), points[1])
        model.backward(loss.backward())
        analytic = model.gradients.copy()
        for place in (0, 5, 40, 41):
            assert _numeric(model, loss, points, place) == pytest.approx(analytic[place], rel=1e-5, abs=1e-8)
        assert model.context.step == 0
    assert model.context.step == 8  # they count when it ends


def test_forward_and_train_step_find_a_tables_columns() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    table, y = pandas.DataFrame(rng.standard_normal((40, 3)), columns=list("abc")), np.arange(40) % 2
    turned = table[["c", "a", "b"]]
    model = pynn.Sequential(pynn.Affine(2))
    model.fit(table, y, epochs=1, progress=False)
    np.testing.assert_array_equal(model.forward(turned), model.forward(table))
    loss = pynn.SoftmaxCrossEntropy()
    values = [model.train_step(one, y, loss, pynn.SGD(0)) for one in (table, turned)]
    assert values[0] == values[1]


def test_another_preprocessing_under_trained_weights_is_warned_of(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(x, y, preprocessing=pynn.Standardization(), epochs=1, progress=False)
    model.fit(x, y, preprocessing=pynn.Standardization(), epochs=1, progress=False)  # the same again
    with pytest.warns(UserWarning, match="trained with another preprocessing, which this one.*leave preprocessing out"):
        model.fit(x * 3, y, preprocessing=pynn.Standardization(), epochs=1, progress=False)
    model.fit(x * 5, y, epochs=1, progress=False)
    numbers = pynn.Sequential(pynn.Affine(1))
    settings: dict[str, Any] = {"loss": "l2", "epochs": 1, "progress": False}
    numbers.fit(x, x[:, 0], target_preprocessing=pynn.Standardization(), **settings)
    with pytest.warns(UserWarning, match="trained with another target_preprocessing"):
        numbers.fit(x, x[:, 0], target_preprocessing=pynn.MinMaxScaling(), **settings)


def test_a_schedule_that_is_over_is_warned_of_once(points: Points) -> None:
    model, optimizer = pynn.Sequential(pynn.Affine(3)), pynn.SGD(pynn.CosineDecay(0.1, epochs=2))
    model.fit(*points, optimizer=optimizer, epochs=2, batch_size=10, progress=False)
    with pytest.warns(UserWarning, match=r"learning rate was 0 in all of epoch 3: CosineDecay.* has ended") as seen:
        model.fit(*points, epochs=3, batch_size=10, progress=False)
    assert len(seen) == 1
    warm = pynn.Sequential(pynn.Affine(3))  # a first step at the rate 0 is no epoch
    warm.fit(*points, optimizer=pynn.SGD(pynn.Warmup(0.1, 1)), epochs=1, progress=False)


def test_metrics_of_numbers(points: Points, backend: str) -> None:
    x = points[0]
    model = pynn.Sequential(pynn.Affine(2))
    y = 100 + 50 * x[:, :2]
    model.fit(x, y, loss="l2", target_preprocessing=pynn.Standardization(), epochs=2, progress=False)
    found = model.evaluate(x, y, metrics=["mse", "rmse", "mae"])
    assert found["mse"] == pytest.approx(((model.predict(x) - y) ** 2).mean(), rel=1e-4)
    assert found["rmse"] == pytest.approx(found["mse"] ** 0.5)
    for call in (
        lambda: model.fit(x, y, metrics=["accuracy"], epochs=1, progress=False),
        lambda: model.evaluate(x, y, metrics=["accuracy"]),
    ):
        with pytest.raises(TypeError, match=r"accuracy needs a loss of labels or attributes.*'mse', 'rmse' and 'r2'"):
            call()


def test_lists_of_batches_are_taken_everywhere(points: Points) -> None:
    x, y = points
    batches = [(x[:10], y[:10]), (x[10:], y[10:])]
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(batches, epochs=1, progress=False)
    np.testing.assert_array_equal(model.predict(batches), model.predict(x))
    for settings in ({"batch_size": 5}, {"shuffle": False}):
        with pytest.raises(TypeError, match="batch_size, shuffle and drop_last need arrays x and y"):
            model.fit(batches, epochs=1, progress=False, **settings)


def test_weights_before_build_and_parameters_for_an_optimizer_are_answered() -> None:
    pynn.Affine(3).build((2,))
    with pytest.raises(AttributeError, match=r"Affine has no weight yet: build it or its model first, or fit that"):
        _ = pynn.Affine(3).weight
    assert not hasattr(pynn.Affine(3), "weight")
    model = pynn.Sequential(pynn.Affine(2))
    model.build((3,))
    for wrong in (model.parameters, lambda: 1):
        with pytest.raises(ValueError, match=r"learning_rate is .*expected a finite .*step\(model\) passes the model"):
            pynn.Adam(wrong)


# What a review found -----------------------------------------------------------------------------


def test_members_of_an_ensemble_may_have_scaled_their_targets_apart(backend: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((80, 3))
    y = 100 + 50 * x[:, 0]
    settings: dict[str, Any] = {"loss": "l2", "epochs": 150, "progress": False}
    scaled = []
    for seed in range(2):
        model, rows = pynn.Sequential(pynn.Affine(1), seed=seed), slice(seed * 30, seed * 30 + 50)
        optimizer = pynn.Adam(0.05)
        model.fit(x[rows], y[rows], target_preprocessing=pynn.Standardization(), optimizer=optimizer, **settings)
        scaled.append(model)
    for members in (scaled, scaled[::-1]):
        ensemble = pynn.Ensemble(members)
        mean = np.mean([member.predict(x) for member in members], axis=0)
        np.testing.assert_allclose(ensemble.predict(x), mean, rtol=1e-5)
        found = ensemble.evaluate(x, y, metrics=["mae"])
        assert found["mae"] == pytest.approx(np.abs(mean - y).mean(), rel=1e-3)
        assert found["loss"] == pytest.approx(((mean - y) ** 2).mean(), rel=1e-3)


def test_a_step_that_is_refused_leaves_running_statistics(points: Points, tmp_path: Any, backend: str) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(4), pynn.BatchNorm(), pynn.Affine(3))
    model.fit(x, y, epochs=3, batch_size=10, progress=False)
    model.save(tmp_path / "model.safetensors")
    for one in (model, pynn.load(tmp_path / "model.safetensors")):
        before = one.get_weights()
        for wrong in ((x[:, :3], y), (x, y + 9), (x, y[:, None, None])):
            with pytest.raises(ValueError, match="expected"):
                one.train_step(*wrong, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
        for array, old in zip(one.get_weights(), before, strict=True):
            np.testing.assert_array_equal(array, old)


def test_a_penalty_in_the_wrong_place_does_not_spoil_the_next_try(points: Points) -> None:
    model, loss, penalty = pynn.Sequential(pynn.Affine(3)), pynn.SoftmaxCrossEntropy(), pynn.L2(0.1)
    loss.forward(model.forward(points[0], training=True), points[1])
    penalty.apply(model)
    with pytest.raises(RuntimeError, match="a penalty was added"):
        model.backward(loss.backward())
    model.train_step(*points, loss, pynn.SGD(0.1))
    model.fit(*points, epochs=1, progress=False)


def test_a_model_inside_a_model_draws_the_masks_of_one_pass(points: Points, backend: str) -> None:
    flat = [pynn.Dropout(0.5), pynn.Affine(5), pynn.Dropout(0.5), pynn.Affine(3)]
    model = pynn.Sequential(flat[0], pynn.Sequential(flat[1]), *flat[2:])
    model.build((4,))
    with model.same_masks():
        first = model.forward(points[0], training=True)
    np.testing.assert_array_equal(model.forward(points[0], training=True), first)
    assert model.context.passes == 1


def test_batches_that_are_refused_change_nothing(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(x, y, epochs=1, progress=False)
    before = (model.loss, model.optimizer, model.preprocessing, model.inputs, model.targets)
    with pytest.raises(ValueError, match="expected a label"):
        model.fit(
            [(x, y + 9)], loss="hinge", optimizer="sgd", preprocessing=pynn.Standardization().fit(x * 3 + 8),
            epochs=1, progress=False,
        )  # fmt: skip
    assert (model.loss, model.optimizer, model.preprocessing, model.inputs, model.targets) == before


def test_a_finished_run_of_an_iterable_is_resumed_with_what_it_learned_of_the_data(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3))
    table = np.array([tuple(row) for row in x], dtype=[(name, float) for name in "abc"])
    settings: dict[str, Any] = {"loss": "l2", "epochs": 2, "progress": False, "checkpoint": tmp_path / "run"}
    models = [pynn.Sequential(pynn.Affine(1)) for _ in range(2)]
    models[0].fit([(table, x[:, 0])], **settings)
    models[1].fit([(table, x[:, 0])], resume=True, **settings)
    for model in models:
        assert model.columns == ("a", "b", "c")
        assert model.predict(table).shape == (40,)
    np.testing.assert_array_equal(models[0].predict(table), models[1].predict(table[["c", "b", "a"]]))


def test_names_of_columns_are_all_text_or_none() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(np.ones((4, 2)), columns=["a", 0])
    with pytest.raises(TypeError, match=r"x has a column named 0 and others .*columns\.astype\(str\)"):
        pynn.Sequential(pynn.Affine(2)).fit(table, [0, 1, 0, 1], progress=False)


def test_a_rare_class_may_be_held_out(backend: str) -> None:
    x = np.random.default_rng(0).standard_normal((64, 4))
    labels = np.array(["a", "b", "c"])[np.r_[np.zeros(40, int), np.ones(23, int), 2]]
    for y, shown in ((labels, ["a", "b", "c"]), (np.unique(labels, return_inverse=True)[1] + 1, [1, 2, 3])):
        for seed in range(4):
            model = pynn.Sequential(pynn.Affine(3))
            model.fit(x, y, validation=0.3, seed=seed, epochs=1, progress=False)
            assert model.classes.tolist() == shown


def test_files_of_others_stay_where_they_are(tmp_path: Any) -> None:
    model = pynn.Sequential(pynn.Affine(2))
    model.build((3,))
    theirs = [".m.safetensors.20240101", ".m.safetensors.notes.tmp", ".m.safetensors.12-notahex.tmp"]
    ours = [".m.safetensors.4242", ".m.safetensors.4242-0123abcd.tmp"]
    for name in theirs + ours:
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (1e9, 1e9))
    model.save(tmp_path / "m.safetensors")
    assert sorted(os.listdir(tmp_path)) == sorted([*theirs, "m.safetensors"])


def test_another_kind_of_loss_by_hand_gives_its_own_answers(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(points[0], np.array(["a", "b", "c"])[points[1]], epochs=1, progress=False)
    model.loss = pynn.SquaredError()
    assert model.predict(points[0]).shape == (len(points[0]), 3)
