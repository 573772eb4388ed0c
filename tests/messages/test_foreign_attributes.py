"""Attributes and methods of other libraries: reading or setting them says what one does here."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.messages import foreign
from pynn.messages.attributes import ANSWERS, answer

MODEL, OPTIMIZER = pynn.Sequential(pynn.Affine(3), pynn.Dropout(0.5), pynn.Affine(2)), pynn.Adam(1e-3)
THINGS = {
    "Sequential": MODEL, "Layer": MODEL.layers[0], "Optimizer": OPTIMIZER, "Loss": pynn.SoftmaxCrossEntropy(),
    "Schedule": pynn.StepDecay(0.1, 1), "SGD": pynn.SGD(0.1),
}  # fmt: skip


@pytest.mark.parametrize(
    ("thing", "name", "value", "message"),
    [
        (
            MODEL.layers[0],
            "trainable",
            False,
            r"'Affine' object has no attribute 'trainable'; layer\.freeze\(\) and layer\.unfreeze\(\)",
        ),
        (MODEL, "trainable", False, r"'Sequential' object has no attribute 'trainable'; layer\.freeze\(\)"),
        (
            MODEL.layers[1],
            "requires_grad",
            False,
            r"'Dropout' object has no attribute 'requires_grad'; layer\.freeze\(\)",
        ),
        (
            OPTIMIZER,
            "lr",
            0.1,
            r"'Adam' object has no attribute 'lr'; it is called learning_rate, and may be set at any time",
        ),
    ],
)
def test_setting_what_would_do_nothing_is_refused(thing: Any, name: str, value: Any, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        setattr(thing, name, value)
    with pytest.raises(AttributeError, match=message):
        getattr(thing, name)
    assert not hasattr(thing, name)


def test_methods_of_other_libraries_have_another_place_here() -> None:
    for section, answers in ANSWERS.items():
        for name in answers:
            with pytest.raises(AttributeError, match=name) as found:
                getattr(THINGS[section], name)
            assert answers[name] in str(found.value)
    with pytest.raises(
        AttributeError, match=r"^'Sequential' object has no attribute 'compile'; fit takes them: model\.fit"
    ):
        MODEL.compile(optimizer="adam")


def test_other_names_are_missing_as_in_any_object() -> None:
    for thing in THINGS.values():
        with pytest.raises(AttributeError, match=r"^'\w+' object has no attribute 'nonsense'$"):
            _ = thing.nonsense
        assert getattr(thing, "nonsense", 5) == 5
        assert not hasattr(thing, "_nonsense")
        assert repr(copy.deepcopy(thing)) == repr(pickle.loads(pickle.dumps(thing))) == repr(thing)


def test_own_classes_may_have_such_attributes() -> None:
    class Own(pynn.Layer):
        def __init__(self, kernel: int) -> None:
            self.kernel, self.trainable = kernel, True

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x

    class Descent(pynn.Optimizer):
        def __init__(self, lr: float) -> None:
            super().__init__(lr)
            self.lr = lr

    layer, optimizer = Own(3), Descent(0.5)
    layer.trainable = False
    assert (layer.kernel, layer.trainable, optimizer.lr) == (3, False, 0.5)
    assert pickle.loads(pickle.dumps(pynn.SGD(0.5))).learning_rate == 0.5


def test_the_table_and_the_classes_agree() -> None:
    for section, answers in ANSWERS.items():
        kind = getattr(pynn, section)
        found = {name for name, one in vars(kind).items() if isinstance(one, foreign.Foreign)}
        assert found == set(answers)


def test_other_names_have_no_answer() -> None:
    assert answer(pynn.Affine, "nothing_of_the_kind") == ""
    assert answer(pynn.Affine, "trainable").startswith("; ")
