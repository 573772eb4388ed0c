"""Hierarchical softmax: trees, the layer with its loss, and what a model does with them."""

from __future__ import annotations

import copy
import itertools
import pickle
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn
from pynn.layers import trees

Points = tuple[np.ndarray, np.ndarray]


def built(layer: pynn.HierarchicalSoftmax, inputs: int, dtype: str = "float64", seed: int = 0) -> pynn.Sequential:
    """A model of this layer alone, with random nodes and biases."""
    model = pynn.Sequential(layer, dtype=dtype)
    model.build((inputs,))
    model.parameters[...] = np.random.default_rng(seed).normal(0, 1, model.parameters.shape)
    return model


def many(samples: int = 400, classes: int = 40, seed: int = 0) -> Points:
    """Points around one centre a class, some classes far more frequent than others."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, classes + 1)
    y = rng.choice(classes, samples, p=share / share.sum())
    centres = np.random.default_rng(9).normal(0, 1, (classes, 12))
    return (centres[y] + rng.normal(0, 0.2, (samples, 12))).astype(np.float32), y


# Trees --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 8, 9, 100, 1000])
def test_a_balanced_tree_is_as_shallow_as_can_be(classes: int) -> None:
    depths = trees.depths(trees.balanced(classes))
    assert depths.max() == int(np.ceil(np.log2(classes)))
    assert depths.min() == int(np.floor(np.log2(classes)))
    assert (0.5**depths).sum() == 1  # every path ends in a class


def least_cost(counts: list[int]) -> int:
    """Σ count·depth of the best tree: the sum of all merged counts, by sorting anew each time."""
    total, rest = 0, sorted(counts)
    while len(rest) > 1:
        merged = rest[0] + rest[1]
        total, rest = total + merged, sorted([merged, *rest[2:]])
    return total


@pytest.mark.parametrize("classes", [2, 3, 7, 50])
def test_huffmans_tree_has_the_least_mean_depth(classes: int, rng: np.random.Generator) -> None:
    counts = rng.integers(0, 60, classes).tolist()
    depths = trees.depths(trees.huffman(counts))
    assert int((depths * counts).sum()) == least_cost(counts)
    assert (0.5**depths).sum() == 1


def test_huffmans_tree_of_known_counts() -> None:
    """Worked by hand: 3+1=4, 4+5=9, 9+20: the depths are 3, 3, 2, 1; ties go to the lower label."""
    assert trees.depths(trees.huffman([3, 1, 5, 20])).tolist() == [3, 3, 2, 1]
    np.testing.assert_array_equal(trees.huffman([1, 1, 1, 1]), trees.huffman([7, 7, 7, 7]))
    assert trees.depths(trees.huffman([1, 1, 1, 1])).tolist() == [2, 2, 2, 2]
    assert trees.depths(trees.huffman([0] * 8)).max() == 3


def test_pairs_and_codes_give_the_same_tree() -> None:
    codes = trees.codes_of_pairs(((0, 2), (1, [4, 3])), 5)
    assert codes == ["00", "10", "01", "111", "110"]
    assert trees.depths(trees.from_codes(codes)).tolist() == [2, 2, 2, 3, 3]
    layers = [pynn.HierarchicalSoftmax(5, tree=tree) for tree in (((0, 2), (1, [4, 3])), codes)]
    a, b = (built(layer, 3) for layer in layers)
    np.testing.assert_array_equal(a.predict_proba(np.eye(3)), b.predict_proba(np.eye(3)))


def test_a_chain_of_many_classes_is_a_tree() -> None:
    tree: Any = 0
    for label in range(1, 1500):  # deeper than Python's recursion
        tree = (label, tree)
    layer = pynn.HierarchicalSoftmax(1500, tree=tree)
    model = built(layer, 2)
    model.parameters *= 0.01
    assert layer.depth == 1499
    np.testing.assert_allclose(model.predict_proba(np.eye(2)).sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(model.evaluate(np.eye(2), [0, 1499])["loss"])


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        (["0", "10"], r"tree has 2 codes, expected 3"),
        (["0", "10", "1x"], r"tree\[2\] is '1x', expected a code of 0s and 1s"),
        (["0", "10", ""], r"tree\[2\] is '', expected a code"),
        (["0", "01", "1"], r"tree\[0\] is '0', with which another code begins"),
        (["0", "1", "1"], r"the code '1' occurs twice in tree"),
        (["0", "100", "101"], r"a node of tree has nothing on side 1, expected classes on both sides"),
        (((0, 1), 1), r"the label 1 occurs twice in tree"),
        ((0, 1), r"the label 2 is not in tree"),
        (((0, 1), 3), r"tree has the part 3, expected a pair or a label of 0\.\.2"),
        ((0, 1, 2), r"tree has the part \(0, 1, 2\), expected a pair"),
        (((0, True), 2), r"tree has the part True"),
    ],
)
def test_trees_that_are_none_are_refused(tree: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        pynn.HierarchicalSoftmax(3, tree=tree)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"classes": 1}, ValueError, "classes is 1, expected an integer of at least 2"),
        ({"classes": 2.0}, ValueError, "classes is 2.0, expected an integer"),
        ({"classes": 3, "counts": [1, 2]}, ValueError, r"counts has shape \(2,\), expected \(3,\)"),
        ({"classes": 2, "counts": [1, -2]}, ValueError, "expected finite numbers of at least 0"),
        ({"classes": 2, "counts": [1, np.nan]}, ValueError, "expected finite numbers of at least 0"),
        ({"classes": 2, "counts": ["a", "b"]}, ValueError, "expected finite numbers of at least 0"),
        ({"classes": 2, "counts": [1, 2], "tree": (0, 1)}, ValueError, "pass one of them"),
        ({"classes": 2, "tree": "01"}, TypeError, "tree is '01', expected nested pairs"),
        ({"classes": 2, "use_bias": 1}, TypeError, "use_bias is 1, expected True or False"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        pynn.HierarchicalSoftmax(**arguments)


# Values and gradients -----------------------------------------------------------------------------

TREES: dict[str, dict[str, Any]] = {
    "balanced": {},
    "huffman": {"counts": [50, 1, 7, 3, 3, 0, 9]},
    "given": {"tree": ((0, (1, (2, 3))), ((4, 5), 6))},
    "without bias": {"use_bias": False},
}
all_trees = pytest.mark.parametrize("arguments", TREES.values(), ids=TREES)


@all_trees
def test_gradients_match_central_differences_on_both_backends(arguments: Any, both_backends: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    for name in both_backends:
        pynn.use_backend(name)
        model = built(pynn.HierarchicalSoftmax(7, **arguments), 5)
        gradients.check(model, model.loss, rng.normal(size=(9, 5)), rng.integers(0, 7, 9))


def test_gradients_through_a_network_match_central_differences() -> None:
    layers = [pynn.Affine(6), pynn.Tanh(), pynn.HierarchicalSoftmax(11, counts=range(11))]
    model, x = gradients.smooth(layers, (4,), samples=8)
    layer = model.layers[-1]
    layer.nodes[...] = np.random.default_rng(0).normal(size=layer.nodes.shape)
    gradients.check(model, model.loss, x, np.arange(8))


@all_trees
def test_the_loss_is_the_logarithm_of_the_probability(arguments: Any, both_backends: tuple[str, ...]) -> None:
    x = np.random.default_rng(3).normal(size=(20, 4))
    for name in both_backends:
        pynn.use_backend(name)
        model = built(pynn.HierarchicalSoftmax(7, **arguments), 4)
        probabilities = model.predict_proba(x)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
        np.testing.assert_array_equal(model.predict(x), probabilities.argmax(axis=1))
        for label in range(7):
            value = model.loss.forward(model.forward(x), np.full(20, label))
            assert value == pytest.approx(-np.log(probabilities[:, label]).mean(), rel=1e-12)


@pytest.mark.parametrize("classes", [2, 8, 1024])
def test_the_first_loss_is_ln_2_times_the_depth(classes: int) -> None:
    model = pynn.Sequential(pynn.HierarchicalSoftmax(classes), dtype="float64")
    value = model.loss.forward(model.forward(np.ones((4, 3))), np.array([0, 1, 1, 0]))
    assert value == pytest.approx(np.log(classes), rel=1e-14)


def test_two_classes_are_logistic_regression(torch: Any, rng: np.random.Generator) -> None:
    model = built(pynn.HierarchicalSoftmax(2), 5)
    x, y, weights = rng.normal(size=(30, 5)), rng.integers(0, 2, 30), rng.random(30)
    value = model.loss.forward(model.forward(x, training=True), y, weights)
    dx = model.backward(model.loss.backward(), input_gradient=True)
    layer: Any = model.layers[0]
    node, bias, inputs = (torch.tensor(array, requires_grad=True) for array in (layer.nodes, layer.bias, x))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        inputs @ node[0] + bias[0], torch.tensor(y, dtype=torch.float64), torch.tensor(weights)
    )
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(layer.dnodes, node.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(layer.dbias, bias.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(dx, inputs.grad.numpy(), rtol=1e-12)


def test_nodes_on_no_path_have_a_gradient_of_zero() -> None:
    model = built(pynn.HierarchicalSoftmax(64), 5, "float32")
    layer: Any = model.layers[0]
    for labels, nodes in (([3, 3, 3], 6), ([0, 63, 3], 12)):
        model.gradients.fill(np.nan)
        model.loss.forward(model.forward(np.ones((3, 5), np.float32), training=True), np.array(labels))
        model.backward(model.loss.backward())
        touched = (layer.dnodes != 0).any(axis=1)
        assert touched.sum() == nodes
        np.testing.assert_array_equal(layer.dbias != 0, touched)


def test_weights_count_samples(rng: np.random.Generator) -> None:
    model = built(pynn.HierarchicalSoftmax(9), 4)
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 9, 6)

    def step(x: np.ndarray, y: np.ndarray, weights: Any = None) -> tuple[float, np.ndarray]:
        value = model.loss.forward(model.forward(x, training=True), y, weights)
        model.backward(model.loss.backward())
        return value * len(x), model.gradients * len(x)

    repeats = np.array([1, 0, 3, 2, 0, 1])
    value, gradient = step(np.repeat(x, repeats, axis=0), np.repeat(y, repeats))
    weighted_value, weighted_gradient = step(x, y, repeats)
    assert weighted_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(weighted_gradient, gradient, rtol=1e-11, atol=1e-13)
    value, gradient = step(x, y, np.zeros(6))
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_scores_give_finite_losses_and_gradients(dtype: str, both_backends: tuple[str, ...]) -> None:
    for name in both_backends:
        pynn.use_backend(name)
        model = built(pynn.HierarchicalSoftmax(4, use_bias=False), 1, dtype)
        model.parameters[:3] = [1e4, -1e4, 0]
        x = np.array([[1.0], [-1.0], [0.0]])
        for label in range(4):
            value = model.loss.forward(model.forward(x, training=True), np.full(3, label))
            model.backward(model.loss.backward())
            assert np.isfinite(value)
            assert np.isfinite(model.gradients).all()
        probabilities = model.predict_proba(x)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        assert sorted(probabilities[0].tolist())[:2] == [0, 0]


def test_both_backends_train_to_the_same_numbers(both_backends: tuple[str, ...]) -> None:
    x, y = many()
    found = []
    for name in both_backends:
        pynn.use_backend(name)
        model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.HierarchicalSoftmax(40), dtype="float64")
        model.fit(x, y, epochs=2, batch_size=50, progress=False)
        found.append(model.parameters.copy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7, atol=1e-9)


# In a model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{}, {"counts": np.arange(40)[::-1]}], ids=["balanced", "huffman"])
def test_hierarchical_softmax_learns_and_reports_its_accuracy(arguments: Any) -> None:
    x, y = many()
    held_out = many(200, seed=1)
    model = pynn.Sequential(pynn.Affine(48), pynn.ReLU(), pynn.HierarchicalSoftmax(40, **arguments))
    history = model.fit(x, y, validation=held_out, optimizer=pynn.Adam(0.01), epochs=30, batch_size=50, progress=False)
    assert "accuracy" not in history
    assert history["val_accuracy"][-1] > history["val_accuracy"][0]
    found = model.evaluate(*held_out)
    assert found["accuracy"] > 0.9
    assert found["accuracy"] == pytest.approx((model.predict(held_out[0]) == held_out[1]).mean())
    probabilities = model.predict_proba(held_out[0])
    assert probabilities.shape == (200, 40)
    expected = -np.log(probabilities[np.arange(200), held_out[1]].astype(np.float64)).mean()
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_many_classes_are_searched_and_the_whole_tree_helps_out(both_backends: tuple[str, ...]) -> None:
    """Of 2,000 classes: sure samples find theirs within the limit, unsure ones by the whole tree."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 6)) * np.repeat([20, 0.01], 20)[:, None]
    for name in both_backends:
        pynn.use_backend(name)
        model = built(pynn.HierarchicalSoftmax(2000, counts=rng.random(2000), use_bias=False), 6)
        layer: Any = model.layers[0]
        found = np.full(40, -9)
        pynn.kernels.hierarchical_softmax_predict(x, layer.parents, layer.nodes, None, 125, found)
        best = model.predict_proba(x).argmax(axis=1)
        assert (found[:20] >= 0).all()
        assert (found[20:] == -1).all()
        np.testing.assert_array_equal(found[:20], best[:20])
        np.testing.assert_array_equal(model.predict(x), best)
        assert model.evaluate(x, best)["accuracy"] == 1


