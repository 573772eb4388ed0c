"""Features together: what each does alone is tested in its own file."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.cli import main

Points = tuple[np.ndarray, np.ndarray]


def quick(model: pynn.Sequential, *data: Any, **settings: Any) -> pynn.History:
    return model.fit(*data, **{"epochs": 2, "progress": False, **settings})


def tree(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.HierarchicalSoftmax(3), **settings)


# Weights with losses that have a structure --------------------------------------------------------


def test_hierarchical_softmax_takes_class_weights_and_weighs_its_hits(points: Points) -> None:
    x, y = points
    given = np.array([1.0, 5.0, 0.5])
    by_class, by_sample = tree(), tree()
    quick(by_class, x, y, class_weight={0: 1, 1: 5, 2: 0.5})
    quick(by_sample, x, y, sample_weight=given[y])
    np.testing.assert_array_equal(by_class.parameters, by_sample.parameters)
    found = by_class.evaluate(x, y, class_weight=given)
    hits = by_class.predict(x) == y
    assert found["accuracy"] == pytest.approx((hits * given[y]).sum() / given[y].sum(), rel=1e-6)
    assert quick(by_class, x, y, validation=(x, y, given[y]))["val_accuracy"]


def test_structures_that_are_right_are_weighted(rng: np.random.Generator) -> None:
    x, given = rng.normal(size=(40, 2)).astype(np.float32), rng.random(40)
    y = (x > 0).astype(int)
    model = pynn.Sequential(pynn.Affine(4), pynn.Transitions(2))
    history = quick(model, x, y, loss=pynn.StructuredHinge(pynn.ViterbiChain()), sample_weight=given)
    assert 0 <= history["accuracy"][-1] <= 1
    hits = (model.predict(x) == y).all(axis=1)
    found = model.evaluate(x, y, sample_weight=given)["accuracy"]
    assert found == pytest.approx((hits * given).sum() / given.sum(), rel=1e-6)


def test_the_command_line_evaluates_a_tree(
    digits: pynn.datasets.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(16), pynn.ReLU(), pynn.HierarchicalSoftmax(10))
    quick(model, *digits.train)
    model.save(tmp_path / "tree.safetensors")
    assert main(["evaluate", str(tmp_path / "tree.safetensors"), "digits"]) == 0
    accuracy = model.evaluate(*digits.test)["accuracy"]
    assert capsys.readouterr().out.splitlines()[-1] == f"test accuracy {accuracy:.4f}"


# Second-order methods -----------------------------------------------------------------------------


@pytest.mark.parametrize("components", [4, 2])
def test_minimize_takes_raw_samples_as_fit_does(components: int, points: Points) -> None:
    pytest.importorskip("scipy")
    x, y = 100 * points[0], points[1]
    model, by_hand = (pynn.Sequential(pynn.Affine(3), dtype="float64") for _ in range(2))
    quick(model, x, y, preprocessing=pynn.PCA(components))
    assert model.preprocessing is not None
    quick(by_hand, model.preprocessing.transform(x.astype(np.float64)), y)
    history = pynn.minimize(model, x, y, steps=20, progress=False)
    pynn.minimize(by_hand, model.preprocessing.transform(x.astype(np.float64)), y, steps=20, progress=False)
    np.testing.assert_allclose(model.parameters, by_hand.parameters, rtol=1e-6)
    assert model.evaluate(x, y)["loss"] == pytest.approx(min(history["loss"]), rel=1e-6)


def test_minimize_refuses_constraints_that_it_would_not_keep(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(5, constraint=pynn.MaxNorm(0.1)), pynn.Affine(3), dtype="float64")
    with pytest.raises(ValueError, match="minimize does not apply MaxNorm"):
        pynn.minimize(model, *points, method="Newton", progress=False)
    assert not model.built
    model.layers[0].freeze()
    pynn.minimize(model, *points, method="Newton", steps=2, progress=False)


# First weights over a batch -----------------------------------------------------------------------


@pytest.mark.parametrize("way", [pynn.lsuv, pynn.data_dependent])
def test_first_weights_leave_what_is_frozen(way: Any, points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(6), pynn.ReLU(), pynn.Affine(3))
    quick(model, *points)
    model.layers[0].freeze()
    model.layers[2].freeze("bias")
    before = model.parameters.copy()
    assert list(way(model, points[0])) == ["affine2", "affine3"]
    changed = {name for name, array in model.tensors().items() if not np.isin(array, before).all()}
    assert changed == {"affine2.weight", "affine3.weight"} | ({"affine3.bias"} if way is pynn.data_dependent else set())
    with pytest.raises(ValueError, match="all are left out or frozen"):
        way(model.freeze(), points[0])


@pytest.mark.parametrize("way", [pynn.lsuv, pynn.data_dependent])
def test_first_weights_look_at_raw_samples_through_the_preprocessing(way: Any, points: Points) -> None:
    x, y = points[0] * 50 + 7, points[1]
    model, by_hand = (pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3)) for _ in range(2))
    quick(model, x, y, preprocessing=pynn.PCA(3))
    assert model.preprocessing is not None
    by_hand.build((3,))
    by_hand.parameters = model.parameters
    assert way(model, x) == way(by_hand, model.preprocessing.transform(x))
    np.testing.assert_array_equal(model.parameters, by_hand.parameters)


# Copies, and models in models ---------------------------------------------------------------------


def everything(**settings: Any) -> pynn.Sequential:
    block = pynn.Sequential(pynn.Affine(6, initializer=pynn.Orthogonal()), pynn.LayerNorm(), pynn.Tanh())
    return pynn.Sequential(
        pynn.DropConnect(8, 0.1, constraint=pynn.MaxNorm(2)), pynn.BatchNorm(), pynn.PReLU(), pynn.Dropout(0.2),
        block, pynn.Maxout(5, penalty=pynn.ElasticNet(0.001, 0.01)), pynn.GaussianNoise(0.1), pynn.Affine(3), **settings
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_of_all_kinds_go_on_training_as_the_model_does(dtype: str, points: Points, backend: str) -> None:
    x, y = points
    model = everything(dtype=dtype)
    model.layers[0].freeze("bias")
    model.layers[4].freeze()
    quick(
        model, x, y, validation=(x, y, np.arange(30)), sample_weight=np.arange(30), class_weight="balanced",
        loss=pynn.SoftmaxCrossEntropy(0.1), penalty=pynn.L2(0.01), batch_size=8,
        preprocessing=pynn.Pipeline(pynn.Standardization(), pynn.PCA(3)),
        optimizer=pynn.NAdam(pynn.Warmup(pynn.CosineDecay(0.01, 4), 1), weight_decay=0.01, clip_norm=1.0),
    )  # fmt: skip
    frozen = model.layers[4].layers[0].weight.copy()
    kept = model.parameters.copy()
    others = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for other in others:
        assert other.context.dtype is other.parameters.dtype is np.dtype(dtype)
        quick(other, x, y, batch_size=8)
    np.testing.assert_array_equal(model.parameters, kept)
    quick(model, x, y, batch_size=8)
    assert not np.array_equal(model.parameters, kept)
    np.testing.assert_array_equal(model.layers[4].layers[0].weight, frozen)
    for other in others:
        np.testing.assert_array_equal(other.parameters, model.parameters)
        assert other.evaluate(x, y, sample_weight=np.arange(30)) == model.evaluate(x, y, sample_weight=np.arange(30))


def test_a_pickle_holds_no_buffers(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    quick(model, *points)
    small = len(pickle.dumps(model))
    model.predict(np.zeros((1000, 4)))
    model.forward(points[0][:1])
    assert len(pickle.dumps(model)) <= small


def test_a_model_that_is_built_is_not_lost_in_another_one(points: Points) -> None:
    inner = pynn.Sequential(pynn.Affine(5), pynn.ReLU(), pynn.Affine(3))
    quick(inner, *points)
    before = inner.predict_proba(points[0])
    for outer in (pynn.Sequential(inner), pynn.Sequential(pynn.Sequential(*inner.layers), pynn.Softmax())):
        with pytest.raises(ValueError, match=r"layer 0 \(Sequential\) (is a|belongs to another) model that is built"):
            quick(outer, *points)
        np.testing.assert_array_equal(inner.predict_proba(points[0]), before)
    inner.unbuild()
    quick(pynn.Sequential(inner, pynn.Affine(3)), *points)


# Penalties of layers ------------------------------------------------------------------------------


def test_a_penalty_that_is_set_on_any_layer_is_in_the_model_file(points: Points, tmp_path: Path) -> None:
    block = pynn.Sequential(pynn.Affine(4, penalty=pynn.L1(0.5)), pynn.PReLU())
    block.penalty = pynn.L2(0.25)
    model = pynn.Sequential(block, pynn.BatchNorm(), pynn.Affine(3, penalty=pynn.L1(0.125)))
    model.layers[1].penalty = pynn.ElasticNet(0.1, 0.2, biases=True)
    quick(model, *points)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert "  penalty ElasticNet(l1=0.1, l2=0.2, biases=True)\n" in loaded.summary()
    assert "  penalty L1(strength=0.125)" not in loaded.summary()  # it stands in Affine(...)
    found = [layer.penalty for layer in loaded.walk()]
    assert repr(found) == repr([layer.penalty for layer in model.walk()])
    assert [type(one) for one in found] == [type(None), *[pynn.L2] * 3, pynn.ElasticNet, pynn.L1]
    assert quick(model, *points, optimizer="sgd")["loss"] == quick(loaded, *points, optimizer="sgd")["loss"]
    assert model.penalty_value == loaded.penalty_value
    assert loaded.penalty_value


def test_a_penalty_of_a_whole_model_is_that_of_its_layers(points: Points) -> None:
    one, other = (pynn.Sequential(pynn.Affine(5), pynn.ReLU(), pynn.Affine(3)) for _ in range(2))
    one.penalty = pynn.L2(0.1)
    assert quick(one, *points)["penalty"] == quick(other, *points, penalty=pynn.L2(0.1))["penalty"]
    np.testing.assert_array_equal(one.parameters, other.parameters)
    with pytest.raises(TypeError, match="Sequential: penalty is 'l2', expected a pynn Penalty"):
        one.penalty = "l2"


# Settings that change after the model is built ----------------------------------------------------


def test_a_constraint_may_be_changed_at_any_time(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(8, constraint=pynn.MaxNorm(0.1)), pynn.ReLU(), pynn.Affine(3))

    def norms(layer: int) -> float:
        return float(np.linalg.norm(model.layers[layer].weight, axis=0).max())

    quick(model, *points)
    assert norms(0) < 0.101
    model.layers[0].constraint, model.layers[2].constraint = None, pynn.MaxNorm(0.2)
    other = copy.deepcopy(model)
    for one in (model, other):
        quick(one, *points, optimizer=pynn.SGD(1.0))
    np.testing.assert_array_equal(model.parameters, other.parameters)
    assert norms(0) > 0.2 > norms(2) - 0.001
    with pytest.raises(TypeError, match=r"Affine: constraint is 3, expected a pynn Constraint"):
        model.layers[0].constraint = 3


# A fit that is refused ----------------------------------------------------------------------------


def test_a_loss_that_the_last_layer_cannot_learn_from_is_refused_and_forgotten(points: Points) -> None:
    model = tree(dtype="float64")
    for train in (quick, pynn.minimize):
        with pytest.raises(ValueError, match=r"loss is SoftmaxCrossEntropy\(\), but .* its own, HierarchicalCrossEn"):
            train(model, *points, loss="softmax_cross_entropy", progress=False)
    assert not model.built
    quick(model, *points, loss=model.layers[-1].loss)
    model.loss = pynn.Hinge()  # somebody's slip
    quick(model, *points)
    assert model.loss is model.layers[-1].loss


def test_another_models_optimizer_is_refused_before_an_iterable_is_read(points: Points) -> None:
    first, second, optimizer = tree(), tree(), pynn.Adam()
    quick(first, *points, optimizer=optimizer)
    with pytest.raises(ValueError, match="already trains another model"):
        quick(second, [points], optimizer=optimizer)
    assert not second.built
    assert second.optimizer is None
    first.build((4,))
    with pytest.raises(ValueError, match="or this model before it was rebuilt"):
        quick(first, *points, optimizer=optimizer)
    quick(first, *points)


def test_a_refused_fit_leaves_an_optimizer_in_place(points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.optimizer = optimizer = pynn.SGD(0.5)
    for data in ((x, np.arange(len(x))), ([(x, y - 1)],)):
        with pytest.raises(ValueError, match="expected a label"):
            quick(model, *data)
        assert not model.built
        assert model.optimizer is optimizer
    quick(model, x, y)
    assert optimizer.steps == 2
