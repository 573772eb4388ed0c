"""Ensembles: means worked out by hand, what goes together and what does not, snapshots of a run, files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(seed: int = 0, outputs: int = 3, **settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(outputs), seed=seed, **settings)


def trained(data: Points, seed: int = 0, model: pynn.Sequential | None = None, **settings: Any) -> pynn.Sequential:
    model = network(seed, dtype="float64") if model is None else model
    model.fit(*data, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


@pytest.fixture
def numbers(points: Points) -> Points:
    return points[0], np.stack([points[0].sum(axis=1), points[0][:, 0]], axis=1)


# What is averaged -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, [1, 3, 0], [0.0, 0.0, 5e-324]])
def test_probabilities_of_labels_are_averaged(backend: str, weights: Any, points: Points) -> None:
    models = [trained(points, seed) for seed in range(3)]
    ensemble = pynn.Ensemble(models, weights)
    shares = np.ones(3) if weights is None else np.array(weights, float) / max(weights)
    expected = np.tensordot(shares / shares.sum(), [model.predict_proba(points[0]) for model in models], 1)
    np.testing.assert_allclose(ensemble.predict_proba(points[0]), expected, rtol=1e-12)
    np.testing.assert_allclose(ensemble.outputs(points[0], batch_size=7), np.log(expected), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(ensemble.predict(points[0]), expected.argmax(axis=1))
    found = ensemble.evaluate(*points)
    assert found["loss"] == pytest.approx(-np.log(expected[np.arange(30), points[1]]).mean(), rel=1e-12)
    assert found["accuracy"] == (expected.argmax(axis=1) == points[1]).mean()


def test_the_mean_beats_the_mean_of_the_members(points: Points) -> None:
    """-log of a mean is at most the mean of -log (Jensen), and less where the members differ."""
    ensemble = pynn.Ensemble([trained(points, seed) for seed in range(4)])
    assert ensemble.evaluate(*points)["loss"] < np.mean([model.evaluate(*points)["loss"] for model in ensemble]) - 1e-3


def test_sigmoids_of_attributes_are_averaged(backend: str, points: Points) -> None:
    y = (points[0][:, :3] > 0).astype(float)
    models = [trained((points[0], y), seed, loss="binary_cross_entropy") for seed in range(3)]
    ensemble = pynn.Ensemble(models)
    p = np.mean([model.predict_proba(points[0]) for model in models], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(points[0]), p, rtol=1e-12)
    np.testing.assert_allclose(ensemble.outputs(points[0]), np.log(p / (1 - p)), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(ensemble.predict(points[0]), p > 0.5)
    found = ensemble.evaluate(points[0], y, metrics=["multilabel_accuracy", "accuracy"])
    assert found["loss"] == pytest.approx(-np.where(y == 1, np.log(p), np.log(1 - p)).sum(axis=1).mean(), rel=1e-10)
    assert found["multilabel_accuracy"] == pytest.approx(((p > 0.5) == y).mean())
    assert found["accuracy"] == pytest.approx(((p > 0.5) == y).all(axis=1).mean())


@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
def test_numbers_are_averaged(backend: str, loss: str, numbers: Points) -> None:
    models = [trained(numbers, model=network(seed, 2, dtype="float64"), loss=loss) for seed in range(3)]
    ensemble = pynn.Ensemble(models, weights=[2, 1, 1])
    expected = np.tensordot([0.5, 0.25, 0.25], [model.predict(numbers[0]) for model in models], 1)
    np.testing.assert_allclose(ensemble.predict(numbers[0]), expected, rtol=1e-12)
    found = ensemble.evaluate(*numbers, metrics=["mae"])
    assert found["mae"] == pytest.approx(np.abs(expected - numbers[1]).mean(), rel=1e-12)
    if loss == "l1":
        assert found["loss"] == pytest.approx(np.abs(expected - numbers[1]).sum(axis=1).mean(), rel=1e-12)
    with pytest.raises(TypeError, match="has no probabilities"):
        ensemble.predict_proba(numbers[0])


def gaussian(mean: float, log_variance: float, **settings: Any) -> pynn.Sequential:
    """A model that predicts this distribution for every sample of 4 numbers."""
    model = pynn.Sequential(pynn.Affine(2), dtype="float64")
    x, y = np.eye(4), np.linspace(-1, 1, 4)
    model.fit(x, y, loss="gaussian_nll", optimizer=pynn.SGD(0.0), epochs=1, progress=False, **settings)
    model.layer("affine1").weight[...] = 0
    model.layer("affine1").bias[...] = mean, log_variance
    return model


def test_normal_distributions_are_mixed(backend: str) -> None:
    """The variance is the mean of the members' variances plus the variance of their means."""
    x = np.eye(4)
    ensemble = pynn.Ensemble([gaussian(0, -4), gaussian(10, -4)])
    variance = np.exp(-4) + 25
    np.testing.assert_allclose(ensemble.outputs(x), [[5, np.log(variance)]] * 4, rtol=1e-14)
    np.testing.assert_allclose(ensemble.predict(x), [5] * 4)
    np.testing.assert_allclose(ensemble.predict_std(x), [np.sqrt(variance)] * 4, rtol=1e-14)
    y = np.linspace(3, 9, 4)
    expected = (np.log(variance) + ((y - 5) ** 2).mean() / variance) / 2
    assert ensemble.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-12)

    means, logs, shares = np.array([-2.0, 1, 4]), np.array([0.5, 3, -2000]), np.array([0.2, 0.5, 0.3])
    ensemble = pynn.Ensemble([gaussian(*pair) for pair in zip(means, logs, strict=True)], shares)
    mean = shares @ means
    variance = shares @ np.exp(np.maximum(logs, -30)) + shares @ (means - mean) ** 2
    np.testing.assert_allclose(ensemble.outputs(x), [[mean, np.log(variance)]] * 4, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_mixtures_are_in_the_units_of_the_targets(unit: float, backend: str) -> None:
    """Members that scaled their targets in ways of their own, and spreads beyond the limits of the loss."""
    x, y = np.eye(4), unit * np.linspace(-1, 1, 4)
    models = []
    for spread, mean in ((1.0, 2.0), (3.0, -1.0)):
        model = gaussian(mean, 0.4)
        model.fit(x, spread * y, target_preprocessing=pynn.Standardization(), optimizer=pynn.SGD(0.0), progress=False)
        models.append(model)
    scales = np.array([np.std(y), 3 * np.std(y)])
    means, variances = scales * [2, -1], scales**2 * np.exp(0.4)
    for model, mean, variance in zip(models, means, variances, strict=True):
        np.testing.assert_allclose(model.predict(x), [mean] * 4, rtol=1e-12)
        np.testing.assert_allclose(model.predict_std(x), [np.sqrt(variance)] * 4, rtol=1e-12)
    ensemble = pynn.Ensemble(models)
    np.testing.assert_allclose(ensemble.predict(x), [means.mean()] * 4, rtol=1e-12)
    np.testing.assert_allclose(ensemble.predict_std(x), [np.sqrt(variances.mean() + means.var())] * 4, rtol=1e-12)


def test_only_a_gaussian_loss_has_deviations(points: Points, numbers: Points) -> None:
    regression = trained(numbers, model=network(outputs=2), loss="l2")
    for model, kind in ((trained(points), "SoftmaxCrossEntropy"), (regression, "SquaredError")):
        for one in (model, pynn.Ensemble([model])):
            with pytest.raises(TypeError, match=f"{kind} has no standard deviations: train with loss='gaussian_nll'"):
                one.predict_std(points[0])


def test_scores_of_losses_without_probabilities_are_averaged(points: Points) -> None:
    models = [trained(points, seed, loss="hinge") for seed in range(3)]
    scores = np.mean([model.forward(points[0]).copy() for model in models], axis=0)
    np.testing.assert_array_equal(pynn.Ensemble(models).predict(points[0]), scores.argmax(axis=1))


def test_an_own_loss_with_its_own_probabilities_is_taken_at_its_word(points: Points) -> None:
    class Halved(pynn.SoftmaxCrossEntropy):
        def probabilities(self, outputs: np.ndarray) -> np.ndarray:
            return super().probabilities(outputs / 2)

    models = [trained(points, seed, loss=Halved()) for seed in range(2)]
    found = pynn.Ensemble(models).predict_proba(points[0])
    np.testing.assert_allclose(found, np.mean([model.predict_proba(points[0]) for model in models], axis=0), rtol=1e-12)


def test_a_tree_of_classes_is_averaged_too(points: Points, tmp_path: Path) -> None:
    def build(seed: int) -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.HierarchicalSoftmax(3), seed=seed, dtype="float64")

    snapshots = pynn.SnapshotEnsemble(2)
    model = trained(points, model=build(0), epochs=4, callbacks=[snapshots])
    for ensemble in (pynn.Ensemble.fit(build, 3, *points, epochs=3, progress=False), snapshots.ensemble()):
        p = np.mean([member.predict_proba(points[0]) for member in ensemble], axis=0)
        np.testing.assert_allclose(ensemble.predict_proba(points[0]), p, rtol=1e-12)
        np.testing.assert_array_equal(ensemble.predict(points[0]), p.argmax(axis=1))
        expected = -np.log(p[np.arange(30), points[1]]).mean()
        assert ensemble.evaluate(*points)["loss"] == pytest.approx(expected, rel=1e-10)
        ensemble.save(tmp_path / "tree.safetensors")
        again = pynn.Ensemble.load(tmp_path / "tree.safetensors")
        np.testing.assert_array_equal(again.predict_proba(points[0]), ensemble.predict_proba(points[0]))
    with pytest.raises(ValueError, match="member 1 was trained with the loss SoftmaxCrossEntropy, but member 0"):
        pynn.Ensemble([model, trained(points)])