def test_the_lowest_of_equal_classes_is_predicted(both_backends: tuple[str, ...]) -> None:
    tree = ((3, 1), (0, (2, 4)))
    for name in both_backends:
        pynn.use_backend(name)
        layer = pynn.HierarchicalSoftmax(5, tree=tree)
        model = pynn.Sequential(layer)
        model.build((2,))
        x, labels = np.ones((3, 2), np.float32), np.full(3, -9)
        pynn.kernels.hierarchical_softmax_predict(x, layer.parents, layer.nodes, layer.bias, 4, labels)
        assert labels.tolist() == model.predict(x).tolist() == [0, 0, 0]
        with pytest.raises(ValueError, match="hierarchical_softmax_predict: limit is 0, expected at least 1"):
            pynn.kernels.hierarchical_softmax_predict(x, layer.parents, layer.nodes, layer.bias, 0, labels)
        twice = layer.parents.copy()
        twice[4] = twice[2]
        with pytest.raises(ValueError, match=rf"parents\[4\] is {twice[2]} like parents\[2\], expected one child"):
            pynn.kernels.hierarchical_softmax_predict(x, twice, layer.nodes, layer.bias, 4, labels)


def test_hierarchical_softmax_trains_in_a_custom_loop() -> None:
    x, y = many()
    model = pynn.Sequential(pynn.HierarchicalSoftmax(40))
    loss, optimizer = model.loss, pynn.Adam(0.05)
    values = []
    for epoch in range(5):
        for x_batch, y_batch in pynn.batches(x, y, 50, seed=0, epoch=epoch):
            values.append(loss.forward(model.forward(x_batch, training=True), y_batch))
            model.backward(loss.backward())
            optimizer.step(model)
    assert values[0] == pytest.approx(np.log(2) * 5.3, rel=0.1)
    assert values[-1] < 0.5 * values[0]


