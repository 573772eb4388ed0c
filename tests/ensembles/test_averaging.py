"""PolyakAverage against averages worked out by hand, what it leaves alone, and statistics that are estimated anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(6), pynn.BatchNorm(),
        pynn.ReLU(), pynn.Affine(3), **settings,
    )  # fmt: skip


class Steps(pynn.Callback):
    """The parameters after each step."""

    def __init__(self) -> None:
        self.vectors: list[np.ndarray] = []

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        self.vectors.append(trainer.model.parameters.astype(np.float64))


def fit(model: pynn.Sequential, data: Points, *callbacks: Any, **settings: Any) -> pynn.Sequential:
    settings = {"epochs": 4, "batch_size": 10, "progress": False, **settings}
    model.fit(*data, callbacks=callbacks, **settings)
    return model


def statistics(model: pynn.Sequential) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in model.tensors().items() if ".running_" in name}


# PolyakAverage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({}, list(range(12))),
        ({"decay": 0.7}, list(range(12))),
        ({"decay": 0}, list(range(12))),
        ({"decay": None}, list(range(12))),
        ({"decay": None, "start": 2}, [6, 7, 8, 9, 10, 11]),
        ({"decay": 0.5, "start": 1, "every": 2}, [3, 5, 7, 9, 11]),
        ({"decay": None, "every": 3}, [2, 5, 8, 11]),
    ],
)
def test_polyak_average_is_the_average_of_the_steps(
    backend: str, settings: dict[str, Any], taken: list[int], points: Points
) -> None:
    steps, average = Steps(), pynn.PolyakAverage(**settings)
    model = fit(network(dtype="float64"), points, steps, average)
    decay = settings.get("decay", 0.999)
    ages = [(11 - step) // settings.get("every", 1) for step in taken]
    shares = np.array([1.0 if decay is None else decay**age for age in ages])
    expected = shares @ np.array([steps.vectors[step] for step in taken]) / shares.sum()
    assert average.steps == len(taken)
    np.testing.assert_allclose(model.parameters, expected, rtol=1e-10, atol=1e-13)
    if len(taken) > 1 and decay != 0:
        assert np.abs(model.parameters - steps.vectors[-1]).max() > 1e-4


@pytest.mark.slow
def test_torch_has_the_same_uniform_average_and_statistics(points: Points, torch: Any) -> None:
    x, y = points
    nn = torch.nn
    twin = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    model = pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    places = [(model.layers[0], twin[0]), (model.layers[3], twin[3])]
    with torch.no_grad():
        for mine, theirs in places:
            theirs.weight[...] = torch.from_numpy(mine.weight.T.copy())  # type: ignore[attr-defined]
            theirs.bias.zero_()
    averaged = torch.optim.swa_utils.AveragedModel(twin)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    for epoch in range(4):
        for batch, labels in pynn.batches(x, y, 10, seed=0, epoch=epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(twin(torch.from_numpy(batch)), torch.from_numpy(labels)).backward()
            optimizer.step()
            averaged.update_parameters(twin)
    fit(model, points, pynn.PolyakAverage(decay=None), optimizer=pynn.SGD(0.1))
    torch.optim.swa_utils.update_bn([torch.from_numpy(x)], averaged)
    pynn.reestimate_statistics(model, x)
    for mine, theirs in zip(places, (averaged.module[0], averaged.module[3]), strict=True):
        np.testing.assert_allclose(mine[0].weight, theirs.weight.detach().numpy().T, atol=1e-5)  # type: ignore[attr-defined]
    found = statistics(model)
    np.testing.assert_allclose(found["batchnorm1.running_mean"], averaged.module[1].running_mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(found["batchnorm1.running_var"], averaged.module[1].running_var.numpy(), rtol=1e-4)


def test_the_run_itself_goes_on_undisturbed(points: Points) -> None:
    plain, steps = fit(network(), points, validation=points), Steps()
    average = pynn.PolyakAverage()
    model = fit(network(), points, average, steps, validation=points)
    assert plain.history is not None
    assert model.history is not None
    assert plain.history["val_loss"] == model.history["val_loss"]
    assert np.abs(model.parameters - plain.parameters).max() > 1e-3
    average.swap(model)
    for name, tensor in model.tensors().items():
        np.testing.assert_array_equal(tensor, plain.tensors()[name])


def test_statistics_of_the_run_are_those_of_all_its_data(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3), dtype="float64")
    fit(model, points, pynn.PolyakAverage(decay=None), batch_size=7, preprocessing=pynn.Standardization())
    assert model.preprocessing is not None
    x = model.preprocessing.transform(points[0]) @ model.layers[0].weight + model.layers[0].bias  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.layers[1].running_mean, x.mean(axis=0), atol=1e-6)  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.layers[1].running_var, x.var(axis=0, ddof=1), rtol=1e-6)  # type: ignore[attr-defined]


@pytest.mark.parametrize("iterable", [False, True])
def test_augmented_runs_and_iterables_are_gone_through_once_more(iterable: bool, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 5, 5, 1)).astype(np.float32), np.arange(20) % 3
    model = pynn.Sequential(pynn.Conv2d(4), pynn.BatchNorm(), pynn.Flatten(), pynn.Affine(3))
    if iterable:
        model.fit([(x[:9], y[:9]), (x[9:], y[9:])], epochs=2, progress=False, callbacks=[pynn.PolyakAverage()])
    else:
        fit(model, (x, y), pynn.PolyakAverage(), augmentation=[pynn.Brightness(9.0)], epochs=2)
    found = statistics(model)
    pynn.reestimate_statistics(model, x)
    again = statistics(model)["batchnorm1.running_mean"]
    if iterable:
        np.testing.assert_allclose(found["batchnorm1.running_mean"], again, atol=1e-6)
    else:
        assert np.abs(found["batchnorm1.running_mean"] - again).max() > 0.05


def test_frozen_layers_and_constraints_hold_in_the_average(points: Points, backend: str) -> None:
    model = pynn.Sequential(
        pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3, constraint=pynn.MaxNorm(0.5)), dtype="float64"
    )
    fit(model, points)
    frozen, norm, end = model.layers[0].freeze(), model.layers[1].freeze(), model.layers[3]
    before = {name: array.copy() for name, array in model.tensors().items()}
    average = pynn.PolyakAverage(decay=None)
    for _ in range(2):
        fit(model, points, average, optimizer=pynn.Momentum(0.5))
        for name, array in model.tensors().items():
            if name.startswith((frozen.name, norm.name)):
                np.testing.assert_array_equal(array, before[name])
    assert np.abs(end.weight - before[f"{end.name}.weight"]).max() > 1e-3  # type: ignore[attr-defined]
    assert np.linalg.norm(end.weight, axis=0).max() <= 0.5 * (1 + 1e-12)  # type: ignore[attr-defined]


def test_a_layer_that_is_frozen_on_the_way_keeps_its_last_values(points: Points) -> None:
    model, average = network(), pynn.PolyakAverage(decay=None)
    kept = []

    def freeze(trainer: pynn.Trainer) -> None:
        if trainer.epoch == 2:
            model.layers[0].freeze()
            kept.append(model.layers[0].weight.copy())  # type: ignore[attr-defined]

    fit(model, points, average, freeze)
    np.testing.assert_array_equal(model.layers[0].weight, kept[0])  # type: ignore[attr-defined]
    average.swap(model)
    np.testing.assert_array_equal(model.layers[0].weight, kept[0])  # type: ignore[attr-defined]


def test_a_context_puts_it_in_and_out_again(points: Points) -> None:
    average, seen = pynn.PolyakAverage(0.9), []

    def look(trainer: pynn.Trainer) -> None:
        model: Any = trainer.model
        before = {name: array.copy() for name, array in model.tensors().items()}
        held = average.average.copy()
        with average.applied(model):
            np.testing.assert_allclose(model.parameters, held, rtol=1e-6)
            seen.append(model.evaluate(*points)["loss"])
            inside = statistics(model)
            with average.applied(model):  # it is there already
                np.testing.assert_allclose(model.parameters, held, rtol=1e-6)
        for name, array in model.tensors().items():
            np.testing.assert_array_equal(array, before[name])
        with average.applied(model):  # its statistics are known by now
            assert all((array == inside[name]).all() for name, array in statistics(model).items())
        with pytest.raises(TypeError), average.applied(model):
            model.evaluate("rubbish", None)
        for name, array in model.tensors().items():
            np.testing.assert_array_equal(array, before[name])

    plain, looked = fit(network(), points, pynn.PolyakAverage(0.9)), fit(network(), points, average, look)
    assert len(set(seen)) == 4
    for name, array in plain.tensors().items():
        np.testing.assert_array_equal(array, looked.tensors()[name])


def test_a_validation_function_may_measure_the_average(points: Points) -> None:
    average = pynn.PolyakAverage(0.9)

    def validate(model: pynn.Sequential) -> dict[str, float]:
        with average.applied(model):
            return model.evaluate(*points)

    measured, plain = network(), network()
    stopping = pynn.EarlyStopping("val_loss", mode="min", restore_best=False)
    fit(measured, points, average, stopping, validation=validate)
    fit(plain, points, pynn.PolyakAverage(0.9))
    for name, array in plain.tensors().items():
        np.testing.assert_array_equal(measured.tensors()[name], array)
    assert measured.history is not None
    assert stopping.best == min(measured.history["val_loss"])
    assert measured.evaluate(*points)["loss"] == pytest.approx(measured.history["val_loss"][-1], rel=1e-6)


def test_after_an_error_the_model_keeps_its_own(points: Points) -> None:
    class Failing(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 7:
                raise KeyError("failed")

    average, steps, model = pynn.PolyakAverage(), Steps(), network()
    with pytest.raises(KeyError, match="failed"):
        fit(model, points, average, steps, Failing())
    np.testing.assert_array_equal(model.parameters, steps.vectors[-1])
    with pytest.raises(ValueError, match=r"the model has batch normalization, whose statistics .*: pass x"):
        average.swap(model)
    average.swap(model, points[0])
    assert np.abs(model.parameters - steps.vectors[-1]).max() > 1e-4
    with pytest.raises(RuntimeError, match="the average is in the model now"):
        _ = average.average
    average.swap(model)
    np.testing.assert_array_equal(model.parameters, steps.vectors[-1])
    with pytest.raises(ValueError, match="read-only"):
        average.average[0] = 1


@pytest.mark.parametrize("last", [False, True])
def test_after_a_run_that_diverged_the_model_keeps_its_own(last: bool, points: Points) -> None:
    average, quiet, steps = pynn.PolyakAverage(None), pynn.TerminateOnNaN(), Steps()
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    callbacks = [average, quiet] if last else [quiet, average]
    rates = pynn.LearningRateSchedule(lambda epoch: 0.1 if epoch < 2 else 1e30)
    fit(model, points, *callbacks, steps, rates, optimizer=pynn.SGD(), epochs=50)
    assert model.history is not None
    assert str(model.history.stopped).startswith("the loss is ")
    assert average.steps == len(steps.vectors) > 1
    np.testing.assert_array_equal(model.parameters, steps.vectors[-1])


def test_every_run_begins_a_new_average(points: Points) -> None:
    average, model = pynn.PolyakAverage(decay=None), network()
    fit(model, points, average, epochs=2)
    steps = Steps()
    fit(model, points, average, steps, epochs=1)
    assert average.steps == 3
    np.testing.assert_allclose(model.parameters, np.mean(steps.vectors, axis=0), rtol=1e-5, atol=1e-6)


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", [1, 2, 3, 5, 8, 9])
def test_a_run_that_is_resumed_ends_with_the_same_bits(step: int, points: Points, tmp_path: Path) -> None:
    def kill(trainer: pynn.Trainer) -> None:
        if trainer.step == step:
            raise Killed

    class KilledAt(pynn.Callback):
        on_step_end = staticmethod(kill)

    def run(*callbacks: Any, **settings: Any) -> tuple[pynn.Sequential, pynn.PolyakAverage]:
        average = pynn.PolyakAverage(decay=0.8, start=1)
        return fit(network(), points, average, *callbacks, epochs=3, **settings), average

    def looking(trainer: pynn.Trainer) -> None:
        average: Any = next(one for one in trainer.callbacks if isinstance(one, pynn.PolyakAverage))
        if average.steps:
            with average.applied(trainer.model):
                pass

    expected, whole = run()
    with pytest.raises(Killed):
        run(KilledAt(), checkpoint=pynn.Checkpoint(tmp_path, every_steps=1))
    for _ in range(2):  # the second one has nothing left to train
        model, average = run(looking, checkpoint=tmp_path, resume=True)
        for name, array in expected.tensors().items():
            np.testing.assert_array_equal(model.tensors()[name], array)
    average.swap(model)
    whole.swap(expected)
    np.testing.assert_array_equal(model.parameters, expected.parameters)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"decay": 1}, ValueError, "decay is 1, expected 0 <= decay < 1, or None for the plain mean"),
        ({"decay": -0.1}, ValueError, "decay is -0.1"),
        ({"decay": float("nan")}, ValueError, "decay is nan"),
        ({"decay": True}, ValueError, "decay is True"),
        ({"start": -1}, ValueError, "start is -1, expected an integer of at least 0"),
        ({"every": 0}, ValueError, "every is 0, expected an integer of at least 1"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        pynn.PolyakAverage(**settings)


def test_runs_that_it_cannot_average_are_refused(points: Points) -> None:
    with pytest.raises(ValueError, match="start is 4, but the run has 4 epochs: nothing is averaged"):
        fit(network(), points, pynn.PolyakAverage(start=4))
    stopping = pynn.EarlyStopping("loss")
    with pytest.raises(ValueError, match=r"pass EarlyStopping\(..., restore_best=False\)"):
        fit(network(), points, pynn.PolyakAverage(), stopping)
    fit(network(), points, pynn.PolyakAverage(), pynn.EarlyStopping("loss", restore_best=False))
    once: Iterator[Any] = iter([points])
    with pytest.raises(ValueError, match="which an iterator does not allow"):
        network().fit(once, epochs=1, progress=False, callbacks=[pynn.PolyakAverage()])
    plain = pynn.Sequential(pynn.Affine(3))
    plain.fit(iter([points]), epochs=1, progress=False, callbacks=[average := pynn.PolyakAverage()])
    assert average.steps == 1
    with pytest.raises(ValueError, match="the model has other parameters than the model that was averaged"):
        average.swap(fit(network(), points))
    with pytest.raises(RuntimeError, match="there is no average yet"):
        pynn.PolyakAverage().swap(plain)
    with pytest.raises(TypeError, match="model is 3, expected a pynn Sequential"):
        average.swap(3)  # type: ignore[arg-type]


# reestimate_statistics -------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 7, 15, 29, 30, 1024])
def test_statistics_are_exact_over_all_rows(backend: str, batch_size: int, rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, size=(30, 4, 4, 2))
    model = pynn.Sequential(
        pynn.Dropout(0.5),
        pynn.Conv2d(3),
        pynn.BatchNorm(momentum=0.7),
        pynn.ReLU(),
        pynn.Flatten(),
        pynn.Affine(2),
        dtype="float64",
    )
    model.build((4, 4, 2))
    norm: Any = model.layers[2]
    norm.running_mean[...], norm.running_var[...] = np.nan, np.inf  # nothing of them may stay
    conv = pynn.Sequential(pynn.Conv2d(3), dtype="float64")
    parameters = model.parameters.copy()
    conv.build((4, 4, 2))
    conv.parameters = model.parameters[: conv.parameters.size]
    inputs = conv.forward(x).reshape(-1, 3)
    pynn.reestimate_statistics(model, x, batch_size)
    np.testing.assert_allclose(norm.running_mean, inputs.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(norm.running_var, inputs.var(axis=0, ddof=1), rtol=1e-10)
    assert norm.momentum == 0.7
    assert "forward" not in vars(norm)
    np.testing.assert_array_equal(model.parameters, parameters)


def test_a_deeper_layer_sees_what_the_one_before_makes_of_all_data(backend: str, points: Points) -> None:
    x = points[0].astype(np.float64)
    model = fit(network(dtype="float64"), points)
    pynn.reestimate_statistics(model, x)
    first = model.layers[0], model.layers[1], model.layers[4], model.layers[5]
    affine, norm, deeper, last = ({**vars(layer), **layer._arrays()} for layer in first)
    z = x @ affine["weight"] + affine["bias"]
    z = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 1e-5) * norm["gamma"] + norm["beta"]
    z = np.maximum(z, 0) @ deeper["weight"] + deeper["bias"]
    np.testing.assert_allclose(last["running_mean"], z.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(last["running_var"], z.var(axis=0, ddof=1), rtol=1e-9)


def test_blocks_that_training_leaves_out_are_estimated_too(backend: str, points: Points) -> None:
    block = pynn.Residual(pynn.Affine(4), pynn.BatchNorm(), survival=0.01, shortcut=pynn.BatchNorm())
    model = pynn.Sequential(block, pynn.Affine(3), dtype="float64")
    model.build((4,))
    x = points[0].astype(np.float64)
    pynn.reestimate_statistics(model, x)
    found, affine = statistics(model), model.tensors()
    inside = x @ affine["affine1.weight"]
    np.testing.assert_allclose(found["batchnorm1.running_mean"], inside.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["batchnorm2.running_var"], x.var(axis=0, ddof=1), rtol=1e-9)


def test_without_batch_normalization_nothing_happens(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    fit(model, points)
    before = model.parameters.copy()
    pynn.reestimate_statistics(model, points[0])
    pynn.reestimate_statistics(model, points[0][:1])
    np.testing.assert_array_equal(model.parameters, before)


def test_frozen_statistics_stay(points: Points) -> None:
    model = fit(network(), points)
    model.layers[1].freeze()
    before = statistics(model)
    pynn.reestimate_statistics(model, points[0])
    after = statistics(model)
    for name in before:
        assert (before[name] == after[name]).all() == name.startswith("batchnorm1")


def test_a_model_that_fails_in_the_middle_keeps_its_statistics(points: Points) -> None:
    class Failing(pynn.Layer):
        batches = 0

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.batches += 1
            if self.batches > 2:
                raise KeyError("failed")
            return x

    model = pynn.Sequential(pynn.BatchNorm(), Failing(), pynn.BatchNorm())
    model.build((4,))
    with pytest.raises(KeyError, match="failed"):
        pynn.reestimate_statistics(model, points[0], batch_size=8)
    for name, array in statistics(model).items():
        np.testing.assert_array_equal(array, 0 if name.endswith("mean") else 1)
    assert all("forward" not in vars(layer) for layer in model.layers)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"model": pynn.Sequential(pynn.BatchNorm())}, RuntimeError, "not built yet"),
        ({"model": None}, TypeError, "model is None, expected a pynn Sequential"),
        ({"batch_size": 1}, ValueError, "batch_size is 1, expected an integer of at least 2"),
        ({"x": np.ones((1, 4))}, ValueError, "x has 1 sample, expected at least 2"),
        ({"x": np.ones((5, 3))}, ValueError, r"x has shape \(5, 3\), expected \(N, 4\)"),
        ({"x": np.full((5, 4), np.inf)}, ValueError, r"x\[0, 0\] is inf"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], kind: type[Exception], message: str) -> None:
    model = network()
    model.build((4,))
    with pytest.raises(kind, match=message):
        pynn.reestimate_statistics(**{"model": model, "x": np.ones((5, 4)), **change})