def test_structures_are_decoded_from_mean_scores(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(20, 6)), rng.integers(0, 2, (20, 3))

    def build(seed: int) -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(3 * 2), pynn.Transitions(2), seed=seed, dtype="float64")

    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    ensemble = pynn.Ensemble.fit(build, 2, x, y, loss=loss, epochs=2, progress=False)
    scores = np.mean([model.forward(x).copy() for model in ensemble], axis=0)
    np.testing.assert_array_equal(ensemble.predict(x), pynn.ViterbiChain().decode(scores)[0])
    assert ensemble.evaluate(x, y)["accuracy"] == (ensemble.predict(x) == y).all(axis=1).mean()


def test_sure_members_that_contradict_each_other_give_finite_answers(backend: str) -> None:
    models = []
    for sign in (1, -1):
        model = pynn.Sequential(pynn.Affine(2))
        model.build((2,))
        model.layers[0].weight[...] = sign * 1e4 * np.eye(2)  # type: ignore[attr-defined]
        models.append(model)
    x = np.eye(2, dtype=np.float32)
    for loss in (pynn.SoftmaxCrossEntropy(), pynn.BinaryCrossEntropy(), pynn.Focal()):
        for model in models:
            model.loss = loss
        for weights in (None, [1, 0], [1, 1e-300]):
            ensemble = pynn.Ensemble(models, weights)
            assert np.isfinite(ensemble.outputs(x)).all()
            assert np.isfinite(ensemble.predict_proba(x)).all()
            y = np.eye(2) if isinstance(loss, pynn.BinaryCrossEntropy) else np.arange(2)
            assert np.isfinite(ensemble.evaluate(x, y)["loss"])
    ensemble = pynn.Ensemble(models)
    np.testing.assert_allclose(ensemble.predict_proba(x), 0.5)