@all_trees
def test_files_hold_the_tree(arguments: Any, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(4), pynn.HierarchicalSoftmax(7, **arguments))
    x, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 7
    model.fit(x, y, epochs=2, progress=False)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    assert loaded.loss is loaded.layers[-1].loss
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in model.layers]
    before = loaded.evaluate(x, y)["loss"]
    loaded.fit(x, y, epochs=20, optimizer=pynn.Adam(0.05), progress=False)
    assert loaded.evaluate(x, y)["loss"] < before


def test_copies_walk_their_own_tree() -> None:
    x, y = many()
    model = pynn.Sequential(pynn.HierarchicalSoftmax(40))
    model.fit(x, y, epochs=1, progress=False)
    expected = model.predict_proba(x)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other.fit(x, y, epochs=3, optimizer=pynn.Adam(0.1), progress=False)
        assert other.loss is not model.loss
        np.testing.assert_array_equal(model.predict_proba(x), expected)
        assert np.abs(other.predict_proba(x) - expected).max() > 0.01


def test_hierarchical_softmax_may_end_a_model_inside_a_model() -> None:
    x, y = many()
    inner = pynn.Sequential(pynn.Affine(8), pynn.HierarchicalSoftmax(40))
    model = pynn.Sequential(pynn.Affine(8), inner)
    assert model.loss is inner.layers[-1].loss
    history = model.fit(x, y, epochs=5, optimizer=pynn.Adam(0.01), batch_size=50, progress=False)
    assert history["loss"][-1] < history["loss"][0]


