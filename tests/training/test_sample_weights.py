"""Sample weights and class weights: what they are worth, where they go, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.training import sample_weights as weights

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3), **settings)


def fitted(x: Any, y: Any = None, model: pynn.Sequential | None = None, **settings: Any) -> pynn.Sequential:
    model = network(dtype="float64") if model is None else model
    defaults = {"optimizer": pynn.Adam(0.05), "epochs": 5, "progress": False}
    if y is not None:
        defaults["batch_size"] = len(x)
    model.fit(x, y, **{**defaults, **settings})
    return model


class SquareOf(pynn.Loss):
    """An own loss that takes weights."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray, weights: Any = None) -> float:
        self.weights = np.ones(len(outputs)) if weights is None else weights
        self.difference = outputs - targets
        return float((self.weights * (self.difference**2).sum(axis=1)).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return 2 * self.weights[:, None] * self.difference / len(self.difference)


# What weights are worth ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "own"])
def test_a_weight_of_k_is_worth_a_sample_that_stands_k_times(loss: str, points: Points) -> None:
    x, y = points
    times = np.arange(30) % 4
    twice = np.repeat(np.arange(30), times)
    targets = y if loss != "own" else np.eye(3)[y]
    make: Any = SquareOf if loss == "own" else lambda: loss
    one = fitted(x, targets, loss=make(), sample_weight=times, epochs=20, penalty=pynn.L2(0.01))
    other = fitted(x[twice], targets[twice], loss=make(), epochs=20, penalty=pynn.L2(0.01))
    np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-9, atol=1e-12)
    weighted = one.evaluate(x, targets, sample_weight=times)
    expected = one.evaluate(x[twice], targets[twice])
    assert weighted == pytest.approx(expected, rel=1e-12)
    assert (loss == "own") == ("accuracy" not in weighted)


def test_training_reports_the_weighted_means_too(points: Points) -> None:
    x, y = points
    times = np.arange(30) % 4
    twice = np.repeat(np.arange(30), times)
    model = fitted(x, y)
    for batch_size in (7, 30):
        history = model.fit(
            x, y, sample_weight=times, optimizer=pynn.SGD(0), epochs=1, batch_size=batch_size, progress=False,
            validation=(x, y, times),
        )  # fmt: skip
        expected = model.evaluate(x[twice], y[twice])
        assert history["accuracy"][0] == pytest.approx(expected["accuracy"], rel=1e-12)
        assert history["val_accuracy"][0] == pytest.approx(expected["accuracy"], rel=1e-12)
        assert history["val_loss"][0] == pytest.approx(expected["loss"], rel=1e-12)
        assert history["loss"][0] == pytest.approx(expected["loss"], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_of_one_give_the_bits_of_no_weights_and_only_proportions_count(dtype: str, points: Points) -> None:
    plain = fitted(*points, network(dtype=dtype), batch_size=8)
    for given in (np.ones(30), np.ones(30, np.float32) * 4, [True] * 30, np.full(30, 2**-80), {0: 8, 1: 8, 2: 8}):
        name = "class_weight" if isinstance(given, dict) else "sample_weight"
        weighted = fitted(*points, network(dtype=dtype), batch_size=8, **{name: given})
        np.testing.assert_array_equal(weighted.parameters, plain.parameters)
        assert weighted.evaluate(*points, **{name: given}) == plain.evaluate(*points)


def test_enormous_weights_do_not_overflow(points: Points) -> None:
    times = np.arange(30) % 2 + 1.0
    one = fitted(*points, network(), sample_weight=times * 8e307, class_weight=[1e308, 1e308, 1e308])
    np.testing.assert_allclose(one.parameters, fitted(*points, network(), sample_weight=times).parameters, rtol=1e-5)


def test_samples_of_weight_zero_do_not_count(points: Points) -> None:
    x, y = points
    one = fitted(x, y, sample_weight=np.arange(30) >= 10)
    np.testing.assert_allclose(one.parameters, fitted(x[10:], y[10:]).parameters, rtol=1e-10, atol=1e-13)


def test_batches_of_weight_zero_alone_change_nothing_but_count(points: Points) -> None:
    model = fitted(*points)
    before = model.parameters.copy()
    history = model.fit([(*points, np.zeros(30))], epochs=1, optimizer=pynn.SGD(1.0), progress=False)
    np.testing.assert_array_equal(model.parameters, before)
    assert (history["loss"][0], history["accuracy"][0]) == (0, 0)


# Class weights ------------------------------------------------------------------------------------


UNEVEN = np.repeat([0, 1, 2], [20, 7, 3])
CLASS_WEIGHTS: dict[str, tuple[Any, np.ndarray]] = {
    "dict": ({0: 0.5, 2: 4}, np.array([0.5, 1, 4])),
    "dict of NumPy's integers": ({np.int64(0): np.float32(0.5), np.uint8(1): 1, 2: 4}, np.array([0.5, 1, 4])),
    "array": (np.array([0.5, 1, 4]), np.array([0.5, 1, 4])),
    "list": ([0.5, 1, 4], np.array([0.5, 1, 4])),
    "balanced": ("balanced", 30 / (3 * np.array([20, 7, 3]))),
    "zero": ({1: 0}, np.array([1, 0, 1])),
}


@pytest.mark.parametrize("case", CLASS_WEIGHTS)
def test_class_weights_are_sample_weights_by_label_and_are_multiplied_with_them(case: str, points: Points) -> None:
    given, by_label = CLASS_WEIGHTS[case]
    x, own = points[0], np.arange(30) % 5
    for sample_weight in (None, own):
        product = by_label[UNEVEN] * (1 if sample_weight is None else sample_weight)
        one = fitted(x, UNEVEN, class_weight=given, sample_weight=sample_weight)
        other = fitted(x, UNEVEN, sample_weight=product)
        np.testing.assert_allclose(one.parameters, other.parameters, rtol=1e-9, atol=1e-12)
        measured = one.evaluate(x, UNEVEN, class_weight=given, sample_weight=sample_weight)
        assert measured == pytest.approx(one.evaluate(x, UNEVEN, sample_weight=product), rel=1e-12)


def test_evaluation_with_class_weights_follows_torchs_weighted_cross_entropy(points: Points, torch: Any) -> None:
    x, given = points[0].astype(np.float64), np.array([0.5, 1, 4])
    model = fitted(x, UNEVEN)
    logits = torch.tensor(model.forward(x).copy())
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(UNEVEN), torch.tensor(given))
    assert model.evaluate(x, UNEVEN, class_weight=given)["loss"] == pytest.approx(expected.item(), rel=1e-12)