def test_members_may_have_their_own_layers_preprocessing_and_dtype(points: Points) -> None:
    models = [
        trained(points, preprocessing=pynn.Standardization()),
        trained(points, model=pynn.Sequential(pynn.Affine(3)), preprocessing=pynn.PCA(2)),
        trained(points, model=network(5)),
    ]
    ensemble = pynn.Ensemble(models)
    found = ensemble.predict_proba(points[0])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.mean([model.predict_proba(points[0]) for model in models], axis=0), rtol=1e-6)
    assert pynn.Ensemble(models[2:]).predict_proba(points[0]).dtype == np.float32


def test_evaluation_is_weighted_as_a_models_is(points: Points) -> None:
    model = trained(points)
    ensemble, weights = pynn.Ensemble([model]), np.linspace(0, 2, 30)
    settings: list[dict[str, Any]] = [
        {"sample_weight": weights}, {"class_weight": "balanced"}, {"batch_size": 7}, {"metrics": ["top2", "f1"]},
        {"class_weight": {0: 3.0}, "sample_weight": weights, "batch_size": 1},
    ]  # fmt: skip
    for given in settings:
        assert ensemble.evaluate(*points, **given) == pytest.approx(model.evaluate(*points, **given), rel=1e-12)


# fit ------------------------------------------------------------------------------------------------