def test_long_counts_are_shown_short() -> None:
    model = pynn.Sequential(pynn.HierarchicalSoftmax(1000, counts=np.ones(1000)))
    assert repr(model) == "Sequential(HierarchicalSoftmax(classes=1000, counts=[1.0, ... 1000 in all]))"
    model.build((3,))
    assert "(N, 3)" in model.summary()
    assert "3,996" in model.summary()


# What is refused ----------------------------------------------------------------------------------


def test_another_loss_is_refused(points: Points) -> None:
    model = pynn.Sequential(pynn.HierarchicalSoftmax(3))
    with pytest.raises(ValueError, match=r"the model's last layer has its own, .* leave `loss` out"):
        model.fit(*points, loss="softmax_cross_entropy", epochs=1, progress=False)


def test_a_scaled_gradient_is_refused(points: Points) -> None:
    model = pynn.Sequential(pynn.HierarchicalSoftmax(3))
    model.loss.forward(model.forward(points[0], training=True), points[1])
    with pytest.raises(ValueError, match="to scale the loss, pass weights to its forward"):
        model.backward(2 * model.loss.backward())


def test_a_loss_without_a_tree_says_where_one_comes_from(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"end the model with HierarchicalSoftmax\(classes\) and leave `loss` out"):
        model.fit(*points, loss=pynn.HierarchicalCrossEntropy(), progress=False)


