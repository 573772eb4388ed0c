"""The four cases of transfer learning: what is said, and what `apply` makes of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn
from pynn.transfer import advise


def lenet() -> pynn.Sequential:
    model = pynn.models.lenet5(5)
    model.build((28, 28, 1))
    return model


def frozen(model: pynn.Sequential) -> list[str]:
    return [layer.name for layer in model.walk() if layer.declared and layer.frozen]


def factors(model: pynn.Sequential) -> list[float]:
    return [layer.learning_rate_factor for layer in model.layers if layer.declared]


@pytest.mark.parametrize(
    ("samples", "similar", "words"),
    [
        (
            100,
            True,
            ["little data (20 samples a class, much means at least 500)", "similar to", "linear classifier", "top"],
        ),
        (
            2500,
            True,
            ["much data (500 samples a class", "similar to", "Fine-tune all layers, with a low rate before", "tenth"],
        ),
        (2499, False, ["little data (499.8 samples", "different from", "linear classifier", "earlier in the network"]),
        (9999, False, ["much data", "different from", "Fine-tune all layers at the same rate", "from scratch"]),
    ],
)
def test_each_case_says_what_to_do_and_why(samples: int, similar: bool, words: list[str]) -> None:
    advice = advise(samples, similar=similar, classes=5)
    for word in [*words, "because", "learning rate", advice.what, advice.why, advice.learning_rate]:
        assert word in str(advice)
    assert advice.much is (samples >= 2500)


def test_the_threshold_is_an_argument() -> None:
    assert not advise(4999, True).much
    assert advise(5000, True).much
    assert advise(100, True, classes=5, enough=20).much
    assert "much means at least 20" in str(advise(100, True, classes=5, enough=20))


def test_little_and_similar_freezes_all_before_the_head() -> None:
    model = lenet()
    model.layers[-1].freeze()
    model.learning_rate_factor = 3
    assert advise(100, True, classes=5).apply(model) is model
    assert frozen(model) == ["conv2d1", "conv2d2", "affine1", "affine2"]
    assert factors(model) == [1, 1, 1, 1, 1]
    advise(100, True, classes=5).apply(model, after="flatten1")
    assert frozen(model) == ["conv2d1", "conv2d2"]


def test_much_and_similar_trains_the_trunk_slowly() -> None:
    model = lenet().freeze()
    advise(10_000, True, classes=5).apply(model)
    assert frozen(model) == []
    assert factors(model) == [0.1, 0.1, 0.1, 0.1, 1]
    assert factors(advise(10_000, True, classes=5).apply(model, after=6)) == [0.1, 0.1, 1, 1, 1]


def test_much_and_different_trains_all_alike() -> None:
    model = lenet().freeze()
    model.learning_rate_factor = 0.1
    advise(10_000, False, classes=5).apply(model)
    assert frozen(model) == []
    assert factors(model) == [1, 1, 1, 1, 1]


def test_little_and_different_puts_the_head_on_an_earlier_layer() -> None:
    model = lenet()
    trunk = {name: array.copy() for name, array in model.tensors().items()}
    advise(100, False, classes=5).apply(model)
    kinds = ["Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Affine"]
    assert [layer.kind for layer in model.layers] == kinds
    assert frozen(model) == ["conv2d1", "conv2d2"]
    assert model.layer("affine1").weight.shape == (400, 5)
    for name in ("conv2d1.weight", "conv2d2.bias"):
        np.testing.assert_array_equal(model.tensors()[name], trunk[name])


@pytest.mark.parametrize(("after", "flat"), [("maxpool2d1", 14 * 14 * 6), (0, 28 * 28 * 6), ("affine1", 120), (-2, 84)])
def test_the_layer_before_the_head_can_be_named(after: Any, flat: int) -> None:
    model = advise(100, False, classes=5).apply(lenet(), after=after)
    assert model.layers[-1].weight.shape == (flat, 5)
    assert frozen(model)[-1:] != [model.layers[-1].name]
    assert not model.layers[-1].frozen
    assert all(layer.frozen for layer in model.layers[:-1] if layer.declared)


def test_a_network_that_averages_its_images_does_so_further_down() -> None:
    model = pynn.models.resnet20(5)
    model.build((32, 32, 3))
    advise(100, False, classes=5).apply(model)
    assert [layer.kind for layer in model.layers[-2:]] == ["GlobalAvgPool2d", "Affine"]
    assert model.layers[-1].weight.shape == (32, 5)
    assert sum(layer.kind == "Residual" for layer in model.layers) == 4


def test_a_head_of_any_kind_is_made_anew(points: tuple[np.ndarray, np.ndarray]) -> None:
    model = pynn.Sequential(
        pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(6), pynn.ReLU(),
        pynn.HierarchicalSoftmax(3, counts=[3, 2, 1]).named("tree"),
    )  # fmt: skip
    model.fit(*points, epochs=1, progress=False)
    old = model.layers[-1]
    advise(30, False, classes=3).apply(model)
    new = model.layers[-1]
    assert new is not old
    assert (new.name, new.counts, new.nodes.shape) == ("tree", [3, 2, 1], (2, 8))
    assert model.loss is new.loss
    model.fit(*points, epochs=1, progress=False)
    assert frozen(model) == ["affine1", "batchnorm1"]


def test_a_trunk_of_one_layer_is_not_cut(points: tuple[np.ndarray, np.ndarray]) -> None:
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    model.build((4,))
    advise(30, False, classes=3).apply(model)
    assert [layer.kind for layer in model.layers] == ["Affine", "ReLU", "Affine"]
    assert frozen(model) == ["affine1"]


def test_other_settings_are_refused() -> None:
    for wrong in ({"n_samples": 0}, {"n_samples": 1.5}, {"classes": 0}, {"enough": "many"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            advise(**{"n_samples": 10, "similar": True, **wrong})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="similar is 'yes'"):
        advise(10, "yes")  # type: ignore[arg-type]
    advice = advise(10, True)
    with pytest.raises(RuntimeError, match="not built"):
        advice.apply(pynn.models.lenet5())
    linear = pynn.Sequential(pynn.Affine(3))
    linear.build((4,))
    with pytest.raises(ValueError, match="there are no layers before the head"):
        advice.apply(linear)
    with pytest.raises(ValueError, match="there is no layer 'top'"):
        advice.apply(lenet(), after="top")
    for similar in (False, True):
        with pytest.raises(ValueError, match="after names a layer of the head, expected one before affine3"):
            advise(10, similar).apply(lenet(), after=-1)