def test_fit_trains_models_of_different_seeds(points: Points) -> None:
    callback, optimizer = pynn.PolyakAverage(0.9), pynn.Momentum(pynn.CosineDecay(0.1, 2))
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 10, "progress": False}
    ensemble = pynn.Ensemble.fit(
        network, 3, *points, seeds=[7, 3, 9], weights=[1, 2, 3], optimizer=optimizer, callbacks=[callback], **settings
    )
    assert [model.seed for model in ensemble] == [7, 3, 9]
    assert callback.steps == optimizer.steps == 0
    np.testing.assert_allclose(ensemble.weights, np.array([1, 2, 3]) / 6)
    for model in ensemble:
        alone = network(model.seed)
        alone.fit(
            *points, optimizer=pynn.Momentum(pynn.CosineDecay(0.1, 2)), callbacks=[pynn.PolyakAverage(0.9)], **settings
        )
        np.testing.assert_array_equal(model.parameters, alone.parameters)
        assert model.history is not None
        assert alone.history is not None
        assert model.history["loss"] == alone.history["loss"]
    assert [model.seed for model in pynn.Ensemble.fit(network, 2, *points, **settings)] == [0, 1]


def test_checkpoints_have_a_folder_for_each_member(points: Points, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 2, "progress": False, "checkpoint": tmp_path / "runs"}
    ensemble = pynn.Ensemble.fit(network, 2, *points, **settings)
    again = pynn.Ensemble.fit(network, 2, *points, resume=True, **settings)
    for number, (one, other) in enumerate(zip(ensemble, again, strict=True)):
        assert (tmp_path / "runs" / f"member{number}").is_dir()
        np.testing.assert_array_equal(one.parameters, other.parameters)
    with pytest.raises(TypeError, match="expected a folder; each member gets a subfolder"):
        pynn.Ensemble.fit(network, 2, *points, checkpoint=pynn.Checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"n": 0}, ValueError, "n is 0, expected an integer of at least 1"),
        ({"seeds": [1]}, ValueError, r"seeds is \[1\], expected 2 different seeds"),
        ({"seeds": [1, 1]}, ValueError, r"seeds is \[1, 1\], expected 2 different seeds"),
        ({"seeds": [1, -1]}, ValueError, "seed is -1, expected"),
        ({"build": network()}, TypeError, "build is Sequential, expected a function of a seed"),
        ({"build": lambda: network()}, TypeError, "build does not take a seed alone, expected a function such as"),
        ({"build": lambda seed: network()}, ValueError, r"build\(1\) returned a model of seed 0; pass the seed on"),
        ({"build": lambda seed: pynn.Affine(3)}, TypeError, r"what build\(0\) returned is Affine.*pynn Sequential"),
    ],
)
def test_bad_fits_are_named(change: dict[str, Any], kind: type[Exception], message: str, points: Points) -> None:
    with pytest.raises(kind, match=message):
        pynn.Ensemble.fit(
            **{"build": network, "n": 2, "x": points[0], "y": points[1], "epochs": 1, "progress": False, **change}
        )


# What does not go together --------------------------------------------------------------------------


def test_members_that_do_not_fit_together_are_named(points: Points, numbers: Points) -> None:
    model, built = trained(points), network(outputs=4)
    built.build((4,))
    other = pynn.Sequential(pynn.Affine(3))
    other.build((5,))
    taking = trained((np.ones((30, 5)) * points[0][:, :1], points[1]), model=network(1), preprocessing=pynn.PCA(1))
    cases: list[tuple[Any, type[Exception], str]] = [
        ([], ValueError, "the ensemble has no members"),
        (model, TypeError, "models is one model, expected a list of them"),
        ([model, 3], TypeError, "member 1 is 3, expected a pynn Sequential"),
        ([model, network()], ValueError, "member 1 is not built yet"),
        ([model, trained(points, 1), model], ValueError, "member 2 is member 0 again; use weights to count it more"),
        ([model, built], ValueError, r"member 1 has outputs of shape \(4,\), but member 0 \(3,\)"),
        ([model, other], ValueError, r"member 1 takes samples of shape \(5,\), but member 0 \(4,\)"),
        ([model, taking], ValueError, r"member 1 takes samples of shape \(5,\), but member 0 \(4,\)"),
        (
            [model, trained(points, 1, loss="hinge")],
            ValueError,
            "with the loss Hinge, but member 0 SoftmaxCrossEntropy",
        ),
    ]
    for models, kind, message in cases:
        with pytest.raises(kind, match=message):
            pynn.Ensemble(models)


