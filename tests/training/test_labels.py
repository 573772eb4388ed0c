"""Labels as people have them: the model remembers them, gives them back, and says what does not fit its outputs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

PLACES = np.arange(60) % 3
LABELS = {
    "text": np.array(["cat", "dog", "eel"])[PLACES],
    "objects": np.array(["cat", "dog", "eel"], object)[PLACES],
    "bytes": np.array([b"cat", b"dog", b"eel"])[PLACES],
    "1..C": PLACES + 1,
    "negative": PLACES - 1,
    "far apart": np.array([7, 1000, 2**40])[PLACES],
    "floats": PLACES + 1.0,
    "a list": [["cat", "dog", "eel"][place] for place in PLACES],
}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[PLACES] + rng.normal(0, 0.1, (60, 3)).astype(np.float32)


def _trained(x: np.ndarray, y: Any, *layers: pynn.Layer, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(*(layers or (pynn.Affine(3),)))
    model.fit(x, y, **{"optimizer": pynn.Adam(0.1), "epochs": 40, "batch_size": 20, "progress": False, **settings})
    return model


def _reference(x: np.ndarray, **settings: Any) -> pynn.Sequential:
    return _trained(x, PLACES, **settings)


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind_train_like_0_to_c_and_come_back(
    name: str, x: np.ndarray, tmp_path: Path, backend: str
) -> None:
    y = LABELS[name]
    model, expected = _trained(x, y, validation=0.2), _reference(x, validation=0.2)
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert dict(model.history) | {"samples_per_second": 0} == dict(expected.history) | {"samples_per_second": 0}
    wanted = np.asarray(y).astype(str) if name in ("text", "objects", "bytes", "a list") else np.asarray(y)
    if name == "bytes":
        wanted = np.char.decode(y)
    model.save(tmp_path / "model.safetensors")
    for one in (model, pynn.load(tmp_path / "model.safetensors")):
        np.testing.assert_array_equal(one.predict(x), wanted)
        np.testing.assert_array_equal(one.predict_proba(x), expected.predict_proba(x))
        assert one.evaluate(x, y) == expected.evaluate(x, PLACES)
        np.testing.assert_array_equal(one.classes, np.unique(wanted))


def test_labels_of_0_to_c_stay_as_they_are(x: np.ndarray) -> None:
    model = _reference(x)
    assert model.classes is None
    assert model.predict(x).dtype == np.int64
    some = _trained(x[PLACES < 2], PLACES[PLACES < 2])  # a class that does not occur
    assert set(some.predict(x[PLACES < 2])) == {0, 1}


def test_labels_in_a_column_come_back_in_a_column(x: np.ndarray, tmp_path: Path, backend: str) -> None:
    for y in (PLACES[:, None], LABELS["text"][:, None]):
        model = _trained(x, y)
        np.testing.assert_array_equal(model.parameters, _reference(x).parameters)
        model.save(tmp_path / "model.safetensors")
        for one in (model, pynn.load(tmp_path / "model.safetensors")):
            np.testing.assert_array_equal(one.predict(x), y)
            assert one.evaluate(x, y)["accuracy"] == 1


BINARY = {
    "booleans": PLACES == 1,
    "0 and 1": (PLACES == 1).astype(int),
    "text": np.where(PLACES == 1, "yes", "no"),
    "1 and 2": np.where(PLACES == 1, 2, 1),
    "-1 and 1": np.where(PLACES == 1, 1, -1),
    "a column": (PLACES == 1)[:, None],
}


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_hinge", "softmax_cross_entropy"])
@pytest.mark.parametrize("name", BINARY)
def test_two_classes_come_back_from_one_output_or_two(
    name: str, loss: str, x: np.ndarray, tmp_path: Path, backend: str
) -> None:
    y = BINARY[name]
    units = 2 if loss == "softmax_cross_entropy" else 1
    model = _trained(x, y, pynn.Affine(8), pynn.Tanh(), pynn.Affine(units), loss=loss, epochs=60)
    model.save(tmp_path / "model.safetensors")
    for one in (model, pynn.load(tmp_path / "model.safetensors")):
        found = one.predict(x)
        assert (found.shape, found.dtype.kind) == (y.shape, y.dtype.kind)
        np.testing.assert_array_equal(found, y)
        assert one.evaluate(x, y)["accuracy"] == 1
        if loss != "binary_hinge":
            probabilities = one.predict_proba(x)
            assert probabilities.shape == (60, 2)
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
            np.testing.assert_array_equal(probabilities.argmax(axis=1), PLACES == 1)


def test_shares_and_several_answers_stay_numbers(x: np.ndarray) -> None:
    shares = np.where(PLACES == 1, 0.9, 0.2)
    model = _trained(x, shares, pynn.Affine(1), loss="binary_cross_entropy")
    assert model.classes is None
    assert set(model.predict(x)) == {0, 1}
    several = _trained(x, x > 0.5, loss="binary_cross_entropy", epochs=100)
    np.testing.assert_array_equal(several.predict(x), x > 0.5)
    assert several.predict_proba(x).shape == (60, 3)


# Weights of classes -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["text", "1..C", "floats"])
def test_class_weights_go_by_the_labels(name: str, x: np.ndarray, backend: str) -> None:
    labels, weight = np.unique(LABELS[name]), [1.0, 5.0, 0.5]
    named = dict(zip(labels.tolist(), weight, strict=True))
    model = _trained(x, LABELS[name], class_weight=named)
    expected = _reference(x, class_weight=dict(enumerate(weight)))
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert model.evaluate(x, LABELS[name], class_weight=named) == expected.evaluate(x, PLACES, class_weight=weight)
    with pytest.raises(ValueError, match=r"class_weight has the key 'bird', expected labels of "):
        _trained(x, LABELS[name], class_weight={"bird": 2})


def test_class_weights_of_one_output_that_answers_yes_or_no(x: np.ndarray, backend: str) -> None:
    rare = np.arange(60) % 6 == 0
    expected = _trained(
        x, rare, pynn.Affine(1), loss="binary_cross_entropy", sample_weight=np.where(rare, 6 / 1, 6 / 5) / 2
    )
    for y, weight in (
        (rare, "balanced"),
        (rare, {False: 0.6, True: 3.0}),
        (np.where(rare, "rare", "common"), {"rare": 3.0, "common": 0.6}),
    ):
        model = _trained(x, y, pynn.Affine(1), loss="binary_cross_entropy", class_weight=weight)
        np.testing.assert_allclose(model.parameters, expected.parameters, rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="several answers per sample have no class"):
        _trained(x, x > 0.5, loss="binary_cross_entropy", class_weight="balanced")


# What does not fit --------------------------------------------------------------------------------


def _raises(x: np.ndarray, y: Any, message: str, *layers: pynn.Layer, **settings: Any) -> None:
    model = pynn.Sequential(*layers)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(x, y, progress=False, **settings)
    assert not model.built
    assert (model.targets, model.inputs, model.optimizer) == (None, None, None)


def test_labels_that_do_not_fit_the_outputs_name_the_layer_to_change(x: np.ndarray) -> None:
    _raises(
        x, LABELS["text"], r"y has 3 classes, 'cat', 'dog', 'eel', but the model has 2 outputs.*3 units", pynn.Affine(2)
    )
    _raises(x, LABELS["text"], r"3 classes.*has 4 outputs.*partial_fit\(..., classes", pynn.Affine(4))
    _raises(x, np.arange(60), r"the model has 3 outputs, and y 60 classes; use a last layer of 60", pynn.Affine(3))
    _raises(x, LABELS["text"], r"one output, which answers yes or no: make the last layer one of 3", pynn.Affine(1),
            loss="binary_cross_entropy")  # fmt: skip
    _raises(x, PLACES, r"the model has one output.*loss='l2'.*loss='binary_cross_entropy'", pynn.Affine(1))
    _raises(x, x[:, 0], r"the model has one output.*for regression use loss='l2'", pynn.Affine(1))
    _raises(x, x[:, 0], r"for regression use loss='l2' and a last layer of one unit", pynn.Affine(3))
    _raises(x, np.where(PLACES == 1, np.nan, 1.0), r"y\[1\] is nan, expected a label", pynn.Affine(3))
    _raises(
        x, np.array(["a", None, "b"] * 20, object), r"y\[1\] is missing \(None\); drop such samples", pynn.Affine(3)
    )
    _raises(x, ["a", 1, 2] * 20, r"y has 3 classes", pynn.Affine(2))  # a list of both is text to NumPy


def test_labels_that_the_model_does_not_know_are_named(x: np.ndarray) -> None:
    model = _trained(x, LABELS["text"])
    wrong = np.where(np.arange(60) == 5, "emu", LABELS["text"])
    for call in (model.fit, model.evaluate, model.partial_fit):
        with pytest.raises(
            ValueError, match=r"y\[5\] is 'emu', which is none of the model's classes, 'cat', 'dog', 'eel'"
        ):
            call(x, wrong)
    with pytest.raises(ValueError, match=r"^validation: y\[5\] is 'emu'"):
        model.fit(x, LABELS["text"], validation=(x, wrong), progress=False)
    before = model.predict(x)
    model.fit(x[:9], LABELS["text"][:9], epochs=1, optimizer=None, progress=False)  # the classes are known
    np.testing.assert_array_equal(model.classes, ["cat", "dog", "eel"])
    assert set(before) == set(model.classes)


def test_a_new_head_and_another_kind_of_loss_begin_anew(x: np.ndarray) -> None:
    model = _trained(x, LABELS["text"])
    model.replace_head(pynn.Affine(2))
    model.fit(x, BINARY["text"], optimizer=pynn.Adam(0.1), epochs=1, progress=False)
    np.testing.assert_array_equal(model.classes, ["no", "yes"])
    model = _trained(x, LABELS["text"])
    model.fit(x, x, loss="l2", optimizer=pynn.Adam(0.1), epochs=1, progress=False)
    assert model.classes is None
    assert model.predict(x).shape == x.shape


def test_partial_fit_is_told_the_classes(x: np.ndarray, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.partial_fit(x[:2], ["cat", "dog"], classes=["cat", "dog", "eel"], optimizer=pynn.Adam(0.1))
    for _ in range(60):
        model.partial_fit(x, LABELS["text"])
    np.testing.assert_array_equal(model.classes, ["cat", "dog", "eel"])
    assert (model.predict(x) == LABELS["text"]).mean() > 0.9
    fresh = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"2 classes.*has 3 outputs.*partial_fit\(\.\.\., classes"):
        fresh.partial_fit(x[:2], ["cat", "dog"])
    assert (fresh.built, fresh.targets) == (False, None)


def test_an_interrupted_partial_fit_keeps_optimizer_and_classes(x: np.ndarray, backend: str) -> None:
    class Interrupted(pynn.Layer):
        struck = False

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if training and not self.struck:
                self.struck = True
                raise KeyboardInterrupt
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    model, optimizer = pynn.Sequential(pynn.Affine(3), Interrupted()), pynn.SGD(0.1)
    model.build(x.shape[1:])
    with pytest.raises(KeyboardInterrupt):
        model.partial_fit(x[:2], ["cat", "dog"], classes=["cat", "dog", "eel"], optimizer=optimizer)
    model.partial_fit(x[:2], ["cat", "dog"])
    assert model.optimizer is optimizer
    np.testing.assert_array_equal(model.classes, ["cat", "dog", "eel"])


def test_partial_fit_of_one_output_is_told_both_answers(x: np.ndarray, backend: str) -> None:
    y, settings = BINARY["text"], {"loss": "binary_cross_entropy"}
    model = pynn.Sequential(pynn.Affine(1))
    model.partial_fit(x[:2], ["no", "no"], classes=["no", "yes"], optimizer=pynn.Adam(0.1), **settings)
    model.partial_fit(x, y, **settings)
    np.testing.assert_array_equal(model.classes, ["no", "yes"])
    assert set(model.predict(x)) <= {"no", "yes"}
    with pytest.raises(
        ValueError, match=r"y has one class, 'no', but one output distinguishes two.*classes=\[\.\.\.\]"
    ):
        pynn.Sequential(pynn.Affine(1)).fit(x, ["no"] * 60, progress=False, **settings)


def test_batches_of_an_iterable_have_labels_of_0_to_c_or_known_ones(x: np.ndarray) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(TypeError, match="batch 0: y has dtype <U3, expected integer class labels"):
        model.fit([(x, LABELS["text"])], epochs=1, progress=False)
    model = _trained(x, LABELS["text"])
    model.fit([(x, LABELS["text"])], epochs=1, progress=False)
    assert model.evaluate([(x, LABELS["text"])])["accuracy"] == 1


def test_trees_and_other_losses_of_labels_know_names_too(x: np.ndarray, tmp_path: Path, backend: str) -> None:
    tree = _trained(x, LABELS["text"], pynn.HierarchicalSoftmax(3))
    hinge = _trained(x, LABELS["text"], loss="hinge")
    for number, model in enumerate((tree, hinge)):
        np.testing.assert_array_equal(model.predict(x), LABELS["text"])
        model.save(tmp_path / f"{number}.safetensors")
        np.testing.assert_array_equal(pynn.load(tmp_path / f"{number}.safetensors").predict(x), LABELS["text"])


def test_ensembles_answer_by_the_labels(x: np.ndarray, tmp_path: Path, backend: str) -> None:
    def build(seed: int) -> pynn.Sequential:
        return pynn.Sequential(pynn.Affine(3), seed=seed)

    settings: dict[str, Any] = {"optimizer": pynn.Adam(0.1), "epochs": 30, "progress": False}
    ensemble = pynn.Ensemble.fit(build, 2, x, LABELS["text"], **settings)
    ensemble.save(tmp_path / "e.safetensors")
    for one in (ensemble, pynn.Ensemble.load(tmp_path / "e.safetensors")):
        np.testing.assert_array_equal(one.predict(x), LABELS["text"])
        assert one.evaluate(x, LABELS["text"], class_weight={"cat": 3})["accuracy"] == 1
    other = _trained(x, np.array(["ant", "bee", "fly"])[PLACES])
    with pytest.raises(ValueError, match=r"has the classes \['ant', 'bee', 'fly'\], but member 0 \['cat'"):
        pynn.Ensemble([ensemble[0], other])
    answers = pynn.Ensemble([_trained(x, BINARY["text"], pynn.Affine(1), loss="binary_cross_entropy")])
    assert answers.predict_proba(x).shape == (60, 2)
    np.testing.assert_allclose(answers.predict_proba(x), answers[0].predict_proba(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("classes", "message"),
    [(["a"], "there are 1 classes for outputs of shape"), (["a", "a", "b"], "expected a list of labels that differ")],
)
def test_a_file_with_other_classes_than_outputs_is_refused(
    classes: list[str], message: str, x: np.ndarray, tmp_path: Path
) -> None:
    model = _trained(x, LABELS["text"])
    assert model.targets is not None
    model.targets = dataclasses.replace(model.targets, classes=np.array(classes))
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        pynn.load(tmp_path / "model.safetensors")


def test_a_run_is_not_resumed_with_labels_of_other_names(tmp_path: Path, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    for names, resume in ((["a", "b", "c"], False), (["d", "e", "f"], True)):
        model = pynn.Sequential(pynn.Affine(3))
        settings = {"epochs": 1 + resume, "progress": False, "checkpoint": tmp_path / "run", "resume": resume}
        if not resume:
            model.fit(x, np.array(names)[y], **settings)
            continue
        with pytest.raises(ValueError, match="cannot be resumed: the names of the classes differs"):
            model.fit(x, np.array(names)[y], **settings)
