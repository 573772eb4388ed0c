"""RealMLP: its layers by form, parameter counts, gradients, files, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn
from pynn import models


def test_the_full_form_embeds_numbers_and_categories() -> None:
    model = models.realmlp(3, numbers=2, one_hot=4, sizes=[12, 20])
    assert model.build((8,)) == (3,)
    width = 2 * 4 + 4 + 2 * 8
    embedded = 2 * (16 + 16 + 16 * 3 + 3) + 32 * 8
    assert model.parameter_count == embedded + width + (width + 1) * 256 + 2 * 257 * 256 + 3 * 256 + 257 * 3
    kinds = [layer.kind for layer in model.layers]
    assert kinds == ["Parallel", "Scale", *["Affine", "PSELU", "Dropout"] * 3, "Affine"]


def test_the_simplified_form_is_a_scale_and_affine_layers() -> None:
    model = models.realmlp(1, form="simplified", activation="mish", hidden=(16, 8))
    assert model.build((5,)) == (1,)
    assert model.parameter_count == 5 + 6 * 16 + 17 * 8 + 9
    assert [layer.kind for layer in model.layers] == ["Scale", "Affine", "Mish", "Affine", "Mish", "Affine"]
    np.testing.assert_array_equal(model.forward(np.ones((3, 5), np.float32)), 0)  # the last layer starts at 0


def test_factors_of_the_learning_rate_are_those_of_the_paper() -> None:
    model = models.realmlp(2, numbers=3)
    model.build((3,))
    factors = {layer.kind: layer.learning_rate_factor for layer in model.walk() if layer is not model}
    assert factors["Scale"] == 6
    assert factors["PSELU"] == factors["PeriodicEmbedding"] == 0.1
    assert dict(factors["Affine"]) == {"bias": 0.1}


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({}, 3),
        ({"numbers": 3}, 3),
        ({"numbers": 0, "one_hot": 3}, 3),
        ({"numbers": 1, "one_hot": 2}, 3),
        ({"numbers": 0, "sizes": [4, 5]}, 2),
        ({"numbers": 1, "one_hot": 2, "sizes": [4]}, 4),
        ({"form": "simplified"}, 3),
    ],
)
def test_gradients_and_files(settings: dict[str, Any], columns: int, tmp_path: Path, backend: str) -> None:
    model = models.realmlp(2, hidden=(5, 4), activation="mish", dropout=0.0, dtype="float64", seed=1, **settings)
    model.build((columns,))
    rng = np.random.default_rng(0)
    for array in model.tensors().values():
        array[...] += rng.standard_normal(array.shape) * 0.3
    sizes = settings.get("sizes", [])
    codes = [rng.integers(-1, size, 6) for size in sizes]
    x = np.column_stack([rng.standard_normal((6, columns - len(sizes))), *codes])
    if not sizes:  # codes have no gradient; that of their vectors is checked with the layer
        gradients.check(model, Projection(), x)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").forward(x), model.forward(x))


@pytest.mark.parametrize(
    "settings", [{"numbers": 3}, {"numbers": 1, "sizes": [4, 3]}, {"numbers": 0, "sizes": [4, 3, 2]}]
)
@pytest.mark.parametrize("way", ["data_dependent", "lsuv"])
def test_first_weights_leave_embeddings_as_they_are(way: str, settings: dict[str, Any], backend: str) -> None:
    rng = np.random.default_rng(0)
    sizes = settings.get("sizes", [])
    x = np.column_stack([rng.standard_normal((90, 3 - len(sizes))), *(rng.integers(0, size, 90) for size in sizes)])
    model = models.realmlp(2, hidden=(5, 4), **settings)
    model.build((3,))
    before = {name: array.copy() for name, array in model.tensors().items()}
    bias: Any = {"bias": "simplex"} if way == "data_dependent" else {}
    found = getattr(pynn, way)(model, x, **bias)
    assert list(found) == ["affine1", "affine2", "affine3"]
    for name, array in model.tensors().items():
        if "embedding" in name:
            np.testing.assert_array_equal(array, before[name])
        elif name.endswith("weight"):
            assert not np.array_equal(array, before[name])
    embeddings = [layer.name for layer in model.walk() if "Embedding" in layer.kind]
    assert list(getattr(pynn, way)(model, x, leave=embeddings, **bias)) == list(found)


def test_dropout_takes_a_schedule(tmp_path: Path) -> None:
    model = models.realmlp(2, hidden=(8,), dropout=pynn.FlatCosine(0.15, 10))
    x, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40) % 2
    model.fit(x, y, epochs=2, batch_size=10, progress=False)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors").layers[-2]
    assert isinstance(loaded, pynn.Dropout)
    assert isinstance(loaded.rate, pynn.FlatCosine)
    assert (loaded.rate.rate, loaded.rate.epochs) == (0.15, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "tiny"}, "form is 'tiny', expected 'full' or 'simplified'"),
        ({"activation": "relu"}, "activation is 'relu', expected 'selu' or 'mish'"),
        ({"form": "simplified", "numbers": 2, "sizes": [3]}, "the simplified form takes no codes"),
        ({"sizes": [3]}, "sizes needs numbers"),
        ({"one_hot": 3}, "one_hot needs numbers, the count of the columns of numbers, which come first"),
        ({"one_hot": 3, "form": "simplified"}, "one_hot needs numbers"),
        ({"numbers": 0}, "numbers is 0, and there are no other columns; pass one_hot or sizes too"),
        ({"numbers": -1}, "numbers is -1, expected an integer of at least 0"),
        ({"numbers": 2, "one_hot": -1}, "one_hot is -1, expected an integer of at least 0"),
        ({"form": "simplified", "dropout": 0.3}, r"dropout is 0\.3, but the simplified form has none"),
        ({"form": "simplified", "dropout": pynn.FlatCosine(0.15, 9)}, r"dropout is FlatCosine\(.*simplified form has"),
        ({"hidden": (8, 0)}, r"hidden\[1\]"),
        ({"outputs": 0}, "outputs"),
        ({"units": 0}, "units"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.realmlp(**{"outputs": 2, **settings})