@pytest.mark.parametrize(
    ("weights", "kind", "message"),
    [
        ([1], ValueError, r"weights has shape \(1,\), expected \(2,\), one for each member"),
        ([1, -1], ValueError, r"weights\[1\] is -1.0, expected finite numbers of at least 0"),
        ([1, float("nan")], ValueError, r"weights\[1\] is nan"),
        ([0, 0], ValueError, "weights are 0 for all members"),
        (["a", "b"], TypeError, "weights has dtype"),
    ],
)
def test_bad_weights_are_named(weights: Any, kind: type[Exception], message: str, points: Points) -> None:
    with pytest.raises(kind, match=message):
        pynn.Ensemble([trained(points), trained(points, 1)], weights)


def test_bad_data_are_named(points: Points) -> None:
    ensemble = pynn.Ensemble([trained(points), trained(points, 1)])
    with pytest.raises(ValueError, match=r"x has shape \(30, 3\), expected \(N, 4\)"):
        ensemble.predict(points[0][:, :3])
    with pytest.raises(ValueError, match=r"x\[0, 0\] is nan"):
        ensemble.evaluate(points[0] * np.nan, points[1])
    with pytest.raises(ValueError, match=r"y\[0\] is 3, expected a label of 0\.\.2"):
        ensemble.evaluate(points[0], points[1] + 3)
    with pytest.raises(ValueError, match="x has 30 samples but y has 29"):
        ensemble.evaluate(points[0], points[1][1:])
    with pytest.raises(ValueError, match="batch_size is 0"):
        ensemble.predict(points[0], batch_size=0)
    with pytest.raises(TypeError, match="the metric mae needs a loss of numbers"):
        ensemble.evaluate(*points, metrics=["mae"])


# Snapshots ------------------------------------------------------------------------------------------


def cycles(data: Points, *callbacks: Any, epochs: int = 7, **settings: Any) -> pynn.Sequential:
    rate = pynn.CosineRestarts(0.5, epochs_per_cycle=2)
    return trained(data, epochs=epochs, optimizer=pynn.SGD(rate), callbacks=callbacks, **settings)


def test_a_run_gives_a_snapshot_at_the_end_of_each_cycle(backend: str, points: Points) -> None:
    snapshots = pynn.SnapshotEnsemble(2)
    seen: list[np.ndarray] = []
    model = cycles(points, snapshots, lambda trainer: seen.append(trainer.model.predict_proba(points[0])))
    ensemble = snapshots.ensemble()
    assert len(ensemble) == len(snapshots.snapshots) == 3
    expected = [seen[epoch - 1] for epoch in (2, 4, 6)]
    for member, probabilities in zip(ensemble, expected, strict=True):
        np.testing.assert_array_equal(member.predict_proba(points[0]), probabilities)
    np.testing.assert_allclose(ensemble.predict_proba(points[0]), np.mean(expected, axis=0), rtol=1e-12)
    assert np.abs(expected[0] - expected[2]).max() > 1e-2
    np.testing.assert_array_equal(model.predict_proba(points[0]), seen[-1])
    before = ensemble.predict_proba(points[0])
    trained(points, model=model)
    ensemble[0].parameters = 0  # a copy
    np.testing.assert_array_equal(ensemble.predict_proba(points[0]), before)


def test_the_newest_snapshots_are_kept_and_every_run_begins_anew(points: Points) -> None:
    every, newest = pynn.SnapshotEnsemble(2), pynn.SnapshotEnsemble(2, keep=2)
    model = cycles(points, every, newest)
    for mine, other in zip(every.snapshots[1:], newest.snapshots, strict=True):
        np.testing.assert_array_equal(mine["affine1.weight"], other["affine1.weight"])
    trained(points, model=model, epochs=3, callbacks=[every], optimizer=pynn.SGD(0.1))
    assert len(every.snapshots) == 1


