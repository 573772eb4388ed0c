"""The confusion matrix and the report of each class against scikit-learn, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn.metrics import classification_report, confusion_matrix


@pytest.fixture
def sklearn() -> Any:
    return pytest.importorskip("sklearn.metrics")


def pairs(rng: np.random.Generator, classes: int = 4, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    true = rng.integers(0, classes, count)
    return true, np.where(rng.random(count) < 0.6, true, rng.integers(0, classes, count))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["numbers", "text", "one", "booleans", "floats", "gap"])
def test_the_confusion_matrix_follows_scikit_learn(
    kind: str, weighted: bool, rng: np.random.Generator, sklearn: Any
) -> None:
    true, said = pairs(rng)
    if kind == "text":
        names = np.array(["cat", "dog", "ant", "bee"])
        true, said = names[true], names[said]
    elif kind == "one":
        true, said = true + 1, said + 1
    elif kind == "booleans":
        true, said = true > 1, said > 1
    elif kind == "floats":
        true, said = true.astype(float), said.astype(float)
    elif kind == "gap":
        true, said = np.where(true == 1, 7, true), np.where(said == 1, -3, said)
    weights = rng.uniform(0, 2, len(true)) if weighted else None
    found = confusion_matrix(true, said, sample_weight=weights)
    expected = sklearn.confusion_matrix(true, said, sample_weight=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.dtype == (np.float64 if weighted else np.int64)
    report = classification_report(true, said, sample_weight=weights)
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        true, said, sample_weight=weights, zero_division=0
    )
    for value, other in (
        (report.precision, precision), (report.recall, recall), (report.f1, f1), (report.support, support),
    ):  # fmt: skip
        np.testing.assert_allclose(value, other, rtol=1e-12)
    assert report.accuracy == pytest.approx(sklearn.accuracy_score(true, said, sample_weight=weights))
    assert list(report.classes) == sorted(set(true.tolist()) | set(said.tolist()))
    np.testing.assert_array_equal(report.confusion, found)


def test_the_report_agrees_with_the_metrics_of_a_model(backend: str, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(5))  # two classes never occur
    model.fit(x, y, epochs=20, progress=False)
    report = classification_report(y, model.predict(x), 5)
    measured = model.evaluate(x, y, metrics=["accuracy", "precision", "recall", "f1"])
    assert report.accuracy == pytest.approx(measured["accuracy"])
    for name, value in report.macro.items():
        assert value == pytest.approx(measured[name])
    assert report.support.tolist() == [10, 10, 10, 0, 0]
    assert report.confusion.shape == (5, 5)


def test_classes_order_and_name_the_rows() -> None:
    true, said = np.array([0, 0, 2]), np.array([0, 2, 2])
    assert confusion_matrix(true, said).tolist() == [[1, 1], [0, 1]]
    assert confusion_matrix(true, said, 3).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert confusion_matrix(true, said, [2, 0]).tolist() == [[1, 0], [1, 1]]
    assert confusion_matrix(true, said, ("a", "b", "c")).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert confusion_matrix(["x", "y"], ["y", "y"], ["y", "x"]).tolist() == [[1, 0], [1, 0]]
    assert classification_report(true, said, ("a", "b", "c")).classes == ("a", "b", "c")
    assert confusion_matrix([], []).shape == (0, 0)
    assert classification_report([], [], 2).accuracy == 0


def test_the_report_as_a_table() -> None:
    report = classification_report([0, 0, 1, 1], [0, 1, 1, 1], ("cat", "dog"))
    assert str(report).splitlines() == [
        "          precision  recall      f1  support",
        "cat          1.0000  0.5000  0.6667        2",
        "dog          0.6667  1.0000  0.8000        2",
        "mean         0.8333  0.7500  0.7333        4",
        "accuracy     0.7500",
    ]
    assert "2.5" in str(classification_report([0, 1], [0, 1], sample_weight=[1, 2.5]))


@pytest.mark.parametrize(
    ("true", "said", "classes", "says"),
    [
        ([0, 1], [0], None, "y_true has 2 labels but y_pred has 1"),
        ([[0], [1]], [0, 1], None, r"y_true has shape \(2, 1\), expected labels \(N,\); a column .* by \.ravel\(\)"),
        ([0, 1], [[0, 1], [1, 0]], None, r"y_pred has shape \(2, 2\).*for attributes \(N, K\) pass a single column"),
        ([0, 1], [0.2, 0.9], None, "y_pred holds numbers that are not labels, such as 0.2"),
        ([0, 1], [0, np.nan], None, "y_pred holds numbers that are not labels, such as nan"),
        ([0, 3], [0, 1], 3, r"y_true\[1\] is .*3.*, which is not among the classes 0, 1, 2"),
        ([0, 1], [0, -1], 3, r"y_pred\[1\] is .*-1"),
        ([0, 2], [0, 0], [0, 1], r"y_true\[1\] is .*2"),
        ([0, 1], [0, 1], 0, "classes is 0, expected an integer of at least 1"),
        ([0, 1], [0, 1], [0, 0, 1], "expected labels that differ"),
        (["a"], ["b"], 2, r"y_true\[0\] is .*'a'.*not among the classes 0, 1"),
    ],
)
def test_arguments_that_do_not_match_are_refused(true: Any, said: Any, classes: Any, says: str) -> None:
    for function in (confusion_matrix, classification_report):
        with pytest.raises(ValueError, match=says):
            function(true, said, classes)


def test_masked_labels_and_wrong_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="y_pred is masked"):
        confusion_matrix([0, 1], np.ma.array([0, 1], mask=[True, False]))
    with pytest.raises(ValueError, match=r"sample_weight\[0\] is -1"):
        confusion_matrix([0, 1], [0, 1], sample_weight=[-1, 1])
