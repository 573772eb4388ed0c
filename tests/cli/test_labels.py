"""`pynn predict` shows the labels that a model was trained with."""

from __future__ import annotations

import numpy as np
import pytest

import pynn

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def picture():
    pytest.importorskip("PIL.Image").new("L", (8, 8)).save("p.png")


def trained(y, units, **settings):
    x = np.random.default_rng(0).random((60, 8, 8, 1)).astype(np.float32)
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(units))
    model.fit(x, y, epochs=1, progress=False, **settings)
    model.save("m.safetensors")
    return model


@pytest.mark.parametrize("labels", [(3, 7, 9), ("cat", "dog", "owl"), (2.0, 5.0, 7.0), (False, True), (0, 1, 2)])
def test_predict_shows_the_labels(run, picture, labels):
    y = np.array(labels)[np.arange(60) % len(labels)]
    model = trained(y, len(labels))
    black = np.zeros((1, 8, 8, 1), np.uint8)
    row = model.predict_proba(black)[0]
    classes = [int(one) if isinstance(one, float) else one for one in labels]
    expected = ", ".join(f"{classes[place]} {row[place]:.4f}" for place in np.argsort(-row))
    assert run("predict", "m.safetensors", "p.png")[:2] == (0, [f"p.png: {model.predict(black)[0]}  ({expected})"])


@pytest.mark.parametrize("labels", [(False, True), (0, 1), ("no", "yes"), (4, 6)])
def test_predict_with_one_output_shows_both_answers(run, picture, labels):
    y = np.array(labels)[np.arange(60) % 2]
    model = trained(y, 1, loss="binary_cross_entropy")
    black = np.zeros((1, 8, 8, 1), np.uint8)
    row = model.predict_proba(black)[0]
    first, second = np.argsort(-row)
    expected = f"{labels[first]} {row[first]:.4f}, {labels[second]} {row[second]:.4f}"
    assert run("predict", "m.safetensors", "p.png")[:2] == (0, [f"p.png: {labels[first]}  ({expected})"])
    model.notes["classes"] = ["off", "on"]
    model.save("m.safetensors")
    assert run("predict", "m.safetensors", "p.png")[1][0].startswith(f"p.png: {('off', 'on')[first]}  (")


def test_predict_of_numbers_and_evaluate_of_other_labels_say_what_is_wrong(fails, picture):
    trained(np.linspace(0, 1, 60), 1, loss="l2")
    assert "has no probabilities" in fails("predict", "m.safetensors", "p.png")
    trained(np.arange(60) % 10 + 20, 10)
    assert "is none of the model's classes, 20, 21" in fails("evaluate", "m.safetensors", "digits")
    trained(np.arange(60) % 2 == 0, 1, loss="binary_cross_entropy")
    assert "distinguishes 1 classes, but digits has 10" in fails("evaluate", "m.safetensors", "digits")