def test_cycles_are_those_of_the_optimizer_over_several_runs(points: Points) -> None:
    snapshots, optimizer, rates = pynn.SnapshotEnsemble(2), pynn.SGD(pynn.CosineRestarts(0.5, 2)), []
    model = trained(points, epochs=3)
    trained(points, model=model, epochs=1, optimizer=optimizer)
    trained(points, model=model, epochs=4, optimizer=optimizer, callbacks=[
        snapshots, lambda trainer: rates.append((len(snapshots.snapshots), trainer.optimizer.learning_rate < 0.1)),
    ])  # fmt: skip
    assert rates == [(1, True), (1, False), (2, True), (2, False)]


def test_cycles_of_a_rate_that_a_callback_sets_are_those_of_the_optimizer_too(points: Points) -> None:
    snapshots, counts = pynn.SnapshotEnsemble(2), []
    trained(points, model=trained(points, epochs=3), epochs=4, optimizer=pynn.SGD(0.1), callbacks=[
        pynn.LearningRateSchedule(pynn.CosineRestarts(0.5, 2)), snapshots,
        lambda trainer: counts.append(len(snapshots.snapshots)),
    ])  # fmt: skip
    assert counts == [0, 1, 1, 2]


@pytest.mark.parametrize("step", [3, 8, 14, 20])
def test_a_run_that_is_resumed_has_all_snapshots(step: int, points: Points, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class KilledAt(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == step:
                raise Killed

    expected = pynn.SnapshotEnsemble(2)
    cycles(points, expected)
    with pytest.raises(Killed):
        cycles(points, pynn.SnapshotEnsemble(2), KilledAt(), checkpoint=pynn.Checkpoint(tmp_path, every_steps=1))
    for _ in range(2):  # the second time nothing is left to train
        found = pynn.SnapshotEnsemble(2)
        cycles(points, found, checkpoint=tmp_path, resume=True)
        for mine, other in zip(expected.snapshots, found.snapshots, strict=True):
            for name, array in mine.items():
                np.testing.assert_array_equal(other[name], array)
        assert len(found.ensemble()) == 3


def test_bad_snapshots_are_named(points: Points) -> None:
    with pytest.raises(ValueError, match="epochs_per_cycle is 0, expected an integer of at least 1"):
        pynn.SnapshotEnsemble(0)
    with pytest.raises(ValueError, match="keep is 0, expected an integer of at least 1"):
        pynn.SnapshotEnsemble(1, keep=0)
    with pytest.raises(ValueError, match="a cycle has 8 epochs, but the run has 7"):
        cycles(points, pynn.SnapshotEnsemble(8))
    with pytest.raises(RuntimeError, match="there is no snapshot yet"):
        pynn.SnapshotEnsemble(2).ensemble()
    model = trained(points)
    with pytest.raises(ValueError, match="snapshot 1 does not have the tensors of the model, affine1"):
        pynn.Ensemble.of_snapshots(model, [model.tensors(), {}])
    with pytest.raises(ValueError, match="the model is not built yet"):
        pynn.Ensemble.of_snapshots(network(), [])
    with pytest.raises(ValueError, match="the ensemble has no members"):
        pynn.Ensemble.of_snapshots(model, [])


# Files ----------------------------------------------------------------------------------------------


def _models(points: Points) -> pynn.Ensemble:
    models = [
        trained(points, preprocessing=pynn.Standardization()), trained(points, model=pynn.Sequential(pynn.Affine(3))),
    ]  # fmt: skip
    return pynn.Ensemble(models, weights=[1, 3])


def _snapshots(points: Points) -> pynn.Ensemble:
    snapshots = pynn.SnapshotEnsemble(2)
    cycles(points, snapshots, preprocessing=pynn.PCA(3))
    return snapshots.ensemble()


@pytest.mark.parametrize("make", [_models, _snapshots])
def test_a_file_gives_the_same_bits(make: Callable[[Points], pynn.Ensemble], points: Points, tmp_path: Path) -> None:
    ensemble, path = make(points), tmp_path / "ensemble.safetensors"
    ensemble.save(path)
    again = pynn.Ensemble.load(path)
    np.testing.assert_array_equal(again.predict_proba(points[0]), ensemble.predict_proba(points[0]))
    assert again.evaluate(*points) == ensemble.evaluate(*points)
    assert repr(again) == repr(ensemble)
    content = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == content
    with pytest.raises(ValueError, match=r"not a pynn model: .*; it is an ensemble, which pynn\.Ensemble\.load reads"):
        pynn.load(path)


def test_snapshots_share_a_model_after_loading_too(points: Points, tmp_path: Path) -> None:
    _snapshots(points).save(tmp_path / "e.safetensors")
    again = pynn.Ensemble.load(tmp_path / "e.safetensors")
    assert len({id(member.model) for member in again._members}) == 1


def test_own_classes_are_passed_on(points: Points, tmp_path: Path) -> None:
    class Twice(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return 2 * x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return 2 * dy

    path = tmp_path / "e.safetensors"
    ensemble = pynn.Ensemble([trained(points, model=pynn.Sequential(pynn.Affine(3), Twice()))])
    ensemble.save(path)
    again = pynn.Ensemble.load(path, own=(cls for cls in [Twice]))
    np.testing.assert_array_equal(again.predict(points[0]), ensemble.predict(points[0]))
    with pytest.raises(ValueError, match="'Twice' is not a pynn class"):
        pynn.Ensemble.load(path)


def test_damaged_files_are_named(points: Points, tmp_path: Path) -> None:
    import safetensors.numpy

    path, model = tmp_path / "e.safetensors", trained(points)
    pynn.Ensemble([model, trained(points, 1)]).save(path)
    tensors = safetensors.numpy.load_file(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        whole = json.loads(file.metadata()["pynn_ensemble"])
    del whole["crc"]  # as in a file of older pynn: what follows is about the contents

    def write(found: dict[str, np.ndarray], **change: Any) -> None:
        safetensors.numpy.save_file(found, path, {"pynn_ensemble": json.dumps({**whole, **change})})

    cases: list[tuple[dict[str, np.ndarray], dict[str, Any], str]] = [
        (tensors, {"models": None}, "does not define its members"),
        (tensors, {"models": [1, 2]}, "does not define its members"),
        (tensors, {"members": []}, "does not define its members"),
        (tensors, {"members": [0, 2]}, r"members are \[0, 2\], expected numbers of its 2 models"),
        (tensors, {"members": [0, True]}, r"members are \[0, True\]"),
        (tensors, {"weights": [1]}, r"weights has shape \(1,\), expected \(2,\)"),
        (tensors, {"weights": [0, 0]}, "weights are 0 for all members"),
        (tensors, {"format": 2}, "has format 2, this pynn reads up to 1"),
        (tensors, {"format": "1"}, "the ensemble's description has no format number"),
        ({**tensors, "2.bias": np.ones(1)}, {}, r"has a tensor 2\.bias that belongs to no member"),
        ({**tensors, "bias": np.ones(1)}, {}, "has a tensor bias that belongs to no member"),
        ({**tensors, "1.bias": np.ones(1)}, {}, "has tensors that its description does not mention: bias"),
        ({name: one for name, one in tensors.items() if name != "1.affine1.bias"}, {}, "lacks the tensors affine1"),
        ({**tensors, "0.affine1.bias": np.ones(3)}, {}, r"affine1\.bias is float64 \(3,\), expected float64 \(8,\)"),
    ]  # fmt: skip
    for found, change, message in cases:
        write(found, **change)
        with pytest.raises(ValueError, match=message):
            pynn.Ensemble.load(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        pynn.Ensemble.load(path)
    model.save(path)
    with pytest.raises(ValueError, match="not a pynn ensemble: its metadata has no entry 'pynn_ensemble'"):
        pynn.Ensemble.load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        pynn.Ensemble.load(tmp_path / "none.safetensors")


def test_the_repr_of_an_ensemble_says_what_it_is(points: Points) -> None:
    models = [trained(points), trained(points, 1)]
    assert repr(pynn.Ensemble(models)) == "Ensemble(2 members, mean of their probabilities)"
    assert (
        repr(pynn.Ensemble(models, [1, 3])) == "Ensemble(2 members, mean of their probabilities, weights=[0.25, 0.75])"
    )
    assert [id(model) for model in pynn.Ensemble(models)] == [id(model) for model in models]