@pytest.mark.parametrize(("label", "error"), [(3, ValueError), (-1, ValueError), (0.5, TypeError)])
def test_labels_that_are_no_class_are_refused(label: Any, error: type[Exception], points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.HierarchicalSoftmax(3))
    with pytest.raises(error, match=r"expected (a|integer class) label"):
        model.fit(x, [label, *y[1:]], progress=False)
    assert not model.built


def test_images_are_refused_with_advice() -> None:
    with pytest.raises(ValueError, match=r"expected vectors \(D,\).*put Flatten"):
        pynn.Sequential(pynn.HierarchicalSoftmax(3)).build((8, 8, 1))


def parents_of(classes: int, **changes: int) -> np.ndarray:
    parents = trees.balanced(classes)
    for place, value in changes.items():
        parents[int(place[1:])] = value
    return parents


@pytest.mark.parametrize(
    ("parents", "sentence"),
    [
        (parents_of(4, p2=6), r"parents\[2\] is 6, expected 0\.\.5 \(2 node \+ code, of a node before it\)"),
        (parents_of(4, p2=-1), r"parents\[2\] is -1, expected 0\.\.5"),
        (parents_of(4, p6=4), r"parents\[6\] is 4, expected 0\.\.3"),
        (parents_of(4, p6=5), r"parents\[6\] is 5, expected 0\.\.3"),
        (parents_of(5), r"parents has shape \(9,\), expected \(7,\): 4 classes and 3 nodes"),
    ],
)
def test_kernels_never_leave_a_broken_tree(parents: np.ndarray, sentence: str, both_backends: tuple[str, ...]) -> None:
    x, nodes, labels = np.ones((4, 2)), np.ones((3, 2)), np.arange(4)
    for name in both_backends:
        pynn.use_backend(name)
        kernels = pynn.kernels
        with pytest.raises(ValueError, match=f"hierarchical_softmax: {sentence}"):
            kernels.hierarchical_softmax(x, labels, parents, nodes, None, None, np.empty((4, 2)), np.empty((4, 2)))
        with pytest.raises(ValueError, match=f"hierarchical_softmax_backward: {sentence}"):
            kernels.hierarchical_softmax_backward(x, labels, parents, np.ones((4, 2)), np.empty((3, 2)), None)
        with pytest.raises(ValueError, match=f"hierarchical_softmax_probabilities: {sentence}"):
            kernels.hierarchical_softmax_probabilities(x, parents, nodes, None, np.empty((4, 4)))
        with pytest.raises(ValueError, match=f"hierarchical_softmax_predict: {sentence}"):
            kernels.hierarchical_softmax_predict(x, parents, nodes, None, 4, labels.copy())


def test_kernels_name_what_does_not_fit(both_backends: tuple[str, ...]) -> None:
    x, nodes, parents = np.ones((2, 2)), np.ones((3, 2)), trees.balanced(4)
    for name, labels in itertools.product(both_backends, (np.array([0, 4]), np.array([0, -1]))):
        pynn.use_backend(name)
        with pytest.raises(ValueError, match=rf"labels\[1\] is {labels[1]}, expected 0\.\.3 \(4 classes\)"):
            pynn.kernels.hierarchical_softmax(x, labels, parents, nodes, None, None, np.ones((2, 2)), np.ones((2, 2)))
        with pytest.raises(ValueError, match=r"slopes has 1 columns, too few for the path of labels\[0\]"):
            pynn.kernels.hierarchical_softmax(
                x, np.zeros(2, np.int64), parents, nodes, None, None, np.ones((2, 1)), np.ones((2, 2))
            )
        with pytest.raises(ValueError, match="out has 3 columns, expected 4"):
            pynn.kernels.hierarchical_softmax_probabilities(x, parents, nodes, None, np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"x has shape \(0, 2\), expected at least one row"):
            pynn.kernels.hierarchical_softmax(
                x[:0], labels[:0], parents, nodes, None, None, np.ones((0, 2)), np.ones((0, 2))
            )