def test_balanced_classes_have_the_mean_of_the_classes_as_accuracy(points: Points) -> None:
    model = fitted(points[0], UNEVEN)
    right = model.predict(points[0]) == UNEVEN
    expected = np.mean([right[label == UNEVEN].mean() for label in range(3)])
    assert model.evaluate(points[0], UNEVEN, class_weight="balanced")["accuracy"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("given", ["balanced", {0: 1, 1: 3, 2: 9}, [1, 3, 9]])
def test_a_class_that_does_not_occur_takes_no_part(given: Any, points: Points) -> None:
    x, y = points[0], np.repeat([0, 1], [24, 6])
    found = weights.combined(pynn.SoftmaxCrossEntropy(), y, (3,), None, given)
    assert found is not None
    ratio = 4 if given == "balanced" else 3
    np.testing.assert_allclose(found, np.where(y == 0, 1, ratio) * 30 / (24 + 6 * ratio), rtol=1e-12)
    assert np.isfinite(fitted(x, y, class_weight=given).parameters).all()


def test_class_weights_do_not_touch_the_validation(points: Points) -> None:
    model = network()
    history = model.fit(*points, validation=points, class_weight=[1, 0, 5], epochs=1, batch_size=10, progress=False)
    assert history["val_loss"][0] == model.evaluate(*points)["loss"]


# Where weights go ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_carry_weights_along(seed: int | None, points: Points) -> None:
    x, y = points
    triples = list(pynn.batches(x, y, 8, seed, weights=np.arange(30)))
    assert all(len(batch) == 3 and batch[2].dtype == np.float32 for batch in triples)
    pairs = list(pynn.batches(x, y, 8, seed))
    rows = pynn.random.order(30, seed, 0)
    np.testing.assert_array_equal(np.concatenate([batch[2] for batch in triples]), rows)
    for one, other in zip(triples, pairs, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_iterables_of_weighted_batches_and_own_loops_train_to_the_same_bits(points: Points) -> None:
    """Weights with a mean of 1: then fit leaves them as they are."""
    x, y = points
    given = np.where(np.arange(30) % 3 == 0, 2.0, 0.5)
    expected = fitted(x, y, network(), sample_weight=given, batch_size=8, seed=0)
    batches = [list(pynn.batches(x, y, 8, 0, epoch, weights=given)) for epoch in range(5)]
    by_iterable, by_loop = network(), network()
    optimizer = pynn.Adam(0.05)
    for number, epoch in enumerate(batches):
        by_iterable.fit(epoch, optimizer=optimizer if number == 0 else None, epochs=1, progress=False)
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(0.05)
    for x_batch, y_batch, w_batch in (batch for epoch in batches for batch in epoch):
        loss.forward(by_loop.forward(x_batch, training=True), y_batch, w_batch)
        by_loop.backward(loss.backward())
        optimizer.step(by_loop)
    np.testing.assert_array_equal(by_iterable.parameters, expected.parameters)
    np.testing.assert_array_equal(by_loop.parameters, expected.parameters)
    stepped = network()
    optimizer = pynn.Adam(0.05)
    for epoch in batches:
        for x_batch, y_batch, w_batch in epoch:
            stepped.train_step(x_batch, y_batch, loss, optimizer, weights=w_batch)
    np.testing.assert_array_equal(stepped.parameters, expected.parameters)


def test_weights_in_any_form_are_read_by_a_loss(points: Points) -> None:
    scores = points[0][:, :3].astype(np.float32)
    loss = pynn.SoftmaxCrossEntropy()
    expected = loss.forward(scores, points[1], np.arange(30, dtype=np.float32))
    for form in (list(range(30)), np.arange(30.0), np.repeat(np.arange(30, dtype=np.float32), 2)[::2]):
        assert loss.forward(scores, points[1], form) == expected


@pytest.mark.usefixtures("native")
def test_both_backends_and_all_thread_counts_agree(points: Points) -> None:
    given = np.arange(30) % 4
    ends = []
    for backend, threads in (("numpy", 1), ("native", 1), ("native", 2)):
        pynn.use_backend(backend)
        pynn.set_num_threads(threads)
        ends.append(fitted(*points, sample_weight=given, class_weight="balanced").parameters.copy())
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(ends[1], ends[2])


# What is refused ----------------------------------------------------------------------------------


class Unweighable(pynn.Loss):
    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        return float((self.difference**2).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return 2 * self.difference / len(self.difference)


NEGATIVE, GAP = np.ones(30), np.ones(30)
NEGATIVE[3], GAP[4] = -1, np.nan
WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "too few": ({"sample_weight": np.ones(29)}, ValueError, r"sample_weight has shape \(29,\), expected \(30,\), one"),
    "a column": ({"sample_weight": np.ones((30, 1))}, ValueError, r"sample_weight has shape \(30, 1\).*ravel"),
    "one number": ({"sample_weight": 2.0}, ValueError, r"sample_weight has shape \(\), expected \(30,\)"),
    "negative": ({"sample_weight": NEGATIVE}, ValueError, r"sample_weight\[3\] is -1\.0, expected finite numbers of"),
    "NaN": ({"sample_weight": GAP}, ValueError, r"sample_weight\[4\] is nan, expected finite"),
    "infinite": ({"sample_weight": GAP + np.inf}, ValueError, r"sample_weight\[0\] is inf"),
    "all zero": ({"sample_weight": np.zeros(30)}, ValueError, r"sample_weight is 0 for all 30 samples, expected at"),
    "text": ({"sample_weight": ["1"] * 30}, TypeError, r"sample_weight has dtype <U1, expected numbers"),
    "class text": ({"class_weight": "even"}, ValueError, r"class_weight is 'even', expected 'balanced', a dict"),
    "class array": ({"class_weight": [1, 2]}, ValueError, r"class_weight has shape \(2,\), expected \(3,\), one for"),
    "class number": ({"class_weight": 2}, ValueError, r"class_weight has shape \(\), expected \(3,\)"),
    "class negative": ({"class_weight": [1, 2, -1]}, ValueError, r"class_weight\[2\] is -1\.0"),
    "unknown label": ({"class_weight": {0: 1, 3: 2}}, ValueError, r"class_weight has the key 3, expected labels of 0"),
    "label by name": ({"class_weight": {"cat": 1}}, ValueError, r"class_weight has the key 'cat', expected labels"),
    "label True": ({"class_weight": {True: 1}}, ValueError, r"class_weight has the key True, expected labels"),
    "label NaN": ({"class_weight": {1: float("nan")}}, ValueError, r"class_weight\[1\] is nan, expected a finite"),
    "label text": ({"class_weight": {1: "2"}}, ValueError, r"class_weight\[1\] is '2', expected a finite number"),
    "classes all zero": ({"class_weight": [0, 0, 0]}, ValueError, r"class_weight is 0 for all 30 samples"),
    "product zero": (
        {"class_weight": [0, 1, 1], "sample_weight": np.arange(30) % 3 == 0},
        ValueError, r"sample_weight · class_weight is 0 for all 30",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("call", ["fit", "evaluate"])
def test_invalid_weights_are_refused_and_change_nothing(case: str, call: str, points: Points) -> None:
    settings, error, message = WRONG[case]
    model = network()
    if call == "evaluate":
        model.build((4,))
    with pytest.raises(error, match="^" + message):
        getattr(model, call)(*points, **settings)
    assert model.built == (call == "evaluate")
    assert model.context.step == 0


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        (lambda x, y: (x, y, NEGATIVE), ValueError, r"^validation weights\[3\] is -1"),
        (lambda x, y: (x, y, np.zeros(30)), ValueError, r"^validation weights is 0 for all 30 samples"),
        (lambda x, y: (x, y, np.ones(3)), ValueError, r"^validation weights has shape \(3,\), expected \(30,\)"),
        (lambda x, y: (x,), TypeError, r"^validation is tuple, expected a pair \(x, y\) or a triple"),
    ],
)
def test_wrong_weights_of_the_validation_are_refused(
    validation: Callable[[Any, Any], Any], error: type[Exception], message: str, points: Points
) -> None:
    model = network()
    with pytest.raises(error, match=message):
        model.fit(*points, validation=validation(*points), progress=False)
    assert not model.built


@pytest.mark.parametrize("given", [NEGATIVE, GAP, np.ones(3)])
def test_wrong_weights_of_a_batch_are_refused_with_its_place(given: Any, points: Points) -> None:
    with pytest.raises(ValueError, match="batch 1 weights"):
        network().fit([(*points, np.ones(30)), (*points, given)], epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"batch 0 weights go up to 1e\+200, too large for float32"):
        network().fit([(*points, np.full(30, 1e200))], epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"^weights"):
        next(pynn.batches(*points, 8, weights=given))


@pytest.mark.parametrize("name", ["sample_weight", "class_weight"])
def test_weights_beside_an_iterable_are_refused(name: str, points: Points) -> None:
    with pytest.raises(TypeError, match=r"need arrays x and y; an iterable yields \(x, y, weights\) batches"):
        network().fit([points], **{name: np.ones(3)}, progress=False)


def test_an_own_loss_without_weights_says_so_when_they_are_asked_for(points: Points) -> None:
    x, y = points[0], np.eye(3)[points[1]]
    message = r"Unweighable\.forward takes no weights; give it a third parameter, weights=None"
    model = network()
    with pytest.raises(TypeError, match=message):
        model.fit(x, y, loss=Unweighable(), sample_weight=np.ones(30), progress=False)
    with pytest.raises(TypeError, match=message):
        model.fit([(x, y, np.ones(30))], loss=Unweighable(), epochs=1, progress=False)
    with pytest.raises(TypeError, match=message):
        model.fit(x, y, validation=(x, y, np.ones(30)), loss=Unweighable(), progress=False)
    model.fit(x, y, loss=Unweighable(), epochs=1, progress=False)
    with pytest.raises(TypeError, match=message):
        model.evaluate(x, y, sample_weight=np.ones(30))


def test_class_weights_without_classes_are_refused(points: Points) -> None:
    with pytest.raises(TypeError, match=r"class_weight needs a loss of class labels, which SquareOf is not; pass sam"):
        network().fit(points[0], np.eye(3)[points[1]], loss=SquareOf(), class_weight="balanced", progress=False)


def test_a_count_of_hits_cannot_be_weighted_but_an_array_of_them_can(points: Points) -> None:
    class Counting(SquareOf):
        def correct(self, outputs: np.ndarray, targets: np.ndarray) -> int:
            return int((outputs.argmax(axis=1) == targets.argmax(axis=1)).sum())

    class Telling(SquareOf):
        def correct(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
            return outputs.argmax(axis=1) == targets.argmax(axis=1)

    x, y, given = points[0], np.eye(3)[points[1]], np.arange(30)
    found = {}
    for kind in (Counting, Telling):
        model = fitted(x, y, loss=kind())
        found[kind] = [model.evaluate(x, y).get("accuracy"), model.evaluate(x, y, sample_weight=given).get("accuracy")]
    right = model.predict(x).argmax(axis=1) == points[1]
    assert found[Counting] == [right.mean(), None]
    assert found[Telling] == pytest.approx([right.mean(), given[right].sum() / given.sum()], rel=1e-12)
